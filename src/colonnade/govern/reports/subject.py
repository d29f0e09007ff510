# SPDX-License-Identifier: Apache-2.0
"""What a report is about: a model with its services, its runs and the entries that the others hang on. Sets only; no
statement is made here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from colonnade.govern.reports.log import Entry, Log
from colonnade.govern.reports.making import Maker


@dataclass(frozen=True, slots=True)
class Named:
    """A model of the declaration: id and name, its services (name -> id), the runs of its steps, the use case that
    lists it ("" for none). `bases`: the project's knowledge bases (name -> id).
    """

    model: str
    name: str
    services: Mapping[str, str]
    runs: Sequence[str]
    use_case: str = ""
    bases: Mapping[str, str] = field(default_factory=dict)


def sets_of(log: Log, named: Named) -> dict[str, list[str]]:
    """Ids that rules speak of: what belongs to the model."""

    def subjects(kind: str, refs: Mapping[str, Any], sets: Mapping[str, Sequence[str]]) -> list[str]:
        found = log.select({"kind": kind, "refs": refs}, sets)
        return list(dict.fromkeys(entry.fields["subject"] for entry in found))

    sets: dict[str, list[str]] = {"runs": list(named.runs), "services": list(named.services.values())}
    sets["pipelines"] = subjects("run.started", {"on": named.model}, sets)
    sets["datasets"] = subjects("dataset.snapshotted", {"by": "@runs"}, sets)
    sets["leases"] = subjects("lease.granted", {"for": "@runs"}, sets)
    sets["alarms"] = subjects("alarm.raised", {"on": "@services"}, sets)
    return sets


@dataclass(frozen=True, slots=True)
class Live:
    """The entries about the version that is live: that it went live, its verdict, its steps; None where there is none.

    Attributes:
        version: its digest; "" where nothing is live.
        steps: step -> the entry of its end.
        dataset: the entry of the data that it was made of.
    """

    version: str
    promoted: Entry | None
    judged: Entry | None
    steps: Mapping[str, Entry]
    dataset: Entry | None


@dataclass(frozen=True, slots=True)
class Case:
    """What a report is written with."""

    make: Maker
    named: Named
    live: Live


def live_of(log: Log, named: Named, sets: Mapping[str, Sequence[str]]) -> Live:
    """Walks back from the version that is live: package, evaluate, train, split, snapshot, data."""
    promotions = log.select({"kind": "model.promoted", "subject": named.model}, sets)
    if not promotions:
        return Live("", None, None, {}, None)
    version = _ref(promotions[-1], "model")
    judged = log.select({"kind": "candidate.judged", "refs": {"on": named.model, "model": version}}, sets)
    allowed = [entry for entry in judged if entry.fields["is"]["verdict"] == "allow"]
    ended = log.select({"kind": "step.finished", "subject": "@runs", "is": {"outcome": "succeeded"}}, sets)
    by_run = {entry.fields["subject"]: entry for entry in ended}
    packaged = [one for one in ended if one.fields["is"]["step"] == "package" and _ref(one, "model") == version]
    steps: dict[str, Entry] = {}
    here = packaged[-1] if packaged else None
    while here is not None and here.fields["is"]["step"] not in steps:
        steps[here.fields["is"]["step"]] = here
        here = by_run.get(_ref(here, "follows"))
    given = _ref(steps["snapshot"], "given") if "snapshot" in steps else ""
    data = log.select({"kind": "dataset.snapshotted", "subject": given}, sets) if given else []
    return Live(version, promotions[-1], allowed[-1] if allowed else None, steps, data[-1] if data else None)


def _ref(entry: Entry, role: str) -> str:
    return next((str(ref) for one, ref in entry.fields.get("refs", ()) if one == role), "")
