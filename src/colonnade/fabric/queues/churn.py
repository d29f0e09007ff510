# SPDX-License-Identifier: Apache-2.0
"""The scheduler of a cluster in which work arrives, runs and leaves: an instant's news in, moves and starts out.

Its state is a `Cluster` and dictionaries. No I/O, no clock (time is given), no process: `colonnade simulate --drive
queue` and the fabric's loop call the same `step`.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from colonnade.core.claims import Claim
from colonnade.fabric.placement.cluster import Cluster, Placer, Slot
from colonnade.fabric.placement.engine import Engine
from colonnade.fabric.queues.evacuate import Move, Running
from colonnade.fabric.queues.runtimes import Past, Runtimes

__all__ = ["Arrival", "Move", "Past", "Scheduler", "Start"]


@dataclass(frozen=True, slots=True)
class Arrival:
    """Work that wants to run: its name (unique for ever), its claim, its quality of service."""

    id: Hashable
    claim: Claim
    qos: str = ""


@dataclass(frozen=True, slots=True)
class Start:
    """Work that waited starts in a slot."""

    id: Hashable
    slot: Slot


class Scheduler:
    """Backfill over an engine.

    Args:
        cluster: owned by the scheduler from here on; free but for what others hold.
        history: work that has ended, with run times; run times of new work are not known.
        move_cost_s: seconds that a move costs whatever is moved.
        movable: "all", or a quality of service ("BE"): only work of that may be moved.
        placer: chooses slots; by default an `Engine` that learns typical claims from the history.
    """

    def __init__(
        self,
        cluster: Cluster,
        history: Sequence[Past],
        move_cost_s: float,
        movable: str = "all",
        placer: Placer | None = None,
    ) -> None:
        self.cluster = cluster
        self.placer = placer or Engine(cluster, [(past.claim, 1.0) for past in history])
        self.move_cost_s, self.movable = move_cost_s, movable
        self.runtimes = Runtimes(history)
        self.running: dict[Hashable, Running] = {}
        self.pending: dict[Hashable, Arrival] = {}
        self.started_s: dict[Hashable, float] = {}

    def step(
        self, t_s: float, arrivals: Sequence[Arrival], ended: Sequence[Hashable]
    ) -> tuple[list[Move], list[Start]]:
        """What is to be done at `t_s` seconds, given what arrived and what ended since: moves first, in order."""
        for one in ended:
            done = self.running.pop(one)
            self.cluster.give(done.claim, done.slot)
            del self.started_s[one]
        for arrival in arrivals:
            self.pending[arrival.id] = arrival
        starts: list[Start] = []
        hopeless: set[Claim] = set()
        for one, arrival in list(self.pending.items()):
            slot = None if arrival.claim in hopeless else self.placer.choose(arrival.claim)
            if slot is None:
                hopeless.add(arrival.claim)
                continue
            self.cluster.take(arrival.claim, slot)
            self.running[one] = Running(arrival.claim, slot, self.movable in ("all", arrival.qos))
            self.started_s[one] = t_s
            del self.pending[one]
            starts.append(Start(one, slot))
        return [], starts
