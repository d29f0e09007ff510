# SPDX-License-Identifier: Apache-2.0
"""Which held-out rows lie in which slice, and how good a model is there: with counts, intervals, and silence where
there are too few rows.

A slice is a column's value (`region` = north) or an interval of it (`age` in 30..50). "Recent" are the newest of the
held-out rows, where the data have a time. Pure; what follows from it is `judging`'s business.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from colonnade.lifecycle.intervals import FEWEST, interval
from colonnade.lifecycle.wanted import Slicing

MOST_GROUPS = 50
"""Of one column; the rows of rarer values are told together."""
EMPTY, OTHERS = "(empty)", "(others)"
SHOWN_CONFIDENCE = 0.95
Key = tuple[str, str]


@dataclass(frozen=True)
class Parts:
    """The held-out rows, cut.

    Attributes:
        rows: how many there are.
        groups: (column, group) -> numbers of rows, ascending; in the order of the declaration.
        recent: the newest rows; empty without a time.
    """

    rows: int = 0
    groups: Mapping[Key, Sequence[int]] = field(default_factory=dict)
    recent: Sequence[int] = ()

    def of(self, key: Key | None, *, recent: bool) -> list[int]:
        """The rows of a slice (None: of all), or those of them that are recent."""
        found = range(self.rows) if key is None else self.groups.get(key, ())
        newest = set(self.recent)
        return [row for row in found if not recent or row in newest]

    def of_column(self, column: str) -> dict[str, Sequence[int]]:
        """The groups of a column."""
        return {group: rows for (name, group), rows in self.groups.items() if name == column}


def cut(
    columns: Mapping[str, Sequence[str]], rows: int, slices: Sequence[Slicing], time: str | None, recent: float
) -> Parts:
    """Cut the held-out rows. A column that they lack has no groups.

    Args:
        columns: of the held-out rows; with a time, they are in the order of time.
        recent: which share of the rows is the newest, 0 to 1; rows of one moment stay together.
    """
    groups: dict[Key, Sequence[int]] = {}
    for slicing in slices:
        if slicing.column not in columns:
            continue
        named = [slicing.group_of(value.strip()) or EMPTY for value in columns[slicing.column]]
        found: dict[str, list[int]] = {group: [] for group in _kept(slicing, named)}
        for row, group in enumerate(named):
            found.setdefault(group if group in found else OTHERS, []).append(row)
        groups |= {(slicing.column, group): places for group, places in found.items() if places}
    return Parts(rows, groups, _newest(columns[time], recent) if time is not None and time in columns else ())


def told(
    rows: Mapping[str, Sequence[float]], incumbent: Mapping[str, Sequence[float]], parts: Parts
) -> list[dict[str, Any]]:
    """Every slice, of all held-out rows and of the recent ones, for `status --json`: rows, and for each metric that
    has a value a row its mean with a 95 % interval, and the incumbent's mean. Small slices: their count alone.

    Args:
        rows, incumbent: scores row by row by metric; the incumbent's may be missing.
    """
    found: list[dict[str, Any]] = []
    keys: list[Key | None] = [None, *parts.groups]
    for part in ("held_out", "recent") if parts.recent else ("held_out",):
        for key in keys:
            places = parts.of(key, recent=part == "recent")
            line: dict[str, Any] = {"part": part, "slice": dict([key]) if key else {}, "rows": len(places)}
            if len(places) < FEWEST:
                line |= {"metrics": {}, "masked": f"fewer than {FEWEST} rows"}
            else:
                line["metrics"] = {name: _measured(name, rows, incumbent, places) for name in rows}
            found.append(line)
    return found


def _measured(
    name: str, rows: Mapping[str, Sequence[float]], incumbent: Mapping[str, Sequence[float]], places: Sequence[int]
) -> dict[str, float | None]:
    values = [rows[name][place] for place in places]
    low, high = interval(values, SHOWN_CONFIDENCE, bounded=all(0 <= value <= 1 for value in rows[name]))
    its = incumbent.get(name)
    before = math.fsum(its[place] for place in places) / len(places) if its and len(its) == len(rows[name]) else None
    mean = math.fsum(values) / len(values)
    measured = {"value": mean, "low": low, "high": high, "incumbent": before}
    return {name: None if value is None else round(value, 6) for name, value in measured.items()}


def _kept(slicing: Slicing, named: Sequence[str]) -> list[str]:
    """The groups of a column in their order: intervals by size, values by name; the rarest are told together."""
    if slicing.bins:
        return [*slicing.groups(), EMPTY]
    often = [group for group, _ in sorted(Counter(named).items(), key=lambda pair: (-pair[1], pair[0]))]
    return sorted(often[:MOST_GROUPS])


def _newest(when: Sequence[str], recent: float) -> range:
    """Of rows in the order of time about the last `recent`, cut between two moments."""
    first = len(when) - max(1, round(len(when) * recent))
    while first > 0 and when[first - 1] == when[first]:
        first -= 1
    return range(first, len(when))
