# SPDX-License-Identifier: Apache-2.0
"""Rows on their way to Parquet: as Arrow batches of one schema, whatever the batches were. Text is given the types that
its columns turned out to hold.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from colonnade.adapters.tables.chunk import Chunk, Keys, unreadable
from colonnade.adapters.tables.column import Bools, TextColumn
from colonnade.adapters.tables.moments import Moments
from colonnade.adapters.tables.parquet import ArrowChunk, ArrowColumn, ParquetReader, ParquetSide, arrow
from colonnade.adapters.tables.profile import mixed, of_words
from colonnade.adapters.tables.readers import open_batch
from colonnade.adapters.tables.rows import add_keys, emptied, order_of
from colonnade.core.tables import FALSE, TRUE
from colonnade.ports.outside.tables import Batch


class ArrowPart:
    """Implements `Part` over a record batch."""

    def __init__(self, batch: Any) -> None:
        self.batch = batch

    def __len__(self) -> int:
        return int(self.batch.num_rows)

    def column(self, name: str) -> ArrowColumn:
        """See `Part`."""
        return ArrowColumn(self.batch.column(name))

    def keys(self) -> Keys:
        """See `Part`. Numbers by their bits, text by its words."""
        keys = np.zeros(len(self), np.uint64)
        for place, array in enumerate(self.batch.columns):
            with np.errstate(over="ignore"):
                keys = mixed(keys ^ (_hashes(array) + np.uint64(place)))
        return keys

    def lines(self) -> None:
        """See `Part`: a batch is written as it is."""

    def filter(self, mask: Bools) -> ArrowPart:
        """See `Part`."""
        return self if mask.all() else ArrowPart(self.batch.filter(arrow().array(mask)))

    def blank(self, name: str, mask: Bools) -> None:
        """See `Part`."""
        pa = arrow()
        place = self.batch.schema.get_field_index(name)
        old = self.batch.column(place)
        new = pa.compute.if_else(pa.array(mask), pa.scalar(None, old.type), old)
        columns = [*self.batch.columns[:place], new, *self.batch.columns[place + 1 :]]
        self.batch = pa.RecordBatch.from_arrays(columns, schema=self.batch.schema)


class ArrowStore:
    """Implements `Store`: a folder of Arrow files and a file of keys for each bucket."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kind: Any = np.int64
        self._counts: dict[int, int] = {}

    def add(self, bucket: int, part: ArrowPart, when: Moments, keys: Keys) -> None:
        """See `Store`."""
        pa = arrow()
        self._kind = when.dtype
        number = self._counts[bucket] = self._counts.get(bucket, 0) + 1
        with pa.ipc.new_file(str(self._folder / f"{bucket}-{number}.arrow"), part.batch.schema) as file:
            file.write_batch(part.batch)
        add_keys(self._folder, bucket, when, keys)

    def pour(self, bucket: int, side: ParquetSide) -> int:
        """See `Store`."""
        pa = arrow()
        paths = [self._folder / f"{bucket}-{n}.arrow" for n in range(1, self._counts.get(bucket, 0) + 1)]
        if not paths:
            return 0
        whole = pa.concat_tables([pa.ipc.open_file(pa.OSFile(str(path))).read_all() for path in paths])
        ordered = whole.take(pa.array(order_of(self._folder, bucket, self._kind))).combine_chunks()
        for batch in ordered.to_batches():
            side.write(batch)
        for path in paths:
            emptied(path)
        return int(whole.num_rows)


class Side:
    """Implements `rows.Side`."""

    def __init__(self, inner: ParquetSide) -> None:
        self._inner = inner

    def write(self, part: Any) -> None:
        """A part, or a record batch."""
        self._inner.write(part.batch if isinstance(part, ArrowPart) else part)


class ArrowRows:
    """Implements `Rows`. Raises UsageError when a column is of one type here and of another there."""

    def __init__(self, batches: Sequence[Batch], types: Mapping[str, str]) -> None:
        pa = arrow()
        self._readers = [open_batch(batch) for batch in batches]
        self.header = self._readers[0].header
        typed = [reader.schema for reader in self._readers if isinstance(reader, ParquetReader)]
        made = {"integer": pa.int64(), "number": pa.float64(), "boolean": pa.bool_()}
        try:
            whole = pa.unify_schemas(typed, promote_options="permissive") if typed else None
        except pa.ArrowException as error:
            raise unreadable(f"the files have columns of different types: {error}") from error
        known = {field.name: field.type for field in whole or ()}
        self._schema = pa.schema(
            [
                pa.field(name, known[name] if name in known else made.get(types.get(name, ""), pa.string()))
                for name in self.header
            ]
        )

    def parts(self) -> Iterator[ArrowPart]:
        """See `Rows`."""
        pa = arrow()
        for reader in self._readers:
            if set(reader.header) != set(self.header):
                raise unreadable("the columns of the files differ")
            pairs = list(zip(self.header, self._schema, strict=True))
            for chunk in reader.chunks():
                arrays = [self._array(chunk, name, field.type) for name, field in pairs]
                yield ArrowPart(pa.RecordBatch.from_arrays(arrays, schema=self._schema))

    def _array(self, chunk: Chunk, name: str, kind: Any) -> Any:
        pa = arrow()
        if isinstance(chunk, ArrowChunk):
            return chunk.batch.column(chunk.header.index(name)).cast(kind)
        column = chunk.column(name)
        assert isinstance(column, TextColumn)
        try:
            return _typed(pa, column, kind)
        except (pa.ArrowException, OverflowError, KeyError) as error:
            raise unreadable(f"the column {name!r} is no {kind} in every file") from error

    @contextlib.contextmanager
    def side(self, path: Path) -> Iterator[Side]:
        """See `Rows`."""
        inner = ParquetSide(path, self._schema)
        try:
            yield Side(inner)
        finally:
            inner.close()

    @contextlib.contextmanager
    def store(self, folder: Path) -> Iterator[ArrowStore]:
        """See `Rows`."""
        yield ArrowStore(folder)


def _typed(pa: Any, column: TextColumn, kind: Any) -> Any:
    """Text as an array of a type. Raises KeyError for what is no truth value, ArrowInvalid for the rest."""
    if pa.types.is_string(kind):
        return pa.array(column.raw, kind, mask=column.empty)
    if pa.types.is_boolean(kind):
        words = {"": None, **dict.fromkeys(TRUE, True), **dict.fromkeys(FALSE, False)}
        return pa.array([words[text.lower()] for text in column.texts()], kind)
    exact = column.integers()
    if exact is not None:
        return pa.array(exact).cast(kind)
    if pa.types.is_integer(kind) or pa.types.is_temporal(kind) or pa.types.is_decimal(kind):
        return pa.array([text or None for text in column.texts()], pa.string()).cast(kind)
    numbers = column.numbers()
    if not column.all_of("number"):
        raise KeyError("no number")
    return pa.array(numbers, mask=column.empty).cast(kind)


def _hashes(array: Any) -> Keys:
    """Of each value; null has one of its own."""
    pa = arrow()
    column = ArrowColumn(array)
    if pa.types.is_temporal(array.type):
        values, there = column.dates()
        return np.where(there, mixed(values.view(np.uint64)), np.uint64(1))
    if pa.types.is_integer(array.type) or pa.types.is_floating(array.type) or pa.types.is_decimal(array.type):
        numbers = column.numbers()
        return np.where(np.isnan(numbers), np.uint64(1), mixed((numbers + 0.0).view(np.uint64)))
    coded = pa.array(column.texts(), pa.large_string()).dictionary_encode()
    words = of_words(coded.dictionary.to_pylist())
    return words[coded.indices.to_numpy()] if len(words) else np.zeros(len(array), np.uint64)
