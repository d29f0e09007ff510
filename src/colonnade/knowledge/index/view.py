# SPDX-License-Identifier: Apache-2.0
"""What one reader may see at one instant, with the statistics of just that. Made anew whenever the index changes.

Nothing about rows outside of the view may enter here: this file is where non-interference is won or lost.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from colonnade.knowledge.index.lexical import Field
from colonnade.knowledge.index.rows import Rows
from colonnade.ports.outside.vectors import Scope, Vectors

_SAMPLE = 4096


class View:
    """The permitted rows.

    Attributes:
        field: the permitted rows and their lexical statistics.
        scope: those that have vectors and may be found.
        mean: the mean vector of the permitted rows (of a sample, where there are many), or None without vectors.
        prints: count and sum of draws of the permitted rows, then of those with vectors: equal sets, equal prints.
        wanted: [permitted rows] where a filter narrows what may be found; statistics stay those of all permitted.
    """

    __slots__ = ("field", "mean", "prints", "scope", "wanted")

    def __init__(
        self,
        field: Field,
        scope: Scope,
        mean: NDArray[np.float64] | None,
        prints: tuple[int, int, int, int],
        wanted: NDArray[np.bool_] | None = None,
    ) -> None:
        self.field, self.scope, self.mean, self.prints, self.wanted = field, scope, mean, prints, wanted

    @staticmethod
    def of(permitted: NDArray[np.bool_], rows: Rows, vectors: Vectors) -> View:
        """The view of these permitted rows ([count] mask)."""
        embedded = permitted & rows.embedded
        scope = Scope(np.flatnonzero(embedded), embedded)
        sample = _sample(scope.rows, rows.draw)
        mean = vectors.vectors(sample).mean(axis=0) if len(sample) else None
        field = Field(permitted, rows.length[: rows.count])
        draw = rows.draw[: rows.count]
        prints = (field.count, int(draw[permitted].sum()), len(scope.rows), int(draw[scope.rows].sum()))
        return View(field, scope, None if mean is None else np.round(mean, 12), prints)

    def narrowed(self, wanted: NDArray[np.bool_]) -> View:
        """The same statistics, but only these rows may be found."""
        near = self.scope.mask & wanted[: len(self.scope.mask)]
        return View(self.field, Scope(np.flatnonzero(near), near), self.mean, self.prints, wanted[self.field.rows])

    @property
    def size(self) -> int:
        """About how many bytes it and what engines derive from it take."""
        return len(self.scope.mask) + self.field.size + 48 * len(self.scope.rows)


def _sample(rows: NDArray[np.int64], draw: NDArray[np.uint64]) -> NDArray[np.int64]:
    """All rows, or those of the smallest draws: whether one is in depends on permitted rows alone."""
    if len(rows) <= _SAMPLE:
        return rows
    drawn = draw[rows]
    sample: NDArray[np.int64] = rows[drawn <= np.partition(drawn, _SAMPLE)[_SAMPLE]]
    return sample
