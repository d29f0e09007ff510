# SPDX-License-Identifier: Apache-2.0
"""Tables as watching needs them: two columns of a data set, and told truths as rows that can be trained on. Pure, but
for reading artifacts. CSV and JSON lines; other formats are read by nobody here.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from colonnade.core.errors import ColonnadeError
from colonnade.lifecycle.artifacts import Artifacts
from colonnade.lifecycle.watching.packed import moment_of
from colonnade.lifecycle.watching.truths import Truth

TOLD = "told-truths.csv"
"""The file of a data set that holds rows whose truth was told; its rows are no news."""


@dataclass(frozen=True)
class Columns:
    """The values of two columns, top to bottom, stripped."""

    first: Sequence[str]
    second: Sequence[str]

    def pairs(self) -> Iterator[tuple[str, str]]:
        """Both, row by row."""
        return zip(self.first, self.second, strict=True)


def columns_of(artifacts: Artifacts, dataset: str, names: tuple[str, str]) -> Columns:
    """Two columns of all files of a data set; a file that lacks one, or cannot be read, gives no rows."""
    found: tuple[list[str], list[str]] = ([], [])
    try:
        entries = artifacts.get(dataset).files
    except ColonnadeError:
        return Columns(*found)
    for entry in entries:
        if entry.path != TOLD:
            for row in _rows(entry.path, artifacts.read(entry)):
                if names[0] in row and names[1] in row:
                    found[0].append(_word(row[names[0]]))
                    found[1].append(_word(row[names[1]]))
    return Columns(*found)


def trainable(
    truths: Iterable[Truth], header: Sequence[str], *, label: str, time: str | None, sample: str, key: str,
    known: Collection[str],
) -> bytes | None:  # fmt: skip
    """Told truths as CSV with these columns, oldest request first; None where no row is of use.

    A row needs every column but the label; where only `time` is missing and is a date (`sample` is one of its values),
    the request's own moment stands there. Rows whose `key` is `known` are in the data already.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    count = 0
    for truth in truths:
        row: dict[str, Any] = {**truth.row, label: truth.labels[-1][1]}
        if time is not None and time not in row and (moment := _moment(truth.ref, sample)):
            row[time] = moment
        if truth.way != "told" or any(name not in row for name in header) or (key and _word(row.get(key)) in known):
            continue
        writer.writerow([_word(row[name]) for name in header])
        count += 1
    return out.getvalue().encode() if count else None


def _rows(path: str, data: bytes) -> Iterator[dict[str, Any]]:
    text = data.decode("utf-8-sig", "replace")
    if path.endswith((".jsonl", ".ndjson")):
        for line in text.splitlines():
            if line.strip() and isinstance(row := json.loads(line), dict):
                yield row
    elif not path.endswith((".parquet", ".pq")):
        yield from csv.DictReader(io.StringIO(text, newline=""))


def _word(value: Any) -> str:
    """As it stands in CSV; None is empty."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value).strip()


def _moment(ref: str, sample: str) -> str:
    """The request's time in the form of a sample; "" where that is no date."""
    try:
        datetime.fromisoformat(sample.strip())
    except ValueError:
        return ""
    at = datetime.fromtimestamp(moment_of(ref) / 1000, UTC)
    return at.date().isoformat() if len(sample.strip()) == 10 else at.isoformat(timespec="milliseconds")
