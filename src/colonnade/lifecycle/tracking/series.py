# SPDX-License-Identifier: Apache-2.0
"""Series of measurements: points beside the sealed document that names them. Points are no entries of the ledger.

A series of a run is named by the metric's key; one of a model by key, run and data set together. NaN is kept as a flag,
because no store orders it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from colonnade.lifecycle.tracking import checks
from colonnade.ports.outside.state import Row, State, Transaction

Name = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Point:
    """One measurement: of which name, at which step and time (ms), which value."""

    name: Name
    step: int
    at_ms: int
    value: float


def read_point(given: Mapping[str, Any], path: str = "") -> Point:
    """A metric as a client sends it, checked. Raises UsageError."""
    dot = f"{path}." if path else ""
    if not given.get("key"):
        raise checks.wrong(f"Missing value for required parameter '{dot}key'. A metric needs a name.")
    name = checks.key(given.get("key"), path=f"{dot}name")
    value = checks.real(given.get("value"), f"{dot}value")
    at_ms = checks.number(given.get("timestamp"), f"{dot}timestamp", 0)
    return Point((name,), checks.number(given.get("step") or 0, f"{dot}step"), at_ms, value)


def numbered(series: Sequence[Sequence[str]], points: Sequence[Point]) -> tuple[list[list[str]], dict[Name, int]]:
    """(names of all series, name -> number) once these points belong to them."""
    places = {tuple(name): place for place, name in enumerate(series)}
    for point in points:
        places.setdefault(point.name, len(places))
    return [list(name) for name in places], places


def write(tx: Transaction, owner: int, places: Mapping[Name, int], points: Sequence[Point]) -> None:
    """Keep points, each once, and the newest of each series."""
    rows: list[dict[str, Any]] = []
    latest: dict[int, dict[str, Any]] = {}
    for point in points:
        nan = math.isnan(point.value)
        row: dict[str, Any] = {"owner": owner, "series": places[point.name], "step": point.step, "at_ms": point.at_ms,
               "value": 0.0 if nan else point.value, "nan": int(nan)}  # fmt: skip
        rows.append(row)
        known = latest.get(row["series"])
        if known is None or _newer(row, known):
            latest[row["series"]] = row
    tx.many("tracked_point_add", rows)
    tx.many("tracked_latest_put", list(latest.values()))


def latest(rows: Sequence[Row], series: Sequence[Sequence[str]]) -> list[tuple[Sequence[str], Row]]:
    """(name, newest measurement) of each series, from rows of `tracked_latest`."""
    return [(series[row["series"]], row) for row in rows if row["series"] < len(series)]


def history(state: State, owner: int, series: int, *, limit: int, offset: int) -> list[dict[str, Any]]:
    """A series in the order of its times."""
    rows = state.rows("tracked_points_of", owner=owner, series=series, limit=limit, offset=offset)
    return [measured(row) for row in rows]


def measured(row: Row) -> dict[str, Any]:
    """A measurement as clients read it, without its key."""
    return {"value": math.nan if row["nan"] else row["value"], "timestamp": row["at_ms"], "step": row["step"]}


def _newer(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    order = ("step", "at_ms", "value")
    return tuple(one[part] for part in order) > tuple(other[part] for part in order)
