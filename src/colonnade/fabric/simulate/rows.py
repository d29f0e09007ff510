# SPDX-License-Identifier: Apache-2.0
"""Rows of a table with the line that each stands on, and values out of them with errors that name that line.

Node and pod files are read through this, whatever they are written in. Opens no file.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from colonnade.core.errors import UsageError


@dataclass(frozen=True, slots=True)
class Row:
    """One row: where it stands, and its cells by column."""

    source: str
    line: int
    cells: Mapping[str, str]

    def wrong(self, message: str, *, hint: str = "") -> UsageError:
        """The error that names this row."""
        return UsageError(f"{self.source}:{self.line}: {message}", hint=hint)

    def text(self, *columns: str) -> str:
        """The first of these columns that is filled, or ""."""
        return next((found for c in columns if (found := (self.cells.get(c) or "").strip())), "")

    def whole(self, column: str, *, least: int = 0, default: int | None = None) -> int:
        """A whole number of at least `least`.

        Raises:
            UsageError: it is no such number; empty without a default.
        """
        said = self.text(column)
        if not said and default is not None:
            return default
        try:
            value = int(said)
        except ValueError:
            what = f"{said!r} is no whole number" if said else "is empty"
            raise self.wrong(f"{column}: {what}", hint=f"{column} is a whole number, at least {least}") from None
        if value < least:
            raise self.wrong(f"{column}: {value} is less than {least}", hint=f"{column} is at least {least}")
        return value

    def seconds(self, column: str) -> float | None:
        """A time in seconds, or None where the cell is empty."""
        said = self.text(column)
        try:
            return float(said) if said else None
        except ValueError:
            raise self.wrong(f"{column}: {said!r} is no number", hint=f"{column} is in seconds, or empty") from None


def csv_rows(text: str, source: str, needed: Sequence[str]) -> list[Row]:
    """The rows of a CSV text with a head line.

    Args:
        text: all of it.
        source: what errors call it.
        needed: columns that must be there; "sn or name" needs one of the two.

    Raises:
        UsageError: it is empty, or a column is missing, or a row is longer than the head.
    """
    reader = csv.reader(io.StringIO(text.lstrip("\ufeff")), strict=True)
    try:
        head = [word.strip() for word in next(reader, [])]
        require(head, source, 1, needed)
        found = [_row(head, cells, source, reader.line_num) for cells in reader if cells]
    except csv.Error as error:
        raise UsageError(
            f"{source}:{reader.line_num}: {error}", hint="the file is read as CSV with a head line"
        ) from None
    if not found:
        raise UsageError(f"{source}: there is a head line and nothing below it", hint="one line a node, or a pod")
    return found


def require(head: Iterable[str], source: str, line: int, needed: Sequence[str]) -> None:
    """Refuse a head that lacks a column.

    Raises:
        UsageError: with what is missing and what is there.
    """
    there = [word for word in head if word]
    missing = [words for words in needed if not any(word in there for word in words.split(" or "))]
    if not there:
        raise UsageError(f"{source}: the file is empty", hint=f"it needs the columns {', '.join(needed)}")
    if missing:
        plural = "s" if len(missing) > 1 else ""
        raise UsageError(
            f"{source}:{line}: missing column{plural} {', '.join(missing)}",
            hint=f"it has {', '.join(there[:12])}; it needs {', '.join(needed)}",
        )


def _row(head: Sequence[str], cells: Sequence[str], source: str, line: int) -> Row:
    if len(cells) != len(head):
        raise UsageError(
            f"{source}:{line}: {len(cells)} cells under {len(head)} columns",
            hint="every line has as many cells as the head line",
        )
    return Row(source, line, dict(zip(head, cells, strict=True)))
