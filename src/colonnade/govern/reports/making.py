# SPDX-License-Identifier: Apache-2.0
"""Puts statements together: takes a value from entries by a rule, or opens it, and proves it; else it is missing.

Which statements a report has is the business of `facts_*` and of the report's own file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from colonnade.govern.reports.log import Entry, Log
from colonnade.govern.reports.openings import Openings, Path, follow
from colonnade.govern.reports.rules import taken
from colonnade.govern.reports.statements import DECLARED, MEASURED, MISSING, Section, Statement

LISTED = 100
"""So many entries are listed with a statement, each with its proof; of more, the first and the last, and whoever has
the exported log counts again.
"""
WHOLE = "All such entries up to the checkpoint; that there are no others shows the exported log (`--log`)."
IN_FORCE = "The declaration in force, with our defaults where it says nothing: %s"
OF_CONTENT = "Opened from what the entry commits to."


class Maker:
    """The statements of one report, in order. `names`: what ids are called, for those who declared."""

    def __init__(
        self, log: Log, openings: Openings, sets: Mapping[str, Sequence[str]], names: Mapping[str, str]
    ) -> None:  # fmt: skip
        self.log, self.openings, self.sets, self.names = log, openings, sets, names
        self.sections: list[Section] = []
        self.statements: list[Statement] = []
        self._point = ""
        declared = log.select({"kind": "declaration.applied"}, sets)
        self._applied = declared[-1] if declared else None
        self._declaration = openings.field(self._applied, "declaration") if self._applied else None

    def section(self, point: str, title: str, level: int = 1, law: str = "") -> None:
        """What follows stands under this point."""
        self.sections.append(Section(point, title, level, law))
        self._point = point

    @property
    def declaration(self) -> Mapping[str, Any]:
        """The declaration in force, where an entry commits to it; else {}."""
        return self._declaration[1] if self._declaration is not None else {}

    def select(self, **where: Any) -> Sequence[Entry]:
        """The entries that a rule would count."""
        return self.log.select(_where(where), self.sets)

    def measure(
        self, name: str, title: str, take: str, of: str = "", *, unit: str = "", how: str = "", **where: Any
    ) -> Any:  # fmt: skip
        """A value that follows from entries. Counts of nothing are said; a first or last of nothing is missing."""
        wanted = _where(where)
        rule = {"where": wanted, "take": take, "of": of}
        entries = self.log.select(wanted, self.sets)
        used = [entries[-1 if take == "last" else 0]] if take in {"first", "last"} and entries else entries
        value = taken([entry.fields for entry in used], take, of)
        if value is None:
            self.missing(name, title, f"No entry {where['kind']} tells it yet.")
            return None
        listed = used if len(used) <= LISTED else (used[0], used[-1])
        evidence = [self.log.evidence(entry) for entry in listed or [self.log.last()]]
        said = how or (WHOLE if take not in {"first", "last"} else "")
        self._add(
            name, title, MEASURED, said, value=value, unit=unit, evidence=evidence, evidence_of=len(used), rule=rule
        )
        return value

    def opened(
        self, name: str, title: str, entry: Entry | None, anchor: tuple[str, str], *paths: Path, unit: str = "",
        how: str = OF_CONTENT, fill: str = "",
    ) -> Any:  # fmt: skip
        """A value behind what an entry commits to. `anchor`: ("mac", field) or ("ref", role); `paths`: one in each
        opened thing, the last to the value.
        """
        found = self.way(entry, anchor, *paths) if entry is not None else None
        if entry is None or found is None or found[1] is None:
            self.missing(
                name, title, fill or "The entry does not commit to it, or what it commits to is not kept here."
            )
            return None
        way, value = found
        opened = {"anchor": list(anchor), "way": way}
        evidence = [self.log.evidence(entry)]
        self._add(name, title, MEASURED, how, value=value, unit=unit, evidence=evidence, evidence_of=1, opened=opened)
        return value

    def of_entry(self, name: str, title: str, entry: Entry, of: str, *, unit: str = "") -> Any:
        """A part of one certain entry, which is named by its id."""
        rule = {"where": {"kind": entry.fields["kind"], "id": entry.fields["id"]}, "take": "first", "of": of}
        value = taken([entry.fields], "first", of)
        evidence = [self.log.evidence(entry)]
        self._add(name, title, MEASURED, "", value=value, unit=unit, evidence=evidence, evidence_of=1, rule=rule)
        return value

    def tree(self, name: str, title: str) -> None:
        """How many entries the signed checkpoint covers."""
        evidence = [self.log.evidence(self.log.last())]
        rule = {"take": "size"}
        self._add(name, title, MEASURED, "", value=self.log.size, evidence=evidence, evidence_of=1, rule=rule)

    def way(self, entry: Entry, anchor: tuple[str, str], *paths: Path) -> tuple[list[dict[str, Any]], Any] | None:
        """(the way, the value at its end), or None where something on it cannot be opened."""
        if anchor[0] == "mac":
            here = self.openings.field(entry, anchor[1])
        else:
            digest = next((ref for role, ref in entry.fields.get("refs", ()) if role == anchor[1]), None)
            here = self.openings.folder(digest) if digest else None
        way: list[dict[str, Any]] = []
        for place, path in enumerate(paths):
            if here is None:
                return None
            way.append({"opening": here[0], "path": list(path)})
            value = follow(here[1], path)
            if place + 1 == len(paths):
                return way, value
            here = self.openings.folder(value) if isinstance(value, str) else None
        return None

    def declared(self, name: str, title: str, *path: str | int, fill: str = "", unit: str = "") -> Any:
        """A value of the declaration in force: who applied it, and when. Missing where it is not declared."""
        value = follow(self.declaration, path)
        if value in (None, "", [], {}) or self._applied is None or self._declaration is None:
            self.missing(name, title, fill or f"Declare `{'.'.join(map(str, path))}`.")
            return None
        entry = self._applied
        self._add(
            name, title, DECLARED, IN_FORCE % ".".join(map(str, path)), value=value, unit=unit,
            evidence=[self.log.evidence(entry)], evidence_of=1, by=entry.fields["actor"],
            by_name=self.names.get(entry.fields["actor"], ""), at_ms=entry.fields["at_ms"],
            opened={"anchor": ["mac", "declaration"], "way": [{"opening": self._declaration[0], "path": list(path)}]},
        )  # fmt: skip
        return value

    def missing(self, name: str, title: str, fill: str) -> None:
        """A hole, with what would fill it."""
        self._add(name, title, MISSING, fill)

    def _add(self, name: str, title: str, kind: str, how: str, **rest: Any) -> None:
        ident = f"{self._point}.{name}"
        if any(one.id == ident for one in self.statements):
            raise ValueError(f"two statements are called {ident}")
        self.statements.append(Statement(ident, self._point, title, kind, how, **rest))


def _where(given: Mapping[str, Any]) -> dict[str, Any]:
    """Keyword arguments as a rule has them: `is_` is a word of the language."""
    return {name.rstrip("_"): value for name, value in given.items() if value is not None}
