# SPDX-License-Identifier: Apache-2.0
"""What we ask of a vector engine: a shortlist under a bitmap, and the stored vectors. No text, no ids, no rights: row
numbers.

The rule that every engine keeps (non-interference): which permitted rows a shortlist holds depends on the query and on
those rows' vectors alone, never on other rows, on row numbers, or on what was added when. Hence no codebook, centroid
or graph made from stored data, and ties at the cut are taken or left together. Exact scores are the caller's business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Scope:
    """The rows that one search may see: `rows` ascending, `mask` over all row numbers up to the last one.

    A scope never changes and is asked many times, so engines may keep what they derive from it (packed codes) in a
    WeakKeyDictionary by the scope itself.
    """

    __slots__ = ("__weakref__", "mask", "rows")

    def __init__(self, rows: NDArray[np.int64], mask: NDArray[np.bool_]) -> None:
        self.rows = rows
        self.mask = mask


class Vectors(Protocol):
    """Vectors by row number. Calls that change run one at a time (the caller sees to it); searches run beside them."""

    @property
    def id(self) -> str:
        """Names the engine, for `doctor` and benchmarks."""
        ...

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        ...

    def put(self, first: int, vectors: NDArray[np.float32]) -> None:
        """Store unit vectors [n, dimensions] at rows first..first+n, replacing what stood there. Found at once."""
        ...

    def shortlist(self, query: NDArray[np.float32], scope: Scope, want: int) -> NDArray[np.int64]:
        """Rows of the scope, ascending, that very likely hold the `want` nearest by inner product.

        At least `want` of them, or the whole scope when it has fewer.
        """
        ...

    def vectors(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """[len(rows), dimensions] the stored vectors in double precision, as they were rounded."""
        ...

    def stored(self, count: int) -> NDArray[np.int16]:
        """[count, dimensions] the first `count` rows in steps of 1/32767, for a file; rows never put are zero."""
        ...

    def derived(self, count: int) -> NDArray[np.uint64]:
        """[count, width] what the engine made of the first `count` rows and a file may keep; width 0 for nothing."""
        ...

    def restore(self, vectors: NDArray[np.int16], derived: NDArray[np.uint64] | None = None) -> None:
        """Replace everything by these rows: what `stored` gave, or a file's.

        `derived` is what an engine of the same `id` gave for just these rows; without it, or when its shape does not
        fit, it is made again.
        """
        ...
