# SPDX-License-Identifier: Apache-2.0
"""Two columns of small tables, as watching needs them to join truths: CSV and JSON lines, up to `MOST_BYTES` each. In
other formats, and in larger files, nothing is found. What a data set may hold, and in which sizes, is the business of
the engine behind `ports.outside.tables`.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from colonnade.core.errors import ColonnadeError
from colonnade.lifecycle.artifacts import Artifact, Artifacts, Entry

MOST_BYTES = 64 * 1024 * 1024
Pairs = list[tuple[str, str]]


def news_of(artifacts: Artifacts, before: str, now: str, names: tuple[str, str], leave_out: str) -> Pairs:
    """Two columns of the rows that are new in a data set: of files with other content than before, without the pairs
    that stood in the file of that name then. `leave_out`: a file that is no news.
    """
    old, new = _artifact(artifacts, before), _artifact(artifacts, now)
    if new is None:
        return []
    contents = {entry.content for entry in old.files} if old else set()
    paths = {entry.path: entry for entry in old.files} if old else {}
    found: Pairs = []
    for entry in new.files:
        if entry.path != leave_out and entry.content not in contents:
            known = set(_of(artifacts, paths[entry.path], names)) if entry.path in paths else set()
            found += [pair for pair in _of(artifacts, entry, names) if pair not in known]
    return found


def pairs_in(name: str, path: Path, names: tuple[str, str]) -> Iterator[tuple[str, str]]:
    """Two columns of a file, row by row; none of one that lacks one of them, is of another format, or too large."""
    if path.stat().st_size <= MOST_BYTES:
        with open(path, encoding="utf-8-sig", errors="replace", newline="") as file:
            yield from _pairs(name, file, names)


def word(value: Any) -> str:
    """As it stands in CSV; None is empty.

    >>> word(None), word(True), word(" a "), word(1.5)
    ('', 'true', 'a', '1.5')
    """
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value).strip()


def _artifact(artifacts: Artifacts, digest: str) -> Artifact | None:
    try:
        return artifacts.get(digest) if digest else None
    except ColonnadeError:
        return None


def _of(artifacts: Artifacts, entry: Entry, names: tuple[str, str]) -> Pairs:
    if entry.size > MOST_BYTES:
        return []
    text = artifacts.read(entry).decode("utf-8-sig", "replace")
    return list(_pairs(entry.path, io.StringIO(text, newline=""), names))


def _pairs(name: str, file: io.TextIOBase | io.TextIOWrapper, names: tuple[str, str]) -> Iterator[tuple[str, str]]:
    for row in _rows(name, file):
        if names[0] in row and names[1] in row:
            yield word(row[names[0]]), word(row[names[1]])


def _rows(name: str, file: io.TextIOBase | io.TextIOWrapper) -> Iterator[dict[str, Any]]:
    if name.endswith((".parquet", ".pq")):
        return
    if name.endswith((".jsonl", ".ndjson")):
        for line in file:
            if line.strip() and isinstance(row := json.loads(line), dict):
                yield row
    else:
        yield from csv.DictReader(file)
