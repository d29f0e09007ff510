# SPDX-License-Identifier: Apache-2.0
"""Rows on their way from batches to the sides of a division, as text (for CSV); `arrows` has those for Parquet.

The hash of a row of text is SHA-256 over its values, as it always was: a row stays on its side across releases.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, TextIO

import numpy as np

from colonnade.adapters.tables.chunk import Chunk, Keys, unreadable
from colonnade.adapters.tables.column import Bools, Column, TextColumn
from colonnade.adapters.tables.lines import lines_of
from colonnade.adapters.tables.moments import Moments
from colonnade.adapters.tables.readers import open_batch
from colonnade.adapters.tables.texts import TextChunk
from colonnade.ports.outside.tables import Batch, Division


class Part(Protocol):
    """Some rows."""

    def __len__(self) -> int: ...

    def column(self, name: str) -> Column:
        """A column."""
        ...

    def keys(self) -> Keys:
        """A hash of each row: equal rows, equal hashes."""
        ...

    def lines(self) -> Any:
        """What is written of it, made once for all that is filtered from it later."""
        ...

    def filter(self, mask: Bools) -> Any:
        """The rows where the mask is true."""
        ...

    def blank(self, name: str, mask: Bools) -> None:
        """Empty a column's values where the mask is true."""
        ...


class Side(Protocol):
    """A file that is written."""

    def write(self, part: Any) -> None:
        """Some rows."""
        ...


class Store(Protocol):
    """Buckets of rows on disk."""

    def add(self, bucket: int, part: Any, when: Moments, keys: Keys) -> None:
        """Rows of a bucket, with what they are sorted by."""
        ...

    def pour(self, bucket: int, side: Any) -> int:
        """Write a bucket in order; how many rows it has."""
        ...


class Rows(Protocol):
    """All rows of all batches, with the columns of the first, in its order."""

    header: tuple[str, ...]

    def parts(self) -> Iterator[Any]:
        """A chunk at a time. Raises UsageError."""
        ...

    def side(self, path: Path) -> contextlib.AbstractContextManager[Any]:
        """A file to write."""
        ...

    def store(self, folder: Path) -> contextlib.AbstractContextManager[Any]:
        """Buckets in a folder that is there and empty; the caller removes it."""
        ...


def rows_for(batches: Sequence[Batch], division: Division) -> Rows:
    """The rows in the form that is to be written. Raises UsageError, MissingExtra."""
    if division.format == "parquet":
        from colonnade.adapters.tables.arrows import ArrowRows

        return ArrowRows(batches, division.types)
    return TextRows(batches)


class TextPart:
    """Implements `Part`."""

    def __init__(
        self, header: tuple[str, ...], rows: Sequence[Sequence[str]], lines: Sequence[str] | None = None
    ) -> None:
        self.header, self.rows = header, rows
        self._lines = lines

    def __len__(self) -> int:
        return len(self.rows)

    def column(self, name: str) -> TextColumn:
        """See `Part`."""
        place = self.header.index(name)
        return TextColumn([row[place] for row in self.rows])

    def keys(self) -> Keys:
        """See `Part`."""
        sha = hashlib.sha256
        digests = b"".join([sha("\0".join(row).encode()).digest()[:8] for row in self.rows])
        return np.frombuffer(digests, ">u8").astype(np.uint64)

    def lines(self) -> Sequence[str]:
        """As CSV; made once, also for what is filtered from it later."""
        if self._lines is None:
            self._lines = lines_of(self.rows)
        return self._lines

    def filter(self, mask: Bools) -> TextPart:
        """See `Part`."""
        if mask.all():
            return self
        rows, lines, places = self.rows, self._lines, np.flatnonzero(mask).tolist()
        kept = None if lines is None else [lines[place] for place in places]
        return TextPart(self.header, [rows[place] for place in places], kept)

    def blank(self, name: str, mask: Bools) -> None:
        """See `Part`."""
        place = self.header.index(name)
        rows = list(self.rows)
        for number in np.flatnonzero(mask).tolist():
            rows[number] = [*rows[number][:place], "", *rows[number][place + 1 :]]
        self.rows, self._lines = rows, None


class TextSide:
    """Implements `Side`: CSV."""

    def __init__(self, file: TextIO, header: Sequence[str]) -> None:
        self._file = file
        self.write_lines(lines_of([header]))

    def write(self, part: TextPart) -> None:
        """See `Side`."""
        self.write_lines(part.lines())

    def write_lines(self, lines: Sequence[str]) -> None:
        """Rows that are lines already."""
        if lines:
            self._file.write("\n".join(lines) + "\n")


class TextStore:
    """Implements `Store`: a file of lines and a file of keys for each bucket."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kind: Any = np.int64
        self._broken: set[int] = set()

    def add(self, bucket: int, part: TextPart, when: Moments, keys: Keys) -> None:
        """See `Store`."""
        self._kind = when.dtype
        text = "\n".join(part.lines()) + "\n"
        if text.count("\n") != len(part):
            self._broken.add(bucket)
        with open(self._folder / f"{bucket}.csv", "a", encoding="utf-8", newline="") as file:
            file.write(text)
        add_keys(self._folder, bucket, when, keys)

    def pour(self, bucket: int, side: TextSide) -> int:
        """See `Store`."""
        path = self._folder / f"{bucket}.csv"
        if not path.exists():
            return 0
        with open(path, encoding="utf-8", newline="") as file:
            lines = lines_of(list(csv.reader(file))) if bucket in self._broken else file.read().split("\n")[:-1]
        side.write_lines([lines[place] for place in order_of(self._folder, bucket, self._kind).tolist()])
        emptied(path)
        return len(lines)


class TextRows:
    """Implements `Rows`. Parquet becomes text here when CSV is wanted."""

    def __init__(self, batches: Sequence[Batch]) -> None:
        self._readers = [open_batch(batch) for batch in batches]
        self.header = self._readers[0].header

    def parts(self) -> Iterator[TextPart]:
        """See `Rows`."""
        for reader in self._readers:
            if set(reader.header) != set(self.header):
                raise unreadable("the columns of the files differ")
            order = None if reader.header == self.header else [reader.header.index(name) for name in self.header]
            for chunk in reader.chunks():
                rows = _texts(chunk)
                yield TextPart(self.header, [[row[p] for p in order] for row in rows] if order else rows)

    @contextlib.contextmanager
    def side(self, path: Path) -> Iterator[TextSide]:
        """See `Rows`."""
        with open(path, "w", encoding="utf-8", newline="") as file:
            yield TextSide(file, self.header)

    @contextlib.contextmanager
    def store(self, folder: Path) -> Iterator[TextStore]:
        """See `Rows`."""
        yield TextStore(folder)


def add_keys(folder: Path, bucket: int, when: Moments, keys: Keys) -> None:
    """Append what rows are sorted by: (moment, hash) pairs of eight bytes each."""
    with open(folder / f"{bucket}.keys", "ab") as file:
        np.column_stack([np.ascontiguousarray(when).view(np.uint64), keys]).tofile(file)


def order_of(folder: Path, bucket: int, kind: Any) -> Any:
    """The order of a bucket's rows."""
    pairs = np.fromfile(folder / f"{bucket}.keys", np.uint64).reshape(-1, 2)
    emptied(folder / f"{bucket}.keys")
    return np.lexsort((pairs[:, 1], np.ascontiguousarray(pairs[:, 0]).view(kind)))


def emptied(path: Path) -> None:
    """Give its space back; a confined process may not remove it."""
    open(path, "wb").close()


def _texts(chunk: Chunk) -> Sequence[Sequence[str]]:
    if isinstance(chunk, TextChunk):
        return chunk.rows
    from colonnade.adapters.tables.parquet import ArrowChunk, written

    assert isinstance(chunk, ArrowChunk)
    return list(zip(*[written(column) for column in chunk.batch.columns], strict=True))
