# SPDX-License-Identifier: Apache-2.0
"""One measure of a canary: is the challenger worse than the champion by more than what is tolerated?

It holds the evidence for one measure (errors, slow answers, wrong answers of a group) and knows nothing of the
others, of stages or of what is done about it. Badness lies in [0, 1]. Outcomes are put into units with one difference
each:

  both answered the same request    the unit is the pair: what made the request hard for both cancels
  each request has one answer       a unit closes as soon as both arms have an answer since the last one; their means
  only the challenger answers       the champion is represented by a fixed upper bound of its rate until then

A unit x = (challenger - champion + 1) / 2 has, where the challenger is not worse by more than `tolerance`, a mean of at
most (1 + tolerance) / 2, whatever the two have in common. Units close by who answered, never by how well, so looking at
any time is allowed. See `core/evidence.py` for bets on such a mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from colonnade.core.evidence import Capital, MeanInterval, rate_above

BETS = (0.25, 0.5, 1.0, 1.9)
"""On units: what pays best for a rise of 1 to 50 points at the variances that flags have. Equal shares."""
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
        bets = tuple(min(b, 0.99 / mean) for b in BETS)
        self.capital = Capital(mean, bets, (0.25,) * 4)
        self.interval = MeanInterval(0.05)
        self.most = 0.0
        self.bound: float | None = None
        self._waiting = [[0, 0.0], [0, 0.0]]  # champion, challenger: outcomes since the last unit, their badness
        self._all = [[0, 0.0], [0, 0.0]]

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
        for badness, total in zip((champion, challenger), self._all, strict=True):
            if badness is not None:
                total[0] += 1
                total[1] += badness
        if self.bound is not None:
            if challenger is not None:
                self._close((challenger - self.bound + 1) / 2)
            return
        if champion is not None and challenger is not None:
            self._close((challenger - champion + 1) / 2, like=True)
            return
        arm, badness = (0, champion) if champion is not None else (1, challenger)
        if badness is None:
            return
        mine, other = self._waiting[arm], self._waiting[1 - arm]
        mine[0] += 1
        mine[1] += badness
        if other[0]:
            means = [waiting[1] / waiting[0] for waiting in self._waiting]
            self._waiting = [[0, 0.0], [0, 0.0]]
            self._close((means[1] - means[0] + 1) / 2, like=True)

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
            "waiting": [list(w) for w in self._waiting],
            "all": [list(a) for a in self._all],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state()`."""
        self.capital.held = [float(h) for h in state["held"]]
        self.interval = MeanInterval.restored(state["interval"])
        self.most, self.bound = float(state["most"]), state["bound"]
        self._waiting = [[int(n), float(b)] for n, b in state["waiting"]]
        self._all = [[int(n), float(b)] for n, b in state["all"]]

    def _close(self, x: float, *, like: bool = False) -> None:
        self.most = max(self.most, self.capital.bet(min(1.0, max(0.0, x))))
        if like:
            self.interval.add(min(1.0, max(0.0, x)))
