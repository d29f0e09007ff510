# SPDX-License-Identifier: Apache-2.0
"""What a report is made of: sections, and statements that are measured, declared or missing. Plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from colonnade.core.quantities import rfc3339

MEASURED, DECLARED, MISSING = "measured", "declared", "missing"
KINDS = (MEASURED, DECLARED, MISSING)


@dataclass(frozen=True, slots=True)
class Section:
    """A point of a report. `level` 1 for points, 2 for their letters; `law`: where it is asked for."""

    point: str
    title: str
    level: int = 1
    law: str = ""


@dataclass(frozen=True, slots=True)
class Statement:
    """One thing that a report says.

    Attributes:
        point: of the section; id: unique in the report.
        kind: measured, declared, missing.
        value, unit: what is said; None for what is missing. Units: ms, at_ms, millionths, bytes, rows, ... or "".
        evidence: entries with their proofs, as `Log.evidence` gives them; `evidence_of`: how many entries there are,
            where not all of them are listed.
        rule: how the value follows from the entries (`rules`), or from what was opened of them.
        opened: the way from an entry through opened values to this one.
        how: in words: for what is missing, what would fill it.
        by, by_name, at_ms: who declared it, and when.
    """

    id: str
    point: str
    title: str
    kind: str
    how: str
    value: Any = None
    unit: str = ""
    evidence: Sequence[Mapping[str, Any]] = ()
    evidence_of: int = 0
    rule: Mapping[str, Any] | None = None
    opened: Mapping[str, Any] | None = None
    by: str = ""
    by_name: str = ""
    at_ms: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Without what is empty, but always with `value` and `evidence`."""
        told = {name: getattr(self, name) for name in self.__dataclass_fields__}
        kept = {name: value for name, value in told.items() if value not in (None, "", ())}
        return {**kept, "value": self.value, "evidence": list(self.evidence), "evidence_of": self.evidence_of}


@dataclass(frozen=True)
class Report:
    """A report, before it is written as JSON, HTML or Markdown.

    Attributes:
        kind: annex-iv, model-card, data-sheet, art-12.
        about: what it is of: project, model, services, ...
        checkpoint: origin, size, root, note: under which every proof stands.
        openings: id -> what was opened, with what proves it.
        sets: name -> ids that rules speak of.
    """

    kind: str
    title: str
    about: Mapping[str, Any]
    made_ms: int
    checkpoint: Mapping[str, Any]
    sections: Sequence[Section]
    statements: Sequence[Statement]
    openings: Mapping[str, Mapping[str, Any]]
    sets: Mapping[str, Sequence[str]]
    notes: Sequence[str] = field(default_factory=tuple)

    def counts(self) -> dict[str, int]:
        """How many statements are of which kind."""
        return {kind: sum(one.kind == kind for one in self.statements) for kind in KINDS}

    def to_json(self) -> dict[str, Any]:
        """`colonnade.report/1`, without its seal."""
        return {
            "schema": "colonnade.report/1", "report": self.kind, "title": self.title, "about": dict(self.about),
            "made_at": rfc3339(self.made_ms), "checkpoint": dict(self.checkpoint), "counts": self.counts(),
            "sections": [
                {"point": one.point, "title": one.title, "level": one.level, "law": one.law} for one in self.sections
            ],
            "statements": [one.to_json() for one in self.statements], "openings": dict(self.openings),
            "sets": {name: list(ids) for name, ids in self.sets.items()}, "notes": list(self.notes),
        }  # fmt: skip


def shown(value: Any, unit: str) -> str:
    """A value for people.

    >>> shown(-3500, "millionths"), shown(2300, "ms"), shown(12345, "rows")
    ('-0.003500', '2.3 s', '12 345 rows')
    """
    if unit == "files" and isinstance(value, list):
        return "\n".join(f"{path}  {size} bytes  {content}" for path, content, size in value)
    if isinstance(value, dict) and {"value", "low", "high"} <= value.keys():
        return f"{shown(value['value'], '')} [{shown(value['low'], '')}, {shown(value['high'], '')}]"
    if isinstance(value, list):
        return "; ".join(shown(one, unit) for one in value) or "none"
    if isinstance(value, dict):
        return "; ".join(f"{name}: {shown(one, '')}" for name, one in value.items() if one not in (None, [], {}))
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    if isinstance(value, int):
        if unit == "millionths":
            return f"{value / 1e6:.6f}"
        if unit == "at_ms":
            return rfc3339(value)
        if unit == "ms":
            return f"{value} ms" if value < 1000 else f"{value / 1000:.1f} s"
        return f"{value:,}".replace(",", " ") + (f" {unit}" if unit else "")
    if isinstance(value, float):
        return f"{value:g}" + (f" {unit}" if unit else "")
    return str(value)
