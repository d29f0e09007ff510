# SPDX-License-Identifier: Apache-2.0
"""How long work runs, learnt from work that has ended: estimates for claims, never promises.

Real run times of what runs now are unknown here. No clock, no cluster, no decisions.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from colonnade.core.claims import WHOLE, Claim

ENOUGH = 5
"""Samples that a group must have (that ran longer than what is asked about) before it is believed."""


@dataclass(frozen=True, slots=True)
class Past:
    """Work that has ended: its claim, its quality of service (any word: "LS", "BE"), its run time in seconds."""

    claim: Claim
    qos: str
    run_s: float


class Runtimes:
    """Mean and remaining run times by claim and quality of service.

    A question is answered by the narrowest group with ENOUGH samples: the same claim and quality of service, the same
    claim, the same kind (number of devices, whole or shared, quality of service), everything.

    >>> past = [Past(Claim(cpu_milli=1), "BE", float(s)) for s in (10, 20, 30, 40, 50, 1000, 1000, 1000, 1000, 1000)]
    >>> times = Runtimes(past)
    >>> times.mean(Claim(cpu_milli=1), "BE"), times.remaining(Claim(cpu_milli=1), "BE", 100.0)
    (515.0, 900.0)
    """

    def __init__(self, past: Iterable[Past]) -> None:
        groups: dict[Hashable, list[float]] = defaultdict(list)
        for one in past:
            for group in _groups(one.claim, one.qos):
                groups[group].append(one.run_s)
        self._sorted = {group: sorted(samples) for group, samples in groups.items()}
        self._tails = {group: _tails(samples) for group, samples in self._sorted.items()}
        self._means: dict[tuple[Claim, str], float] = {}

    def mean(self, claim: Claim, qos: str) -> float:
        """Expected run time in seconds of work that has not started."""
        found = self._means.get((claim, qos))
        if found is None:
            found = self._means[claim, qos] = self.remaining(claim, qos, 0.0)
        return found

    def remaining(self, claim: Claim, qos: str, elapsed_s: float) -> float:
        """Expected seconds to go of work that has run for `elapsed_s`: the mean over longer samples, less what ran.

        Where nothing in the past ran that long, a tenth of what it ran already.
        """
        best = 0.0
        for group in _groups(claim, qos):
            samples = self._sorted.get(group)
            if not samples:
                continue
            at = bisect_right(samples, elapsed_s)
            longer = len(samples) - at
            if longer:
                best = self._tails[group][at] / longer - elapsed_s
            if longer >= ENOUGH:
                return best
        return best or elapsed_s / 10 or 1.0

    def ends_within(self, claim: Claim, qos: str, elapsed_s: float, within_s: float) -> float:
        """The chance, 0..1, that work that has run for `elapsed_s` ends within the next `within_s` seconds."""
        best = 0.0
        for group in _groups(claim, qos):
            samples = self._sorted.get(group)
            if not samples:
                continue
            at = bisect_right(samples, elapsed_s)
            longer = len(samples) - at
            if longer:
                best = (bisect_right(samples, elapsed_s + within_s) - at) / longer
            if longer >= ENOUGH:
                return best
        return best


def _groups(claim: Claim, qos: str) -> tuple[Hashable, ...]:
    kind = (claim.gpus, claim.gpus > 0 and claim.gpu_milli < WHOLE, qos)
    return (claim, qos), claim, kind, None


def _tails(samples: list[float]) -> list[float]:
    """At each place, the sum of it and of everything longer."""
    tails = [0.0] * (len(samples) + 1)
    for at in range(len(samples) - 1, -1, -1):
        tails[at] = tails[at + 1] + samples[at]
    return tails
