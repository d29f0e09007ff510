# SPDX-License-Identifier: Apache-2.0
"""How much a lane takes when more comes than its replicas can do. Pure: times are given; nobody is asked here.

batches    as large as the replica answers in BATCH_S: a line through how long batches took against their sizes says
           what one more request costs (Clipper, NSDI 2017, adapts batches to a latency, too)
the queue  while nothing was refused, as long as the declared limit, so that bursts are served; once the limit was
           reached, only what the replicas take with their next batch, until nothing was refused for CALM_S: a full
           queue that stands makes every answer late and none more (Nichols and Jacobson, "Controlling queue delay",
           ACM Queue 2012). Replicas that are idle most of the time are not what is short: then the gateway is, and
           a shorter queue keeps them as busy
refusals   at once up to a rate, a lower one while the gateway itself is late; beyond it later, at most by what
           Retry-After asks for: whoever comes again at once must not take the time of those who are answered
"""

from __future__ import annotations

BATCH_S = 0.05
MOST_BATCH = 64
CALM_S = 1.0
FORGET = 0.98
"""What a batch's measurement is worth after the next one."""
AT_ONCE_S, PER_S, LATE_PER_S, LATEST_S = 0.5, 1_000, 200, 1.0
LEAST_BUSY = 0.5
"""As busy as replicas count at least, for how much is taken while some are refused."""
LAG_S = 0.02
"""A loop that is so late has more to do than it can."""


class Admission:
    """One lane's."""

    def __init__(self) -> None:
        self._sums = [0.0] * 5
        self._each_s = 0.0
        self._worked_s = self._elapsed_s = 0.0
        self._last_s: float | None = None
        self._refused: float | None = None

    @property
    def batch(self) -> int:
        """The most requests of one batch."""
        if self._each_s * MOST_BATCH <= BATCH_S:
            return MOST_BATCH
        return max(1, int(BATCH_S / self._each_s))

    def took(self, count: int, seconds: float, now_s: float) -> None:
        """A batch of so many requests was answered after so long."""
        if self._last_s is not None:
            self._worked_s = FORGET * self._worked_s + seconds
            self._elapsed_s = FORGET * self._elapsed_s + min(CALM_S, now_s - self._last_s)
        self._last_s = now_s
        terms = (1.0, float(count), seconds, float(count * count), count * seconds)
        self._sums = [FORGET * old + new for old, new in zip(self._sums, terms, strict=True)]
        weight, n, t, nn, nt = self._sums
        spread = nn - n * n / weight
        if spread > weight / 2:
            self._each_s = max(0.0, (nt - n * t / weight) / spread)
        else:  # batches of one size do not tell what one more costs: dare a little more
            self._each_s *= 0.999

    def overloaded(self, now_s: float) -> bool:
        """Whether something was refused a moment ago."""
        return self._refused is not None and now_s - self._refused < CALM_S

    def room(self, most: int, replicas: int, now_s: float) -> int:
        """How many requests may be under way: a batch that is answered and one that waits, for each replica; fewer
        where they are not busy.
        """
        if not self.overloaded(now_s):
            return most
        busy = self._worked_s / (self._elapsed_s * replicas) if self._elapsed_s else 1.0
        return min(most, max(2 * replicas, int(2 * self.batch * replicas * min(1.0, max(LEAST_BUSY, busy)))))

    def refuse(self, now_s: float) -> None:
        """There is no room."""
        self._refused = now_s


class Refusals:
    """When a refusal may be told: a bucket of AT_ONCE_S at the rate of the moment."""

    def __init__(self) -> None:
        self.lag_s = 0.0
        """How late the gateway's loop is; whoever owns it says so."""
        self._next_s = 0.0

    def pause_s(self, now_s: float) -> float:
        """How long to wait before telling the next one."""
        rate = PER_S if self.lag_s < LAG_S else LATE_PER_S
        self._next_s = max(self._next_s, now_s - AT_ONCE_S) + 1 / rate
        self._next_s = min(self._next_s, now_s + LATEST_S)
        return max(0.0, self._next_s - now_s)
