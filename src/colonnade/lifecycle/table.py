# SPDX-License-Identifier: Apache-2.0
"""A small table in memory: `test.csv`, of which evaluations are told by slices, and which a rehearsal asks about.

Data sets of any size are read by the engine behind `ports.outside.tables`, never here.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

from colonnade.core.errors import UsageError


@dataclass(frozen=True)
class Table:
    """A CSV file, read: its header and rows, each with its line."""

    header: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]

    def column(self, name: str) -> list[str]:
        """A column's values, top to bottom."""
        place = self.header.index(name)
        return [values[place] for _, values in self.rows]


def read_table(data: bytes, path: str) -> Table:
    """A CSV file with a header. Raises UsageError with the line of what is no table."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text", hint="save it as UTF-8", code="table_unreadable") from error
    reader = csv.reader(io.StringIO(text, newline=""))
    header = tuple(name.strip() for name in next(reader, []))
    if not header or len(set(header)) != len(header) or "" in header:
        raise UsageError(f"{path}: the first line must name every column, each once", code="table_unreadable")
    rows = []
    for values in reader:
        if values and len(values) != len(header):
            message = f"{path}:{reader.line_num}: {len(values)} values in a table of {len(header)} columns"
            raise UsageError(message, hint="quote values that hold commas", code="table_unreadable")
        if values:
            rows.append((reader.line_num, tuple(values)))
    return Table(header, tuple(rows))
