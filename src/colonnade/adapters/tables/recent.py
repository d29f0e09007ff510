# SPDX-License-Identifier: Apache-2.0
"""Divide for a candidate that is about a change: rows are held out of the newest `recent` ones, and what trains is the
rest of those, or everything else.

Within that window rows are drawn by their hash, not cut by time: all of it is from after the change, and the label of
every row in it is known by now. Newest by the time column, or, without one, as the rows came. Two passes; memory does
not grow with the rows, but for eight bytes each where there is a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colonnade.adapters.tables.column import Bools
from colonnade.adapters.tables.moments import Moments, kind_of, moments, together
from colonnade.adapters.tables.rows import Part, Rows
from colonnade.ports.outside.tables import Divided, Division

Inside = Callable[[Any, int], tuple[Bools, Moments | None]]
"""(part, rows before it) -> which rows lie in the window, and the moments of all."""


def divide_recent(
    rows: Rows, division: Division, folder: Path, labelled: Callable[[Rows, Division], Iterator[Part]]
) -> Divided:
    """The two sides; `labelled` gives the parts without rows whose label is not known."""
    inside = _by_time(rows, division, labelled) if division.time else _by_order(rows, division, labelled)
    counts, seen = [0, 0], 0
    with rows.side(folder / f"train.{division.format}") as train, rows.side(folder / f"test.{division.format}") as test:
        for part in labelled(rows, division):
            within, when = inside(part, seen)
            seen += len(part)
            held = within & (part.keys().astype(np.float64) < division.holdout * 2.0**64)
            trains = ~held if division.whole else within & ~held
            if when is not None:
                _blank(part, division, when)
            for place, (side, mask) in enumerate(((train, trains), (test, held))):
                counts[place] += int(mask.sum())
                side.write(part.filter(mask))
    return Divided(*counts)


def _by_time(rows: Rows, division: Division, labelled: Callable[[Rows, Division], Iterator[Part]]) -> Inside:
    time = str(division.time)
    found: list[tuple[str, Moments]] = []
    for part in labelled(rows, division):
        if len(part):
            column = part.column(time)
            kind = kind_of(column)
            found.append((kind, moments(column, kind)[0]))
    kind = together({one for one, _ in found}) if found else "integer"
    whole: NDArray[Any] = np.concatenate([values for _, values in found]) if found else np.zeros(1)
    place = max(0, len(whole) - division.recent)
    begin = np.partition(whole, place)[place]

    def inside(part: Any, _before: int) -> tuple[Bools, Moments | None]:
        when = moments(part.column(time), kind)[0]
        return np.asarray(when >= begin), when

    return inside


def _by_order(rows: Rows, division: Division, labelled: Callable[[Rows, Division], Iterator[Part]]) -> Inside:
    begin = sum(len(part) for part in labelled(rows, division)) - division.recent

    def inside(part: Any, before: int) -> tuple[Bools, Moments | None]:
        return np.arange(before, before + len(part)) >= begin, None

    return inside


def _blank(part: Any, division: Division, when: Moments) -> None:
    """A value that was not known at its row's own time counts as empty; labels of now are all known."""
    for name, other in division.known_at.items():
        if name != division.label:
            column = part.column(other)
            known, there = moments(column, kind_of(column))
            part.blank(name, ~there | (known > when))
