# SPDX-License-Identifier: Apache-2.0
"""Whether a candidate may go live: each gate against a fixed limit, or against the incumbent on the very same rows.

The rule beside the incumbent: with scores row by row (`predictions.csv`), a candidate passes when it is shown, with
95 % confidence on one side, to be worse by less than the gate's margin (1 point by default; of a loss without an upper
bound, 1 % of the incumbent's). So a candidate that is worse by the margin passes one time in twenty at most, whatever
its seed; an equal one passes the more surely the more rows are held out, and is tried again with each batch. Metrics
without rows (ROC AUC, a gap) are compared by their values alone, which says nothing of luck; the finding says so.
Pure; which versions are compared is the loop's business.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any

from colonnade.core.errors import UsageError
from colonnade.lifecycle.paired import paired_gate
from colonnade.lifecycle.wanted import Gate

PREDICTIONS = "predictions.csv"
CONFIDENCE = 0.9
"""Of two-sided intervals: 95 % on each side."""
MARGIN = 0.01
FEWEST = 30
"""Fewer rows of an unbounded loss say nothing."""
NAMELESS = {"row", "prediction"}


@dataclass(frozen=True)
class Report:
    """What an evaluation found: metrics, and scores row by row for those of which it wrote them."""

    metrics: Mapping[str, float]
    rows: Mapping[str, Sequence[float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Finding:
    """One gate's verdict.

    Attributes:
        value, limit: the candidate's, and what it was held against.
        difference, low, high: candidate - incumbent in the metric's own unit, with its interval (None without rows).
        rows: how many rows were compared.
    """

    metric: str
    passed: bool
    reason: str
    value: float | None
    limit: float | None
    against: str
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    rows: int | None = None

    def to_json(self) -> dict[str, Any]:
        """For `status --json`."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def judge(gates: Sequence[Gate], candidate: Report, incumbent: Report | None) -> list[Finding]:
    """Every gate's finding. Without an incumbent there is nothing to compare with, and such gates are passed.

    >>> judge([Gate("accuracy", "at_least", 0.9)], Report({"accuracy": 0.8}), None)[0].reason
    'accuracy is 0.8, at least 0.9 is wanted'
    """
    return [_finding(gate, candidate, incumbent) for gate in gates]


def read_predictions(data: bytes, rows: int | None = None) -> dict[str, list[float]]:
    """Scores row by row, by the metric's name: every column of `predictions.csv` but `row` and `prediction`, and
    `correct`, which is accuracy's. Raises UsageError for what is no table of finite numbers.
    """
    reader = csv.DictReader(io.StringIO(data.decode("utf-8-sig", "replace"), newline=""))
    found: dict[str, list[float]] = {name: [] for name in reader.fieldnames or () if name not in NAMELESS}
    for line in reader:
        for name, values in found.items():
            try:
                values.append(float(line[name]))
            except (TypeError, ValueError):
                values.append(math.nan)
    for name, values in found.items():
        if not all(map(math.isfinite, values)) or (rows is not None and len(values) != rows):
            message = f"{PREDICTIONS}: the column {name!r} must hold one finite number for each row of test.csv"
            raise UsageError(message, hint="leave the column out, or write one line a row", code="predictions_invalid")
    if "correct" in found:
        found.setdefault("accuracy", found.pop("correct"))
    return found


def _finding(gate: Gate, candidate: Report, incumbent: Report | None) -> Finding:
    name, value = gate.metric, candidate.metrics.get(gate.metric)
    if value is None:
        return Finding(name, False, f"{name} was not measured", None, gate.limit, "limit")
    if gate.limit is not None:
        good = value >= gate.limit if gate.bound == "at_least" else value <= gate.limit
        said = f"{name} is {value:g}" + ("" if good else f", {gate.word()} {gate.limit:g} is wanted")
        return Finding(name, good, said, value, gate.limit, "limit")
    limit = incumbent.metrics.get(name) if incumbent else None
    if incumbent is None or limit is None:
        return Finding(name, True, f"{name} is {value:g}; there is nothing to compare it with", value, None, "nothing")
    mine, its = candidate.rows.get(name), incumbent.rows.get(name)
    if mine and its and len(mine) == len(its):
        return _paired(gate, mine, its, value, limit)
    margin = gate.margin or 0.0
    good = value >= limit - margin if gate.bound == "at_least" else value <= limit + margin
    said = f"{name} is {value:g}, the incumbent’s {limit:g} on the same rows (compared by these two values alone)"
    said += "" if good else f"; {gate.word()} that is wanted"
    return Finding(name, good, said, value, limit, "incumbent", value - limit)


def _paired(gate: Gate, mine: Sequence[float], its: Sequence[float], value: float, limit: float) -> Finding:
    sign = 1 if gate.bound == "at_least" else -1
    bounded = all(0 <= score <= 1 for score in (*mine, *its))
    mean = math.fsum(map(abs, its)) / len(its)
    margin = gate.margin if gate.margin is not None else MARGIN if bounded else MARGIN * mean
    if bounded:
        scores = [(a, b) if sign > 0 else (1 - a, 1 - b) for a, b in zip(mine, its, strict=True)]
        found = paired_gate([a for a, _ in scores], [b for _, b in scores], margin=margin, confidence=CONFIDENCE)
        low, high = found.overall.low, found.overall.high
    else:
        low, high = _interval([sign * (a - b) for a, b in zip(mine, its, strict=True)], mean)
    difference = (math.fsum(mine) - math.fsum(its)) / len(mine)
    passed = low > -margin
    word = "is better" if low > 0 else "is not worse by the margin" if passed else None
    word = word or ("is worse" if high < 0 else "cannot be told from a worse one")
    ends = sorted((sign * low, sign * high))
    said = (
        f"{gate.metric}: the candidate {word}: {difference:+.4f} [{ends[0]:+.4f}, {ends[1]:+.4f}] "
        f"on {len(mine)} rows (margin {margin:g})"
    )
    return Finding(gate.metric, passed, said, value, limit, "incumbent", difference, ends[0], ends[1], len(mine))


def _interval(changes: Sequence[float], mean: float) -> tuple[float, float]:
    """Of a mean difference; never narrower than one row changed by the mean loss would make it."""
    n = len(changes)
    if n < FEWEST:
        return -math.inf, math.inf
    centre = math.fsum(changes) / n
    variance = max(math.fsum((d - centre) ** 2 for d in changes) / (n - 1), mean**2 / n)
    reach = NormalDist().inv_cdf((1 + CONFIDENCE) / 2) * math.sqrt(variance / n)
    return centre - reach, centre + reach
