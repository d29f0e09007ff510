# SPDX-License-Identifier: Apache-2.0
"""How sure a mean is, and the difference of two means on the same rows. Pure arithmetic; no gate and no policy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

from colonnade.lifecycle.paired import paired_gate

FEWEST = 30
"""Fewer rows are not told and not judged: their mean says nothing, and may say too much of single people."""


def interval(values: Sequence[float], confidence: float, *, bounded: bool) -> tuple[float, float]:
    """Of a mean. Wilson's for rows of 0 and 1 (1927), otherwise normal; never narrower than one row would make it.

    >>> low, high = interval([1.0] * 80 + [0.0] * 20, 0.95, bounded=True)
    >>> round(low, 3), round(high, 3)
    (0.711, 0.867)
    """
    n, z = len(values), NormalDist().inv_cdf((1 + confidence) / 2)
    mean = math.fsum(values) / n
    if all(value in (0, 1) for value in values):
        centre, spread = mean + z * z / (2 * n), z * math.sqrt(mean * (1 - mean) / n + z * z / (4 * n * n))
        return (centre - spread) / (1 + z * z / n), (centre + spread) / (1 + z * z / n)
    variance = math.fsum((value - mean) ** 2 for value in values) / max(1, n - 1)
    reach = z * math.sqrt(max(variance, mean * mean / n) / n)
    return (max(0.0, mean - reach), min(1.0, mean + reach)) if bounded else (mean - reach, mean + reach)


def difference(
    mine: Sequence[float], its: Sequence[float], sign: int, bounded: bool, mean: float, confidence: float
) -> tuple[float, float]:
    """The interval of candidate - incumbent, turned so that more is better."""
    if bounded:
        scores = [(a, b) if sign > 0 else (1 - a, 1 - b) for a, b in zip(mine, its, strict=True)]
        found = paired_gate([a for a, _ in scores], [b for _, b in scores], margin=0, confidence=confidence).overall
        return found.low, found.high
    return _unbounded([sign * (a - b) for a, b in zip(mine, its, strict=True)], mean, confidence)


def _unbounded(changes: Sequence[float], mean: float, confidence: float) -> tuple[float, float]:
    """Of a mean difference; never narrower than one row changed by the mean loss would make it."""
    n = len(changes)
    if n < FEWEST:
        return -math.inf, math.inf
    centre = math.fsum(changes) / n
    variance = max(math.fsum((d - centre) ** 2 for d in changes) / (n - 1), mean**2 / n)
    reach = NormalDist().inv_cdf((1 + confidence) / 2) * math.sqrt(variance / n)
    return centre - reach, centre + reach
