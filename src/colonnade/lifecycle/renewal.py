# SPDX-License-Identifier: Apache-2.0
"""What follows an alarm: gather rows of the new time, call it off, or train on them. Counts only: no data, no clock.

One retraining a change, at the moment at which waiting for more rows costs more than it brings. A model of n rows is
worse than one of many by about c / n, and while one waits the old model goes on being worse by the gap that the alarm
has shown. Over a time H without further change n rows cost n * gap + H * c / n: least at n = sqrt(H * c / gap). So the
rows that are waited for go with one over the root of the gap; `GAP` is the gap for which the whole window is right.

An alarm that was false is found out by what comes after it, which the alarm did not choose: those rows are betted on,
the rate before against the middle between it and the alarmed one (the alarmed rate itself is exaggerated: it was
picked for being high). Where they speak `AGAINST` to one for the rate before, the alarm is called off.

`bench/stream.py` measures both beside an oracle that knows every change.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

WINDOW = 1_000
GAP = 0.1
LEAST = 4
"""A quarter of the window is waited for at least."""
AGAINST = math.exp(4)
FIRM = tuple(250 * 2**n for n in range(6))
"""Outcomes since a version went live after which its baseline is taken anew; then it stays."""

Next = Literal["wait", "call_off", "train"]


@dataclass
class Renewal:
    """One alarm on its way to a retraining, or to nothing.

    Args:
        since: the first outcome that probably belongs to the new time, as the detector tells it.
        at: the outcome that raised the alarm.
        mean: the rate of wrong answers that was betted against; observed: the rate from `since` to `at`.
        window: rows that a training gets at most, and the rows waited for when the gap is `GAP`.

    >>> renewal = Renewal(since=900, at=1_000, mean=0.1, observed=0.5)
    >>> renewal.wanted, renewal.take(20.0, 40), renewal.take(200.0, 400)
    (500, 'wait', 'train')
    """

    since: int
    at: int
    mean: float
    observed: float
    window: int = WINDOW
    wrong: float = 0.0
    rows: int = 0

    @property
    def wanted(self) -> int:
        """Rows of the new time to train on."""
        gap = max(self.observed - self.mean, 1e-9)
        return min(self.window, max(self.window // LEAST, round(self.window * math.sqrt(GAP / gap))))

    @property
    def gathered(self) -> int:
        """Rows of the new time that are there."""
        return self.at - self.since + 1 + self.rows

    def take(self, wrong: float, n: int) -> Next:
        """n more outcomes, wrong by `wrong` in all (each in [0, 1]); what is to be done now."""
        if not 0 <= wrong <= n:
            raise ValueError(f"{wrong} of {n} is no count")
        self.wrong, self.rows = self.wrong + wrong, self.rows + n
        if self._spoken() < -math.log(AGAINST):
            return "call_off"
        return "train" if self.gathered >= self.wanted else "wait"

    def state(self) -> dict[str, Any]:
        """All that `restored` needs."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> Renewal:
        """The renewal whose `state()` this is."""
        return cls(**{name: state[name] for name in cls.__dataclass_fields__})

    def _spoken(self) -> float:
        """What the rows since the alarm say: the logarithm of the odds of the middle rate against the rate before."""
        new = min((self.mean + self.observed) / 2, 1 - 1e-9)
        if not 0 < self.mean < new:
            return 0.0
        right = self.rows - self.wrong
        return self.wrong * math.log(new / self.mean) + right * math.log((1 - new) / (1 - self.mean))


@dataclass
class Baseline:
    """How often a version is wrong: what was held out, firmed up by what it did once it was live.

    A quarter of a small window says little; so after `FIRM` outcomes without an alarm the detector is to be made anew
    from both. Afterwards it stays: a baseline that followed for ever would follow a slow decline too.
    """

    wrong: float
    rows: int
    live_wrong: float = 0.0
    live_rows: int = 0

    def take(self, wrong: float, n: int) -> bool:
        """n outcomes of a quiet time; whether the baseline is firmer now."""
        before, self.live_rows = self.live_rows, self.live_rows + n
        if before < FIRM[-1]:
            self.live_wrong += wrong
        else:
            self.live_rows = before
        return any(before < mark <= self.live_rows for mark in FIRM)

    @property
    def counts(self) -> tuple[float, int]:
        """(wrong, rows) for `EDetector.from_counts`."""
        return self.wrong + self.live_wrong, self.rows + self.live_rows
