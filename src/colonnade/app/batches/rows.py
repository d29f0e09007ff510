# SPDX-License-Identifier: Apache-2.0
"""The rows of a CSV, JSON-lines or Parquet file, with the lines that they stand on; what is no row is told as such."""

from __future__ import annotations

import csv
import hashlib
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from colonnade.core.errors import UsageError

NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?\Z")
KINDS = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Read:
    """One row: where it stands (a line; in Parquet its number, from 1), and its values, or why it has none."""

    line: int
    values: dict[str, Any] | None
    wrong: str = ""


def kind_of(path: Path) -> str:
    """csv, jsonl or parquet, by the name. Raises UsageError."""
    kind = KINDS.get(path.suffix.lower())
    if kind is None:
        raise UsageError(f"{path.name} is neither .csv, .jsonl nor .parquet")
    return kind


def digest_of(path: Path) -> tuple[str, int]:
    """(SHA-256, how many lines it has about, for a progress bar). Raises UsageError."""
    found, lines = hashlib.sha256(), 0
    try:
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                found.update(block)
                lines += block.count(b"\n")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    if kind_of(path) == "parquet":
        from colonnade.app.wiring import parquet_records

        lines = parquet_records().count(path)
    return f"sha256:{found.hexdigest()}", lines - (kind_of(path) == "csv")


def batches(path: Path, size: int, skip: int = 0) -> Iterator[list[Read]]:
    """So many rows at a time; the first `skip` rows were read before. Raises UsageError for a file that is no text."""
    rows = islice({"csv": _csv, "jsonl": _jsonl, "parquet": _parquet}[kind_of(path)](path), skip, None)
    try:
        while batch := list(islice(rows, size)):
            yield batch
    except UnicodeDecodeError as wrong:
        raise UsageError(f"{path.name} is not UTF-8: {wrong.reason}") from wrong
    except OSError as wrong:
        raise UsageError(f"{path.name} cannot be read: {wrong.strerror}") from wrong


def value_of(text: str | None) -> Any:
    """CSV knows text only: what is written as JSON writes a number is one; nothing is null.

    >>> [value_of(text) for text in ("41", "-1.5e3", "007", "1_000", "nan", "", "north")]
    [41, -1500.0, '007', '1_000', 'nan', None, 'north']
    """
    if not text:
        return None
    match = NUMBER.match(text)
    if match is None:
        return text
    if match[1] is None and match[2] is None:
        return int(text) if len(text) < 19 else text
    number = float(text)
    return number if math.isfinite(number) else text


def _csv(path: Path) -> Iterator[Read]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file)
        header = next(reader, None)
        if not header:
            raise UsageError(f"{path.name} has no header", hint="the first line names the columns")
        line = reader.line_num + 1
        while True:
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error as wrong:
                yield Read(line, None, f"it cannot be read: {wrong}")
                line = reader.line_num + 1
                continue
            if fields and len(fields) != len(header):
                yield Read(line, None, f"it has {len(fields)} values, and the header has {len(header)}")
            elif fields:
                yield Read(line, dict(zip(header, map(value_of, fields), strict=True)))
            line = reader.line_num + 1


def _jsonl(path: Path) -> Iterator[Read]:
    with path.open(encoding="utf-8-sig") as file:
        for line, text in enumerate(file, 1):
            if not text.strip():
                continue
            try:
                values = json.loads(text, parse_constant=_no_number)
            except (ValueError, RecursionError) as wrong:
                yield Read(line, None, f"it is no JSON: {wrong}")
                continue
            good = isinstance(values, dict)
            yield Read(line, values if good else None, "" if good else "it is no JSON object")


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no JSON number; write null")


def _parquet(path: Path) -> Iterator[Read]:
    from colonnade.app.wiring import parquet_records

    for number, values in enumerate(parquet_records().read(path), 1):
        yield Read(number, values)
