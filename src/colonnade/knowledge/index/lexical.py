# SPDX-License-Identifier: Apache-2.0
"""BM25 over permitted rows only: document frequencies, count and mean length are those of an index without the others.

Source: S. Robertson, H. Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009; idf as in Lucene
(never negative); k1 and b as in Anserini. Pairs of neighbouring terms count as terms of less weight (D. Metzler, W. B.
Croft, "A Markov random field model for term dependencies", 2005). Sums run in the question's order, in double
precision: equal text scores equally whatever its row. Permitted rows are numbered 0, 1, ... here (their *places*), so
that work and memory follow what the reader may see.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from colonnade.knowledge.index.postings import Segment, paired

K1 = 0.9
B = 0.4
PAIR_WEIGHT = 0.3
_REMEMBER_FROM = 64
_REMEMBER_A_ROW = 12
_REMEMBER_LEAST = 20_000
_HEAVY_SHARE = 16
_HEAVY_LEAST = 1024
_HEAVY_KEPT = 64

Impacts = tuple[NDArray[np.int32], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Words:
    """What is asked lexically: distinct term hashes and their weights, in the question's order."""

    hashes: tuple[int, ...]
    weights: tuple[float, ...]


def asked(terms: Sequence[int]) -> Words:
    """Each distinct term, then each distinct pair of neighbours."""
    sequence = np.array(terms, np.uint64)
    single = dict.fromkeys(terms, 1.0)
    pairs = dict.fromkeys(paired(sequence[:-1], sequence[1:]).tolist(), PAIR_WEIGHT)
    weights = pairs | single
    hashes = (*single, *(pair for pair in pairs if pair not in single))
    return Words(hashes, tuple(weights[h] for h in hashes))


def idf(count: int, documents: int) -> float:
    """How much finding a term in `documents` of `count` says; 0 or more."""
    return math.log(1.0 + (count - documents + 0.5) / (documents + 0.5))


@dataclass(frozen=True, slots=True)
class Heavy:
    """A term that many permitted rows hold, as a column.

    Attributes:
        times: [permitted rows] how often each holds it.
        rarity: what finding it endlessly often would add to a score.
        most: what it adds at most.
    """

    times: NDArray[np.uint8 | np.uint16]
    rarity: float
    most: float

    def adds(
        self, places: NDArray[np.int64] | NDArray[np.int32] | slice, norms: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """What it adds to the scores of these places; `norms` are theirs."""
        times = self.times[places].astype(np.float64)
        added: NDArray[np.float64] = self.rarity * times / (times + norms)
        return added


class Remembered:
    """What common terms add, kept up to a number of postings. Searches run beside each other: counts may be a little
    off, what is kept never is.
    """

    def __init__(self, postings: int) -> None:
        self._room = self._postings = postings
        self._light: dict[int, Impacts] = {}
        self._heavy: dict[int, Heavy] = {}

    def get(self, term: int) -> Impacts | Heavy | None:
        """What is known of the term."""
        return self._light.get(term) or self._heavy.get(term)

    def keep(self, term: int, added: Impacts | Heavy) -> None:
        """For the next question; copied, or one term would keep all of a question's alive."""
        if isinstance(added, Heavy):
            if len(self._heavy) >= _HEAVY_KEPT:
                self._heavy.clear()
            self._heavy[term] = added
        elif len(added[0]) >= _REMEMBER_FROM:
            self._room -= len(added[0])
            if self._room < 0:
                self._light.clear()
                self._room = self._postings - len(added[0])
            self._light[term] = added[0].copy(), added[1].copy()


class Field:
    """The permitted rows, as BM25 sees them.

    Args:
        mask: [rows] permitted.
        lengths: [rows] number of terms of every row; read at permitted rows only.

    Attributes:
        rows: [count] the permitted rows' numbers, ascending.
        place: [all rows + 1] the place of each row among the permitted, -1 for others and for rows that came later.
        norms: [count] what each one's length adds to the denominator of BM25.
    """

    __slots__ = ("_heavy_from", "_remembered", "norms", "place", "rows")

    def __init__(self, mask: NDArray[np.bool_], lengths: NDArray[np.int32]) -> None:
        self.rows = np.flatnonzero(mask)
        self.place = np.full(len(mask) + 1, -1, np.int32)
        self.place[self.rows] = np.arange(len(self.rows), dtype=np.int32)
        own = lengths[self.rows]
        total = int(own.sum(dtype=np.int64))
        self.norms = K1 * (1.0 - B + B * (own / (total / len(own) if total else 1.0)))
        self._heavy_from = max(_HEAVY_LEAST, len(own) // _HEAVY_SHARE)
        self._remembered = Remembered(_REMEMBER_LEAST + _REMEMBER_A_ROW * len(own))

    @property
    def count(self) -> int:
        """How many rows are permitted."""
        return len(self.rows)

    @property
    def size(self) -> int:
        """How many bytes it takes at most."""
        return 4 * len(self.place) + (16 + 12 * _REMEMBER_A_ROW + _HEAVY_KEPT) * self.count

    def added(self, segments: Sequence[Segment], words: Words) -> list[Impacts | Heavy]:
        """What each term adds to the scores of the permitted rows that hold it, at weight 1."""
        found = {h: self._remembered.get(h) for h in words.hashes}
        missing = [h for h, known in found.items() if known is None]
        for term, added in zip(missing, self._added(segments, missing) if missing else (), strict=True):
            found[term] = added
            self._remembered.keep(term, added)
        return [added for added in found.values() if added is not None]

    def postings(
        self, segments: Sequence[Segment], hashes: Sequence[int]
    ) -> tuple[NDArray[np.int32], NDArray[np.uint16], NDArray[np.int64]]:
        """Places and counts of the permitted rows of all terms, term after term, and where each term's end."""
        rows, counts, ends = _postings(segments, hashes)
        if self.count == len(self.place) - 1 and (not len(rows) or int(rows.max()) < self.count):
            return rows.view(np.int32), counts, ends  # All is permitted: a row is its place.
        places = self.place.take(rows, mode="clip")
        kept = np.flatnonzero(places >= 0)
        return places.take(kept), counts.take(kept), np.searchsorted(kept, ends).astype(np.int64)

    def _added(self, segments: Sequence[Segment], hashes: Sequence[int]) -> list[Impacts | Heavy]:
        places, counts, ends = self.postings(segments, hashes)
        found: list[Impacts | Heavy] = []
        for n, end in zip(np.diff(ends, prepend=0).tolist(), ends.tolist(), strict=True):
            rarity = idf(self.count, n) * (K1 + 1.0)
            own = places[end - n : end]
            if n >= self._heavy_from:
                found.append(self._heavy(own, counts[end - n : end], rarity))
            else:
                times = counts[end - n : end].astype(np.float64)
                found.append((own, rarity * times / (times + self.norms.take(own))))
        return found

    def _heavy(self, places: NDArray[np.int32], counts: NDArray[np.uint16], rarity: float) -> Heavy:
        most = float(counts.max())
        kind: type[np.uint8 | np.uint16] = np.uint8 if most < 256 else np.uint16
        column: NDArray[np.uint8 | np.uint16] = np.zeros(self.count, kind)
        column[places] = counts
        return Heavy(column, rarity, rarity * most / (most + float(self.norms.min())))


def frequencies(segments: Sequence[Segment], hashes: Sequence[int], field: Field) -> list[int]:
    """For each term, how many permitted rows hold it."""
    return [int(n) for n in np.diff(field.postings(segments, hashes)[2], prepend=0)]


def _postings(
    segments: Sequence[Segment], hashes: Sequence[int]
) -> tuple[NDArray[np.uint32], NDArray[np.uint16], NDArray[np.int64]]:
    """Rows and counts of all terms in all segments, term after term, and where each term's end."""
    wanted = np.array(hashes, np.uint64)
    parts: list[list[tuple[Segment, int, int]]] = [[] for _ in hashes]
    for segment in segments:
        at = np.searchsorted(segment.terms, wanted)
        at[at == len(segment.terms)] = 0
        known = np.flatnonzero(segment.terms[at] == wanted)
        begins, ends = segment.offsets[at[known]].tolist(), segment.offsets[at[known] + 1].tolist()
        for i, begin, end in zip(known.tolist(), begins, ends, strict=True):
            parts[i].append((segment, begin, end))
    spans = [span for part in parts for span in part]
    sizes = [sum(end - begin for _, begin, end in part) for part in parts]
    rows = np.concatenate([np.zeros(0, np.uint32), *(s.rows[begin:end] for s, begin, end in spans)])
    counts = np.concatenate([np.zeros(0, np.uint16), *(s.counts[begin:end] for s, begin, end in spans)])
    return rows, counts, np.cumsum(sizes, dtype=np.int64)
