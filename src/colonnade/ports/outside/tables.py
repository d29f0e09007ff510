# SPDX-License-Identifier: Apache-2.0
"""What we ask of an engine for tables: judge batches against a contract, and divide their rows. Both in bounded memory,
whatever the size; a hostile file must not be able to end us.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from colonnade.core.tables import Breach, Rules

FORMATS = {".csv": "csv", ".parquet": "parquet", ".pq": "parquet", ".jsonl": "jsonl", ".ndjson": "jsonl"}
"""The end of a file's name -> how it is read. What ends otherwise is read as CSV."""


@dataclass(frozen=True)
class Batch:
    """One file, or the result of one query, laid down where it will not change.

    Attributes:
        name: how people know it.
        format: csv, jsonl or parquet.
    """

    name: str
    path: Path
    format: str


@dataclass(frozen=True)
class Judged:
    """What was found in one batch; it is good when there are no breaches."""

    name: str
    rows: int
    unlabelled: int
    breaches: tuple[Breach, ...]


@dataclass(frozen=True)
class Judgement:
    """All batches, in their order.

    Attributes:
        columns: the profile of the good ones together: per column type, nulls, distinct; of numbers min, max, mean and
            quantiles; of words with few values the most frequent.
        newest_ms: the newest moment in the column that must be fresh, ms since 1970; None when none was asked for.
    """

    judged: tuple[Judged, ...]
    columns: Mapping[str, Mapping[str, Any]]
    newest_ms: int | None = None


@dataclass(frozen=True)
class Division:
    """How rows are divided.

    By `time` the newest rows are held out, and no moment lies on both sides; `delay`: how long after its moment a row's
    label is known (numbers: their unit; dates: days). Without a time, by a hash of each row, so that a row stays on its
    side whatever is added around it.

    Attributes:
        known_at: column -> the column that says when its value became known, in the same terms as `time`. A value of
            the label that was not known when the first held-out row came trains nothing; any other value that was not
            known at its row's own time counts as empty.
        format: csv or parquet: what is written.
        recent: 0; or so many of the newest rows, after a change: rows are held out of those, and what trains is the
            rest of them; `whole`: everything before as well.
        types: column -> type, for Parquet that is made from text.
    """

    label: str
    holdout: float
    time: str | None = None
    delay: float = 0
    known_at: Mapping[str, str] = field(default_factory=dict)
    format: str = "csv"
    types: Mapping[str, str] = field(default_factory=dict)
    recent: int = 0
    whole: bool = False


@dataclass(frozen=True)
class Divided:
    """Rows on each side; the files are `train.FORMAT` and `test.FORMAT`."""

    train: int
    test: int


class Tables(Protocol):
    """Reads tables."""

    def judge(self, batches: Sequence[Batch], rules: Rules, label: str) -> Judgement:
        """Judge every batch. A batch that cannot be read at all has that as its breach. Raises MissingExtra for a
        format that needs a package which is not installed.
        """
        ...

    def divide(self, batches: Sequence[Batch], division: Division, folder: Path) -> Divided:
        """Write the two sides into `folder`: equal rows give equal bytes. Raises UsageError for a time without order,
        StorageFull.
        """
        ...

    def columns(self, batch: Batch, names: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Some columns as text, "" where nothing stands; those that are not there are left out. For a side of a data
        set, which `divide` wrote. Raises UsageError, MissingExtra.
        """
        ...
