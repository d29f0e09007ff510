# SPDX-License-Identifier: Apache-2.0
"""Jobs arrive, run, leave: how long they wait under a queue. Time is simulated; the clock given only times decisions.

The simulation keeps a cluster of its own and checks each move and start against it, so that a queue cannot gain by
placing two jobs on one share. A move costs the job that is moved some seconds of its run.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from colonnade.core.claims import WHOLE
from colonnade.fabric.placement.cluster import Cluster, NodeSpec, Slot
from colonnade.fabric.queues.churn import Arrival
from colonnade.fabric.simulate.backfill import Queue
from colonnade.fabric.simulate.trace import KINDS, Job, kind_of

WARM_UP = 0.3
"""The first jobs fill the cluster and are not measured."""

TELL_EVERY = 256
"""Instants between two words of progress."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Wait:
    """Of one kind of job: how many, and what they waited, in seconds."""

    jobs: int
    mean_s: float
    p95_s: float
    max_s: float


@dataclass(frozen=True, slots=True)
class Departures:
    """What came of one queue.

    Attributes:
        waits: by kind ("share", "whole", "multi", "cpu") and over "all" jobs after the warm-up; a kind without jobs is
            left out.
        slowdown_mean: time from arrival to end over run time, at least 1.
        allocated_share: of all device time after the warm-up.
        moves: of running jobs.
        unfinished: jobs that never ran.
        turnover: how often the jobs that run at once were replaced; when it is low, the cluster was still filling.
        took_s: what each instant took to decide.
    """

    waits: Mapping[str, Wait]
    slowdown_mean: float
    allocated_share: float
    moves: int
    unfinished: int
    turnover: float
    took_s: Sequence[float]


class BadMove(ValueError):
    """The queue started or moved what it could not: a mistake of ours, not of the user."""


class _World:
    """What runs where, when it ends, and how much device time was used."""

    def __init__(self, nodes: Sequence[NodeSpec], jobs: Sequence[Job], move_cost_s: float) -> None:
        self.cluster, self.jobs, self.move_cost_s = Cluster(nodes), jobs, move_cost_s
        self.events: list[tuple[float, int, int]] = [(job.arrives_s, 0, number) for number, job in enumerate(jobs)]
        self.at: dict[int, Slot] = {}
        self.due: dict[int, float] = {}
        self.version = [0] * len(jobs)
        self.started = np.full(len(jobs), np.nan)
        self.ended = np.full(len(jobs), np.nan)
        self.moves, self.used, self.area, self.last = 0, 0, 0.0, 0.0
        self.window = (jobs[int(WARM_UP * len(jobs))].arrives_s, jobs[-1].arrives_s)

    def next_instant(self) -> tuple[float, list[Arrival], list[int]]:
        """The next time, who arrives then, and who ends."""
        now, arrivals, ended = self.events[0][0], list[Arrival](), list[int]()
        low, high = self.window
        self.area += self.used * max(0.0, min(now, high) - max(self.last, low))
        self.last = now
        while self.events and self.events[0][0] == now:
            _, kind, number = heapq.heappop(self.events)
            job = self.jobs[number]
            if kind == 0:
                arrivals.append(Arrival(number, job.claim, job.qos))
            elif kind == 1 + self.version[number]:
                ended.append(number)
                self.cluster.give(job.claim, self.at.pop(number))
                self.ended[number] = now
                self.used -= job.claim.milli
        return now, arrivals, ended

    def move(self, number: Hashable, slot: Slot) -> None:
        """A running job goes elsewhere, and ends later for it."""
        if not isinstance(number, int) or number not in self.at:
            raise BadMove(f"job {number} was moved and does not run")
        claim = self.jobs[number].claim
        self.cluster.give(claim, self.at[number])
        self._put(number, slot)
        self.moves += 1
        self.version[number] += 1
        self.due[number] += self.move_cost_s
        heapq.heappush(self.events, (self.due[number], 1 + self.version[number], number))

    def start(self, number: Hashable, slot: Slot, now: float) -> None:
        """A waiting job runs."""
        if not isinstance(number, int) or not np.isnan(self.started[number]) or self.jobs[number].arrives_s > now:
            raise BadMove(f"job {number} was started twice, or before it came")
        self._put(number, slot)
        self.started[number] = now
        self.used += self.jobs[number].claim.milli
        self.due[number] = now + self.jobs[number].run_s
        heapq.heappush(self.events, (self.due[number], 1, number))

    def _put(self, number: int, slot: Slot) -> None:
        claim = self.jobs[number].claim
        if not self.cluster.hosts(claim, slot):
            raise BadMove(f"job {number} does not fit on node {slot.node}, devices {slot.devices}")
        self.cluster.take(claim, slot)
        self.at[number] = slot


def run_jobs(
    nodes: Sequence[NodeSpec],
    jobs: Sequence[Job],
    build: Callable[[Cluster], Queue],
    *,
    clock: Callable[[], float],
    move_cost_s: float = 30.0,
    progress: Progress = lambda _done, _total: None,
) -> Departures:
    """Let the jobs come, and the queue decide at every instant at which something changes.

    Args:
        nodes: empty.
        jobs: by arrival.
        build: makes the queue over a cluster of its own.
        clock: seconds, for the time that decisions take.
        move_cost_s: what a move adds to the run of the moved job.
        progress: told of (jobs arrived, of).

    Raises:
        BadMove: the queue did what cannot be done.
    """
    world, queue, took_s, arrived = _World(nodes, jobs, move_cost_s), build(Cluster(nodes)), list[float](), 0
    heapq.heapify(world.events)
    while world.events:
        now, arrivals, ended = world.next_instant()
        if not arrivals and not ended:
            continue
        began = clock()
        moves, starts = queue.step(now, arrivals, ended)
        took_s.append(clock() - began)
        for move in moves:
            world.move(move.id, move.slot)
        for start in starts:
            world.start(start.id, start.slot, now)
        arrived += len(arrivals)
        if len(took_s) % TELL_EVERY == 0:
            progress(arrived, len(jobs))
    return _result(world, sum(len(node.devices) for node in nodes) * WHOLE, took_s)


def _result(world: _World, capacity_milli: int, took_s: Sequence[float]) -> Departures:
    first = int(WARM_UP * len(world.jobs))
    jobs = world.jobs[first:]
    came = np.array([job.arrives_s for job in jobs])
    ran = np.array([job.run_s for job in jobs])
    kinds = np.array([kind_of(job.claim) for job in jobs])
    waited, whole = world.started[first:] - came, world.ended[first:] - came
    done = ~np.isnan(whole)
    low, high = world.window
    return Departures(
        waits={
            name: wait
            for name, of in {**{kind: kinds == kind for kind in KINDS}, "all": kinds != ""}.items()
            if (wait := _wait(waited[of & done])) is not None
        },
        slowdown_mean=float(np.maximum(1.0, whole[done] / np.maximum(ran[done], 10.0)).mean()) if done.any() else 1.0,
        allocated_share=world.area / max(1e-9, (high - low) * capacity_milli),
        moves=world.moves,
        unfinished=int(np.isnan(world.ended).sum()),
        turnover=world.jobs[-1].arrives_s * len(world.jobs) / sum(job.run_s for job in world.jobs),
        took_s=took_s,
    )


def _wait(waited_s: NDArray[np.float64]) -> Wait | None:
    if not len(waited_s):
        return None
    p95, most = np.percentile(waited_s, [95, 100]).tolist()
    return Wait(len(waited_s), float(waited_s.mean()), p95, most)
