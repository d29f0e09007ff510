# SPDX-License-Identifier: Apache-2.0
"""A model card as a machine-learning bill of materials: CycloneDX 1.7, JSON (ECMA-424, https://cyclonedx.org).

Made of a model card's document alone. What is missing there is left out here; each part names the entries of the log
that it rests on (`colonnade:entry`), and the checkpoint stands in the metadata. Packages of the interpreter are not
listed: the log has one digest over all of them.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from colonnade.core.version import __version__

PREFIX = "colonnade:"
Known = Mapping[str, Mapping[str, Any]]
"""Statement id -> statement, of those that are there."""


def ml_bom(card: Mapping[str, Any]) -> dict[str, Any]:
    """The bill of the model that a model card is of."""
    known = {one["id"]: one for one in card["statements"] if one["kind"] != "missing"}
    point = card["checkpoint"]
    model = {
        "type": "machine-learning-model", "bom-ref": "model", "name": card["about"]["model"],
        **_some(version=_value(known, "1.version"), description=_value(known, "2.purpose")),
        "modelCard": _card(known), "properties": _entries(known, ("1.version", "1.generation", "1.python")),
        **_some(components=_files(known, "1.size", "model-file")),
    }  # fmt: skip
    if _value(known, "1.python"):
        model["properties"].append({"name": f"{PREFIX}python", "value": _value(known, "1.python")})
    parts = [*_dataset(known), *_code(known)]
    seed = f"{point['origin']} {point['size']} {point['root']} {card['about']['model']}"
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.7.schema.json", "bomFormat": "CycloneDX", "specVersion": "1.7",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, seed)}", "version": 1,
        "metadata": {
            "timestamp": card["made_at"],
            "tools": {"components": [{"type": "application", "name": "colonnade", "version": __version__}]},
            "component": model,
            "properties": [{"name": f"{PREFIX}checkpoint", "value": point["note"]}],
        },
        "components": parts,
        "dependencies": [
            {"ref": "model", "dependsOn": [part["bom-ref"] for part in parts]},
            *({"ref": part["bom-ref"]} for part in parts),
        ],
    }  # fmt: skip


def _card(known: Known) -> dict[str, Any]:
    considerations = _some(
        useCases=[text] if (text := _value(known, "2.purpose")) else None,
        technicalLimitations=[text] if (text := _value(known, "8.limitations")) else None,
    )
    parameters = _value(known, "1.parameters") or {}
    datasets = [{"ref": "dataset"}] if "6.digest" in known else []
    return {
        "modelParameters": {"approach": {"type": "supervised"}, "datasets": datasets},
        "quantitativeAnalysis": {"performanceMetrics": [*_metrics(known), *_slices(known)]},
        **_some(considerations=considerations),
        "properties": [
            {"name": f"{PREFIX}parameter:{name}", "value": str(value)} for name, value in sorted(parameters.items())
        ],
    }  # fmt: skip


def _metrics(known: Known) -> Iterable[dict[str, Any]]:
    for ident, one in known.items():
        if ident.startswith("4.metric-"):
            yield {"type": ident.removeprefix("4.metric-"), "value": str(one["value"]), "slice": "rows held out"}


def _slices(known: Known) -> Iterable[dict[str, Any]]:
    for ident, one in known.items():
        if ident.startswith("3.group-") and isinstance(one["value"], dict):
            metric, _, who = one["title"].partition(": ")
            value = one["value"]
            ends = {"lowerBound": str(value["low"]), "upperBound": str(value["high"])}
            yield {"type": metric, "value": str(value["value"]), "slice": who, "confidenceInterval": ends}


def _dataset(known: Known) -> list[dict[str, Any]]:
    if "6.digest" not in known:
        return []
    told = {"rows": "6.rows", "trained-on": "6.train", "held-out": "6.test", "columns": "6.columns"}
    numbers = [
        {"name": f"{PREFIX}{name}", "value": str(known[ident]["value"])}
        for name, ident in told.items()
        if ident in known
    ]
    return [{
        "type": "data", "bom-ref": "dataset", "name": "training data", "version": _value(known, "6.digest"),
        "data": [{"type": "dataset", "name": "training data"}],
        **_some(components=_files(known, "6.provenance", "dataset-file")),
        "properties": [*numbers, *_entries(known, ("6.digest", "6.rows", "6.train"))],
    }]  # fmt: skip


def _code(known: Known) -> list[dict[str, Any]]:
    return [
        {
            "type": "application", "bom-ref": f"code-{step}", "name": f"code of {step}",
            "version": _value(known, f"1.code-{step}"),
            **_some(components=_files(known, f"1.files-{step}", f"code-{step}-file")),
            "properties": _entries(known, (f"1.code-{step}",)),
        }
        for step in ("train", "evaluate") if f"1.code-{step}" in known
    ]  # fmt: skip


def _files(known: Known, ident: str, ref: str) -> list[dict[str, Any]]:
    return [
        {
            "type": "file", "bom-ref": f"{ref}-{place}", "name": path,
            "hashes": [{"alg": "SHA-256", "content": content}],
            "properties": [{"name": f"{PREFIX}bytes", "value": str(size)}],
        }
        for place, (path, content, size) in enumerate(_value(known, ident) or ())
    ]  # fmt: skip


def _entries(known: Known, idents: Iterable[str]) -> list[dict[str, str]]:
    """The entries that statements rest on, each once."""
    found = dict.fromkeys(
        each["entry"] for ident in idents if ident in known for each in known[ident]["evidence"]
    )  # fmt: skip
    return [{"name": f"{PREFIX}entry", "value": entry} for entry in found]


def _value(known: Known, ident: str) -> Any:
    return known[ident]["value"] if ident in known else None


def _some(**values: Any) -> dict[str, Any]:
    """Without what is empty."""
    return {name: value for name, value in values.items() if value}
