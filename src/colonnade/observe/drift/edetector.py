# SPDX-License-Identifier: Apache-2.0
"""Mixture e-detectors: alarms on a stream of errors or scores with a guaranteed run length between false alarms.

What it promises: while the mean of each sample, given the past, is at most `mean`, the expected number of samples
until an alarm is at least `run_length`. No distribution is assumed beyond [0, 1], nor independence. The statistic is
a mixture of Shiryaev-Roberts e-detectors (Shin, Ramdas, Rinaldo: E-detectors: a nonparametric framework for
sequential change detection, New England Journal of Statistics in Data Science 2(2), 2024): before each sample one
unit is paid in, then the capital bets on "the mean is higher now", and the alarm sounds where it reaches its limit.
Half a hundredth of the run length is paid in at the beginning and added to the limit, so that a change with the first
sample is found almost as soon as a later one (SR-r: Moustakides, Polunchenko, Tartakovsky 2011). See
`core/evidence.py` for the bets.

Four ways to a detector:
  EDetector(mean)                   the rate or mean is known, or is a limit that was agreed on: guaranteed
  EDetector.from_counts(k, n)       estimated from n samples with k errors, with a margin: not guaranteed, measured
  ExceedanceDetector(reference)     a value of unknown distribution rises above a quantile of its reference
  PairDetector()                    champion against challenger side by side: no baseline needed, guaranteed

Only rises alarm; give `1 - x` where a fall is the harm. Nothing here knows what a column or a model is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from colonnade.core.evidence import Capital, bets_for

RUN_LENGTH = 10_000
"""Samples between false alarms, in the mean, at least."""
HEAD_START = 0.005
"""Share of the run length that is paid in at once at the beginning; the limit is raised by as much."""
NEARLY = 1 - 1e-9
"""A cut bet lands on the limit up to rounding."""


@dataclass(frozen=True)
class Alarm:
    """What is known at an alarm.

    Args:
        at: the sample that raised it, counted from 1 since the detector began.
        since: the first sample that probably belongs to the change (where the CUSUM of the smallest rise last began).
        evidence: the statistic, at least the limit.
        mean: the mean that was betted against.
        observed: the mean of the samples from `since` to `at`.
    """

    at: int
    since: int
    evidence: float
    mean: float
    observed: float


class EDetector:
    """Alarms when the mean of samples in [0, 1] has risen above `mean`.

    Args:
        mean: the mean or error rate before the change, in (0, 1); for the guarantee, an upper bound of it.
        smallest: the smallest rise that matters; default half of `mean`, or half of what is left up to 1 if that is
            less. Smaller rises are found too, later; larger ones sooner.
        run_length: the expected number of samples until a false alarm, at least.
        flags: samples are 0 or 1, and the last bet before an alarm is cut to what is needed. False: any
            value in [0, 1].

    Cost: one pass over 2 to 10 bets a sample. After an alarm the detector starts afresh; its count of samples goes on.

    >>> detector = EDetector(0.2)
    >>> next(i for i in range(1, 1000) if detector.update(1.0 if i % 2 else 0.0))
    27
    >>> detector.last.since
    1
    """

    def __init__(
        self, mean: float, *, smallest: float | None = None, run_length: float = RUN_LENGTH, flags: bool = True
    ) -> None:
        rise = min(mean, 1 - mean) / 2 if smallest is None else smallest
        bets, shares = bets_for(mean, rise)
        if run_length < 2:
            raise ValueError("a run length is at least 2 samples")
        self.mean, self.smallest, self.run_length = mean, rise, float(run_length)
        self.flags, self.samples = flags, 0
        self.last: Alarm | None = None
        self._capital = Capital(mean, bets, shares, limit=self.limit if flags else None)
        self._begin()
        self._cusum, self._since, self._count, self._sum = 0.0, 1, 0, 0.0

    @classmethod
    def from_counts(
        cls,
        errors: float,
        n: int,
        *,
        smallest: float | None = None,
        run_length: float = RUN_LENGTH,
        margin: float = 1.0,
        flags: bool = True,
    ) -> EDetector:
        """A detector for a rate that is estimated from `errors` of n samples (or a mean: their sum).

        The rate betted against is the estimate (with half an error added) plus `margin` standard errors of a Bernoulli
        rate. The run length is then no guarantee: it holds whenever the true rate is below that, about 5 times in 6 for
        a margin of 1. `bench/detection.py` measures it over many baselines. ValueError unless 0 <= errors <= n, n > 0.
        """
        if not (n > 0 and 0 <= errors <= n):
            raise ValueError(f"{errors} errors of {n} samples is no baseline")
        rate = (errors + 0.5) / (n + 1)
        mean = rate + margin * math.sqrt(rate * (1 - rate) / n)
        return cls(mean, smallest=smallest, run_length=run_length, flags=flags)

    @property
    def limit(self) -> float:
        """Where the alarm sounds: the run length and its head start."""
        return self.run_length * (1 + HEAD_START)

    @property
    def evidence(self) -> float:
        """The statistic now; the alarm sounds at `limit`."""
        return self._capital.total

    def update(self, x: float) -> bool:
        """Take one sample; True is an alarm, described in `last`. ValueError for no flag, outside [0, 1] or NaN."""
        if self.flags and x not in (0, 1):
            raise ValueError(f"{x} is neither 0 nor 1: a detector for values is made with flags=False")
        if not 0 <= x <= 1:
            raise ValueError(f"{x} is outside [0, 1]")
        self._capital.pay_in(1.0)
        total = self._capital.bet(float(x))
        self._follow(math.log1p(self._capital.bets[0] * (x - self.mean)), x, 1)
        return self._alarmed(total)

    def update_counts(self, errors: int, n: int) -> bool:
        """Take a batch of n samples of which `errors` were 1, others 0, in unknown order.

        The guarantee is the same, read at the ends of batches: n units are paid in before the batch. A batch of one is
        `update`, but for the cut of bets near the limit.
        """
        if not 0 <= errors <= n:
            raise ValueError(f"{errors} of {n} is no count")
        if n == 0:
            return False
        self._capital.pay_in(float(n))
        total = self._capital.bet_counts(errors, n)
        bet = self._capital.bets[0]
        up, down = math.log1p(bet * (1 - self.mean)), math.log1p(-bet * self.mean)
        self._follow(errors * up + (n - errors) * down, errors, n)
        return self._alarmed(total)

    def state(self) -> dict[str, Any]:
        """All that `restored` needs, as JSON can hold it: a few numbers."""
        return {
            "mean": self.mean,
            "smallest": self.smallest,
            "run_length": self.run_length,
            "flags": self.flags,
            "samples": self.samples,
            "held": list(self._capital.held),
            "onset": [self._cusum, self._since, self._count, self._sum],
        }

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> EDetector:
        """The detector whose `state()` this is; it goes on as if there had been no restart."""
        made = cls(
            state["mean"], smallest=state["smallest"], run_length=state["run_length"], flags=bool(state["flags"])
        )
        made.samples = int(state["samples"])
        made._capital.held = [float(h) for h in state["held"]]
        cusum, since, count, total = state["onset"]
        made._cusum, made._since, made._count, made._sum = float(cusum), int(since), int(count), float(total)
        return made

    def _follow(self, growth: float, total: float, n: int) -> None:
        """Where the change began, if there is one: a CUSUM beside the bets, which decides nothing."""
        if self._cusum <= 0:
            self._cusum, self._since, self._count, self._sum = 0.0, self.samples + 1, 0, 0.0
        self._cusum += growth
        self.samples, self._count, self._sum = self.samples + n, self._count + n, self._sum + total

    def _alarmed(self, total: float) -> bool:
        if total < self.limit * NEARLY:
            return False
        observed = self._sum / self._count
        self.last = Alarm(self.samples, self._since, total, self.mean, observed)
        self._begin()
        self._cusum = 0.0
        return True

    def _begin(self) -> None:
        self._capital.held = [0.0] * len(self._capital.held)
        self._capital.pay_in(self.run_length * HEAD_START)


class ExceedanceDetector:
    """Alarms when a value (a latency, a score) exceeds a quantile of its reference more often than it did.

    Args:
        reference: at least 100 values from before, in any order; their distribution may be any continuous one.
        level: the quantile, for example 0.99. The threshold is an order statistic of the reference; the chance that a
            new value exceeds it is then Beta distributed, whatever the distribution, so its mean and spread are known.
        rise: the smallest factor of exceedances that matters: 2 = twice as many as in the reference.
        margin: standard deviations of that Beta that are added, as in `EDetector.from_counts`; measured, not
            guaranteed.

    Ties at the threshold do not count as exceeding, so discrete values are safe.
    """

    def __init__(
        self,
        reference: Sequence[float],
        *,
        level: float = 0.99,
        rise: float = 2.0,
        run_length: float = RUN_LENGTH,
        margin: float = 1.0,
    ) -> None:
        n = len(reference)
        if n < 100 or any(math.isnan(v) for v in reference):
            raise ValueError("a reference is at least 100 numbers, none of them NaN")
        rank = min(n, math.ceil(level * (n + 1)))
        self.threshold = float(sorted(reference)[rank - 1])
        rate = (n + 1 - rank) / (n + 1)
        mean = rate + margin * math.sqrt(rate * (1 - rate) / (n + 2))
        self.detector = EDetector(mean, smallest=min(rate * (rise - 1), (1 - mean) / 2), run_length=run_length)

    def update(self, value: float) -> bool:
        """Take one value; True is an alarm, in `detector.last`. NaN exceeds: a value that is missing is not fast."""
        return self.detector.update(0.0 if value <= self.threshold else 1.0)

    def state(self) -> dict[str, Any]:
        """All that `restored` needs."""
        return {"threshold": self.threshold, "detector": self.detector.state()}

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> ExceedanceDetector:
        """The detector whose `state()` this is."""
        made = cls.__new__(cls)
        made.threshold = float(state["threshold"])
        made.detector = EDetector.restored(state["detector"])
        return made


class PairDetector:
    """Alarms when a challenger has become worse than the champion beside it, with no baseline for either.

    Each sample is a pair of badnesses in [0, 1] (an error flag, a loss) of the two for the same or for like requests.
    What shakes both alike, an outage of a supplier, cancels. While the challenger's mean is at most the champion's
    plus `tolerance`, whatever both are and however they move together, the run length is guaranteed.
    """

    def __init__(self, *, tolerance: float = 0.0, smallest: float = 0.05, run_length: float = RUN_LENGTH) -> None:
        mean = 0.5 + tolerance / 2
        self.detector = EDetector(mean, smallest=smallest / 2, run_length=run_length, flags=False)

    def update(self, champion: float, challenger: float) -> bool:
        """Take one pair; True is an alarm, in `detector.last` (its means are (difference + 1) / 2)."""
        if not (0 <= champion <= 1 and 0 <= challenger <= 1):
            raise ValueError(f"{champion} or {challenger} is outside [0, 1]")
        return self.detector.update((challenger - champion + 1) / 2)

    def state(self) -> dict[str, Any]:
        """All that `restored` needs."""
        return self.detector.state()

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> PairDetector:
        """The detector whose `state()` this is."""
        made = cls.__new__(cls)
        made.detector = EDetector.restored(state)
        return made
