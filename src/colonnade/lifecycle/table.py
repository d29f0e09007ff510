# SPDX-License-Identifier: Apache-2.0
"""Tables in CSV: what their columns hold, whether they keep a contract, and how they are divided. Pure; no store.

A table that breaks its contract is told with the rows that break it, so that a person can see what is wrong.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from colonnade.core.errors import UsageError

SHOWN = 5
"""Rows that are shown of each kind of breach."""
TRUE, FALSE = {"true", "yes", "1"}, {"false", "no", "0"}
DISTINCT = 1000
"""Distinct values are counted up to here."""


@dataclass(frozen=True, slots=True)
class ColumnRule:
    """What the contract says of a column: type ("" for any), bounds, values (empty for any), share of empty ones."""

    type: str = ""
    min: float | None = None
    max: float | None = None
    values: tuple[str, ...] = ()
    nulls: float = 0.0


@dataclass(frozen=True)
class Rules:
    """A contract over one file."""

    columns: Mapping[str, ColumnRule] = field(default_factory=dict)
    unique: tuple[str, ...] = ()
    rows_at_least: int = 1


@dataclass(frozen=True, slots=True)
class Breach:
    """One way in which a file breaks its contract: what, how often, and a few rows (line in the file, values)."""

    rule: str
    count: int
    rows: tuple[tuple[int, Mapping[str, str]], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """For `status --json`."""
        return {
            "rule": self.rule,
            "count": self.count,
            "rows": [{"line": line, **values} for line, values in self.rows],
        }


@dataclass(frozen=True)
class Table:
    """A CSV file, read: its header and rows, each with its line."""

    header: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]

    def column(self, name: str) -> list[str]:
        """A column's values, top to bottom."""
        place = self.header.index(name)
        return [values[place] for _, values in self.rows]


def read_table(data: bytes, path: str) -> Table:
    """A CSV file with a header. Raises UsageError with the line of what is no table."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text", hint="save it as UTF-8", code="table_unreadable") from error
    reader = csv.reader(io.StringIO(text, newline=""))
    header = tuple(name.strip() for name in next(reader, []))
    if not header or len(set(header)) != len(header) or "" in header:
        raise UsageError(f"{path}: the first line must name every column, each once", code="table_unreadable")
    rows = []
    for values in reader:
        if values and len(values) != len(header):
            message = f"{path}:{reader.line_num}: {len(values)} values in a table of {len(header)} columns"
            raise UsageError(message, hint="quote values that hold commas", code="table_unreadable")
        if values:
            rows.append((reader.line_num, tuple(values)))
    return Table(header, tuple(rows))


def breaches(table: Table, rules: Rules) -> list[Breach]:
    """Every way in which the table breaks the contract; empty when it keeps it."""
    found = [Breach(f"there is no column {name!r}", 1) for name in rules.columns if name not in table.header]
    if len(table.rows) < rules.rows_at_least:
        found.append(Breach(f"it has {len(table.rows)} rows, at least {rules.rows_at_least} are wanted", 1))
    for name, rule in rules.columns.items():
        if name in table.header:
            found += _column(table, name, rule)
    for name in rules.unique:
        if name in table.header:
            seen: set[str] = set()
            twice = [row for row, value in zip(table.rows, table.column(name), strict=True)
                     if value in seen or seen.add(value)]  # type: ignore[func-returns-value]  # fmt: skip
            found += _told(table, f"{name} stands twice", twice)
    return found


def profile(table: Table) -> dict[str, dict[str, Any]]:
    """Per column: type, empty ones, distinct values (up to a bound), and min, max, mean of numbers."""
    return {name: _profile(table.column(name)) for name in table.header}


def divide(table: Table, holdout: float, time: str | None, delay: float = 0) -> tuple[Table, Table]:
    """(for training, held out). By time: the newest rows are held out, and no moment lies on both sides. Otherwise by
    a hash of each row, so that a row stays on its side whatever is added around it.

    `delay`: how long after its moment a row's label is known (numbers: their unit; dates: days). What was not known
    when the first held-out row came is left out of training. Raises UsageError for a time that cannot be ordered.
    """
    if time is not None:
        return _by_time(table, holdout, table.column(time), delay)
    sides: tuple[list[Any], list[Any]] = ([], [])
    for line, values in table.rows:
        digest = hashlib.sha256("\0".join(values).encode()).digest()
        sides[int.from_bytes(digest[:8], "big") < holdout * 2**64].append((line, values))
    return Table(table.header, tuple(sides[0])), Table(table.header, tuple(sides[1]))


def labelled(table: Table, label: str) -> Table:
    """Without the rows whose label is not known yet."""
    place = table.header.index(label)
    return Table(table.header, tuple(row for row in table.rows if row[1][place].strip()))


def together(tables: Sequence[Table]) -> Table:
    """One table of all rows; every table must have the columns of the first."""
    header = tables[0].header
    rows: list[tuple[int, tuple[str, ...]]] = []
    for table in tables:
        order = [table.header.index(name) for name in header]
        rows += [(line, tuple(values[place] for place in order)) for line, values in table.rows]
    return Table(header, tuple(rows))


def written(table: Table) -> bytes:
    """The table as CSV: equal tables give equal bytes."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(table.header)
    writer.writerows(values for _, values in table.rows)
    return out.getvalue().encode()


def _column(table: Table, name: str, rule: ColumnRule) -> Iterator[Breach]:
    values = list(zip(table.rows, table.column(name), strict=True))
    empty = [row for row, value in values if not value.strip()]
    if len(empty) > rule.nulls * len(values):
        yield from _told(table, f"{name} is empty", empty)
    filled = [(row, value.strip()) for row, value in values if value.strip()]
    if rule.type:
        yield from _told(
            table, f"{name} is no {rule.type}", [row for row, value in filled if not _is(rule.type, value)]
        )
    if rule.values:
        wrong = [row for row, value in filled if value not in rule.values]
        yield from _told(table, f"{name} is none of {', '.join(rule.values)}", wrong)
    numbers = [(row, number) for row, value in filled if (number := _number(value)) is not None]
    if rule.min is not None:
        low = rule.min
        yield from _told(table, f"{name} is below {low:g}", [row for row, number in numbers if number < low])
    if rule.max is not None:
        high = rule.max
        yield from _told(table, f"{name} is above {high:g}", [row for row, number in numbers if number > high])


def _told(table: Table, rule: str, rows: Sequence[tuple[int, tuple[str, ...]]]) -> list[Breach]:
    if not rows:
        return []
    shown = tuple((line, dict(zip(table.header, values, strict=True))) for line, values in rows[:SHOWN])
    return [Breach(rule, len(rows), shown)]


def _profile(values: Sequence[str]) -> dict[str, Any]:
    filled = [value.strip() for value in values if value.strip()]
    kind = next(
        (kind for kind in ("boolean", "integer", "number") if filled and all(_is(kind, v) for v in filled)), "text"
    )
    told: dict[str, Any] = {
        "type": kind,
        "nulls": len(values) - len(filled),
        "distinct": min(len(set(filled)), DISTINCT),
    }
    if kind in {"integer", "number"}:
        numbers = [float(value) for value in filled]
        told |= {"min": min(numbers), "max": max(numbers), "mean": sum(numbers) / len(numbers)}
    return told


def _is(kind: str, value: str) -> bool:
    if kind == "boolean":
        return value.lower() in TRUE | FALSE
    number = _number(value)
    if kind == "integer":
        return number is not None and number == int(number) and "." not in value and "e" not in value.lower()
    return kind == "text" or number is not None


def _number(value: str) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if number - number == 0 else None  # neither infinite nor no number


def _by_time(table: Table, holdout: float, times: Sequence[str], delay: float) -> tuple[Table, Table]:
    moments = _moments(times)
    ordered = sorted(zip(moments, table.rows, strict=True), key=lambda pair: (pair[0], pair[1][1]))
    cut = len(ordered) - max(1, round(len(ordered) * holdout))
    first = ordered[cut][0] if ordered else 0.0
    if ordered and first == ordered[0][0]:
        first = next((moment for moment, _ in ordered if moment > first), first)
    train = tuple(row for moment, row in ordered if moment < first and moment + delay <= first)
    return Table(table.header, train), Table(table.header, tuple(row for moment, row in ordered if moment >= first))


def _moments(times: Sequence[str]) -> list[float]:
    """Numbers as they are; dates by ISO 8601 in days (without a zone: UTC)."""
    numbers = [_number(value) for value in times]
    if all(number is not None for number in numbers):
        return [number for number in numbers if number is not None]
    found = []
    for value in times:
        try:
            moment = datetime.fromisoformat(value.strip())
        except ValueError as error:
            raise UsageError(
                f"the time {value!r} is neither a number nor a date like 2026-01-31",
                hint="`time` names a column of numbers, or of dates by ISO 8601; none may be empty",
                code="time_unreadable",
            ) from error
        found.append((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() / 86_400)
    return found
