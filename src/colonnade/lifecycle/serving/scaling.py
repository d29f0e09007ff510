# SPDX-License-Identifier: Apache-2.0
"""How many replicas a service should have, from how many requests wait and how many replicas are busy. Pure: the clock
and the load are given; nothing is begun or ended here.

It grows on what waits and shrinks on what is idle, so the two rules cannot chase each other: after a shrink the
replicas that are left are busy for at most REST of their time. It grows when more than `waiting` requests a replica
have waited, on average, for UP_MS: to twice as many at most, and not again before all that were asked for answer (a
lease that waits in its queue therefore holds further growth, and nothing else). It shrinks by one when fewer would have
done for DOWN_MS.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

UP_MS = 2_000
DOWN_MS = 60_000
SMOOTH_MS = 1_000
"""Looks are momentary, and a batch that has just gone leaves nobody waiting: averages forget at this pace."""
REST = 0.6
FALLING = 0.9
"""What waits has fallen to this share: those that are there will do, and the clock of growth begins anew."""


class Load(NamedTuple):
    """A service at one moment: requests that wait for a replica, and replicas that answer a batch."""

    waiting: int = 0
    busy: int = 0


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is declared: from `least` to `most` replicas, and how many requests may wait for each of them."""

    least: int = 1
    most: int = 1
    waiting: int = 8


class Scaling:
    """One service's number of replicas, kept from look to look."""

    def __init__(self) -> None:
        self.wanted = 0
        self._waiting = 0.0
        self._busy = 0.0
        self._seen_ms: int | None = None
        self._over: tuple[int, float] | None = None
        """Since when too many wait, and how many it were then."""
        self._calm_ms: int | None = None

    def look(self, bounds: Bounds, load: Load, ready: int, now_ms: int) -> int:
        """The number that should be up now.

        Args:
            bounds: as declared now; they may change from look to look.
            load: of this moment.
            ready: replicas that answer; at the first look also where to begin (a restarted daemon finds them).
            now_ms: the state's clock.
        """
        if self._seen_ms is None:
            self.wanted = ready
        self._smooth(load, now_ms)
        if bounds.most > bounds.least:
            self._grow(bounds, ready, now_ms)
            self._shrink(bounds, now_ms)
        self.wanted = min(bounds.most, max(bounds.least, self.wanted))
        return self.wanted

    def _smooth(self, load: Load, now_ms: int) -> None:
        past = 1.0 if self._seen_ms is None else math.exp(-max(0, now_ms - self._seen_ms) / SMOOTH_MS)
        self._waiting = past * self._waiting + (1 - past) * load.waiting
        self._busy = past * self._busy + (1 - past) * load.busy
        self._seen_ms = now_ms

    def _grow(self, bounds: Bounds, ready: int, now_ms: int) -> None:
        if ready < self.wanted or self._waiting <= bounds.waiting * self.wanted:
            self._over = None
        elif self._over is None or self._waiting < FALLING * self._over[1]:
            self._over = now_ms, self._waiting
        elif now_ms - self._over[0] >= UP_MS:
            self.wanted = min(bounds.most, 2 * self.wanted, math.ceil(self._waiting / bounds.waiting))
            self._over = self._calm_ms = None

    def _shrink(self, bounds: Bounds, now_ms: int) -> None:
        fewer = self.wanted - 1
        if fewer < bounds.least or self._busy > REST * fewer or self._waiting > bounds.waiting * fewer / 2:
            self._calm_ms = None
        elif self._calm_ms is None:
            self._calm_ms = now_ms
        elif now_ms - self._calm_ms >= DOWN_MS:
            self.wanted = fewer
            self._calm_ms = None
