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
    """Of a mean. Of rows of 0 and 1 the exact one (Clopper and Pearson, 1934), which keeps its promise however small a
    tail is asked for; otherwise normal, never narrower than one row would make it.

    >>> low, high = interval([1.0] * 80 + [0.0] * 20, 0.95, bounded=True)
    >>> round(low, 4), round(high, 4)
    (0.7082, 0.8733)
    """
    n, mean = len(values), math.fsum(values) / len(values)
    if all(value in (0, 1) for value in values):
        hits, tail = round(mean * n), (1 - confidence) / 2
        low = _beta_quantile(tail, hits, n - hits + 1) if hits else 0.0
        return low, _beta_quantile(1 - tail, hits + 1, n - hits) if hits < n else 1.0
    variance = math.fsum((value - mean) ** 2 for value in values) / max(1, n - 1)
    reach = NormalDist().inv_cdf((1 + confidence) / 2) * math.sqrt(max(variance, mean * mean / n) / n)
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


def _beta_quantile(p: float, a: float, b: float) -> float:
    """Where the beta distribution's share below is p, by halving."""
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if _beta_below(middle, a, b) < p else (low, middle)
    return (low + high) / 2


def _beta_below(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function, by its continued fraction (Lentz's way, 1976)."""
    if x > (a + 1) / (a + b + 2):
        return 1 - _beta_below(1 - x, b, a)
    if x <= 0:
        return 0.0
    front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    tiny, c = 1e-300, 1.0
    d = 1 / max(1 - (a + b) * x / (a + 1), tiny)
    whole = d
    for m in range(1, 100_000):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / (1 + term * d or tiny)
            c = 1 + term / c or tiny
            whole *= c * d
        if abs(c * d - 1) < 1e-12:
            break
    return math.exp(front) * whole / a
