# SPDX-License-Identifier: Apache-2.0
"""Parquet, by pyarrow: a reader in chunks, its columns, and a writer. The only file here that knows Arrow.

Columns of numbers, booleans, text, dates and moments are read; lists, structures and bytes are refused by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from colonnade.adapters.tables.chunk import checked, rows_of, unreadable
from colonnade.adapters.tables.column import Bools, Floats, Ints, TextColumn
from colonnade.core.errors import MissingExtra

DAY_US = 86_400_000_000


def arrow() -> ModuleType:
    """pyarrow, on one thread. Raises MissingExtra."""
    try:
        import pyarrow as pa
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtra(
            "Parquet needs pyarrow, which is not installed", hint="pip install 'colonnade[tables]'"
        ) from error
    pa.set_cpu_count(1)
    module: ModuleType = pa
    return module


class ArrowColumn:
    """Implements `Column` over an Arrow array."""

    def __init__(self, array: Any) -> None:
        pa = arrow()
        self._array, self._pa, self._type = array, pa, array.type
        kind = _kind(pa, array.type)
        self._kind = kind
        if kind == "text":
            texts = pa.compute.fill_null(pa.compute.utf8_trim_whitespace(array.cast(pa.large_string())), "")
            self._text: TextColumn | None = TextColumn(texts.to_pylist())
            self.empty: Bools = self._text.empty
            return
        self._text = None
        self.empty = pa.compute.is_null(array, nan_is_null=True).to_numpy(zero_copy_only=False)
        self._numbers: Floats | None = None

    def texts(self) -> Sequence[str]:
        """See `Column`."""
        if self._text is not None:
            return self._text.texts()
        return written(self._array)

    def counts(self) -> Mapping[str, int]:
        """See `Column`."""
        if self._text is not None:
            return self._text.counts()
        found = self._pa.compute.value_counts(self._array.drop_null())
        counts = dict(zip(written(found.field("values")), found.field("counts").to_pylist(), strict=True))
        counts.pop("", None)
        return counts

    def numbers(self) -> Floats:
        """See `Column`."""
        if self._text is not None:
            return self._text.numbers()
        if self._numbers is None:
            if self._kind not in {"integer", "number"}:
                self._numbers = np.full(len(self._array), np.nan)
            else:
                values = self._array.cast(self._pa.float64(), safe=False)
                self._numbers = np.array(values.to_numpy(zero_copy_only=False), dtype=np.float64)
                self._numbers[~np.isfinite(self._numbers)] = np.nan
        return self._numbers

    def is_kind(self, kind: str) -> Bools:
        """See `Column`. Numbers without a fraction are integers, whatever their type; text may be anything."""
        if self._text is not None:
            return self._text.is_kind(kind)
        there: Bools = ~self.empty
        if kind == "text":
            return there
        if kind == "number" and self._kind in {"integer", "number"}:
            return ~np.isnan(self.numbers())
        if kind == "integer" and self._kind in {"integer", "number"}:
            with np.errstate(invalid="ignore"):
                whole: Bools = self.numbers() == np.floor(self.numbers())
                return whole
        if kind == "boolean" and self._kind == "integer":
            return np.isin(self.numbers(), (0.0, 1.0))
        return there if kind == self._kind else np.zeros(len(self._array), bool)

    def all_of(self, kind: str) -> bool:
        """See `Column`. A column of type double is one of numbers, not of integers."""
        if self._text is not None:
            return self._text.all_of(kind)
        if kind == "integer" and self._kind == "number":
            return False
        return bool((self.is_kind(kind) == ~self.empty).all())

    def integers(self) -> Ints | None:
        """See `Column`."""
        if self._text is not None:
            return self._text.integers()
        if self._kind != "integer" or self._array.null_count:
            return None
        try:
            found: Ints = self._array.cast(self._pa.int64()).to_numpy()
        except self._pa.ArrowInvalid:
            return None
        return found

    def dates(self) -> tuple[Ints, Bools]:
        """See `Column`."""
        if self._text is not None:
            return self._text.dates()
        if self._kind != "date":
            return np.zeros(len(self._array), np.int64), np.zeros(len(self._array), bool)
        pa = self._pa
        if pa.types.is_date(self._type):
            days = self._array.cast(pa.date32()).cast(pa.int32()).fill_null(0).to_numpy().astype(np.int64)
            return days * DAY_US, ~self.empty
        moments = self._array.cast(pa.timestamp("us", tz=self._type.tz), safe=False)
        return moments.cast(pa.int64()).fill_null(0).to_numpy(), ~self.empty


class ArrowChunk:
    """Implements `Chunk` over a record batch."""

    def __init__(self, header: tuple[str, ...], batch: Any, first: int) -> None:
        self.header, self.batch, self._first = header, batch, first
        self._made: dict[str, ArrowColumn] = {}

    def __len__(self) -> int:
        return int(self.batch.num_rows)

    def column(self, name: str) -> ArrowColumn:
        """See `Chunk`."""
        if name not in self._made:
            self._made[name] = ArrowColumn(self.batch.column(self.header.index(name)))
        return self._made[name]

    def line(self, row: int) -> int:
        """See `Chunk`."""
        return self._first + row

    def values(self, row: int) -> Mapping[str, str]:
        """See `Chunk`."""
        one = self.batch.slice(row, 1)
        return {name: written(one.column(place))[0] for place, name in enumerate(self.header)}


class ParquetReader:
    """A Parquet file. Raises UsageError for one that is damaged, cut off, or holds columns that are no table's."""

    def __init__(self, path: Path, name: str) -> None:
        self._path, self._name, self._pa = path, name, arrow()
        with self._open() as file:
            schema = file.schema_arrow
        self.header = checked(tuple(schema.names), name)
        self.schema = self._pa.schema([self._plain(field) for field in schema])

    def chunks(self) -> Iterator[ArrowChunk]:
        """See `Reader`."""
        first = 1
        with self._open() as file:
            try:
                for batch in file.iter_batches(rows_of(len(self.header)), use_threads=False):
                    plain = self._pa.RecordBatch.from_arrays(
                        [column.cast(field.type) for column, field in zip(batch.columns, self.schema, strict=True)],
                        schema=self.schema,
                    )
                    yield ArrowChunk(self.header, plain, first)
                    first += plain.num_rows
            except MemoryError:
                raise
            except (self._pa.ArrowException, OSError, ValueError) as error:
                raise self._damaged(error) from error

    def _open(self) -> Any:
        try:
            return self._pa.parquet.ParquetFile(self._path, memory_map=False, buffer_size=1 << 20)
        except (self._pa.ArrowException, OSError, ValueError) as error:
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> Exception:
        said = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        return unreadable(
            f"{self._name} is no whole Parquet file: {said}", "was it still being written? write aside, then rename"
        )

    def _plain(self, field: Any) -> Any:
        types = self._pa.types
        kind = field.type.value_type if types.is_dictionary(field.type) else field.type
        if not _kind(self._pa, kind):
            message = f"{self._name}: the column {field.name!r} holds {kind}, which is no value of a table"
            raise unreadable(message, "write it as text or numbers, or leave it out")
        return self._pa.field(field.name, kind)


class ParquetSide:
    """Writes one side of a division; the first batch decides the schema when none is given."""

    def __init__(self, path: Path, schema: Any) -> None:
        self._pa = arrow()
        self._schema = schema.remove_metadata()
        options = {"compression": "zstd", "version": "2.6", "store_schema": False}
        self._writer = self._pa.parquet.ParquetWriter(path, self._schema, **options)
        self._waiting: list[Any] = []
        self._rows = 0

    def write(self, batch: Any) -> None:
        """Some rows; row groups are cut by count, not by how the rows came."""
        self._waiting.append(batch)
        self._rows += batch.num_rows
        while self._rows >= GROUP:
            table = self._pa.Table.from_batches(self._waiting, self._schema)
            self._writer.write_table(table.slice(0, GROUP), row_group_size=GROUP)
            rest = table.slice(GROUP).combine_chunks()
            self._waiting, self._rows = rest.to_batches(), rest.num_rows

    def close(self) -> None:
        """The rest, and the end of the file."""
        if self._rows:
            self._writer.write_table(self._pa.Table.from_batches(self._waiting, self._schema), row_group_size=GROUP)
        self._writer.close()


GROUP = 1 << 17
"""Rows of a row group."""


def written(array: Any) -> list[str]:
    """An Arrow array as text: numbers as Python writes them, moments by ISO 8601, "" for null."""
    pa = arrow()
    kind = _kind(pa, array.type)
    if kind == "text":
        texts: list[str] = pa.compute.fill_null(array.cast(pa.large_string()), "").to_pylist()
        return texts
    if kind == "integer":
        return list(pa.compute.fill_null(array.cast(pa.large_string()), "").to_pylist())
    if kind == "date":
        if pa.types.is_timestamp(array.type) and array.type.unit == "ns":
            array = array.cast(pa.timestamp("us", tz=array.type.tz), safe=False)
        return ["" if value is None else value.isoformat() for value in array.to_pylist()]
    if kind == "boolean":
        return ["" if value is None else "true" if value else "false" for value in array.to_pylist()]
    return ["" if value is None or value != value else str(value) for value in array.to_pylist()]


def _kind(pa: Any, given: Any) -> str:
    types = pa.types
    if types.is_boolean(given):
        return "boolean"
    if types.is_integer(given):
        return "integer"
    if types.is_floating(given) or types.is_decimal(given):
        return "number"
    if types.is_string(given) or types.is_large_string(given) or types.is_string_view(given) or types.is_null(given):
        return "text"
    return "date" if types.is_date(given) or types.is_timestamp(given) else ""
