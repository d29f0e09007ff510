# SPDX-License-Identifier: Apache-2.0
"""BM25 over permitted rows only: document frequencies, count and mean length are those of an index without the others.

Source: S. Robertson, H. Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009; idf as in Lucene
(never negative); k1 and b as in Anserini. Pairs of neighbouring terms count as terms of less weight (D. Metzler, W. B.
Croft, "A Markov random field model for term dependencies", 2005). Sums run in the question's order, in double
precision: equal text scores equally whatever its row.
"""

from __future__ import annotations

import math
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from colonnade.knowledge.index.postings import Segment, paired

K1 = 0.9
B = 0.4
PAIR_WEIGHT = 0.3
_REMEMBER_FROM = 64
_REMEMBER_AT_MOST = 512

Impacts = tuple[NDArray[np.intp], NDArray[np.float64]]


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
class Field:
    """The permitted rows, as BM25 sees them.

    Attributes:
        mask: [rows] permitted.
        lengths: [rows] number of terms of every row.
        count: how many rows are permitted.
        mean: their mean length.
        remembered: impacts of common terms, kept with the field.
    """

    mask: NDArray[np.bool_]
    lengths: NDArray[np.int32]
    count: int
    mean: float
    remembered: MutableMapping[int, Impacts]

    @staticmethod
    def of(mask: NDArray[np.bool_], lengths: NDArray[np.int32]) -> Field:
        """Statistics over the permitted rows."""
        count = int(np.count_nonzero(mask))
        total = int(lengths[mask].sum(dtype=np.int64))
        return Field(mask, lengths, count, total / count if total else 1.0, {})

    def impacts(self, segments: Sequence[Segment], words: Words) -> list[Impacts]:
        """For each term, the permitted rows that hold it and what it adds to each one's score at weight 1."""
        missing = [h for h in words.hashes if h not in self.remembered]
        found = dict(zip(missing, map(self._impact, _postings(segments, missing)), strict=True)) if missing else {}
        for term, impact in found.items():
            if len(impact[0]) >= _REMEMBER_FROM and len(self.remembered) < _REMEMBER_AT_MOST:
                self.remembered[term] = impact
        return [found[h] if h in found else self.remembered[h] for h in words.hashes]

    def scores(self, segments: Sequence[Segment], words: Words) -> NDArray[np.float64]:
        """[rows] BM25 of each permitted row, 0 for the others."""
        impacts = self.impacts(segments, words)
        if not impacts:
            return np.zeros(len(self.mask))
        rows = np.concatenate([rows for rows, _ in impacts])
        adds = np.concatenate(
            [add if w == 1.0 else add * w for (_, add), w in zip(impacts, words.weights, strict=True)]
        )
        return np.bincount(rows, adds, minlength=len(self.mask)).astype(np.float64, copy=False)

    def _impact(self, postings: tuple[NDArray[np.uint32], NDArray[np.uint16]]) -> Impacts:
        kept = self.mask[postings[0]]
        rows, times = postings[0][kept].astype(np.intp), postings[1][kept].astype(np.float64)
        rarity = idf(self.count, len(rows)) * (K1 + 1.0)
        return rows, rarity * times / (times + K1 * (1.0 - B + B * (self.lengths[rows] / self.mean)))


def frequencies(segments: Sequence[Segment], hashes: Sequence[int], mask: NDArray[np.bool_]) -> list[int]:
    """For each term, how many permitted rows hold it."""
    return [int(np.count_nonzero(mask[rows])) for rows, _ in _postings(segments, hashes)]


def _postings(
    segments: Sequence[Segment], hashes: Sequence[int]
) -> list[tuple[NDArray[np.uint32], NDArray[np.uint16]]]:
    """For each term, its rows and counts in all segments."""
    wanted = np.array(hashes, np.uint64)
    parts: list[list[tuple[NDArray[np.uint32], NDArray[np.uint16]]]] = [[] for _ in hashes]
    for segment in segments:
        at = np.searchsorted(segment.terms, wanted)
        at[at == len(segment.terms)] = 0
        for i in np.flatnonzero(segment.terms[at] == wanted):
            begin, end = segment.offsets[at[i]], segment.offsets[at[i] + 1]
            parts[i].append((segment.rows[begin:end], segment.counts[begin:end]))
    empty = (np.zeros(0, np.uint32), np.zeros(0, np.uint16))
    return [_joined(p) if p else empty for p in parts]


def _joined(
    parts: list[tuple[NDArray[np.uint32], NDArray[np.uint16]]],
) -> tuple[NDArray[np.uint32], NDArray[np.uint16]]:
    if len(parts) == 1:
        return parts[0]
    return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])
