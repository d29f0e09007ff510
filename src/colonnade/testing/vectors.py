# SPDX-License-Identifier: Apache-2.0
"""The reference for the `vectors` port: every permitted row looked at, exactly. Slow and obvious; nothing clever may
enter.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from colonnade.ports.outside.vectors import Scope


class BruteForceVectors:
    """Looks at every permitted row in double precision."""

    id = "brute-force"

    def __init__(self, dimensions: int) -> None:
        self.dimensions = dimensions
        self._rows: dict[int, NDArray[np.int16]] = {}

    def put(self, first: int, vectors: NDArray[np.float32]) -> None:
        """Store rows; see the port."""
        for i, vector in enumerate(vectors):
            self._rows[first + i] = np.round(vector.astype(np.float64) * 32767.0).astype(np.int16)

    def shortlist(self, query: NDArray[np.float32], scope: Scope, want: int) -> NDArray[np.int64]:
        """Exactly the nearest rows of the scope, and all that tie with the last."""
        scores = np.round(self.vectors(scope.rows) @ query.astype(np.float64), 9)
        if len(scores) <= want:
            return scope.rows
        least = np.sort(scores)[-want]
        near: NDArray[np.int64] = scope.rows[scores >= least]
        return near

    def vectors(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """The stored vectors; see the port."""
        zero = np.zeros(self.dimensions, np.int16)
        found = [self._rows.get(int(row), zero) for row in rows]
        return np.array(found, np.float64).reshape(len(rows), self.dimensions) / 32767.0

    def stored(self, count: int) -> NDArray[np.int16]:
        """The first rows; see the port."""
        zero = np.zeros(self.dimensions, np.int16)
        return np.array([self._rows.get(row, zero) for row in range(count)], np.int16).reshape(count, self.dimensions)

    def derived(self, count: int) -> NDArray[np.uint64]:
        """Nothing; see the port."""
        return np.zeros((count, 0), np.uint64)

    def restore(
        self,
        vectors: NDArray[np.int16],
        derived: NDArray[np.uint64] | None = None,  # noqa: ARG002  (it derives nothing)
    ) -> None:
        """Replace everything; see the port."""
        self._rows = dict(enumerate(np.array(vectors, np.int16)))
