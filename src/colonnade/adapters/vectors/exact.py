# SPDX-License-Identifier: Apache-2.0
"""The plain engine: half-precision vectors in one array, every permitted row looked at. Numpy only; what the others are
measured by.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from colonnade.ports.outside.vectors import Scope

_BLOCK = 16384


class HalfStore:
    """Vectors in half precision by row number; the part that all engines share."""

    def __init__(self, dimensions: int) -> None:
        self.dimensions = dimensions
        self._data = np.zeros((256, dimensions), np.float16)

    def put(self, first: int, vectors: NDArray[np.float32]) -> None:
        """Store rows; see the port."""
        end = first + len(vectors)
        if end > len(self._data):
            grown = np.zeros((max(end, 2 * len(self._data)), self.dimensions), np.float16)
            grown[: len(self._data)] = self._data
            self._data = grown
        self._data[first:end] = vectors

    def exact(self, query: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Inner products in double precision, rounded; see the port."""
        data, wide = self._data, query.astype(np.float64)
        scores = np.zeros(len(rows))
        for i in range(0, len(rows), _BLOCK):
            scores[i : i + _BLOCK] = data[rows[i : i + _BLOCK]].astype(np.float64) @ wide
        return np.round(scores, 9, out=scores)

    def vectors(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """The stored vectors; see the port."""
        return self._data[rows].astype(np.float32)

    def stored(self, count: int) -> NDArray[np.float16]:
        """The first rows; see the port."""
        if count <= len(self._data):
            return self._data[:count]
        return np.concatenate((self._data, np.zeros((count - len(self._data), self.dimensions), np.float16)))

    def restore(self, vectors: NDArray[np.float16]) -> None:
        """Replace everything; see the port."""
        self._data = np.array(vectors, np.float16)


class ExactVectors(HalfStore):
    """Looks at every permitted row."""

    id = "exact"

    def shortlist(self, query: NDArray[np.float32], scope: Scope, want: int) -> NDArray[np.int64]:
        """The nearest rows of the scope, ties at the cut together."""
        if len(scope.rows) <= want:
            return scope.rows
        scores = self.exact(query, scope.rows)
        least = np.partition(scores, len(scores) - want)[len(scores) - want]
        rows: NDArray[np.int64] = scope.rows[scores >= least]
        return rows
