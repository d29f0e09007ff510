# SPDX-License-Identifier: Apache-2.0
"""A gate's test: is the candidate better than the incumbent on the same rows, and how sure is that?

Both models have answered the same rows, so rows that are easy or hard for both cancel and only those on which they
differ count. Fixed data looked at once; for data that keep coming see `contest.py`. No evaluation and no policy
beyond the margin.

Rows scored 0 or 1 (right or wrong): Bonett and Price's adjusted interval for a paired difference of proportions
(2012) and McNemar's exact test. Scores between (several seeds averaged, a credit for partly right): the interval of
the mean difference with Student's quantiles by Hill's expansion. Several seeds of a candidate are averaged row by row
before they come here: then no candidate passes by the luck of one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

Outcome = Literal["better", "not_worse", "worse", "unsure"]


@dataclass(frozen=True)
class Comparison:
    """The candidate against the incumbent on some rows.

    Args:
        name: "all", or the slice.
        rows: how many rows; `differing`: on how many the two scores differ.
        candidate, incumbent: mean scores.
        difference: candidate - incumbent; low, high: its interval at the gate's confidence.
        sure_not_worse: how sure it is that the true difference is above -margin, 0 to 1.
        p_equal: McNemar's exact two-sided p of "no difference"; None where scores are not 0 or 1.
        outcome: "better" (low > 0), "not_worse" (low > -margin), "worse" (high < -margin), otherwise "unsure".
    """

    name: str
    rows: int
    differing: int
    candidate: float
    incumbent: float
    difference: float
    low: float
    high: float
    sure_not_worse: float
    p_equal: float | None
    outcome: Outcome


@dataclass(frozen=True)
class GateVerdict:
    """Whether the candidate passes, a sentence why, and the comparisons: all rows first, then slices by name."""

    passed: bool
    reason: str
    overall: Comparison
    slices: tuple[Comparison, ...]


def paired_gate(
    candidate_correct: Sequence[float],
    incumbent_correct: Sequence[float],
    slices: Mapping[str, Sequence[int]] | None = None,
    *,
    margin: float = 0.01,
    slice_margin: float = 0.05,
    confidence: float = 0.95,
) -> GateVerdict:
    """Compare two models on the same rows, in all and by slice.

    Passes where the candidate is shown to be not worse than `margin` on all rows, and no slice is shown to be worse
    than `slice_margin` (the confidence is shared among the slices: Bonferroni). "Unsure" on all rows does not pass:
    too few rows are no reason to promote. A small slice that is unsure does not stop it.

    Args:
        candidate_correct, incumbent_correct: scores in [0, 1], one a row, the same rows in the same order.
        slices: row numbers by name; slices may overlap, and empty ones are left out.
        margin, slice_margin: how much worse is still no harm, in points of the score, >= 0.
        confidence: of two-sided intervals, in (0.5, 1).

    ValueError for no rows, unequal lengths, or scores outside [0, 1].

    >>> verdict = paired_gate([1] * 180 + [0] * 20, [1] * 160 + [0] * 40, {"new": range(50)})
    >>> verdict.passed, verdict.overall.outcome, round(verdict.overall.low, 3), round(verdict.overall.high, 3)
    (True, 'better', 0.056, 0.142)
    """
    if not candidate_correct or len(candidate_correct) != len(incumbent_correct):
        raise ValueError("candidate and incumbent need scores for the same rows, at least one")
    if not (margin >= 0 and slice_margin >= 0 and 0.5 < confidence < 1):
        raise ValueError("margins are at least 0, a confidence lies between 0.5 and 1")
    pairs = list(zip(candidate_correct, incumbent_correct, strict=True))
    if not all(0 <= a <= 1 and 0 <= b <= 1 for a, b in pairs):
        raise ValueError("scores lie between 0 and 1")
    named = {name: rows for name, rows in (slices or {}).items() if len(rows)}
    overall = _compare("all", pairs, margin, confidence)
    shared = 1 - (1 - confidence) / max(1, len(named))
    parts = tuple(_compare(n, [pairs[i] for i in rows], slice_margin, shared) for n, rows in sorted(named.items()))
    worse = [part for part in parts if part.outcome == "worse"]
    if overall.outcome in ("worse", "unsure"):
        return GateVerdict(False, _said(overall, margin), overall, parts)
    if worse:
        return GateVerdict(False, _said(min(worse, key=lambda part: part.high), slice_margin), overall, parts)
    return GateVerdict(True, _said(overall, margin), overall, parts)


def mcnemar(better: int, worse: int) -> float:
    """Exact two-sided p that neither model is better, from the rows on which just one is right; 1.0 without any.

    >>> mcnemar(1, 9), mcnemar(0, 0)
    (0.021484375, 1.0)
    """
    n, k = better + worse, min(better, worse)
    if n == 0:
        return 1.0
    logs = [math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) - n * math.log(2) for i in range(k + 1)]
    tail = math.fsum(math.exp(v) for v in logs)
    return 1.0 if tail > 0.5 - 1e-9 else round(2 * tail, 12)


def _compare(name: str, pairs: Sequence[tuple[float, float]], margin: float, confidence: float) -> Comparison:
    n = len(pairs)
    changes = [a - b for a, b in pairs]
    difference = math.fsum(changes) / n
    flags = all(a in (0, 1) and b in (0, 1) for a, b in pairs)
    better, worse = sum(d > 0 for d in changes), sum(d < 0 for d in changes)
    if flags:
        # One row more on either side: the interval keeps its promise when few rows differ, or none.
        up, down = (better + 1) / (n + 2), (worse + 1) / (n + 2)
        centre, error = up - down, math.sqrt((up + down - (up - down) ** 2) / (n + 2))
    else:
        # At least what a single changed row would give: equal scores on few rows are no proof of anything.
        variance = math.fsum((d - difference) ** 2 for d in changes) / max(1, n - 1)
        centre, error = difference, math.sqrt(max(variance, 1 / n) / n)
    reach = error * _quantile(confidence, n if flags else n - 1, normal=flags)
    low, high = max(-1.0, centre - reach), min(1.0, centre + reach)
    return Comparison(
        name=name,
        rows=n,
        differing=better + worse,
        candidate=math.fsum(a for a, _ in pairs) / n,
        incumbent=math.fsum(b for _, b in pairs) / n,
        difference=difference,
        low=low,
        high=high,
        sure_not_worse=NormalDist().cdf((centre + margin) / error),
        p_equal=mcnemar(better, worse) if flags else None,
        outcome=_outcome(low, high, margin),
    )


def _outcome(low: float, high: float, margin: float) -> Outcome:
    if low > 0:
        return "better"
    if low > -margin:
        return "not_worse"
    return "worse" if high < -margin else "unsure"


def _quantile(confidence: float, freedom: int, *, normal: bool) -> float:
    """The two-sided quantile: normal, or Student's by an expansion (good to 1 % from 5 rows on)."""
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    if normal:
        return z
    d = max(1, freedom)
    return z + (z**3 + z) / (4 * d) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * d**2)


def _said(c: Comparison, margin: float) -> str:
    words = {
        "better": "is better",
        "not_worse": f"is not worse by more than {100 * margin:g} points",
        "worse": f"is worse by more than {100 * margin:g} points",
        "unsure": f"cannot be told from one worse by {100 * margin:g} points",
    }
    where = "" if c.name == "all" else f" on {c.name}"
    return (
        f"the candidate {words[c.outcome]}{where}: {100 * c.difference:+.2f} points "
        f"[{100 * c.low:+.2f}, {100 * c.high:+.2f}], {c.differing} of {c.rows} rows differ"
    )
