# SPDX-License-Identifier: Apache-2.0
"""What a panel shows, as data; and the arithmetic of scales and ticks. Nothing is drawn here."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

PALETTE = ("#0060A8", "#D1571B", "#2A8C6E", "#A8518E", "#8A6D00", "#5B6470")
"""Told apart with every kind of colour blindness, dark enough for text on white: after Okabe and Ito (2008)."""


@dataclass(frozen=True, slots=True)
class Series:
    """A line, or a bar: its name, its numbers, and whether the eye should go there first."""

    name: str
    y: Sequence[float]
    x: Sequence[float] = ()
    strong: bool = False


@dataclass(frozen=True, slots=True)
class Axis:
    """How numbers stand along one side.

    Attributes:
        label: what they are, with the unit.
        say: a number of the scale in words.
        exact: a number of the data in words; like `say` when not given.
        low, high: the range; None for what the data need.
    """

    label: str = ""
    say: Callable[[float], str] = "{:g}".format
    exact: Callable[[float], str] | None = None
    low: float | None = None
    high: float | None = None

    def told(self, value: float) -> str:
        """A number of the data."""
        return (self.exact or self.say)(value)


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines over a number, each named at its end; a mark is a dashed line at one height, with its name above it."""

    title: str
    series: Sequence[Series]
    x: Axis = field(default_factory=Axis)
    y: Axis = field(default_factory=Axis)
    note: str = ""
    marks: Sequence[tuple[str, float]] = ()


@dataclass(frozen=True, slots=True)
class Bars:
    """A bar for each series from zero to its first number, said at its end; a thin line goes on to its second."""

    title: str
    series: Sequence[Series]
    say: Callable[[float], str] = "{:g}".format
    note: str = ""


Panel = Lines | Bars


@dataclass(frozen=True, slots=True)
class Scale:
    """From numbers to 0..1 of the axis' length."""

    low: float
    high: float

    def __call__(self, value: float) -> float:
        """Where a number stands.

        >>> Scale(0.0, 10.0)(2.5)
        0.25
        """
        return (value - self.low) / (self.high - self.low)


def scale(axis: Axis, values: Sequence[float]) -> tuple[Scale, list[float]]:
    """A range that holds the values and ends on a tick, and its ticks."""
    low = min(values, default=0.0) if axis.low is None else axis.low
    high = max(values, default=1.0) if axis.high is None else axis.high
    step = _step(max(high - low, 1e-9), 5)
    if axis.low is None:
        low = math.floor(low / step + 1e-9) * step
    if axis.high is None:
        high = math.ceil(high / step - 1e-9) * step
    high = max(high, low + step)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return Scale(low, high), [n * step for n in range(first, last + 1)]


def _step(span: float, most: int) -> float:
    """The least of 1, 2, 5 times a power of ten that cuts the span into at most so many.

    >>> _step(31, 5), _step(1.0, 5)
    (10.0, 0.2)
    """
    raw = span / most
    unit = 10.0 ** math.floor(math.log10(raw))
    return float(next(n * unit for n in (1, 2, 5, 10) if n * unit >= raw * (1 - 1e-9)))


def apart(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Places for labels near where they are wanted, at least `gap` from each other, in the same order as given.

    >>> apart([10.0, 11.0, 50.0], 5.0, 0.0, 100.0)
    [8.0, 13.0, 50.0]
    """
    order = sorted(range(len(wanted)), key=lambda n: wanted[n])
    blocks: list[tuple[float, int]] = []  # (centre of the block, labels in it)
    for n in order:
        blocks.append((min(max(wanted[n], low), high), 1))
        while len(blocks) > 1 and blocks[-1][0] - blocks[-2][0] < gap * (blocks[-1][1] + blocks[-2][1]) / 2:
            (a, i), (b, j) = blocks[-2:]
            half, middle = gap * (i + j - 1) / 2, (a * i + b * j) / (i + j)
            blocks[-2:] = [(max(low + half, min(middle, high - half)), i + j)]
    places = [centre + gap * (k - (size - 1) / 2) for centre, size in blocks for k in range(size)]
    return [place for _, place in sorted(zip(order, places, strict=True))]
