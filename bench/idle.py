# SPDX-License-Identifier: Apache-2.0
"""Idle shares taken back and busy ones left alone, beside the usual rule "average use below 5 % for ten minutes".

python bench/idle.py [--seeds 5]     # writes bench/results/idle.json

A seeded generator makes second-by-second use of eight kinds of lease over eight hours. Every pause of a working lease
is at most `idle_after`, and many are exactly that. The truth is the generator's own activity; the rules see samples
of it at an odd phase. With faults, 1 % of the samples are lost, the driver is silent four times for up to two
minutes, and the daemon is away twice for up to half an hour. A sample after at most five silent seconds tells of them,
as NVML's buffer does.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colonnade.fabric.idle import Mark, is_idle, seen, started
from report import write_result

HOURS = 8
SECONDS = HOURS * 3600
IDLE_AFTER = 600
WITHIN = 60
FLOOR_RETURNED = 0.95
EACH = 12
"""Leases of each kind and seed."""
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Lease:
    """One lease: what it is, compute per second (milli), memory per second (MiB), and its last active second."""

    kind: str
    busy: Ints
    mib: Ints
    last_active: int

    @property
    def ends_idle(self) -> bool:
        return self.last_active < SECONDS - 1


def pauses(dice: np.random.Generator) -> int:
    """A pause of a working lease: at most `idle_after`, one in four exactly that."""
    return IDLE_AFTER if dice.random() < 0.25 else int(dice.integers(1, IDLE_AFTER + 1))


def spans(dice: np.random.Generator, work: Callable[[], int], level: Callable[[int], Ints], until: int) -> Ints:
    """Work and pauses in turn up to a second."""
    busy, at = np.zeros(SECONDS, dtype=np.int64), 0
    while at < until:
        length = min(work(), until - at)
        busy[at : at + length] = level(length)
        at += length + pauses(dice)
    return busy


def made(kind: str, dice: np.random.Generator) -> Lease:
    """One lease of a kind."""
    integers = dice.integers
    stop = int(integers(SECONDS // 8, SECONDS * 3 // 4)) if kind in ENDS_IDLE else SECONDS
    mib = np.full(SECONDS, int(integers(500, 70_000)), dtype=np.int64)
    busy = np.zeros(SECONDS, dtype=np.int64)
    if kind in ("training", "training that hangs"):
        busy = spans(dice, lambda: int(integers(60, 3000)), lambda n: integers(400, 1001, n), stop)
    elif kind in ("notebook", "notebook left open"):
        busy = spans(dice, lambda: int(integers(1, 40)), lambda n: integers(10, 900, n), stop)
    elif kind in ("bursty inference", "inference nobody asks"):
        busy = spans(dice, lambda: 1, lambda n: integers(10, 60, n), stop)
    elif kind == "leak":
        grows, at = np.zeros(SECONDS, dtype=np.int64), 0
        while at < SECONDS:
            grows[at] = 1
            at += pauses(dice)
        mib = 500 + np.cumsum(grows)
    elif kind == "zombie":
        busy[: int(integers(1, 120))] = 700
    active = np.flatnonzero((busy > 0) | (np.diff(mib, prepend=mib[0]) > 0))
    last = SECONDS - 1 if kind not in ENDS_IDLE else int(active[-1]) if len(active) else 0
    return Lease(kind, busy, mib, last)


ENDS_IDLE = ("training that hangs", "notebook left open", "inference nobody asks", "zombie")
KINDS = ("training", "notebook", "bursty inference", "leak", *ENDS_IDLE)


@dataclass(frozen=True)
class Samples:
    """What is seen of a lease: moments in ms, and use then; -1 is no answer.

    Attributes:
        restarts: seconds at which the daemon came back.
        resumed: seconds of the first answers after more silence than a driver remembers.
    """

    at_ms: list[int]
    busy: list[int]
    mib: list[int]
    restarts: frozenset[int]
    resumed: Ints


def sampled(lease: Lease, dice: np.random.Generator, faults: bool) -> Samples:
    """A sample each second at a phase of its own; a driver tells of the time since the answer before it, up to 5 s."""
    phase = int(dice.integers(0, 1000))
    kept = np.ones(SECONDS, dtype=bool)
    told = np.ones(SECONDS, dtype=bool)
    restarts: set[int] = set()
    if faults:
        kept &= dice.random(SECONDS) > 0.01
        for _ in range(4):
            start = int(dice.integers(0, SECONDS))
            told[start : start + int(dice.integers(1, 120))] = False
        for _ in range(2):
            start, away = int(dice.integers(0, SECONDS)), int(dice.integers(5, 1800))
            kept[start : start + away] = False
            restarts.add(start + away)
    second = np.flatnonzero(kept)
    answered = np.flatnonzero(kept & told)
    gap = np.diff(answered, prepend=-1)
    use = lease.busy.copy()
    for back in range(1, 5):
        late = answered[(gap > back) & (answered >= back)]
        use[late] = np.maximum(use[late], lease.busy[late - back])
    busy = np.where(told[second], use[second], -1)
    mib = np.where(told[second], lease.mib[second], -1)
    at = (second + 1) * 1000 + phase
    return Samples(at.tolist(), busy.tolist(), mib.tolist(), frozenset(restarts), answered[gap > 5])


def ours(samples: Samples) -> int | None:
    """The second in which our rule takes the share back; its mark goes through JSON at each restart."""
    mark, limit, restarts = started(0), IDLE_AFTER * 1000, sorted(samples.restarts)
    for at, busy, mib in zip(samples.at_ms, samples.busy, samples.mib, strict=True):
        if restarts and at > restarts[0] * 1000:
            restarts.pop(0)
            mark = Mark(**json.loads(json.dumps(asdict(mark))))
        mark = seen(mark, at, None if busy < 0 else busy, None if mib < 0 else mib)
        if is_idle(mark, limit):
            return at // 1000
    return None


def average(samples: Samples, *, window: int, below_milli: float, lost_is_idle: bool) -> int | None:
    """The second in which the mean of a full window falls below a threshold; lost samples are left out, or are 0."""
    second = np.array(samples.at_ms) // 1000
    told = np.array(samples.busy) >= 0
    total, count = np.zeros(SECONDS + 2), np.zeros(SECONDS + 2)
    total[second[told]] = np.array(samples.busy)[told]
    count[second[told]] = 1
    if lost_is_idle:
        count[:] = 1
    sums = np.cumsum(total)
    seen_in = np.cumsum(count)
    mean = (sums[window:] - sums[:-window]) / np.maximum(seen_in[window:] - seen_in[:-window], 1)
    below = np.flatnonzero((mean < below_milli) & (seen_in[window:] - seen_in[:-window] > 0))
    return int(below[0]) + window if len(below) else None


RULES: dict[str, Callable[[Samples], int | None]] = {
    "ours": ours,
    "mean below 5 % for 10 min": lambda s: average(s, window=IDLE_AFTER, below_milli=50, lost_is_idle=False),
    "the same, lost samples as 0": lambda s: average(s, window=IDLE_AFTER, below_milli=50, lost_is_idle=True),
    "mean below 1 % for 10 min": lambda s: average(s, window=IDLE_AFTER, below_milli=10, lost_is_idle=False),
    "mean 0 for 10 min 2 s": lambda s: average(s, window=IDLE_AFTER + 2, below_milli=0.001, lost_is_idle=False),
    "mean below 5 % for 30 min": lambda s: average(s, window=1800, below_milli=50, lost_is_idle=False),
}


def judged(leases: Sequence[tuple[Lease, Samples]], rule: Callable[[Samples], int | None]) -> dict[str, Any]:
    """Busy leases taken back, by kind; delay after `idle_after`, and idle GPU time returned."""
    killed: dict[str, int] = {}
    delays, beyond, idle, due, back = [], [], 0, 0, 0
    for lease, samples in leases:
        taken = rule(samples)
        active = (lease.busy > 0) | (np.diff(lease.mib, prepend=lease.mib[0]) > 0)
        if taken is not None:
            before = np.flatnonzero(active[: min(taken, SECONDS)])
            since = int(before[-1]) if len(before) else -1
            if taken - 1 - since <= IDLE_AFTER and not (lease.ends_idle and taken > lease.last_active + IDLE_AFTER):
                killed[lease.kind] = killed.get(lease.kind, 0) + 1
                continue
        if not lease.ends_idle:
            continue
        end = SECONDS if taken is None else min(taken, SECONDS)
        idle += SECONDS - lease.last_active - 1
        due += max(SECONDS - lease.last_active - 1 - IDLE_AFTER, 0)
        back += SECONDS - end
        if taken is not None:
            delay = taken - lease.last_active - 1 - IDLE_AFTER
            delays.append(delay)
            resumed = samples.resumed[(samples.resumed > lease.last_active) & (samples.resumed < taken)]
            beyond.append(taken - 1 - IDLE_AFTER - max([lease.last_active, *resumed.tolist()]))
    return {
        "busy_taken_back": sum(killed.values()),
        "busy_taken_back_by_kind": killed,
        "delay_after_idle_after_s_max": max(delays, default=None),
        "delay_since_measured_without_a_gap_s_max": max(beyond, default=None),
        "idle_gpu_hours": round(idle / 3600, 1),
        "returned_of_idle_past_idle_after": round(back / due, 4) if due else None,
        "returned_of_all_idle": round(back / idle, 4) if idle else None,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    seeds = range(1, parser.parse_args().seeds + 1)
    rows: list[dict[str, Any]] = []
    for faults in (False, True):
        leases: list[tuple[Lease, Samples]] = []
        for seed in seeds:
            dice = np.random.default_rng([seed, faults])
            for kind in KINDS:
                found = [made(kind, dice) for _ in range(EACH)]
                leases += [(lease, sampled(lease, dice, faults)) for lease in found]
        for name, rule in RULES.items():
            began = time.perf_counter()
            row = {"samples": "with faults" if faults else "all", "rule": name, "leases": len(leases)}
            rows.append({**row, **judged(leases, rule)})
            print(rows[-1], round(time.perf_counter() - began, 1), flush=True)
    write_result(
        "idle",
        asked=f"1 Hz; no busy job taken back; back within {WITHIN} s, at least {FLOOR_RETURNED:.0%} of idle GPU-hours",
        ran=f"the same: {HOURS} h, idle_after {IDLE_AFTER} s, {EACH} leases each of {len(KINDS)} kinds a seed",
        rows=rows,
        seeds=list(seeds),
        packages=("numpy",),
    )


if __name__ == "__main__":
    main()
