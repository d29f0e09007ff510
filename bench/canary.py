# SPDX-License-Identifier: Apache-2.0
"""How often a canary rolls back a good model, misses a bad one, and how many answers the bad one sends until then.

python bench/canary.py [--good 1000] [--bad 1000] [--live 300]

It writes bench/results/canary.json; about 5 CPU minutes

The figure: 20,000 requests after a shadow of 5,000, stages of 1, 5, 25 and 100 % with 5,000 requests each; labels at
once, accuracy .90, latency lognormal (median 10 ms, sigma .5), a group with 30 % of the requests. Assumed, and
against us where we had the choice: the two versions are wrong, slow and failing independently of each other; the
shadow and the last stage (in which the champion is asked silently) are paired, between them every request has one
answer; every request is a new key. Rows "from the first live
request" have a clean shadow, so all evidence must come from answers that were sent. "At the edge" is worse by exactly
every tolerance: not to be rolled back.

A rollout is computed at once over its whole time; first, on some rollouts of every case, that the class rolls back at
the same request. The rule of the class is read from its own modules, not copied.
"""

from __future__ import annotations

import argparse
import itertools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colonnade.lifecycle.rollout.canary import IN_SHADOW, Answer, Canary, CanaryConfig
from colonnade.lifecycle.rollout.contest import APART, Contest
from report import write_result

CONFIG = CanaryConfig(groups=("minority", "majority"))
SHADOW, EACH, LIVE = 5_000, 5_000, 20_000
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """A challenger. The champion: 10 % wrong in both groups, no errors, no NaN, latency median 10 ms, sigma .5."""

    name: str
    bad: bool = True
    wrong: tuple[float, float] = (0.1, 0.1)  # minority, majority
    errors: float = 0.0
    nan: float = 0.0
    median_ms: float = 10.0
    sigma: float = 0.5
    live_only: bool = False


TAIL = 0.5 + np.log(2) / 2.3263
BAD = (
    Case("accuracy - 5 points", wrong=(0.15, 0.15)),
    Case("p99 x 2: every answer twice as slow", median_ms=20.0),
    Case("p99 x 2: the tail only, same median", sigma=TAIL),
    Case("+ 2 % errors", errors=0.02),
    Case("group of 30 %: - 10 points, others unchanged", wrong=(0.2, 0.1)),
    Case("group gap of 10 points, overall unchanged (- 7, + 3)", wrong=(0.17, 0.07)),
    Case("1 % NaN", nan=0.01),
)
GOOD = (
    Case("A/A", bad=False),
    Case("at the edge of every tolerance", bad=False, wrong=(0.11, 0.11), errors=0.002, nan=0.001, sigma=0.5665),
)


def draw(case: Case, rng: np.random.Generator) -> dict[str, Any]:
    """All outcomes of one rollout, both versions for every request; whose are seen is decided by `arm`."""
    n = SHADOW + LIVE
    clean = replace(case, wrong=(0.1, 0.1), errors=0.0, nan=0.0, median_ms=10.0, sigma=0.5)
    minority = rng.random(n) < 0.3
    share = np.repeat([0.0, *(s / 100 for s in CONFIG.stages)], [SHADOW] + [EACH] * len(CONFIG.stages))

    def outcomes(first: Case, then: Case) -> dict[str, Any]:
        def at(a: float, b: float) -> Floats:
            return np.where(np.arange(n) < SHADOW, a, b)

        wrong = np.where(minority, at(first.wrong[0], then.wrong[0]), at(first.wrong[1], then.wrong[1]))
        spread = np.exp(rng.standard_normal(n) * at(first.sigma, then.sigma))
        return {
            "quality": (rng.random(n) < wrong).astype(float),
            "errors": (rng.random(n) < at(first.errors, then.errors)).astype(float),
            "invalid": (rng.random(n) < at(first.nan, then.nan)).astype(float),
            "latency": at(first.median_ms, then.median_ms) * spread,
        }

    arms = rng.random(n) < share
    return {
        "minority": minority,
        "arm": arms,
        "champion": outcomes(clean, clean),
        "challenger": outcomes(clean if case.live_only else case, case),
    }


def units_of(arms: NDArray[np.bool_]) -> tuple[list[int], list[int]]:
    """First and last outcome of each unit: it closes at the first answer of the other arm."""
    ends = np.flatnonzero(arms[1:] != arms[:-1]) + 1
    firsts, lasts, start = [], [], 0
    for end in ends.tolist():
        if end > start:
            firsts.append(start)
            lasts.append(end)
            start = end + 1
    return firsts, lasts


def in_shadow(
    champion: Floats, challenger: Floats, at: NDArray[np.int64], contest: Contest
) -> tuple[Floats, NDArray[np.int64]]:
    """`growth` of the shadow phase alone, where every request is a pair."""
    pair = (challenger - champion + 1)[at < SHADOW] / 2
    return np.log1p(np.outer(pair - contest.capital.mean, contest.capital.bets)), at[at < SHADOW]


def growth(
    champion: Floats, challenger: Floats, arms: NDArray[np.bool_], at: NDArray[np.int64], contest: Contest
) -> tuple[Floats, NDArray[np.int64]]:
    """Log growth (units, sizes) of a measure and the requests at which its units close; `at` (n,) are its requests."""
    shadow = in_shadow(champion, challenger, at, contest)
    logs, when = [shadow[0]], [shadow[1]]
    heard = (at < SHADOW) | ~arms
    count, bad = (np.concatenate([[0.0], np.cumsum(v)]) for v in (heard * 1.0, heard * champion))
    alone = int(np.searchsorted(at, SHADOW + LIVE - EACH))
    for stage in range(len(CONFIG.stages) - 1):
        begin, end = (int(np.searchsorted(at, SHADOW + s * EACH)) for s in (stage, stage + 1))
        firsts, lasts = (np.array(v, dtype=int) + begin for v in units_of(arms[begin:end]))
        n, x = count[lasts + 1] - count[firsts], bad[lasts + 1] - bad[firsts]
        worse = np.concatenate([[0.0], np.cumsum(arms * challenger)])
        m, y = lasts + 1 - firsts - n, worse[lasts + 1] - worse[firsts]
        logs.append(apart((bad[firsts] + 0.5) / (count[firsts] + 1), n, x, m, y, contest.tolerance))
        when.append(at[lasts])
    pair = (challenger - champion + 1)[alone:] / 2  # the champion is asked silently
    logs.append(np.log1p(np.outer(pair - contest.capital.mean, contest.capital.bets)))
    when.append(at[alone:])
    return np.concatenate(logs), np.concatenate(when)


def apart(guess: Floats, n: Floats, x: Floats, m: Floats, y: Floats, tolerance: float) -> Floats:
    """`two_sample_growth` for many units (units,) and all sizes."""
    base = guess + tolerance
    most = np.minimum(0.9 * m / base, np.where(n > 0, 0.9 * n / (1 - guess), np.inf))
    size = np.minimum(np.array(APART)[None, :], most[:, None])
    mine, other = size / m[:, None], np.where(n > 0, 1 / np.maximum(n, 1), 0.0)[:, None] * size
    guess, n, x, m, y, base = (v[:, None] for v in (guess, n, x, m, y, base))
    log = y * np.log1p(mine * (1 - base)) + (m - y) * np.log1p(-mine * base)
    return log + x * np.log1p(-other * (1 - guess)) + (n - x) * np.log1p(other * guess)


def first_proof(logs: Floats, when: NDArray[np.int64], contest: Contest) -> float:
    """The request at which the measure proves the challenger worse; inf for never."""
    shares = np.array(contest.capital.shares)
    held = np.zeros_like(shares)
    rest = (1 - IN_SHADOW) / len(CONFIG.stages)
    begins = [0, *(SHADOW + s * EACH for s in range(len(CONFIG.stages)))]
    units = [*(int(np.searchsorted(when, begin)) for begin in begins), len(when)]
    for stage, (first, last) in enumerate(itertools.pairwise(units)):
        held = held + (IN_SHADOW if stage == 0 else rest) * shares
        if last == first:
            continue
        capital = held * np.exp(np.minimum(np.cumsum(logs[first:last], axis=0), 600))
        hits = np.flatnonzero(capital.sum(1) >= contest.needed)
        if len(hits):
            return float(when[first + hits[0]])
        held = capital[-1]
    return np.inf


def rollout(drawn: dict[str, Any]) -> tuple[float, str]:
    """When the rollout is rolled back (inf: never), and by which measure."""
    every = np.arange(SHADOW + LIVE)
    a, b, arms = drawn["champion"], drawn["challenger"], drawn["arm"]
    n = CONFIG.latency_reference
    slow_ms = np.sort(a["latency"][:n])[int(np.ceil(CONFIG.latency_quantile * (n + 1))) - 1]
    flags = {m: (a[m], b[m], every) for m in ("errors", "invalid", "quality")}
    late = every[n:]
    flags["slow"] = ((a["latency"][late] > slow_ms) * 1.0, (b["latency"][late] > slow_ms) * 1.0, late)
    for name, mask in (("minority", drawn["minority"]), ("majority", ~drawn["minority"])):
        flags[f"quality:{name}"] = (a["quality"][mask], b["quality"][mask], every[mask])
    contests = Canary(CONFIG).contests
    early = min((first_proof(*in_shadow(*flags[name], contest), contest), name) for name, contest in contests.items())
    if np.isfinite(early[0]):
        return early
    return min(
        (first_proof(*growth(champion, challenger, arms[at], at, contests[name]), contests[name]), name)
        for name, (champion, challenger, at) in flags.items()
    )


def by_the_class(drawn: dict[str, Any]) -> tuple[float, str]:
    """The same rollout, request by request, through the class that serves."""
    canary = Canary(CONFIG)
    a, b = drawn["champion"], drawn["challenger"]

    def answer(version: dict[str, Any], i: int) -> Answer:
        return Answer(bool(version["errors"][i]), bool(version["invalid"][i]), float(version["latency"][i]))

    for i in range(SHADOW + LIVE):
        shadow, mine = i < SHADOW, bool(drawn["arm"][i])
        seen = (shadow or not mine or canary.share >= 100, shadow or mine)
        canary.observe(
            answer(a, i) if seen[0] else None,
            answer(b, i) if seen[1] else None,
            sent="challenger" if mine else "champion",
        )
        wrong = [float(v["quality"][i]) if s else None for v, s in zip((a, b), seen, strict=True)]
        canary.observe_label(wrong[0], wrong[1], group="minority" if drawn["minority"][i] else "majority")
        verdict = canary.verdict()
        if verdict.action == "roll_back":
            return float(i), verdict.evidence[0].measure
        if verdict.action == "next_stage":
            canary.advance()
    return np.inf, ""


def measure(case: Case, runs: int, checked: int, seed: int) -> dict[str, Any]:
    """One row: how many were rolled back, when, by what, and what they sent until then."""
    exposed, by, shadowed = [], dict[str, int](), 0
    for run in range(runs):
        drawn = draw(case, np.random.default_rng([seed, run]))
        when, why = rollout(drawn)
        if run < checked and by_the_class(drawn)[0] != when:
            raise SystemExit(f"{case.name}, run {run}: the class rolls back at {by_the_class(drawn)}, not at {when}")
        sent = drawn["arm"][SHADOW:]
        exposed.append(int(sent.sum() if np.isinf(when) else sent[: max(0, int(when) + 1 - SHADOW)].sum()))
        if np.isfinite(when):
            by[why] = by.get(why, 0) + 1
            shadowed += when < SHADOW
    back = sum(by.values())
    shares = 100 * np.array(exposed) / LIVE
    row = {
        "challenger": case.name, "bad": case.bad,
        "fault": "from the first live request" if case.live_only else "from the shadow",
        "rollouts": runs, "rolled_back": back, "rolled_back_percent": round(100 * back / runs, 2),
        "in_shadow": shadowed, "by": dict(sorted(by.items())),
    }  # fmt: skip
    if case.bad:
        row |= {
            "missed_percent": round(100 * (runs - back) / runs, 2),
            "exposure_percent_mean": round(float(shares.mean()), 3),
            "exposure_percent_p95": round(float(np.quantile(shares, 0.95)), 3),
            "exposure_percent_max": round(float(shares.max()), 3),
        }
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--good", type=int, default=1_000)
    parser.add_argument("--bad", type=int, default=1_000)
    parser.add_argument("--live", type=int, default=300)
    parser.add_argument("--checked", type=int, default=2)
    args = parser.parse_args()
    rows = []
    for seed, case in enumerate([*GOOD, *BAD, *(replace(c, live_only=True) for c in BAD)], 1):
        runs = args.live if case.live_only else args.bad if case.bad else args.good
        rows.append(measure(case, runs, args.checked, seed))
        print(rows[-1], flush=True)
    write_result(
        "canary",
        asked="<= 5 % of answers from a bad model; false rollbacks <= 1 % over 1,000 A/A; missed <= 1 %",
        ran=f"{args.good} good and {args.bad} bad rollouts a row ({args.live} where the fault begins live), "
        f"{args.checked} of each also through the class",
        rows=rows,
        seeds=list(range(1, len(rows) + 1)),
        packages=("numpy",),
        notes="exposure = the challenger's answers sent, percent of the 20,000; tolerances: defaults of CanaryConfig",
    )


if __name__ == "__main__":
    main()
