# SPDX-License-Identifier: Apache-2.0
"""Divide rows into a side for training and one that is held out; in memory that does not grow with the rows, but for
eight bytes each where there is a time.

By time: one pass finds the moment at which the held-out rows begin, a second lays rows down in buckets of neighbouring
moments, and each bucket is sorted by (moment, hash of the row). So equal rows give equal bytes, however they came.
Without a time rows go to their side as they come.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colonnade.adapters.tables.chunk import Keys
from colonnade.adapters.tables.column import Bools
from colonnade.adapters.tables.moments import Moments, kind_of, known_until, moments, together
from colonnade.adapters.tables.recent import divide_recent
from colonnade.adapters.tables.rows import Part, Rows, TextRows, rows_for
from colonnade.core.errors import UsageError
from colonnade.ports.outside.tables import Batch, Divided, Division

BUCKET_CELLS = 2_000_000
"""Values that are sorted at once."""
FEWEST_ROWS = 1000


def divide(batches: Sequence[Batch], division: Division, folder: Path) -> Divided:
    """See `Tables.divide`."""
    rows = rows_for(batches, division)
    for name in (division.label, *([division.time] if division.time else []), *division.known_at.values()):
        if name not in rows.header:
            raise UsageError(f"there is no column {name!r} in the data", code="data_missing")
    if division.recent:
        return divide_recent(rows, division, folder, _labelled)
    found = (_by_hash if division.time is None else _by_time)(rows, division, folder)
    if division.format == "parquet":
        _as_csv(folder / "test.parquet", folder / "test.csv")
    return found


def _as_csv(path: Path, to: Path) -> None:
    """The held-out rows once more, for those who cut them by groups."""
    rows = TextRows([Batch(path.name, path, "parquet")])
    with rows.side(to) as side:
        for part in rows.parts():
            side.write(part)


def _by_hash(rows: Rows, division: Division, folder: Path) -> Divided:
    counts = [0, 0]
    with rows.side(folder / f"train.{division.format}") as train, rows.side(folder / f"test.{division.format}") as test:
        for part in _labelled(rows, division):
            held = part.keys().astype(np.float64) < division.holdout * 2.0**64
            for place, (side, mask) in enumerate(((train, ~held), (test, held))):
                counts[place] += int(mask.sum())
                side.write(part.filter(mask))
    return Divided(*counts)


@dataclass(frozen=True)
class Cut:
    """Where time is cut.

    Attributes:
        first: the moment of the first held-out row.
        until: the newest moment that trains.
        edges: bucket b holds moments in [edges[b - 1], edges[b]).
        parts: into how many parts, by hash, a bucket is divided further: 1, but for a moment with very many rows.
    """

    kind: str
    first: Any
    until: Any
    edges: Moments
    parts: NDArray[np.int64]

    def buckets(self, when: Moments, keys: Keys) -> NDArray[np.int64]:
        """The bucket of each row, numbered in order."""
        bucket = np.searchsorted(self.edges, when, side="right")
        parts = self.parts[bucket]
        begin = np.concatenate([[0], np.cumsum(self.parts)])[bucket]
        within = ((keys >> np.uint64(32)).astype(np.int64) * parts) >> 32
        return np.asarray(begin + within, np.int64)


def _by_time(rows: Rows, division: Division, folder: Path) -> Divided:
    cut = _cut(rows, division)
    if cut is None:
        for side in ("train", "test"):
            with rows.side(folder / f"{side}.{division.format}"):
                pass
        return Divided(0, 0)
    counts = [0, 0]
    count = int(cut.parts.sum())
    with rows.store(folder / "buckets") as store:
        for part in _labelled(rows, division):
            when, trains, holds = _sides(part, division, cut)
            part, when = part.filter(trains | holds), when[trains | holds]
            part.lines()
            keys = part.keys()
            bucket = cut.buckets(when, keys)
            for number in np.unique(bucket).tolist():
                here = bucket == number
                store.add(number, part.filter(here), when[here], keys[here])
        boundary = int(np.searchsorted(cut.edges, cut.first, side="right"))
        begins = int(cut.parts[:boundary].sum())
        sides = (("train", range(begins)), ("test", range(begins, count)))
        for place, (side_name, numbers) in enumerate(sides):
            with rows.side(folder / f"{side_name}.{division.format}") as side:
                for number in numbers:
                    counts[place] += store.pour(number, side)
    return Divided(*counts)


def _cut(rows: Rows, division: Division) -> Cut | None:
    """Look at every moment, and choose where the held-out rows begin."""
    assert division.time is not None
    found: list[tuple[str, Moments]] = []
    for part in _labelled(rows, division):
        if len(part):
            column = part.column(division.time)
            kind = kind_of(column)
            found.append((kind, moments(column, kind)[0]))
    if not found:
        return None
    kind = together({one for one, _ in found})
    whole = np.concatenate([values for _, values in found])
    found.clear()
    whole.sort()
    n = len(whole)
    first = whole[n - max(1, round(n * division.holdout))]
    if first == whole[0]:
        later = int(np.searchsorted(whole, first, side="right"))
        first = whole[later] if later < n else first
    edges, parts = _edges(whole, first, max(FEWEST_ROWS, BUCKET_CELLS // len(rows.header)))
    return Cut(kind, first, known_until(first, division.delay, kind), edges, parts)


def _edges(whole: Moments, first: Any, most: int) -> tuple[Moments, NDArray[np.int64]]:
    """Edges so that buckets hold about `most` rows; one of them is `first`. Of a moment with more rows than that, a
    bucket of its own, in parts.
    """
    edges = {whole[0].item(), first.item(), *whole[most::most].tolist()}
    for edge in list(edges):
        left, right = np.searchsorted(whole, edge, side="left"), np.searchsorted(whole, edge, side="right")
        if right - left > most and right < len(whole):
            edges.add(whole[right].item())
    ordered = np.array(sorted(edges), whole.dtype)
    places = np.concatenate([[0], np.searchsorted(whole, ordered, side="left"), [len(whole)]])
    counts = np.diff(places)
    parts = np.ones(len(ordered) + 1, np.int64)
    for bucket in np.flatnonzero(counts > 2 * most).tolist():
        if whole[places[bucket]] == whole[places[bucket + 1] - 1]:
            parts[bucket] = -(-int(counts[bucket]) // most)
    return ordered, parts


def _sides(part: Part, division: Division, cut: Cut) -> tuple[Moments, Bools, Bools]:
    """(moments, which rows train, which are held out)."""
    assert division.time is not None
    when, _ = moments(part.column(division.time), cut.kind)
    trains = (when < cut.first) & (when <= cut.until)
    known_column = division.known_at.get(division.label)
    if known_column is not None:
        known, there = moments(part.column(known_column), cut.kind)
        trains &= there & (known <= cut.first)
    for name, other in division.known_at.items():
        if name != division.label:
            known, there = moments(part.column(other), cut.kind)
            part.blank(name, ~there | (known > when))
    return when, trains, when >= cut.first


def _labelled(rows: Rows, division: Division) -> Iterator[Part]:
    """Without the rows whose label is not known yet."""
    for part in rows.parts():
        empty = part.column(division.label).empty
        yield part.filter(~empty) if empty.any() else part
