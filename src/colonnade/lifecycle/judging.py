# SPDX-License-Identifier: Apache-2.0
"""Whether a candidate may go live: each gate against a fixed limit, or against the incumbent on the very same rows.

The rule beside the incumbent: with scores row by row (`predictions.csv`), a candidate passes when it is shown, with
95 % confidence on one side, to be worse by less than the gate's margin (1 point by default; of a loss without an upper
bound, 1 % of the incumbent's). So a candidate that is worse by the margin passes one time in twenty at most, whatever
its seed; an equal one passes the more surely the more rows are held out, and is tried again with each batch. Metrics
without rows (ROC AUC, a gap) are compared by their values alone, which says nothing of luck; the finding says so.

A gate on a slice, or on the recent rows, is judged by the same rule there, and needs `FEWEST` rows. A gate on `each`
group of a column turns the question round, because no group of forty rows can show that it is not worse by a point:
it fails when a group is shown to fail. The 5 % of doubt are shared among the groups (Bonferroni), so that a candidate
that fails nowhere is refused one time in twenty at most, however many groups there are. Groups too small to be judged
are named.

A candidate that was trained with several seeds passes when the one that is served passes, and the luck of its seed is
not what made it: every seed keeps the fixed limits, and the seeds' mean, row by row, passes the other gates. Pure;
which versions are compared is the loop's business.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from colonnade.lifecycle.each import judge_each, place_words, scale_of, unmeasured
from colonnade.lifecycle.intervals import FEWEST, difference
from colonnade.lifecycle.reports import Finding, Report
from colonnade.lifecycle.slices import Parts
from colonnade.lifecycle.wanted import Gate

CONFIDENCE = 0.9
"""Of two-sided intervals: 95 % on each side."""
MARGIN = 0.01


def judge(
    gates: Sequence[Gate], candidate: Report, incumbent: Report | None, parts: Parts | None = None
) -> list[Finding]:
    """Every gate's finding. Without an incumbent there is nothing to compare with, and such gates are passed.

    Args:
        parts: how the held-out rows are cut; needed by gates on slices.

    >>> judge([Gate("accuracy", "at_least", 0.9)], Report({"accuracy": 0.8}), None)[0].reason
    'accuracy is 0.8, at least 0.9 is wanted'
    """
    return [_over_seeds(gate, candidate, incumbent, parts or Parts()) for gate in gates]


def _over_seeds(gate: Gate, candidate: Report, incumbent: Report | None, parts: Parts) -> Finding:
    """What is served must pass, and so must its seeds: each of them a fixed limit, their mean all other gates."""
    found = _gate(gate, candidate, incumbent, parts)
    if not candidate.seeds:
        return found
    every = (candidate, *candidate.seeds)
    values = tuple(one.metrics[gate.metric] for one in every if gate.metric in one.metrics)
    if found.passed and gate.limit is not None and gate.each is None:
        others = [("another seed", one) for one in candidate.seeds]
    else:
        others = [(f"the mean of {len(every)} seeds", candidate.averaged())] if found.passed else []
        incumbent = incumbent.averaged() if incumbent is not None else None  # its seed may have been a lucky one, too
    for name, report in others:
        other = _gate(gate, report, incumbent, parts)
        if not other.passed:
            return replace(other, seeds=values, reason=f"with {name}, {other.reason}")
    return replace(found, seeds=values)


def _gate(gate: Gate, candidate: Report, incumbent: Report | None, parts: Parts) -> Finding:
    """One gate, one seed."""
    if gate.each is not None:
        return judge_each(gate, candidate, incumbent, parts)
    if gate.slice is not None or gate.recent:
        return _part(gate, candidate, incumbent, parts)
    return _finding(gate, candidate, incumbent)


def _part(gate: Gate, candidate: Report, incumbent: Report | None, parts: Parts) -> Finding:
    """A gate on one slice, or on the recent rows: the same rule on fewer rows."""
    where = place_words(gate, gate.slice)
    places = parts.of(gate.slice, recent=gate.recent)
    if gate.metric in candidate.metrics and gate.metric not in candidate.rows:
        return unmeasured(gate, where, f"{gate.metric} has no value a row, so none {where}")
    if len(places) < FEWEST:
        reason = f"{gate.metric} {where}: {len(places)} rows are held out, {FEWEST} are needed to judge"
        return unmeasured(gate, where, reason)
    scale = scale_of(gate.metric, candidate, incumbent)
    found = _finding(gate, candidate.only(places), incumbent.only(places) if incumbent else None, scale)
    reason = found.reason.replace(gate.metric, f"{gate.metric} {where}", 1)
    return replace(found, reason=reason, where=where, rows=len(places))


def _finding(
    gate: Gate, candidate: Report, incumbent: Report | None, scale: tuple[bool, float] | None = None
) -> Finding:
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
        return _paired(gate, mine, its, value, limit, scale or scale_of(name, candidate, incumbent))
    margin = gate.margin or 0.0
    good = value >= limit - margin if gate.bound == "at_least" else value <= limit + margin
    said = f"{name} is {value:g}, the incumbent’s {limit:g} on the same rows (compared by these two values alone)"
    said += "" if good else f"; {gate.word()} that is wanted"
    return Finding(name, good, said, value, limit, "incumbent", value - limit)


def _paired(
    gate: Gate, mine: Sequence[float], its: Sequence[float], value: float, limit: float, scale: tuple[bool, float]
) -> Finding:
    sign = 1 if gate.bound == "at_least" else -1
    bounded, mean = scale
    margin = gate.margin if gate.margin is not None else MARGIN * (1 if bounded else mean)
    low, high = difference(mine, its, sign, bounded, mean, CONFIDENCE)
    change = (math.fsum(mine) - math.fsum(its)) / len(mine)
    passed = low > -margin
    word = "is better" if low > 0 else "is not worse by the margin" if passed else None
    word = word or ("is worse" if high < 0 else "cannot be told from a worse one")
    ends = sorted((sign * low, sign * high))
    said = (
        f"{gate.metric}: the candidate {word}: {change:+.4f} [{ends[0]:+.4f}, {ends[1]:+.4f}] "
        f"on {len(mine)} rows (margin {margin:g})"
    )
    return Finding(gate.metric, passed, said, value, limit, "incumbent", change, ends[0], ends[1], len(mine))
