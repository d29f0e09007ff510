# SPDX-License-Identifier: Apache-2.0
"""Which row holds which term, how often: immutable sorted segments, merged by size. Terms stand here only as keyed
hashes.

No scores and no rights: those are `lexical` and `rights`. A segment never changes, so a search keeps the tuple it began
with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

_FLUSH_AT = 4_000_000
_MERGE_RATIO = 4
_PARTS = ("terms", "offsets", "rows", "counts")


def paired(left: NDArray[np.uint64], right: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """One number for each ordered pair of neighbouring terms."""
    mixed = (left * np.uint64(0x9E3779B97F4A7C15)) ^ (right + np.uint64(0x7F4A7C15F39CC060))
    mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    pair: NDArray[np.uint64] = mixed ^ (mixed >> np.uint64(32))
    return pair


@dataclass(frozen=True, slots=True)
class Segment:
    """Postings sorted by term hash, then row: those of `terms[i]` stand at offsets[i]..offsets[i+1] of `rows` and
    `counts`.
    """

    terms: NDArray[np.uint64]
    offsets: NDArray[np.int64]
    rows: NDArray[np.uint32]
    counts: NDArray[np.uint16]

    @property
    def size(self) -> int:
        """How many postings."""
        return len(self.rows)


def build(rows: NDArray[np.uint32], hashes: NDArray[np.uint64]) -> Segment:
    """A segment from one (row, term) pair for each occurrence."""
    order = np.argsort(hashes)
    hashes = hashes[order]
    run = np.zeros(len(order), np.uint64)
    run[1:] = np.cumsum(hashes[1:] != hashes[:-1], dtype=np.uint64) << np.uint64(32)
    rows = np.sort(run | rows[order]).astype(np.uint32)
    new = np.ones(len(rows), bool)
    new[1:] = (hashes[1:] != hashes[:-1]) | (rows[1:] != rows[:-1])
    starts = np.flatnonzero(new)
    counts = np.diff(np.append(starts, len(rows)))
    hashes, rows = hashes[starts], rows[starts]
    first = np.flatnonzero(np.append(True, hashes[1:] != hashes[:-1])) if len(hashes) else np.zeros(0, np.int64)
    terms = hashes[first]
    offsets = np.append(first, len(rows)).astype(np.int64)
    return Segment(terms, offsets, rows, np.minimum(counts, 65535).astype(np.uint16))


def merge(old: Segment, new: Segment) -> Segment:
    """One segment of two, where every row of `new` comes after those of `old`."""
    terms = np.sort(np.concatenate((old.terms, new.terms)), kind="stable")
    terms = terms[np.append(True, terms[1:] != terms[:-1])] if len(terms) else terms
    at_old, at_new = np.searchsorted(terms, old.terms), np.searchsorted(terms, new.terms)
    many_old, many_new = np.diff(old.offsets), np.diff(new.offsets)
    sizes = np.zeros(len(terms), np.int64)
    sizes[at_old] += many_old
    sizes[at_new] += many_new
    offsets = np.concatenate(([0], np.cumsum(sizes)))
    begin_new = offsets[:-1].copy()
    begin_new[at_old] += many_old
    rows = np.empty(old.size + new.size, np.uint32)
    counts = np.empty(len(rows), np.uint16)
    for part, begin in ((old, offsets[at_old]), (new, begin_new[at_new])):
        target = np.repeat(begin - part.offsets[:-1], np.diff(part.offsets)) + np.arange(part.size)
        rows[target], counts[target] = part.rows, part.counts
    return Segment(terms, offsets, rows, counts)


def renumbered(segment: Segment, new_row: NDArray[np.int64]) -> Segment:
    """Without the rows whose new number is negative; the order of rows must be kept by `new_row`."""
    rows = new_row[segment.rows]
    kept = rows >= 0
    before = np.concatenate(([0], np.cumsum(kept)))
    offsets = before[segment.offsets]
    held = np.diff(offsets) > 0
    terms = segment.terms[held]
    offsets = np.append(offsets[:-1][held], offsets[-1]).astype(np.int64)
    return Segment(terms, offsets, rows[kept].astype(np.uint32), segment.counts[kept])


def closed_up(segments: Sequence[Segment], new_row: NDArray[np.int64]) -> tuple[Segment, ...]:
    """Each without the rows that are dropped, in the new numbers; empty ones are left out."""
    return tuple(s for s in (renumbered(segment, new_row) for segment in segments) if s.size)


@dataclass(slots=True)
class Postings:
    """Segments, largest first, and what was added since the last search. Changed only under the index's lock."""

    segments: tuple[Segment, ...] = ()
    _rows: list[int] = field(default_factory=list)
    _added: list[bytes] = field(default_factory=list)
    _waiting: int = 0  # bytes

    def add(self, first: int, passages: Sequence[bytes]) -> None:
        """The term hashes (8 bytes each) of rows first, first+1, ...; rows only ever grow. Pairs of neighbours are
        added as terms."""
        self._added += passages
        self._rows += range(first, first + len(passages))
        self._waiting += sum(map(len, passages))
        if self._waiting > _FLUSH_AT:
            self.flush()

    def flush(self) -> tuple[Segment, ...]:
        """All segments, with everything added so far in them."""
        if self._waiting:
            sizes = [len(passage) // 8 for passage in self._added]
            rows = np.repeat(np.array(self._rows, np.uint32), sizes)
            hashes = np.frombuffer(b"".join(self._added), np.uint64)
            inside = rows[1:] == rows[:-1]
            pairs = paired(hashes[:-1], hashes[1:])[inside]
            both = np.concatenate((rows, rows[1:][inside])), np.concatenate((hashes, pairs))
            self.segments = (*self.segments, build(*both))
            self._rows, self._added, self._waiting = [], [], 0
        return self.segments

    def mergeable(self) -> tuple[Segment, Segment] | None:
        """Two neighbours of which the newer has grown too large to stand alone, or None: `merge` them, then `swap`."""
        for old, new in zip(self.segments[-2::-1], self.segments[:0:-1], strict=True):
            if old.size < _MERGE_RATIO * new.size:
                return old, new
        return None

    def swap(self, pair: tuple[Segment, Segment], merged: Segment) -> None:
        """Put `merged` in the place of the pair; segments that came meanwhile stay behind it."""
        at = next(i for i, segment in enumerate(self.segments) if segment is pair[0])
        self.segments = (*self.segments[:at], merged, *self.segments[at + 2 :])

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All segments, for a file; segments never change, so nothing is copied."""
        named = {f"postings.{i}": segment for i, segment in enumerate(self.flush())}
        return {f"{at}.{part}": getattr(s, part) for at, s in named.items() for part in _PARTS}

    @staticmethod
    def restored(arrays: dict[str, NDArray[Any]]) -> Postings:
        """From what `arrays` gave."""
        count = len({name.split(".")[1] for name in arrays if name.startswith("postings.")})
        return Postings(tuple(Segment(*(arrays[f"postings.{i}.{part}"] for part in _PARTS)) for i in range(count)))
