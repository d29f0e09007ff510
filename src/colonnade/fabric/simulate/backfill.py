# SPDX-License-Identifier: Apache-2.0
"""Plain backfill around any policy: at every instant the oldest first, skip what does not fit. The queue to beat.

No reservation, no moves, no estimate of run times: what a scheduler with a good placement and no plan does.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Protocol

from colonnade.core.claims import Claim
from colonnade.fabric.placement.cluster import Cluster, Placer, Slot
from colonnade.fabric.queues.churn import Arrival, Move, Start


class Queue(Protocol):
    """What is asked at every instant. It owns its cluster: what it starts and moves it has taken there."""

    def step(
        self, t_s: float, arrivals: Sequence[Arrival], ended: Sequence[Hashable]
    ) -> tuple[Sequence[Move], Sequence[Start]]:
        """Moves of running jobs, in order, and starts of waiting ones."""
        ...


class Backfill:
    """The oldest first; a claim that did not fit at this instant is not tried again for a younger job."""

    def __init__(self, cluster: Cluster, placer: Placer) -> None:
        self._cluster, self._placer = cluster, placer
        self._waiting: dict[Hashable, Claim] = {}
        self._running: dict[Hashable, tuple[Claim, Slot]] = {}

    def step(
        self, t_s: float, arrivals: Sequence[Arrival], ended: Sequence[Hashable]
    ) -> tuple[Sequence[Move], Sequence[Start]]:
        """No moves; the starts of this instant."""
        del t_s
        for job in ended:
            self._cluster.give(*self._running.pop(job))
        for arrival in arrivals:
            self._waiting[arrival.id] = arrival.claim
        starts: list[Start] = []
        full: set[Claim] = set()
        for job, claim in self._waiting.items():
            slot = None if claim in full else self._placer.choose(claim)
            if slot is None:
                full.add(claim)
                continue
            self._cluster.take(claim, slot)
            self._running[job] = (claim, slot)
            starts.append(Start(job, slot))
        for start in starts:
            del self._waiting[start.id]
        return [], starts
