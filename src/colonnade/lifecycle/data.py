# SPDX-License-Identifier: Apache-2.0
"""Take a model's data in as it is now: files that keep the contract become a data set, the others are quarantined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from colonnade.core.errors import UsageError
from colonnade.lifecycle.artifacts import Artifact, Artifacts, Entry
from colonnade.lifecycle.table import Breach, Table, breaches, profile, read_table, together
from colonnade.lifecycle.wanted import Wanted

MOST_BYTES = 64 * 1024 * 1024
"""All files of a model together. A million rows of ten columns are 65 MiB, and 1.2 GiB while they are read."""


@dataclass(frozen=True)
class Quarantined:
    """A file that stays out, and why."""

    path: str
    breaches: Sequence[Breach]


@dataclass(frozen=True)
class Snapshot:
    """What was taken in.

    Attributes:
        artifact: the data set; None when no file keeps the contract.
        rows: in it; `unlabelled`: of them, those whose label is not known yet. They train nothing.
    """

    artifact: Artifact | None
    rows: int
    quarantined: Sequence[Quarantined]
    unlabelled: int = 0

    def told(self) -> dict[str, Any]:
        """For the step's row, `status` and the console."""
        return {
            "rows": self.rows,
            "unlabelled": self.unlabelled,
            "quarantined": [
                {"path": one.path, "breaches": [breach.to_json() for breach in one.breaches]}
                for one in self.quarantined
            ],
        }

    def said(self) -> str:
        """One line."""
        return "; ".join(f"{one.path}: {', '.join(b.rule for b in one.breaches)}" for one in self.quarantined)


def take_snapshot(wanted: Wanted, artifacts: Artifacts) -> Snapshot:
    """Read every file once, judge it, keep those that are good. Raises UsageError for more than `MOST_BYTES`."""
    _bounded(wanted)
    good: dict[str, bytes | Path | Entry] = {}
    tables: list[Table] = []
    bad: list[Quarantined] = []
    for path in wanted.files():
        name = path.relative_to(wanted.folder).as_posix()
        try:
            data = path.read_bytes()
            table = read_table(data, name)
            found = breaches(table, wanted.rules)
            if wanted.label not in table.header:
                found = [Breach(f"there is no column {wanted.label!r}, the label", 1), *found]
            if tables and set(table.header) != set(tables[0].header):
                found = [Breach("its columns are not those of the other files", 1), *found]
        except (OSError, UsageError) as error:
            found = [Breach(error.message if isinstance(error, UsageError) else str(error.strerror), 1)]
        if found:
            bad.append(Quarantined(name, found))
        else:
            good[name] = data
            tables.append(table)
    if not good:
        return Snapshot(None, 0, bad)
    rows = sum(len(table.rows) for table in tables)
    unlabelled = sum(not value.strip() for table in tables for value in table.column(wanted.label))
    about = {"columns": profile(together(tables)), "rows": rows, "unlabelled": unlabelled, "label": wanted.label}
    return Snapshot(artifacts.put("dataset", good, about), rows, bad, unlabelled)


def _bounded(wanted: Wanted) -> None:
    size = sum(path.stat().st_size for path in wanted.files())
    if size > MOST_BYTES:
        raise UsageError(
            f"its data are {size >> 20:,} MiB, and at most {MOST_BYTES >> 20} MiB are read at once",
            hint="take a part of the rows: the newest, or some drawn at random",
            code="data_too_large",
        )
