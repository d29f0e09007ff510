# SPDX-License-Identifier: Apache-2.0
"""A gate on each group of a column: it fails when a group is shown to fail. Why, says `judging`. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from colonnade.lifecycle.intervals import FEWEST, difference, interval
from colonnade.lifecycle.reports import Finding, Report
from colonnade.lifecycle.slices import Parts
from colonnade.lifecycle.wanted import Gate

DOUBT = 0.05
"""The chance that a candidate which fails in no group is refused, shared among the groups."""
EACH_MARGIN = 0.05
"""Of a group beside the incumbent; of a loss without an upper bound, this share of the incumbent's."""


def judge_each(gate: Gate, candidate: Report, incumbent: Report | None, parts: Parts) -> Finding:
    """A gate on every group of a column: fails when one is shown to fail, at 5 % in all."""
    name, column = gate.metric, str(gate.each)
    groups = {group: parts.of((column, group), recent=gate.recent) for group in parts.of_column(column)}
    large = {group: places for group, places in groups.items() if len(places) >= FEWEST}
    small = [group for group in groups if group not in large]
    where = place_words(gate, (column, "each"))
    if name in candidate.metrics and name not in candidate.rows:
        return unmeasured(gate, where, f"{name} has no value a row, so none {where}")
    if name not in candidate.rows or not large:
        return unmeasured(gate, where, f"{name} {where}: no group has the {FEWEST} rows that are needed to judge")
    its = incumbent.rows.get(name, ()) if incumbent is not None else ()
    if gate.limit is None and len(its) != len(candidate.rows[name]):
        reason = f"{name} {where}: there is nothing to compare with row by row"
        return Finding(name, True, reason, None, None, "nothing", where=where)
    confidence = 1 - 2 * DOUBT / len(large)  # of two-sided intervals; one side is asked
    found = [_group(gate, group, places, candidate, incumbent, confidence) for group, places in large.items()]
    failed = [one for one in found if not one.passed]
    worst = min(failed or found, key=lambda one: _distance(gate, one))
    left_out = f"; too few rows to judge {', '.join(small)}" if small else ""
    if failed:
        reason = "; ".join(one.reason for one in failed)
    else:
        reason = f"{name} {where}: none of {len(large)} groups is shown to fail; lowest margin: {worst.reason}"
    return replace(worst, reason=reason + left_out)


def _group(
    gate: Gate, group: str, places: Sequence[int], candidate: Report, incumbent: Report | None, confidence: float
) -> Finding:
    """One group of `each`, against the limit or the incumbent: passed unless it is shown to fail."""
    sign = 1 if gate.bound == "at_least" else -1
    bounded, mean = scale_of(gate.metric, candidate, incumbent)
    where = place_words(gate, (str(gate.each), group))
    mine = [candidate.rows[gate.metric][place] for place in places]
    value = math.fsum(mine) / len(mine)
    if gate.limit is not None or incumbent is None:
        limit = gate.limit or 0.0
        low, high = interval(mine, confidence, bounded=bounded)
        good = (high if sign > 0 else -low) >= sign * limit
        said = f"{gate.metric} {where} is {value:.4g} [{low:.4g}, {high:.4g}] on {len(mine)} rows"
        said += "" if good else f", {gate.word()} {limit:g} is wanted"
        return Finding(gate.metric, good, said, value, limit, "limit", None, low, high, len(mine), where)
    its = [incumbent.rows[gate.metric][place] for place in places]
    low, high = difference(mine, its, sign, bounded, mean, confidence)
    margin = gate.margin if gate.margin is not None else EACH_MARGIN * (1 if bounded else mean)
    limit = math.fsum(its) / len(its)
    ends = sorted((sign * low, sign * high))
    said = (
        f"{gate.metric} {where}: the candidate {'is worse' if high < -margin else 'is not shown to be worse'}: "
        f"{value - limit:+.4f} [{ends[0]:+.4f}, {ends[1]:+.4f}] on {len(mine)} rows (margin {margin:g})"
    )
    good = high >= -margin
    return Finding(
        gate.metric, good, said, value, limit, "incumbent", value - limit, ends[0], ends[1], len(mine), where
    )


def _distance(gate: Gate, found: Finding) -> float:
    """How far a group is from failing; the smallest decides."""
    sign = 1 if gate.bound == "at_least" else -1
    ahead = found.difference if found.difference is not None else (found.value or 0.0) - (found.limit or 0.0)
    return sign * ahead


def place_words(gate: Gate, key: tuple[str, str] | None) -> str:
    """Where a gate looks, for people."""
    words = [f"where {key[0]} is {key[1]}" if key[1] != "each" else f"for each {key[0]}"] if key else []
    return " ".join([*words, *(["in the newest rows"] if gate.recent else [])])


def unmeasured(gate: Gate, where: str, reason: str) -> Finding:
    """What cannot be judged does not pass."""
    return Finding(gate.metric, False, reason, None, gate.limit, "limit", where=where)


def scale_of(metric: str, candidate: Report, incumbent: Report | None) -> tuple[bool, float]:
    """Of all rows, so that a slice is judged in the unit of the whole."""
    bounded, _ = candidate.scale(metric)
    if incumbent is None:
        return candidate.scale(metric)
    its, mean = incumbent.scale(metric)
    return bounded and its, mean
