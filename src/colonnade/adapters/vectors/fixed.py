# SPDX-License-Identifier: Apache-2.0
"""Unit vectors as 16-bit fixed point in one growing array: what all engines in this process share. No search here.

Coordinates of unit vectors lie in -1..1; a step of 1/32767 loses no more than half precision does (inner products
within about 1e-5), turns into double precision five times faster, and sums of it are exact in any order.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

STEP = 1.0 / 32767.0
_FIRST_CAPACITY = 256


class FixedPoint:
    """Vectors by row number. Growth copies and rows stay, so a search that began before never sees them move."""

    def __init__(self, dimensions: int) -> None:
        self.dimensions = dimensions
        self._data = np.zeros((_FIRST_CAPACITY, dimensions), np.int16)
        self._used = 0

    def put(self, first: int, vectors: NDArray[np.float32]) -> None:
        """Store rows; see the port."""
        end = first + len(vectors)
        if end > len(self._data):
            grown = np.zeros((max(end, 2 * len(self._data)), self.dimensions), np.int16)
            grown[: self._used] = self._data[: self._used]
            self._data = grown
        self._data[first:end] = np.round(np.clip(vectors, -1.0, 1.0).astype(np.float64) * 32767.0)
        self._used = max(self._used, end)

    def vectors(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """The stored vectors, zeros for rows never put; see the port."""
        found = self._data.take(rows, axis=0, mode="clip").astype(np.float64)
        if len(rows) and rows.max() >= len(self._data):
            found[rows >= len(self._data)] = 0.0
        found *= STEP
        return found

    def stored(self, count: int) -> NDArray[np.int16]:
        """The first rows; see the port."""
        missing = count - len(self._data)
        if missing <= 0:
            return self._data[:count]
        return np.concatenate((self._data, np.zeros((missing, self.dimensions), np.int16)))

    def restore(
        self,
        vectors: NDArray[np.int16],
        derived: NDArray[np.uint64] | None = None,  # noqa: ARG002  (it derives nothing)
    ) -> None:
        """Replace everything; see the port."""
        self._data = np.array(vectors, np.int16)
        self._used = len(vectors)
