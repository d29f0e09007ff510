# SPDX-License-Identifier: Apache-2.0
"""A table's cells laid out: a cell that spans several columns or rows is repeated in every cell that it covers, so
that each row can be read alone.
"""

from __future__ import annotations

from collections.abc import Iterable

from colonnade.core.errors import Unreadable

_MOST_COLUMNS = 16_384
_MOST_CELLS = 2_000_000


class Grid:
    """Rows of text, filled cell by cell.

    >>> grid = Grid()
    >>> grid.row([("a", 2, 1), ("b", 1, 2)])
    >>> grid.row([("c", 1, 1), ("d", 1, 1)])
    >>> grid.rows
    [['a', 'a', 'b'], ['c', 'd', 'b']]
    """

    def __init__(self) -> None:
        self._rows: list[list[str]] = []
        self._hanging: dict[int, tuple[int, str]] = {}
        self._cells = 0

    def row(self, cells: Iterable[tuple[str, int, int]]) -> None:
        """Add a row of (text, columns it spans, rows it spans)."""
        row: list[str] = []
        following: dict[int, tuple[int, str]] = {}
        for text, columns, rows in cells:
            self._take_hanging(row, following)
            for _ in range(columns):
                if rows > 1:
                    following[len(row)] = (rows - 1, text)
                self._put(row, text)
        self._take_hanging(row, following)
        self._hanging = following
        self._rows.append(row)

    def _take_hanging(self, row: list[str], following: dict[int, tuple[int, str]]) -> None:
        while len(row) in self._hanging:
            left, text = self._hanging[len(row)]
            if left > 1:
                following[len(row)] = (left - 1, text)
            self._put(row, text)

    def _put(self, row: list[str], text: str) -> None:
        self._cells += 1
        if self._cells > _MOST_CELLS or len(row) >= _MOST_COLUMNS:
            raise Unreadable("A table in it has more cells than the limit.", code="bomb")
        row.append(text)

    @property
    def width(self) -> int:
        """The number of columns of the widest row."""
        return max(map(len, self._rows), default=0)

    @property
    def rows(self) -> list[list[str]]:
        """All rows, filled up to the same width."""
        width = self.width
        return [row + [""] * (width - len(row)) for row in self._rows]
