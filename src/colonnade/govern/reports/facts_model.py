# SPDX-License-Identifier: Apache-2.0
"""Statements about a model: its versions, how it was made, how good it is, what let it go live. Each function adds to
the section that is open.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from colonnade.govern.reports.making import Maker
from colonnade.govern.reports.subject import Live, Named

NOT_COMMITTED = (
    "The entry does not commit to it: it was written by a release before this one. The next candidate's does."
)
NO_FINDINGS = (
    "Nothing was compared in its verdict: no gates are declared, or it is the model of before with other serving code, "
    "whose own verdict tells."
)
SHOWN_CHANGES = 50


def versions(make: Maker, named: Named) -> None:
    """Which version is live, and what was live before it."""
    about: dict[str, Any] = {"kind": "model.promoted", "subject": named.model}
    make.measure(
        "version", "Version that is live: the digest over all that it is made of", "last", "refs.model", **about
    )
    make.measure("generation", "How often the live version changed", "last", "n.generation", **about)
    make.measure("since", "Live since", "last", "at_ms", unit="at_ms", **about)
    make.measure("first", "First version went live", "first", "at_ms", unit="at_ms", **about)
    make.measure("versions", "Different versions that were ever live", "distinct", "refs.model", **about)


def software(make: Maker, live: Live) -> None:
    """Code and interpreter of the live version."""
    way = ("ref", "model")
    make.opened("python", "Digest of the interpreter with every package in it", live.promoted, way, ["about", "python"])
    for step in ("train", "evaluate"):
        title = f"Digest of the code that {'trained' if step == 'train' else 'evaluated'} it"
        make.opened(f"code-{step}", title, live.promoted, way, ["about", "code", step])
        title = f"Files of that code: path, SHA-256, bytes ({step})"
        make.opened(f"files-{step}", title, live.promoted, way, ["about", "code", step], ["files"], unit="files")


def development(make: Maker, live: Live) -> None:
    """Steps performed, tries, causes."""
    make.measure("pipelines", "Pipelines begun for this model", "count", kind="run.started", subject="@pipelines")
    make.measure(
        "pipelines-done",
        "of them, over",
        "count",
        kind="run.finished",
        subject="@pipelines",
        is_={"outcome": "succeeded"},
    )
    make.measure(
        "pipelines-failed",
        "of them, failed",
        "count",
        kind="run.finished",
        subject="@pipelines",
        is_={"outcome": "failed"},
    )
    make.measure("causes", "Why they began", "tally", "is.cause", kind="pipeline.caused", subject="@pipelines")
    for step, word in (
        ("train", "Trainings"),
        ("evaluate", "Evaluations"),
        ("compare", "Comparisons with what was live"),
    ):
        make.measure(
            step,
            f"{word} carried out",
            "count",
            kind="step.finished",
            subject="@runs",
            is_={"step": step, "outcome": "succeeded"},
        )
    make.measure(
        "tries-failed",
        "Tries of a step that failed",
        "count",
        kind="step.finished",
        subject="@runs",
        is_={"outcome": "failed"},
    )
    train = live.steps.get("train")
    if train is not None:
        make.measure(
            "training-ms",
            "Training of the live version took",
            "last",
            "n.ms",
            unit="ms",
            kind="step.finished",
            subject=train.fields["subject"],
            is_={"step": "train"},
        )


def design(make: Maker, named: Named, live: Live) -> None:
    """What it was told, how large it is."""
    way = ("ref", "model")
    make.opened("parameters", "Parameters that it was trained with", live.promoted, way, ["about", "parameters"])
    make.opened("size", "Files of the model: path, SHA-256, bytes", live.promoted, way, ["files"], unit="files")
    make.declared("label", "Column that is predicted", "models", named.name, "label")
    make.declared("gates", "What a candidate must reach before it goes live", "models", named.name, "gates")


def resources(make: Maker) -> None:
    """What its steps used."""
    make.measure("leases", "Leases for its steps", "count", kind="lease.granted", refs={"for": "@runs"})
    make.measure(
        "held", "Time that they were held", "sum", "n.held_ms", unit="ms", kind="lease.ended", subject="@leases"
    )
    make.measure("gpu", "Device time", "sum", "n.gpu_ms", unit="ms", kind="lease.ended", subject="@leases")
    make.measure(
        "lost",
        "Leases that ended otherwise than well",
        "count",
        kind="lease.ended",
        subject="@leases",
        is_={"outcome": ["failed", "lost", "cancelled", "moved", "refused"]},
    )
    make.measure("gpus", "Devices of the last lease", "last", "n.gpus", kind="lease.granted", refs={"for": "@runs"})
    make.measure(
        "isolation", "Isolation of the last lease", "last", "is.isolation", kind="lease.granted", refs={"for": "@runs"}
    )


def metrics(make: Maker, live: Live) -> None:
    """Every metric of the live version on rows held out from its training."""
    found = make.way(live.promoted, ("ref", "model"), ["about", "metrics"]) if live.promoted is not None else None
    if found is None or not found[1]:
        make.missing("metrics", "Metrics of the live version", "Nothing is live, or its manifest is not kept here.")
        return
    for name in sorted(found[1]):
        make.opened(
            f"metric-{name}",
            f"{name}, on the rows held out",
            live.promoted,
            ("ref", "model"),
            ["about", "metrics", name],
            how="Opened from the manifest of the version, whose digest the entry has.",
        )


def validation(make: Maker, named: Named, live: Live) -> None:
    """Verdicts, and the live version's in particular."""
    about: dict[str, Any] = {"kind": "candidate.judged", "refs": {"on": named.model}}
    make.measure("judged", "Candidates judged", "count", **about)
    make.measure("allowed", "of them, allowed to go live", "count", **about, is_={"verdict": "allow"})
    make.measure("denied", "of them, refused", "count", **about, is_={"verdict": "deny"})
    make.measure("gates-judged", "Gates that candidates were held against, in all", "sum", "n.gates", **about)
    make.measure("gates-failed", "of them, not kept", "sum", "n.failed", **about)
    for key, title in (
        ("difference", "Difference from what was live, on the same rows: the last candidate compared so"),
        ("low", "lower end of its interval"),
        ("high", "upper end of its interval"),
    ):
        make.measure(
            f"last-{key}",
            title,
            "last",
            f"n.{key}_millionths",
            unit="millionths",
            kind="candidate.judged",
            refs={"on": named.model},
            subject=_compared(make, named),
        )
    make.opened(
        "report",
        "Digest of the test report of the live version",
        live.steps.get("evaluate"),
        ("mac", "content"),
        [],
        fill=NOT_COMMITTED,
    )
    make.opened(
        "report-files",
        "Its files: path, SHA-256, bytes",
        live.steps.get("evaluate"),
        ("mac", "content"),
        [],
        ["files"],
        unit="files",
        fill=NOT_COMMITTED,
    )


def findings(make: Maker, live: Live) -> None:
    """What each gate found of the version that is live."""
    found = make.way(live.judged, ("mac", "findings"), []) if live.judged is not None else None
    if found is None:
        make.missing("gates-found", "What each gate found of the live version", NOT_COMMITTED)
        return
    if not found[1]:
        make.missing("gates-found", "What each gate found of the live version", NO_FINDINGS)
    for place, one in enumerate(found[1]):
        where = f" {one['where']}" if one.get("where") else ""
        title = f"Gate on {one['metric']}{where}: {'kept' if one['passed'] else 'not kept'}"
        make.opened(f"gate-{place}", title, live.judged, ("mac", "findings"), [place, "reason"])


def groups(make: Maker, live: Live) -> None:
    """How good it is for each group of the declared slices, with 95 % intervals."""
    found = make.way(live.judged, ("mac", "slices"), []) if live.judged is not None else None
    if found is None:
        make.missing("groups", "How good it is for each group", NOT_COMMITTED)
        return
    if not found[1]:
        make.missing("groups", "How good it is for each group", NO_FINDINGS)
    elif not any(line["slice"] for line in found[1]):
        make.missing(
            "groups", "How good it is for each group", "Declare `slices:` of the model, and a metric for each row."
        )
    for name in sorted({name for line in found[1] for name in line["metrics"]}):
        for place, line in enumerate(found[1]):
            if name in line["metrics"]:
                title, path = f"{name}: {_who(line)}", [place, "metrics", name]
                make.opened(f"group-{place}-{name}", title, live.judged, ("mac", "slices"), path)
    for place, line in enumerate(found[1]):
        if not line["metrics"]:
            title = f"{_who(line)}: too few rows to say"
            make.opened(f"group-{place}", title, live.judged, ("mac", "slices"), [place, "rows"], unit="rows")


def _who(line: Mapping[str, Any]) -> str:
    """Whom a slice is of."""
    who = ", ".join(f"{column} {group}" for column, group in line["slice"].items()) or "all rows"
    return f"{who}, {'rows held out' if line['part'] == 'held_out' else 'newest of them'}"


def changes(make: Maker, named: Named) -> None:
    """Every time that another version went live, and what else was changed."""
    promoted = make.select(kind="model.promoted", subject=named.model)
    for entry in promoted[-SHOWN_CHANGES:]:
        generation = entry.fields["n"]["generation"]
        word = "went live" if entry.fields["is"]["cause"] == "promoted" else "was brought back"
        make.of_entry(
            f"change-{generation}",
            f"Generation {generation}: version {entry_version(entry.fields)} {word}",
            entry,
            "at_ms",
            unit="at_ms",
        )
    if len(promoted) > SHOWN_CHANGES:
        make.measure("changes", "Changes in all", "count", kind="model.promoted", subject=named.model)
    make.measure(
        "rolled-back",
        "Versions brought back (roll back)",
        "count",
        kind="model.promoted",
        subject=named.model,
        is_={"cause": "rolled_back"},
    )
    make.measure(
        "kept", "Versions tried on requests that did not go live", "count", kind="model.kept", subject=named.model
    )
    make.measure("declared", "Declarations applied", "count", kind="declaration.applied")
    make.measure("declared-changes", "Changes in them", "sum", "n.changes", kind="declaration.applied")
    make.measure("declared-last", "Last one applied", "last", "at_ms", unit="at_ms", kind="declaration.applied")


def entry_version(fields: object) -> str:
    """The start of the digest of the version that an entry is about."""
    refs = fields["refs"] if isinstance(fields, dict) else ()
    return next((str(ref)[7:19] for role, ref in refs if role == "model"), "")


def _compared(make: Maker, named: Named) -> str | None:
    """The last decision that has a difference."""
    found = make.select(kind="candidate.judged", refs={"on": named.model})
    return next((e.fields["subject"] for e in reversed(found) if "difference_millionths" in e.fields["n"]), None)
