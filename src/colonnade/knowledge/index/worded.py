# SPDX-License-Identifier: Apache-2.0
"""The lexical leg of one search: which permitted rows words find best, and what words say of any row.

Exact, yet not every posting is looked at. Terms that many rows hold come last: once the `many`-th best is sure to score
more than all of them can add, only rows that are near it already are finished (H. Turtle, J. Flood, "Query evaluation:
strategies and optimizations", 1995: MaxScore). Which terms those are, and the order of sums, depends on permitted rows
alone. No vectors and no rights here.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from colonnade.knowledge.index.lexical import Field, Heavy, Words
from colonnade.knowledge.index.postings import Segment

_SLACK = 1e-9
_NEVER = -1e9
_BOUND_BY = 10


class Worded:
    """BM25 of the rows of a field.

    Args:
        field: the permitted rows.
        segments: where their terms stand.
        words: what is asked.
        many: how many rows are wanted; ties at the cut are all in.
        wanted: [permitted rows] where only some may be found.

    Attributes:
        rows: the best rows with a score above 0, ascending.
        scores: theirs.
        top: the best score, 0 without any.
    """

    def __init__(
        self, field: Field, segments: Sequence[Segment], words: Words, many: int, wanted: NDArray[np.bool_] | None
    ) -> None:
        self._field = field
        added = list(zip(field.added(segments, words), words.weights, strict=True))
        light = [(one, weight) for one, weight in added if not isinstance(one, Heavy)]
        self._rest = sorted(
            ((one, weight) for one, weight in added if isinstance(one, Heavy)), key=lambda h: -h[0].most * h[1]
        )
        self._sums = _summed([one for one, _ in light], [weight for _, weight in light], field.count)
        if wanted is not None:
            self._sums[~wanted] = _NEVER
        places, self.scores = self._best(many, [one[0] for one, _ in light])
        self.rows = field.rows[places]
        self.top = float(self.scores.max(initial=0.0))

    def of(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """The scores of permitted rows that may be found."""
        return self._finished(self._field.place[rows])

    def _best(self, many: int, lists: list[NDArray[np.int32]]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Places, ascending, and scores. `lists`: the places of each term that few hold."""
        least = self._least(many, sorted(lists, key=len))
        open_ = self._open()
        while self._rest and least <= open_:
            heavy, weight = self._rest.pop(0)
            self._sums += heavy.adds(slice(None), self._field.norms) * weight
            open_ = self._open()
        floor = (least - open_) * (1.0 - _SLACK)
        places = np.flatnonzero(self._sums >= floor) if floor > 0.0 else np.flatnonzero(self._sums > 0.0)
        scores = self._finished(places)
        if len(places) > many:
            kept = scores >= _cut(scores, many)
            places, scores = places[kept], scores[kept]
        return places, scores

    def _least(self, many: int, lists: list[NDArray[np.int32]]) -> float:
        """What the `many`-th best scores at least: as much as the `many`-th of the rows that hold the rarest terms."""
        enough = np.searchsorted(np.cumsum([len(places) for places in lists]), _BOUND_BY * many) + 1
        some = np.sort(np.concatenate([np.zeros(0, np.int32), *lists[:enough]]))
        some = some[np.append(True, some[1:] != some[:-1])] if len(some) else some
        return _cut(self._finished(some), many) * (1.0 - _SLACK) if len(some) >= many else 0.0

    def _open(self) -> float:
        """What the terms that remain can add at most."""
        return sum(heavy.most * weight for heavy, weight in self._rest) * (1.0 + _SLACK)

    def _finished(self, places: NDArray[np.int64] | NDArray[np.int32]) -> NDArray[np.float64]:
        """The sums of these places with what the remaining terms add."""
        scores = self._sums.take(places)
        if self._rest:
            norms = self._field.norms.take(places)
            for heavy, weight in self._rest:
                scores += heavy.adds(places, norms) * weight
        return scores


def _summed(
    impacts: Sequence[tuple[NDArray[np.int32], NDArray[np.float64]]], weights: Sequence[float], count: int
) -> NDArray[np.float64]:
    """[count] the sums by place, in the order of the terms."""
    if not impacts:
        return np.zeros(count)
    places = np.concatenate([places for places, _ in impacts], dtype=np.intp)
    adds = np.concatenate([add if w == 1.0 else add * w for (_, add), w in zip(impacts, weights, strict=True)])
    return np.bincount(places, adds, minlength=count).astype(np.float64, copy=False)


def _cut(values: NDArray[np.float64], many: int) -> float:
    """The `many`-th largest."""
    return float(np.partition(values, len(values) - many)[len(values) - many])
