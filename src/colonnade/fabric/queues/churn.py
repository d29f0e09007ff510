# SPDX-License-Identifier: Apache-2.0
"""The scheduler of a cluster in which work arrives, runs and leaves: an instant's news in, moves and starts out.

Its state is a `Cluster` and dictionaries. No I/O, no clock (time is given), no process: `colonnade simulate --drive
queue` and the fabric's loop call the same `step`. How it keeps claims of several devices from waiting:

1. Nodes that could host most such claims, and that are empty or run only such claims, are *kept*; those nearest to
   empty *drain* (`draining`): other work goes to either when it fits nowhere else.
2. A claim of several devices that fits nowhere gets a planned evacuation at once, if one is within the budget.
3. Otherwise it reserves a node and gathers room there (`backfill`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from colonnade.core.claims import WHOLE, Claim
from colonnade.fabric.placement.cluster import Cluster, Placer, Slot
from colonnade.fabric.placement.gradient import Gradient
from colonnade.fabric.queues.backfill import Reservation, Waiting, expected, gather, in_turn, reserve
from colonnade.fabric.queues.draining import AHEAD_S, Draining, emptying_cost
from colonnade.fabric.queues.evacuate import Budget, Evacuation, Move, Running, plan_evacuation
from colonnade.fabric.queues.runtimes import Past, Runtimes

__all__ = ["Allowance", "Arrival", "Move", "Past", "Scheduler", "Start"]

PLAN_AGAIN_S = 20.0
"""Between two searches for an evacuation for the same claim."""
MOMENT_S = 20.0
"""What is expected to end within this counts as good as gone when a node is reserved."""
MOST_RESERVED = 3
"""Reservations at a time, so that little stands idle behind them."""
MOST_HOSTED = 0.8
"""A node is worth keeping whole when it hosts this part of what the best node hosts of claims of several devices."""
LOOSE_PART = 0.5
"""Of the work that may be moved: nodes for so much of it are left to it, so that some nodes can be emptied."""
MOST_MOVES = 16
"""Of one planned evacuation."""
SCARCE = 30
"""With fewer moves left than this, one empty kept node stays so: emptying it anew takes moves that are missing."""
HELD_BACK = 14
"""While no more than this wait; behind a longer queue eight idle devices cost more than moves do."""
SMALL_PART = 0.05
"""Of the cluster: only a node that has no more of its devices is left idle so."""
QUEUE, LONG_QUEUE = 10, 15
"""Where so many wait, room for a claim of many devices is gathered only after a while: for every device that it gets,
another one waits. Where the queue is long, each that waits adds to the while."""
PATIENCE_S, EACH_S, MOST_PATIENCE_S = 60.0, 15.0, 450.0
"""That while, what each in a long queue adds, and the most that it may become."""
LATER_S = 300.0
"""Where moves are scarce, what is expected to end within this counts as good as gone instead: there is time."""


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


@dataclass(frozen=True, slots=True)
class Allowance:
    """How many moves there may be, as a part of what arrives; more for a claim that has waited for `late_s` already.

    Attributes:
        ahead, part: moves at once, and for each arrival.
        late_s, late_ahead, late_part: seconds, and what is added after them.
        lost_part: GPU-seconds that moves for one claim may lose, as a part of those that it is expected to run.
    """

    ahead: float = 60.0
    part: float = 0.007
    late_s: float = 30.0
    late_ahead: float = 60.0
    late_part: float = 0.002
    lost_part: float = 0.3

    def budget(self, one: Waiting, t_s: float, arrived: int, moved: int) -> Budget:
        """What may be moved for it now."""
        moves = self.left(arrived, moved)
        if t_s - one.since_s > self.late_s:
            moves += self.late_ahead + self.late_part * arrived
        work_gpu_s = one.expected_s * max(WHOLE, one.claim.milli) / WHOLE
        return Budget(max(0, int(moves)), self.lost_part * work_gpu_s)

    def left(self, arrived: int, moved: int) -> float:
        """Moves that there may be now for whoever has just come."""
        return self.ahead + self.part * arrived - moved


class Scheduler:
    """Backfill with reservation and planned evacuation over an engine.

    Args:
        cluster: owned by the scheduler from here on; empty.
        history: work that has ended, with run times; run times of new work are not known.
        move_cost_s: seconds that a move costs whatever is moved.
        movable: "all", or a quality of service ("BE"): only work of that may be moved.
        placer: chooses slots; by default a `Gradient` that learns typical claims from the history.
        allowance: how much may be moved.
    """

    def __init__(
        self,
        cluster: Cluster,
        history: Sequence[Past],
        move_cost_s: float,
        movable: str = "all",
        placer: Placer | None = None,
        allowance: Allowance | None = None,
    ) -> None:
        self.cluster = cluster
        self.placer = placer or Gradient(cluster, [(past.claim, 1.0) for past in history])
        self.move_cost_s, self.movable = move_cost_s, movable
        self.allowance = allowance or Allowance()
        self.runtimes = Runtimes(history)
        self.running: dict[Hashable, Running] = {}
        self.waiting: dict[Hashable, Waiting] = {}
        self.arrived = self.moved = 0
        self._began: dict[Hashable, tuple[str, float]] = {}
        self._reserved: dict[Hashable, Reservation] = {}
        self._planned_s: dict[Hashable, float] = {}
        self._fresh: set[Hashable] = set()
        self._on: list[dict[Hashable, Running]] = [{} for _ in cluster.nodes]
        hosted = _hosted(cluster, history)
        self._worth = (hosted > 0) & (hosted >= MOST_HOSTED * hosted.max(initial=0))
        self._rare = hosted == hosted.max(initial=0)
        self._small = cluster.open.sum(1) <= SMALL_PART * cluster.open.sum()
        self._empty = np.ones(len(cluster.nodes), dtype=bool)
        self._loose = _loose(cluster, hosted, history, movable)
        self._kept = self._worth.copy()
        self._draining = Draining(len(cluster.nodes))

    def step(
        self, t_s: float, arrivals: Sequence[Arrival], ended: Sequence[Hashable]
    ) -> tuple[list[Move], list[Start]]:
        """What is to be done at `t_s` seconds, given what arrived and what ended since: moves first, in order."""
        for name in ended:
            self._leave(name)
        for one in arrivals:
            mean_s = self.runtimes.mean(one.claim, one.qos)
            self.waiting[one.id] = Waiting(one.id, one.claim, one.qos, t_s, mean_s)
        self.arrived += len(arrivals)
        self._draining.choose(t_s, self._worth & ~self._kept, lambda node: self._emptying(node, t_s))
        moves: list[Move] = []
        starts: list[Start] = []
        hopeless: set[Claim] = set()
        homeless: set[Claim] = set()
        self._fresh.clear()
        for waiting in in_turn(self.waiting.values(), t_s):
            large = waiting.large(t_s)
            if waiting.claim in hopeless and not (large and self._may_gather(waiting.id, t_s)):
                continue
            slot = self._room_for(waiting, t_s, moves, homeless) if large else self._ordinary(waiting)
            if slot is not None:
                self._start(waiting, slot, t_s)
                starts.append(Start(waiting.id, slot))
            else:
                hopeless.add(waiting.claim)
        return moves, starts

    def _ordinary(self, waiting: Waiting) -> Slot | None:
        """A slot outside the kept and the draining nodes; else on the draining, else on the kept node in most use."""
        claim, choose, open_ = waiting.claim, self.placer.choose, ~self._kept
        slot = None
        if not claim.gpus:
            slot = choose(claim, open_ & ~self._worth)
        elif self.movable != "all":
            slot = choose(claim, open_ & (self._loose if self._may_move(waiting.qos) else ~self._loose))
        slot = slot or choose(claim, open_ & ~self._draining.mask)
        if slot is not None:
            return slot
        fitting = self.cluster.fitting(claim) & self._unreserved()
        draining = self._draining.furthest(fitting & open_)
        if draining is not None:
            return choose(claim, self._only(draining))
        kept = np.flatnonzero(fitting & self._kept & ~self._spared()).tolist()
        if not kept:
            return None
        fullest = min(kept, key=lambda node: (int(self.cluster.milli[node].sum()), node))
        return choose(claim, self._only(fullest))

    def _spared(self) -> NDArray[np.bool_]:
        """[N] at most one empty kept node that ordinary work does not get: where moves are scarce and few wait."""
        mask = np.zeros(len(self.cluster.nodes), dtype=bool)
        if len(self.waiting) <= HELD_BACK and self._scarce():
            empty = np.flatnonzero(self._kept & self._empty & self._small).tolist()
            mask[sorted(empty, key=lambda node: (bool(self._rare[node]), node))[:1]] = True
        return mask

    def _room_for(self, waiting: Waiting, t_s: float, moves: list[Move], homeless: set[Claim]) -> Slot | None:
        """A slot for a large claim: a free one, or one that an evacuation frees, whose moves are appended."""
        claim, choose, free = waiting.claim, self.placer.choose, self._unreserved(waiting.id)
        slot = (
            choose(claim, free & ~self._kept)
            or choose(claim, free & self._kept & ~self._empty)
            or choose(claim, free & self._kept & ~self._rare)
            or choose(claim, free & self._kept)
        )
        if slot is not None:
            return slot
        if waiting.id not in self._reserved and self._patient(waiting, t_s):
            return None
        budget = self.allowance.budget(waiting, t_s, self.arrived, self.moved)
        if self._plan_due(waiting.id, t_s):
            self._planned_s[waiting.id] = t_s
            plan = self._evacuation(claim, budget, free)
            if plan is not None:
                self._apply(plan.moves, moves)
                return plan.slot
            self._reserve(waiting, t_s)
        reservation = self._reserved.get(waiting.id)
        if reservation is None:
            return None
        homes = self._unreserved()
        there = self._there(reservation.node)
        done = gather(
            self.cluster, there, reservation, claim, self.placer, homes & ~self._kept, homes, budget, homeless
        )
        if done is None:
            return None
        self._apply(done, moves)
        return choose(claim, self._only(reservation.node))

    def _scarce(self) -> bool:
        return self.allowance.left(self.arrived, self.moved) < SCARCE

    def _patient(self, waiting: Waiting, t_s: float) -> bool:
        """Whether a claim of many devices lets a long queue go on for a while."""
        queue = len(self.waiting)
        patience_s = min(MOST_PATIENCE_S, PATIENCE_S + EACH_S * max(0, queue - LONG_QUEUE))
        return waiting.claim.gpus > 2 and queue >= QUEUE and t_s - waiting.since_s < patience_s

    def _emptying(self, node: int, t_s: float) -> float:
        there = []
        for name, one in self._on[node].items():
            qos, since_s = self._began[name]
            there.append((one.claim, 1 - self.runtimes.ends_within(one.claim, qos, t_s - since_s, AHEAD_S)))
        return emptying_cost(there)

    def _plan_due(self, name: Hashable, t_s: float) -> bool:
        return t_s - self._planned_s.get(name, -PLAN_AGAIN_S) >= PLAN_AGAIN_S

    def _may_gather(self, name: Hashable, t_s: float) -> bool:
        """Whether there is more to try for a large claim than the free slots that another one like it did not find."""
        return name in self._reserved or self._plan_due(name, t_s)

    def _evacuation(self, claim: Claim, budget: Budget, free: NDArray[np.bool_]) -> Evacuation | None:
        if budget.moves < 1:
            return None
        running = {name: self._now(name, one) for name, one in self.running.items()} if self._fresh else self.running
        most = Budget(min(budget.moves, MOST_MOVES), budget.gpu_s)
        homes = self._unreserved()  # kept nodes are there for claims of several devices, moved ones too
        return plan_evacuation(
            self.cluster,
            running,
            claim,
            self.placer,
            most,
            emptied=free,
            homes=homes & ~self._kept,
            large_homes=homes,
        )

    def _reserve(self, waiting: Waiting, t_s: float) -> None:
        before = self._reserved.get(waiting.id)
        if before is None and len(self._reserved) >= (MOST_RESERVED if waiting.claim.gpus > 1 else 1):
            return

        moment_s = LATER_S if self._scarce() else MOMENT_S

        def stays(name: Hashable) -> tuple[float, float]:
            qos, since_s = self._began[name]
            return expected(self.runtimes, self.running[name].claim, qos, t_s - since_s, moment_s)

        now = before.node if before else None
        found = reserve(self.cluster, self._there, waiting.claim, stays, ~self._unreserved(waiting.id), now)
        if found is None or found.node == now:
            return
        if before is not None:
            before.drop(self.cluster)
        self._reserved[waiting.id] = found
        self._look_at(found.node)
        if now is not None:
            self._look_at(now)

    def _there(self, node: int) -> Mapping[Hashable, Running]:
        there = self._on[node]
        return {name: self._now(name, one) for name, one in there.items()} if self._fresh else there

    def _now(self, name: Hashable, one: Running) -> Running:
        """What started at this instant cannot move at this instant: moves are done before starts."""
        return replace(one, movable=False) if name in self._fresh else one

    def _apply(self, plan: Sequence[Move], moves: list[Move]) -> None:
        for move in plan:
            before = self.running[move.id]
            self.cluster.give(before.claim, before.slot)
            self.cluster.take(before.claim, move.slot)
            del self._on[before.slot.node][move.id]
            self.running[move.id] = self._on[move.slot.node][move.id] = replace(before, slot=move.slot)
            self._look_at(before.slot.node)
            self._look_at(move.slot.node)
        self.moved += len(plan)
        moves += plan

    def _start(self, waiting: Waiting, slot: Slot, t_s: float) -> None:
        reservation = self._reserved.pop(waiting.id, None)
        self.cluster.take(waiting.claim, slot)
        one = Running(waiting.claim, slot, self._may_move(waiting.qos), self.move_cost_s)
        self.running[waiting.id] = self._on[slot.node][waiting.id] = one
        self._began[waiting.id] = waiting.qos, t_s
        self._fresh.add(waiting.id)
        self._planned_s.pop(waiting.id, None)
        del self.waiting[waiting.id]
        self._look_at(slot.node)
        if reservation is not None:
            reservation.drop(self.cluster)
            self._look_at(reservation.node)

    def _leave(self, name: Hashable) -> None:
        one = self.running.pop(name)
        self.cluster.give(one.claim, one.slot)
        del self._on[one.slot.node][name]
        del self._began[name]
        self._look_at(one.slot.node)

    def _look_at(self, node: int) -> None:
        """Bring what is known of a node up to date: whether it is empty, and whether it is kept."""
        there = self._on[node].values()
        self._empty[node] = not there
        whole = self._worth[node] and all(one.claim.gpus > 1 for one in there)
        self._kept[node] = whole or any(node == held.node for held in self._reserved.values())

    def _may_move(self, qos: str) -> bool:
        return self.movable in ("all", qos)

    def _unreserved(self, but: Hashable = None) -> NDArray[np.bool_]:
        """[N] nodes that nobody reserved; `but`'s own reservation does not count."""
        mask = np.ones(len(self.cluster.nodes), dtype=bool)
        for name, held in self._reserved.items():
            if name != but:
                mask[held.node] = False
        return mask

    def _only(self, node: int) -> NDArray[np.bool_]:
        mask = np.zeros(len(self.cluster.nodes), dtype=bool)
        mask[node] = True
        return mask


def _hosted(cluster: Cluster, history: Sequence[Past]) -> NDArray[np.int64]:
    """[N] devices of past claims of several devices that a node could host while it is empty."""
    hosted = np.zeros(len(cluster.nodes), dtype=np.int64)
    for claim, count in Counter(past.claim for past in history if past.claim.gpus > 1).items():
        hosted += cluster.fitting(claim) * claim.gpus * count
    return hosted


def _loose(cluster: Cluster, hosted: NDArray[np.int64], history: Sequence[Past], movable: str) -> NDArray[np.bool_]:
    """[N] nodes where what must not move goes last, those that host most first; all where everything may be moved."""
    loose = np.ones(len(cluster.nodes), dtype=bool)
    if movable == "all":
        return loose
    single = [past for past in history if past.claim.gpus == 1]
    work = sum(past.run_s * past.claim.milli for past in single)
    part = sum(past.run_s * past.claim.milli for past in single if past.qos == movable) / work if work else 0.0
    order = np.argsort(-hosted, kind="stable")
    devices = np.where(hosted > 0, cluster.open.sum(1), 0)[order]
    loose[order] = (devices > 0) & (np.cumsum(devices) <= LOOSE_PART * part * int(cluster.open.sum()))
    return loose
