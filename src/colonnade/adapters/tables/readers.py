# SPDX-License-Identifier: Apache-2.0
"""The reader of a batch, by its format."""

from __future__ import annotations

from colonnade.adapters.tables.chunk import Reader
from colonnade.adapters.tables.texts import CsvReader, JsonLinesReader
from colonnade.ports.outside.tables import Batch


def open_batch(batch: Batch) -> Reader:
    """Raises UsageError (`table_unreadable`), MissingExtra."""
    if batch.format == "parquet":
        from colonnade.adapters.tables.parquet import ParquetReader

        return ParquetReader(batch.path, batch.name)
    return (JsonLinesReader if batch.format == "jsonl" else CsvReader)(batch.path, batch.name)
