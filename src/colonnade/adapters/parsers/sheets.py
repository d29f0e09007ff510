# SPDX-License-Identifier: Apache-2.0
"""Spreadsheets (.xlsx, .xlsm, .xlsb, .xls, .ods) by calamine: the visible sheets, each cut into its tables at blank
rows and columns, merged cells repeated in every cell that they cover. A block's part is its place: "Prices!B4:D7".

Values are those that the file caches: no formula is computed. A cell's own number format (a currency sign, a percent
sign) is not known; dates, times, whole and broken numbers are written as a person reads them.
"""

from __future__ import annotations

import datetime
import io
from collections.abc import Iterator, Sequence
from typing import Any

from colonnade.adapters.parsers.build import TextBuilder, one_line
from colonnade.adapters.parsers.package import Package, local
from colonnade.core.documents import Parsed
from colonnade.core.errors import Unreadable
from colonnade.ports.outside.parsers import ParseLimits

_MOST_CELLS = 5_000_000
_LOOSER = 3
"""A million formatted rows without a value are common, and pack 350-fold; zeros pack 1030-fold."""

_MOST_MERGED = 200_000

_Row = list[str]


def parse_sheets(raw: bytes, limits: ParseLimits) -> Parsed:
    """The tables of a workbook. Raises `Unreadable`: `encrypted`, `corrupt`, `bomb`, `no_text`."""
    import python_calamine as calamine

    package = Package(raw, limits, looser=_LOOSER) if raw.startswith(b"PK") else None
    try:
        book = calamine.CalamineWorkbook.from_filelike(io.BytesIO(raw))
    except calamine.PasswordError as error:
        raise Unreadable("It is protected by a password.", code="encrypted") from error
    except Exception as error:
        if b"E\0n\0c\0r\0y\0p\0t\0e\0d\0P\0a\0c\0k\0a\0g\0e" in raw[:65536]:
            raise Unreadable("It is protected by a password.", code="encrypted") from error
        raise Unreadable("It is damaged, or no workbook.", code="corrupt") from error
    builder = TextBuilder(limits.text_mib << 20)
    for meta in book.sheets_metadata:
        if meta.visible == calamine.SheetVisibleEnum.Visible and meta.typ == calamine.SheetTypeEnum.WorkSheet:
            _sheet(builder, book.get_sheet_by_name(meta.name), meta.name)
    if package is not None:
        _comments(builder, package)
    return builder.result()


def _sheet(builder: TextBuilder, sheet: Any, name: str) -> None:
    for top, band in _bands(sheet):
        for left, right in _columns(band):
            builder.start_part(f"{name}!{_place(top, left)}:{_place(top + len(band) - 1, right)}")
            if len(band) == 1 and left == right:
                builder.paragraph(band[0][left])
            elif left == 0 and right == max(map(len, band)) - 1:
                builder.table(band, tidy=True)
            else:
                builder.table([row[left : right + 1] for row in band])


def _bands(sheet: Any) -> Iterator[tuple[int, list[_Row]]]:
    """Runs of rows without a blank one between them, with the index of the first."""
    merged = _merged(sheet)
    covering: dict[tuple[int, int], str] = {}
    band: list[_Row] = []
    seen = 0
    for index, cells in enumerate(sheet.iter_rows()):
        seen += len(cells)
        row = [shown(cell) if cell != "" else "" for cell in cells]
        if index in merged:
            _cover(row, index, merged[index], covering)
        if any(row):
            band.append(row)
            if seen > _MOST_CELLS and sum(map(len, band)) > _MOST_CELLS:
                raise Unreadable(f"A table in it has more than {_MOST_CELLS} cells.", code="bomb")
        elif band:
            yield index - len(band), band
            band = []
    if band:
        yield index + 1 - len(band), band


def _merged(sheet: Any) -> dict[int, list[tuple[int, int, int]]]:
    """For each row the merged ranges that reach into it: first row of the range, first and last column."""
    found: dict[int, list[tuple[int, int, int]]] = {}
    total = 0
    for (top, left), (bottom, right) in sheet.merged_cell_ranges or ():
        total += bottom - top + 1
        if total > _MOST_MERGED:
            return {}
        for row in range(top, bottom + 1):
            found.setdefault(row, []).append((top, left, min(right, left + 500)))
    return found


def _cover(row: _Row, index: int, ranges: Sequence[tuple[int, int, int]], covering: dict[tuple[int, int], str]) -> None:
    """Write a merged range's text into all the cells that it covers."""
    for top, left, right in ranges:
        if index == top:
            covering[top, left] = row[left] if left < len(row) else ""
        text = covering.get((top, left), "")
        for column in range(left, min(right + 1, len(row))):
            row[column] = row[column] or text


def _columns(band: Sequence[_Row]) -> Iterator[tuple[int, int]]:
    """Runs of columns without a blank one between them: first and last index."""
    width = max(map(len, band))
    filled = [any(column < len(row) and row[column] for row in band) for column in range(width)]
    start: int | None = None
    for column, full in enumerate([*filled, False]):
        if full and start is None:
            start = column
        elif not full and start is not None:
            yield start, column - 1
            start = None


def _place(row: int, column: int) -> str:
    """A cell's name, from indices that count from 0.

    >>> _place(0, 0), _place(9, 27)
    ('A1', 'AB10')
    """
    letters = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(65 + rest) + letters
    return f"{letters}{row + 1}"


def shown(value: object) -> str:
    """A cell's value as a person reads it.

    >>> shown(3.0), shown(0.1 + 0.2), shown(datetime.datetime(2026, 1, 1)), shown(True)
    ('3', '0.3', '2026-01-01', 'TRUE')
    """
    if isinstance(value, str):
        return one_line(value)
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.15g}"
    if isinstance(value, datetime.datetime):
        if (value.hour, value.minute, value.second, value.microsecond) == (0, 0, 0, 0):
            return value.date().isoformat()
        return value.isoformat(sep=" ", timespec="seconds" if value.second else "minutes")
    return str(value)


def _comments(builder: TextBuilder, package: Package) -> None:
    """What people noted on cells, with the cell."""
    for name in package.names():
        if name.startswith("xl/comments") and name.endswith(".xml"):
            root = package.xml(name)
            builder.start_part("comments")
            for comment in (e for e in (root.iter() if root is not None else ()) if local(e) == "comment"):
                text = one_line("".join(e.text or "" for e in comment.iter() if local(e) == "t"))
                if text:
                    builder.paragraph(f"{comment.get('ref') or ''}: {text}")
