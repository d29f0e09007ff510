# SPDX-License-Identifier: Apache-2.0
"""One search over one view: two legs, their union, one order. Nothing outside of the view may be looked at here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from colonnade.knowledge.index import fusion, lexical
from colonnade.knowledge.index.postings import Segment
from colonnade.knowledge.index.rows import ranked
from colonnade.ports.outside.vectors import Scope, Vectors

_DEPTH = 300
_REFERENCE = 8192


class View:
    """What one reader may see at one instant, with the statistics of just that.

    Attributes:
        mask: [rows] permitted.
        count: how many are permitted.
        norm: [rows] the length part of BM25's denominator.
        scope: the permitted rows that have vectors.
        wanted: [rows] permitted and inside the filter; None where there is no filter.
    """

    __slots__ = ("count", "mask", "norm", "reference", "scope", "seen", "wanted")

    def __init__(
        self, mask: NDArray[np.bool_], count: int, norm: NDArray[np.float64], scope: Scope, keys: NDArray[np.uint8]
    ) -> None:
        self.mask, self.count, self.norm, self.scope = mask, count, norm, scope
        self.reference = _sample(scope.rows, keys)
        self.seen = scope
        self.wanted: NDArray[np.bool_] | None = None

    def narrowed(self, wanted: NDArray[np.bool_]) -> View:
        """The same statistics, but only these rows may be found."""
        narrow = object.__new__(View)
        narrow.mask, narrow.count, narrow.norm, narrow.reference = self.mask, self.count, self.norm, self.reference
        wanted = wanted[: len(self.mask)]
        narrow.wanted = np.zeros(len(self.mask), bool)
        narrow.wanted[: len(wanted)] = wanted & self.mask[: len(wanted)]
        inside = self.scope.mask & narrow.wanted
        narrow.scope = Scope(np.flatnonzero(inside), inside)
        narrow.seen = self.scope
        return narrow


@dataclass(frozen=True, slots=True)
class Question:
    """What is searched: distinct term hashes in the question's order, the vector, how many, which legs."""

    hashes: Sequence[int]
    vector: NDArray[np.float32] | None
    k: int
    mode: str
    wide: bool


Found = list[tuple[int, float, float, float]]


def find(
    question: Question, view: View, segments: Sequence[Segment], vectors: Vectors, keys: NDArray[np.uint8]
) -> Found:
    """(row, score, lexical, dense) of the best, best first."""
    words = np.zeros(len(view.mask))
    if question.mode != "dense":
        words = lexical.scores(segments, question.hashes, view.mask, view.count, view.norm)
        if view.wanted is not None:
            words = np.where(view.wanted, words, 0.0)
    depth = max(_DEPTH, 3 * question.k)
    rows = _best(words, depth)
    near = np.zeros(0, np.int64)
    if question.mode != "lexical" and question.vector is not None and len(view.scope.rows):
        near = vectors.shortlist(question.vector, view.scope, depth)
    rows = np.union1d(rows, near)
    if not len(rows):
        return []
    dense = np.zeros(len(rows))
    if len(near) and question.vector is not None:
        embedded = view.scope.mask[rows]
        dense[embedded] = vectors.exact(question.vector, rows[embedded])
    scores = _score(question, view, vectors, words, rows, dense, bool(len(near)))
    best, score = ranked(rows, scores, keys, question.k)
    at = np.searchsorted(rows, best)
    return [(int(row), float(s), float(words[row]), float(dense[i])) for row, s, i in zip(best, score, at, strict=True)]


def _score(
    question: Question,
    view: View,
    vectors: Vectors,
    words: NDArray[np.float64],
    rows: NDArray[np.int64],
    dense: NDArray[np.float64],
    is_dense: bool,
) -> NDArray[np.float64]:
    if question.mode == "lexical" or not is_dense or question.vector is None:
        return np.round(words[rows], 9)
    if question.mode == "dense":
        return dense
    low = float(vectors.exact(question.vector, view.reference).min())
    has = view.scope.mask[rows]
    right = np.where(has, fusion.scaled(dense, low, float(dense[has].max())), 0.0)
    return fusion.fused(fusion.scaled(words[rows], 0.0, float(words.max(initial=0.0))), right)


def _best(scores: NDArray[np.float64], many: int) -> NDArray[np.int64]:
    """Rows with a score above 0 that are among the `many` best; ties at the cut are all in."""
    if len(scores) > many:
        least = np.partition(scores, len(scores) - many)[len(scores) - many]
        if least > 0.0:
            return np.flatnonzero(scores >= least)
    return np.flatnonzero(scores > 0.0)


def _sample(rows: NDArray[np.int64], keys: NDArray[np.uint8]) -> NDArray[np.int64]:
    """All rows, or those of the smallest keys: which are drawn depends on each row alone, never on hidden ones."""
    if len(rows) <= _REFERENCE:
        return rows
    first = keys[rows, :8].copy().view(">u8").ravel()
    least = np.partition(first, _REFERENCE)[_REFERENCE]
    sample: NDArray[np.int64] = rows[first <= least]
    return sample
