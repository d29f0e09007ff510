# SPDX-License-Identifier: Apache-2.0
"""Rows of a query become text: a CSV file, or a digest that does not depend on their order. No database
is known here.
"""

from __future__ import annotations

import csv
import errno
import hashlib
import json
from collections.abc import Iterable, Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from colonnade.core.errors import StorageFull, UsageError

MODULUS = 1 << 256
FULL = {errno.ENOSPC, errno.EDQUOT}


def cell(value: Any) -> str:
    """A value as a CSV file has it. Raises UsageError for bytes.

    >>> [cell(value) for value in (None, True, 1.5, date(2026, 1, 31), {"a": [1]})]
    ['', 'true', '1.5', '2026-01-31', '{"a": [1]}']
    """
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, bytes | bytearray | memoryview):
        raise UsageError(
            "the query gives bytes, which are no value of a table",
            hint="leave the column out, or convert it in the query",
            code="query_invalid",
        )
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
    return str(value)


def named(columns: Sequence[str]) -> list[str]:
    """The columns of a query. Raises UsageError when two have one name."""
    if len(set(columns)) != len(columns):
        twice = sorted({name for name in columns if list(columns).count(name) > 1})
        raise UsageError(
            f"the query gives {', '.join(twice)} more than once", hint="name it: `SELECT a AS b`", code="query_invalid"
        )
    return list(columns)


def to_csv(columns: Sequence[str], rows: Iterable[Sequence[Any]], path: Path) -> None:
    """Write them down. Raises StorageFull."""
    try:
        with open(path, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(named(columns))
            writer.writerows(map(cell, row) for row in rows)
    except OSError as error:
        if error.errno in FULL:
            raise StorageFull("no space left for the rows of a query", hint="free some space") from error
        raise


def digest_of(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """SHA-256 of each row, added up modulo 2**256: equal for the same rows in any order."""
    total, count = 0, 0
    for row in rows:
        line = "\0".join(map(cell, row)).encode("utf-8", "surrogatepass")
        total = (total + int.from_bytes(hashlib.sha256(line).digest(), "little")) % MODULUS
        count += 1
    return hashlib.sha256(f"{list(columns)}\0{count}\0{total:064x}".encode()).hexdigest()
