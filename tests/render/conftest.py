# SPDX-License-Identifier: Apache-2.0
"""Judges of what is rendered: Kubernetes' own schemas, strict, and those of JobSet and Kueue beside the clone.

A schema of a CustomResourceDefinition prunes what it does not know; here that is an error, as for `kubectl
--validate=strict`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml
from referencing import Registry, Resource

ROOT = Path(__file__).resolve().parents[2]
CRDS = ROOT.parent / "shared/data/k8s-crds"
KUBERNETES = kubernetes_validate.latest_version()
"""The newest that the package carries; `resource.k8s.io/v1` is there since 1.34."""
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Judge = Callable[[Iterable[Mapping[str, Any]]], None]


@cache
def builtin(kind: str, api: str) -> Any:
    """What kubernetes-validate asks with `strict=True`, made once: it reads 5 MB for each object."""
    folder = files("kubernetes_validate") / "kubernetes-json-schema" / f"v{KUBERNETES}-local-strict"
    name = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", api)
    schema = json.loads((folder / f"{kind.lower()}-{name}.json").read_text("utf-8"))
    definitions = Resource.from_contents(json.loads((folder / "_definitions.json").read_text("utf-8")))
    registry: Registry[Any] = definitions @ (Resource.from_contents(schema) @ Registry())
    return jsonschema.Draft202012Validator(schema, registry=registry)


def closed(schema: Any) -> Any:
    """An OpenAPI v3 schema of a CRD as JSON Schema, in which fields that are not named are errors."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: closed(value) if key != "properties" else value for key, value in schema.items()}
    if "properties" in schema:
        made["properties"] = {key: closed(value) for key, value in schema["properties"].items()}
        if not schema.get("x-kubernetes-preserve-unknown-fields") and "additionalProperties" not in schema:
            made["additionalProperties"] = False
    if schema.get("nullable") and "type" in schema:
        made["type"] = [schema["type"], "null"]
    return made


@cache
def custom(kind: str, api: str) -> Any:
    """The validator of a kind whose definition lies beside the clone."""
    group, _, version = api.partition("/")
    (path,) = (p for p in CRDS.glob(f"{group}_*.yaml") if f"\n    kind: {kind}\n" in p.read_text("utf-8")[:4000])
    definition = yaml.load(path.read_text("utf-8"), Loader=LOADER)
    (found,) = (one for one in definition["spec"]["versions"] if one["name"] == version)
    assert found["served"]
    return jsonschema.Draft202012Validator(closed(found["schema"]["openAPIV3Schema"]))


def faults(one: Mapping[str, Any]) -> list[str]:
    """What the schema of its kind has against an object."""
    api = str(one["apiVersion"])
    validator = custom(one["kind"], api) if "x-k8s.io" in api else builtin(one["kind"], api)
    where = f"{one['kind']}/{one['metadata']['name']}"
    return [f"{where} {'.'.join(map(str, e.absolute_path))}: {e.message}" for e in validator.iter_errors(one)]


@pytest.fixture(scope="session")
def judge() -> Judge:
    """Fails with everything that is wrong with the objects."""
    if not CRDS.is_dir():
        pytest.skip("needs the definitions of Kueue and JobSet beside the clone (../shared/data/k8s-crds)")

    def judged(objects: Iterable[Mapping[str, Any]]) -> None:
        assert [fault for one in objects for fault in faults(one)] == []

    return judged
