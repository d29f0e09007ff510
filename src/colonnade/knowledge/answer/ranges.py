# SPDX-License-Identifier: Apache-2.0
"""Rows of a table that hold for a range of numbers ("up to 2,000 euros", "10 to 50"), and which of them a number of the
question falls into. Numbers and their units only; how much that counts is `rank`'s.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

_NUMBER = r"(?<![\w.,-])[€$£]?\s?(\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)(?![\w,-]*-\d)"
_UNIT = r"(?:[ \t]?(%|[^\W\d_]+))?"
_BETWEEN = re.compile(_NUMBER + _UNIT + r"\s*(?:to|until|[-–])\s*[€$£]?\s?(\d[\d,]*(?:\.\d+)?)" + _UNIT, re.IGNORECASE)
_BELOW = re.compile(r"(?:\b(?:up to|at most|under|below|less than)\s+|[<≤]=?\s*)" + _NUMBER + _UNIT, re.IGNORECASE)
_ABOVE = re.compile(r"(?:\b(?:above|over|more than|at least|from)\s+|[>≥]=?\s*)" + _NUMBER + _UNIT, re.IGNORECASE)
_ASKED = re.compile(_NUMBER + _UNIT)
_SAME = {"€": "eur", "euro": "eur", "euros": "eur", "dollars": "usd", "dollar": "usd", "percent": "%"}
_OPEN = re.compile(r"(?:under|below|less than|above|over|more than|[<>](?!=))", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Range:
    """From `low` to `high`, the ends counted unless `open`; of a unit, "" where none is said."""

    low: float
    high: float
    unit: str
    open: bool = False

    def holds(self, value: float, unit: str) -> bool:
        """Whether the number falls into it; another unit never does."""
        if self.unit and unit and self.unit != unit:
            return False
        return self.low < value < self.high if self.open else self.low <= value <= self.high


def range_of(row: str) -> Range | None:
    """The first range that a row names.

    >>> range_of("| up to 2,000 euros | your lead |")
    Range(low=-inf, high=2000.0, unit='eur', open=False)
    """
    between = _BETWEEN.search(row)
    if between is not None:
        low, high = _value(between[1]), _value(between[3])
        return Range(low, high, _unit(between[4] or between[2])) if low < high else None
    below, above = _BELOW.search(row), _ABOVE.search(row)
    if below is not None:
        return Range(-math.inf, _value(below[1]), _unit(below[2]), _OPEN.match(below[0]) is not None)
    if above is not None:
        return Range(_value(above[1]), math.inf, _unit(above[2]), _OPEN.match(above[0]) is not None)
    return None


def fitting(question: str, rows: Sequence[str]) -> int | None:
    """Which row of one table holds for a number of the question: of several, the one with the nearest upper end, then
    with the nearest lower one. None unless at least two rows name a range, so that it is a table of ranges.

    >>> fitting("Who approves 1800 euros?", ["up to 250 euros | you", "up to 2,000 euros | your lead", "above | boss"])
    1
    """
    ranges = [(at, found) for at, found in enumerate(map(range_of, rows)) if found is not None]
    if len(ranges) < 2:
        return None
    for match in _ASKED.finditer(question):
        value, unit = _value(match[1]), _unit(match[2])
        held = [(found.high, -found.low, at) for at, found in ranges if found.holds(value, unit)]
        if held:
            return min(held)[2]
    return None


def _value(digits: str) -> float:
    return float(digits.replace(",", "").rstrip("."))


def _unit(word: str | None) -> str:
    low = (word or "").lower()
    return _SAME.get(low, low)
