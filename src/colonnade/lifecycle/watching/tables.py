# SPDX-License-Identifier: Apache-2.0
"""Two columns of tables, as watching needs them to join truths. CSV and JSON lines; in other formats nothing is found.
What a data set may hold, and in which sizes, is the business of the engine behind `ports.outside.tables`.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from colonnade.core.errors import ColonnadeError
from colonnade.lifecycle.artifacts import Artifacts


@dataclass(frozen=True)
class Columns:
    """The values of two columns, top to bottom, stripped."""

    first: Sequence[str]
    second: Sequence[str]

    def pairs(self) -> Iterator[tuple[str, str]]:
        """Both, row by row."""
        return zip(self.first, self.second, strict=True)


def columns_of(artifacts: Artifacts, dataset: str, names: tuple[str, str], leave_out: str = "") -> Columns:
    """Two columns of all files of a data set, but one."""
    found: tuple[list[str], list[str]] = ([], [])
    try:
        entries = artifacts.get(dataset).files
    except ColonnadeError:
        return Columns(*found)
    for entry in entries:
        if entry.path != leave_out:
            part = columns_in(entry.path, artifacts.read(entry), names)
            found[0].extend(part.first)
            found[1].extend(part.second)
    return Columns(*found)


def columns_in(name: str, data: bytes, names: tuple[str, str]) -> Columns:
    """Two columns of a file; none of one that lacks one of them, or is of another format."""
    found: tuple[list[str], list[str]] = ([], [])
    for row in _rows(name, data):
        if names[0] in row and names[1] in row:
            found[0].append(word(row[names[0]]))
            found[1].append(word(row[names[1]]))
    return Columns(*found)


def word(value: Any) -> str:
    """As it stands in CSV; None is empty.

    >>> word(None), word(True), word(" a "), word(1.5)
    ('', 'true', 'a', '1.5')
    """
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value).strip()


def _rows(name: str, data: bytes) -> Iterator[dict[str, Any]]:
    if name.endswith((".parquet", ".pq")):
        return
    text = data.decode("utf-8-sig", "replace")
    if name.endswith((".jsonl", ".ndjson")):
        for line in text.splitlines():
            if line.strip() and isinstance(row := json.loads(line), dict):
                yield row
    else:
        yield from csv.DictReader(io.StringIO(text, newline=""))
