# SPDX-License-Identifier: Apache-2.0
"""Readers of text: CSV (RFC 4180, with a header) and JSON lines, a chunk of rows at a time."""

from __future__ import annotations

import csv
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from colonnade.adapters.tables.chunk import checked, plain, rows_of, unreadable
from colonnade.adapters.tables.column import TextColumn

FIELD_CHARACTERS = 1 << 20
"""Of one value; more is a quote that was never closed, or an attack."""
MOST_COLUMNS = 20_000


class TextChunk:
    """Implements `Chunk`: rows as lists of strings, all as long as the header."""

    def __init__(self, header: tuple[str, ...], rows: Sequence[Sequence[str]], lines: Sequence[int]) -> None:
        self.header, self.rows, self._lines = header, rows, lines
        self._columns: list[tuple[str, ...]] | None = None
        self._made: dict[str, TextColumn] = {}

    def __len__(self) -> int:
        return len(self.rows)

    def column(self, name: str) -> TextColumn:
        """See `Chunk`."""
        if name not in self._made:
            if self._columns is None:
                self._columns = list(zip(*self.rows, strict=True))
            self._made[name] = TextColumn(self._columns[self.header.index(name)])
        return self._made[name]

    def line(self, row: int) -> int:
        """See `Chunk`."""
        return self._lines[row]

    def values(self, row: int) -> Mapping[str, str]:
        """See `Chunk`."""
        return dict(zip(self.header, self.rows[row], strict=True))


class CsvReader:
    """A CSV file in UTF-8. Raises UsageError for one without a proper header."""

    def __init__(self, path: Path, name: str) -> None:
        self._path, self._name = path, name
        csv.field_size_limit(FIELD_CHARACTERS)
        with plain(name), open(path, encoding="utf-8-sig", newline="") as file:
            self.header = checked(tuple(c.strip() for c in self._first(csv.reader(file))), name)

    def chunks(self) -> Iterator[TextChunk]:
        """See `Reader`."""
        width = len(self.header)
        with plain(self._name), open(self._path, encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            self._first(reader)
            while True:
                before = reader.line_num
                try:
                    rows = list(itertools.islice(reader, rows_of(width)))
                except csv.Error as error:
                    raise unreadable(f"{self._name}:{reader.line_num}: {error}") from error
                if not rows:
                    return
                lines: Sequence[int] = range(before + 1, before + 1 + len(rows))
                if reader.line_num - before != len(rows) or set(map(len, rows)) != {width}:
                    rows, lines = self._careful(rows, before)
                if rows:
                    yield TextChunk(self.header, rows, lines)

    def _first(self, reader: Any) -> list[str]:
        try:
            return next(reader, [])
        except csv.Error as error:
            raise unreadable(f"{self._name}:1: {error}") from error

    def _careful(self, rows: list[list[str]], before: int) -> tuple[list[list[str]], list[int]]:
        """Some rows are empty, too long, too short, or go over several lines: count each."""
        kept, lines, line = [], [], before
        for row in rows:
            line += 1 + sum(_breaks(value) for value in row)
            if row and len(row) != len(self.header):
                message = f"{self._name}:{line}: {len(row)} values in a table of {len(self.header)} columns"
                raise unreadable(message, "quote values that hold commas")
            if row:
                kept.append(row)
                lines.append(line)
        return kept, lines


class JsonLinesReader:
    """One JSON object a line. Columns are the names of all of them, in the order in which they first come; a name that
    a line lacks, and null, are empty. What is nested stands as JSON.
    """

    def __init__(self, path: Path, name: str) -> None:
        self._path, self._name = path, name
        header: dict[str, None] = {}
        for _, row in self._rows():
            if row.keys() - header.keys():
                header |= dict.fromkeys(row)
                if len(header) > MOST_COLUMNS:
                    raise unreadable(f"{name}: it has more than {MOST_COLUMNS:,} columns")
        self.header = checked(tuple(header), name)

    def chunks(self) -> Iterator[TextChunk]:
        """See `Reader`."""
        rows = self._rows()
        while part := list(itertools.islice(rows, rows_of(len(self.header)))):
            texts = [[said(row.get(name)) for name in self.header] for _, row in part]
            yield TextChunk(self.header, texts, [line for line, _ in part])

    def _rows(self) -> Iterator[tuple[int, dict[str, Any]]]:
        decoder = msgspec.json.Decoder(dict[str, Any])
        with plain(self._name), open(self._path, "rb") as file:
            line = 0
            while text := file.readline(FIELD_CHARACTERS * 16):
                line += 1
                if not text.strip():
                    continue
                try:
                    yield line, decoder.decode(text)
                except (msgspec.DecodeError, RecursionError) as error:
                    hint = "each line is one JSON object; the last may be half-written"
                    raise unreadable(f"{self._name}:{line}: {error}", hint) from error


def said(value: Any) -> str:
    """A value of JSON or of a database, as a CSV file would have it.

    >>> [said(value) for value in (None, True, 1.0, "a", [1])]
    ['', 'true', '1.0', 'a', '[1]']
    """
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _breaks(value: str) -> int:
    if "\n" not in value and "\r" not in value:
        return 0
    return value.count("\n") + value.count("\r") - value.count("\r\n")
