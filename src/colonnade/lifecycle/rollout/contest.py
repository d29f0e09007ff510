# SPDX-License-Identifier: Apache-2.0
"""One measure of a canary: is the challenger worse than the champion by more than what is tolerated?

It holds the evidence for one measure (errors, slow answers, wrong answers of a group) and knows nothing of the
others, of stages or of what is done about it. Badness lies in [0, 1]. Outcomes are put into units with one difference
each:

  both answered the same request    the unit is the pair: what made the request hard for both cancels. It is a bet on
                                    (challenger - champion + 1) / 2, whose mean is at most (1 + tolerance) / 2 where
                                    the challenger is not worse by more than `tolerance`, however the two hang together
  each request has one answer       a unit closes as soon as both arms have an answer since the last one: two samples
  only the challenger answers       the champion is represented by a fixed upper bound of its rate until then

Units close by who answered, never by how well, so looking at any time is allowed. See `core/evidence.py` for the bets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from colonnade.core.evidence import Capital, MeanInterval, rate_above, two_sample_growth

PAIRED = (0.25, 0.5, 1.0, 1.9, 1.9)
"""Bets on pairs: what pays best for rises of 1 to 50 points at the variances that flags have."""
APART = (0.2, 0.4, 1.0, 4.0, 12.0)
"""Bets on differences of two samples: the same, and two for what hardly ever happened before."""
SHARES = (0.25, 0.25, 0.25, 0.125, 0.125)
FOR_BOUNDS = 0.1
"""The part of alpha for the champion's bound, which may be wrong too."""


@dataclass(frozen=True)
class Standing:
    """What is known about one measure.

    Args:
        measure: its name, for example "errors" or "quality:north".
        e_value: the evidence that the challenger is worse than tolerated, largest so far; `needed` proves it.
        champion, challenger: mean badness of each arm, None before its first outcome.
        low, high: interval for the difference (challenger - champion) that holds at all times with 95 %.
        units: how many comparisons that rests on.
    """

    measure: str
    e_value: float
    needed: float
    tolerance: float
    champion: float | None
    challenger: float | None
    low: float
    high: float
    units: int


class Contest:
    """The evidence for one measure.

    Args:
        measure: its name.
        tolerance: how much worse, in points of badness, is no reason to act; in [0, 0.9].
        alpha: the chance that this measure ever accuses a challenger that is not worse than tolerated.
    """

    def __init__(self, measure: str, *, tolerance: float, alpha: float) -> None:
        if not (0 <= tolerance <= 0.9 and 0 < alpha < 1):
            raise ValueError(f"{measure}: tolerance {tolerance} or alpha {alpha} is out of range")
        self.measure, self.tolerance, self.alpha = measure, tolerance, alpha
        mean = (1 + tolerance) / 2
        self.capital = Capital(mean, tuple(min(b, 0.99 / mean) for b in PAIRED), SHARES)
        self.interval = MeanInterval(0.05)
        self.most = 0.0
        self.bound: float | None = None
        self._waiting = [[0, 0.0], [0, 0.0]]  # champion, challenger: outcomes since the last unit, their badness
        self._all = [[0, 0.0], [0, 0.0]]
        self._guess = 0.5  # the champion's rate as it was known before the unit that is open

    @property
    def needed(self) -> float:
        """The evidence that proves the challenger worse."""
        return 1 / (self.alpha * (1 - FOR_BOUNDS))

    @property
    def proved(self) -> bool:
        """Whether it was ever reached: evidence once enough stays enough."""
        return self.most >= self.needed

    def open_stage(self, part: float, *, alone: bool) -> None:
        """A stage begins: `part` of the capital of 1 is bet from here on, so a fault that begins here is found.

        Args:
            part: all parts together at most 1.
            alone: the champion answers no more; it is represented by a bound of its rate so far.
        """
        self.capital.pay_in(part)
        if alone:
            n, bad = self._all[0]
            self.bound = rate_above(bad, int(n), self.alpha * FOR_BOUNDS)
        self._waiting = [[0, 0.0], [0, 0.0]]

    def add(self, champion: float | None, challenger: float | None) -> None:
        """The badness in [0, 1] of each arm's answer to one request; None where that arm did not answer."""
        if self.bound is not None:
            if challenger is not None:
                self._bet_apart(self.bound, (0, 0.0), (1, challenger))
        elif champion is not None and challenger is not None:
            x = (challenger - champion + 1) / 2
            self.most = max(self.most, self.capital.bet(x))
            self.interval.add(x)
        elif champion is not None:
            self._wait(0, champion)
        elif challenger is not None:
            self._wait(1, challenger)
        for badness, total in zip((champion, challenger), self._all, strict=True):
            if badness is not None:
                total[0] += 1
                total[1] += badness

    def standing(self) -> Standing:
        """What is known now."""
        low, high = self.interval.bounds()
        means = [total[1] / total[0] if total[0] else None for total in self._all]
        return Standing(
            measure=self.measure,
            e_value=self.most,
            needed=self.needed,
            tolerance=self.tolerance,
            champion=means[0],
            challenger=means[1],
            low=2 * low - 1,
            high=2 * high - 1,
            units=self.interval.n,
        )

    def answers(self) -> tuple[int, int]:
        """How many outcomes of champion and challenger were taken."""
        return int(self._all[0][0]), int(self._all[1][0])

    def state(self) -> dict[str, Any]:
        """All that `restore` needs beside the arguments of the constructor."""
        return {
            "held": list(self.capital.held),
            "interval": self.interval.state(),
            "most": self.most,
            "bound": self.bound,
            "guess": self._guess,
            "waiting": [list(w) for w in self._waiting],
            "all": [list(a) for a in self._all],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state()`."""
        self.capital.held = [float(h) for h in state["held"]]
        self.interval = MeanInterval.restored(state["interval"])
        self.most, self.bound = float(state["most"]), state["bound"]
        self._guess = float(state["guess"])
        self._waiting = [[int(n), float(b)] for n, b in state["waiting"]]
        self._all = [[int(n), float(b)] for n, b in state["all"]]

    def _wait(self, arm: int, badness: float) -> None:
        """An answer without its twin: it opens a unit, joins it, or closes it if the other arm's is there."""
        if not self._waiting[0][0] + self._waiting[1][0]:
            n, bad = self._all[0]
            self._guess = (bad + 0.5) / (n + 1)
        self._waiting[arm][0] += 1
        self._waiting[arm][1] += badness
        (n, bad), (m, worse) = self._waiting
        if n and m:
            self._waiting = [[0, 0.0], [0, 0.0]]
            self._bet_apart(self._guess, (int(n), bad), (int(m), worse))
            self.interval.add(min(1.0, max(0.0, (worse / m - bad / n + 1) / 2)))

    def _bet_apart(self, guess: float, champion: tuple[int, float], challenger: tuple[int, float]) -> None:
        logs = [
            two_sample_growth(size, tolerance=self.tolerance, guess=guess, first=champion, second=challenger)
            for size in APART
        ]
        self.most = max(self.most, self.capital.grow(logs))
