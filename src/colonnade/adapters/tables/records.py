# SPDX-License-Identifier: Apache-2.0
"""Rows of Parquet as plain dictionaries, one row group after the other; and JSON lines into Parquet. By pyarrow.

For predictions over files: what they hold goes to a model as JSON. Contracts and profiles do not stand here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from colonnade.adapters.tables.parquet import arrow
from colonnade.core.errors import UsageError

AT_ONCE = 4096


def count(path: Path) -> int:
    """How many rows it has. Raises MissingExtra, UsageError."""
    return int(_open(path).metadata.num_rows)


def read(path: Path) -> Iterator[dict[str, Any]]:
    """Its rows, in order; NaN and infinite numbers are None, dates are written as ISO 8601. Raises as `count`."""
    for part in _open(path).iter_batches(AT_ONCE):
        for row in part.to_pylist():
            yield {name: _plain(value) for name, value in row.items()}


def from_lines(lines: Path, path: Path) -> None:
    """A Parquet file of JSON lines, whose keys become its columns."""
    pa = arrow()
    import pyarrow.json

    pa.parquet.write_table(pyarrow.json.read_json(lines), path)


def _open(path: Path) -> Any:
    pa = arrow()
    try:
        return pa.parquet.ParquetFile(path)
    except (OSError, pa.ArrowException) as wrong:
        raise UsageError(f"{path.name} is no Parquet file: {wrong}") from wrong


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (int, str, bool, list, dict)) or value is None:
        return value
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
