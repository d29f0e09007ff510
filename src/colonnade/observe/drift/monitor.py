# SPDX-License-Identifier: Apache-2.0
"""Monitors: a detector with its baseline, which rings once and is calm again when the measure is.

A baseline comes from before (held-out rows), is agreed on (a limit), or is learned from the first latencies. While one
rings, blocks of `BLOCK` samples are looked at: a block whose mean is no more than tolerated ends the ringing, and the
detector begins afresh. Flags and slow requests are taken as counts, many at once; the promise of the run length is read
at the ends of such batches then (see `edetector`). Which measure of what is watched is not known here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from colonnade.observe.drift.edetector import EDetector
from colonnade.ports.skills.detect import Baseline, Monitor, Ring

LEARN_SLOW = 2_000
SLOW_LEVEL, SLOW_RISE, SLOW_MARGIN = 0.99, 2.0, 2.0
"""A latency is slow above the quantile of the first ones; twice as many of those matter; two standard deviations of
what 2,000 values may be off are allowed for."""
BLOCK = 500
BATCHES = ("errors", "missing", "latency")
"""Measures that are taken as counts."""


class Detecting:
    """Implements `ports.skills.detect.Detect`."""

    def begin(self, measure: str, baseline: Baseline, run_length: int) -> Monitor:
        """See `Detect.begin`."""
        return Watch(measure, baseline, run_length)

    def restored(self, state: Mapping[str, Any]) -> Monitor:
        """See `Detect.restored`."""
        return Watch.restored(state)


class Watch:
    """One measure of one version. See `ports.skills.detect.Monitor`."""

    def __init__(self, measure: str, baseline: Baseline, run_length: int) -> None:
        self.measure, self.run_length = measure, run_length
        self.samples, self.ringing = 0, False
        self._learned: list[float] = []
        self._slow_ms = baseline.slow_ms
        self._block: list[float] = [0, 0.0]
        self._detector: EDetector | None = None
        if baseline.limit is not None:
            self._detector = EDetector(baseline.limit, run_length=run_length, flags=measure in BATCHES)
        elif baseline.n:
            self._estimate(baseline.total, baseline.n)

    def take(self, values: Sequence[float]) -> Ring | None:
        """See `Monitor.take`."""
        if self._detector is None:
            values = self._learn(values) if self.measure == "latency" else self._skip(values)
        if self._detector is None or not values:
            return None
        if self.measure == "latency":
            values = [float(not value <= (self._slow_ms or 0.0)) for value in values]
        ring = self._batch(values) if self.measure in BATCHES else self._each(values)
        self.samples += len(values)
        self._calm(values)
        return ring

    def state(self) -> Mapping[str, Any]:
        """See `Monitor.state`."""
        return {
            "measure": self.measure, "run_length": self.run_length, "samples": self.samples, "ringing": self.ringing,
            "learned": self._learned, "slow_ms": self._slow_ms, "block": self._block,
            "detector": self._detector.state() if self._detector else None,
        }  # fmt: skip

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> Watch:
        """The monitor whose `state()` this is."""
        made = cls(state["measure"], Baseline(slow_ms=state["slow_ms"]), int(state["run_length"]))
        made.samples, made.ringing = int(state["samples"]), bool(state["ringing"])
        made._learned, made._block = [float(v) for v in state["learned"]], list(state["block"])
        made._detector = EDetector.restored(state["detector"]) if state["detector"] else None
        return made

    @property
    def _sure(self) -> EDetector:
        """The detector, once there is one."""
        assert self._detector is not None
        return self._detector

    def rebase(self, total: float, n: int) -> None:
        """See `Monitor.rebase`."""
        self.ringing, self._block = False, [0, 0.0]
        self._estimate(total, n)

    def _skip(self, values: Sequence[float]) -> Sequence[float]:
        """Nothing is known from before: whoever has counted enough of them says so by `rebase`."""
        self.samples += len(values)
        return ()

    def _learn(self, values: Sequence[float]) -> Sequence[float]:
        """The first latencies say what is slow; those that are left."""
        first = min(len(values), LEARN_SLOW - len(self._learned))
        self._learned += values[:first]
        self.samples += first
        if len(self._learned) == LEARN_SLOW:
            rank, rate = math.ceil(SLOW_LEVEL * (LEARN_SLOW + 1)), 1 - SLOW_LEVEL
            self._slow_ms = sorted(self._learned)[rank - 1]
            mean = rate + SLOW_MARGIN * math.sqrt(rate * (1 - rate) / LEARN_SLOW)
            self._detector = EDetector(mean, smallest=rate * (SLOW_RISE - 1), run_length=self.run_length)
            self._learned = []
        return values[first:]

    def _estimate(self, total: float, n: int) -> None:
        flags = self.measure in BATCHES
        self._detector = EDetector.from_counts(total, n, run_length=self.run_length, flags=flags)

    def _each(self, values: Sequence[float]) -> Ring | None:
        """One by one; while it rings, only the block is looked at."""
        for place, value in enumerate(values, 1):
            if not self.ringing and self._sure.update(value):
                return self._rang(self.samples + place)
        return None

    def _batch(self, values: Sequence[float]) -> Ring | None:
        if not self.ringing and self._sure.update_counts(round(sum(values)), len(values)):
            return self._rang(self.samples + len(values))
        return None

    def _rang(self, at: int) -> Ring:
        self.ringing, self._block = True, [0, 0.0]
        alarm = self._sure.last
        assert alarm is not None
        return Ring(at, at - (alarm.at - alarm.since), alarm.observed, alarm.mean, self._slow_ms or 0.0)

    def _calm(self, values: Sequence[float]) -> None:
        """End the ringing after a block that is as it was."""
        if not self.ringing:
            return
        self._block = [self._block[0] + len(values), self._block[1] + sum(values)]
        if self._block[0] >= BLOCK:
            if self._block[1] / self._block[0] <= self._sure.mean:
                self.ringing = False
            self._block = [0, 0.0]
