# SPDX-License-Identifier: Apache-2.0
"""Rows that were predicted and whose truth was told, as a further batch of a model's data. Told, not joined: labels
that came with data are in the data.

A row needs every column of the data but the label; where only `time` is missing and is a date, the request's own moment
stands there. Of several rows with the same value in a column that the contract wants to be unique, the last one counts.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colonnade.lifecycle.watching.packed import moment_of
from colonnade.lifecycle.watching.tables import pairs_in, word
from colonnade.lifecycle.watching.truths import Truth, Truths
from colonnade.ports.outside.tables import Batch

if TYPE_CHECKING:
    from colonnade.lifecycle.wanted import Wanted

TOLD = "told-truths.csv"
"""The file of a data set that holds such rows."""
Telling = Callable[["Wanted", Sequence[str], Sequence[Batch], Path], int]
"""(model, columns, its other batches, where to) -> how many rows were written; 0: no file."""


def nothing_told(_wanted: Wanted, _header: Sequence[str], _batches: Sequence[Batch], _to: Path) -> int:
    """For models that nobody watches."""
    return 0


def write_told(
    wanted: Wanted, header: Sequence[str], batches: Sequence[Batch], to: Path, told: Sequence[tuple[Truths, str]]
) -> int:
    """See `Telling`. `told`: the truths of each of the model's services, with the column of its key or ""."""
    found: list[dict[str, Any]] = []
    sample = _sample(batches, wanted.time) if wanted.time else ""
    words = _sample(batches, wanted.label).lower() in {"true", "false"}
    for truths, key in told:
        rows = [row for truth in truths.between("request/", "request/g") if (row := _row(truth, wanted, sample, words))]
        rows = [row for row in rows if all(name in row for name in header)]
        known = _known(batches, key, wanted.label) if key and rows else set()
        found += [row for row in rows if word(row.get(key)) not in known]
    kept = _unique(found, wanted.rules.unique)
    if kept:
        out = io.StringIO(newline="")
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(header)
        writer.writerows([word(row[name]) for name in header] for row in kept)
        to.write_text(out.getvalue(), "utf-8")
    return len(kept)


def _row(truth: Truth, wanted: Wanted, sample: str, words: bool) -> dict[str, Any] | None:
    if truth.way != "told" or not truth.row:
        return None
    row = {**truth.row, wanted.label: _label(truth.labels[-1][1], words)}
    if wanted.time is not None and wanted.time not in row and (moment := _moment(truth.ref, sample)):
        row[wanted.time] = moment
    return row


def _label(label: Any, words: bool) -> Any:
    """As the data write it: true and false in words or as 1 and 0, whole numbers without a point."""
    if isinstance(label, bool):
        return label if words else int(label)
    return int(label) if isinstance(label, float) and label.is_integer() else label


def _unique(rows: list[dict[str, Any]], columns: Iterable[str]) -> list[dict[str, Any]]:
    """Without the rows that a later one repeats in such a column."""
    seen: dict[str, set[str]] = {name: set() for name in columns}
    kept = []
    for row in reversed(rows):
        values = {name: word(row.get(name)) for name in seen}
        if all(value not in seen[name] for name, value in values.items()):
            kept.append(row)
            for name, value in values.items():
                seen[name].add(value)
    return kept[::-1]


def _known(batches: Sequence[Batch], key: str, label: str) -> set[str]:
    """Values of the key whose label is in the data already."""
    return {value for one in batches for value, truth in pairs_in(one.name, one.path, (key, label)) if truth}


def _sample(batches: Sequence[Batch], time: str) -> str:
    for one in batches:
        first, _ = next(pairs_in(one.name, one.path, (time, time)), ("", ""))
        if first:
            return first
    return ""


def _moment(ref: str, sample: str) -> str:
    """The request's time in the form of a sample; "" where that is no date."""
    try:
        datetime.fromisoformat(sample.strip())
    except ValueError:
        return ""
    at = datetime.fromtimestamp(moment_of(ref) / 1000, UTC)
    return at.date().isoformat() if len(sample.strip()) == 10 else at.isoformat(timespec="milliseconds")
