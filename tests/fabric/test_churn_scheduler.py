# SPDX-License-Identifier: Apache-2.0
"""The scheduler under arrivals and departures: every move and start is feasible, and nobody waits for ever."""

from __future__ import annotations

import heapq
import random
from collections.abc import Hashable
from dataclasses import dataclass, field

import pytest

from colonnade.core.claims import Claim
from colonnade.fabric.placement.cluster import Cluster, DeviceSpec, NodeSpec, Slot
from colonnade.fabric.queues.churn import Allowance, Arrival, Past, Scheduler
from tests.fabric.test_evacuate_plans import First

NODES = [NodeSpec(f"n{i}", 32_000, 64_000, (DeviceSpec("A"),) * 4) for i in range(6)]
SMALL = [
    Claim(1, 400, cpu_milli=3000),
    Claim(1, 700, cpu_milli=3000),
    Claim(cpu_milli=7000),
    Claim(0, 0, cpu_milli=4000),
]
LARGE = [Claim(2, cpu_milli=12_000), Claim(4, cpu_milli=28_000)]
HISTORY = [Past(claim, qos, run_s) for claim in SMALL + LARGE for qos in ("LS", "BE") for run_s in (30.0, 200.0, 900.0)]


@dataclass
class Replay:
    """Run a scheduler against a cluster of its own, which checks it."""

    scheduler: Scheduler
    checked: Cluster = field(default_factory=lambda: Cluster(NODES))
    at: dict[Hashable, tuple[Claim, str, Slot]] = field(default_factory=dict)
    waits: dict[Hashable, float] = field(default_factory=dict)
    moved: list[Hashable] = field(default_factory=list)

    def run(self, jobs: list[tuple[float, Arrival, float]], movable: str, cost_s: float) -> None:
        events: list[tuple[float, int, int]] = [(job[0], 0, i) for i, job in enumerate(jobs)]
        due: dict[Hashable, float] = {}
        while events:
            t_s, ends, number = heapq.heappop(events)
            _, arrival, run_s = jobs[number]
            if ends and due[arrival.id] > t_s:
                heapq.heappush(events, (due[arrival.id], 1, number))
                continue
            if ends:
                claim, _, slot = self.at.pop(arrival.id)
                self.checked.give(claim, slot)
            moves, starts = self.scheduler.step(t_s, [] if ends else [arrival], [arrival.id] if ends else [])
            for move in moves:
                claim, qos, slot = self.at[move.id]
                assert movable in ("all", qos)
                self.checked.give(claim, slot)
                assert self.checked.hosts(claim, move.slot)
                self.checked.take(claim, move.slot)
                self.at[move.id] = claim, qos, move.slot
                due[move.id] += cost_s
                self.moved.append(move.id)
            for start in starts:
                assert isinstance(start.id, int)
                at_s, one, run_s = jobs[start.id]
                assert start.id not in self.waits
                assert self.checked.hosts(one.claim, start.slot)
                self.checked.take(one.claim, start.slot)
                self.at[start.id] = one.claim, one.qos, start.slot
                self.waits[start.id] = t_s - at_s
                due[start.id] = t_s + run_s
                heapq.heappush(events, (due[start.id], 1, start.id))


def jobs(count: int, seed: int, every_s: float) -> list[tuple[float, Arrival, float]]:
    rng, t_s, found = random.Random(seed), 0.0, []
    for number in range(count):
        t_s += rng.expovariate(1 / every_s)
        claim = rng.choice(LARGE) if rng.random() < 0.1 else rng.choice(SMALL)
        found.append((t_s, Arrival(number, claim, rng.choice(("LS", "BE"))), rng.choice((30.0, 200.0, 900.0))))
    return found


@pytest.mark.parametrize("movable", ["all", "BE"])
@pytest.mark.parametrize("every_s", [16.0, 24.0])
def test_every_step_is_feasible_and_everything_starts_even_when_more_is_asked_than_there_is(
    movable: str, every_s: float
) -> None:
    cluster = Cluster(NODES)
    replay = Replay(Scheduler(cluster, HISTORY, 30.0, movable, First(cluster)))
    asked = jobs(150, 7, every_s)
    replay.run(asked, movable, 30.0)
    assert len(replay.waits) == len(asked)
    assert cluster.milli.tolist() == Cluster(NODES).milli.tolist()
    assert cluster.cpu_milli.tolist() == Cluster(NODES).cpu_milli.tolist()


def test_moves_stay_within_the_allowance() -> None:
    cluster, allowance = Cluster(NODES), Allowance(ahead=3.0, part=0.01, late_ahead=2.0, late_part=0.0)
    replay = Replay(Scheduler(cluster, HISTORY, 30.0, "all", First(cluster), allowance))
    replay.run(jobs(300, 3, 18.0), "all", 30.0)
    assert 0 < len(replay.moved) <= 3 + 2 + 3


def test_claims_of_several_devices_wait_less_than_under_backfill_alone() -> None:
    """Backfill alone: no allowance, and nothing worth keeping whole because the history knows only small claims."""
    means = []
    for history, allowance in ((HISTORY, None), ([p for p in HISTORY if p.claim.gpus < 2], Allowance(0, 0, 30, 0, 0))):
        cluster = Cluster(NODES)
        replay = Replay(Scheduler(cluster, history, 30.0, "all", First(cluster), allowance))
        asked = jobs(400, 11, 22.0)
        replay.run(asked, "all", 30.0)
        large = [replay.waits[i] for i, (_, one, _) in enumerate(asked) if one.claim.gpus > 1]
        means.append(sum(large) / len(large))
    assert means[0] < means[1] / 3


def test_a_blocked_claim_of_several_devices_gets_in_while_small_ones_keep_coming() -> None:
    cluster = Cluster(NODES)
    scheduler = Scheduler(cluster, HISTORY, 30.0, "none", First(cluster))
    fill = [Arrival(f"f{i}", Claim(cpu_milli=7000), "LS") for i in range(24)]
    assert len(scheduler.step(0.0, fill, [])[1]) == 24
    assert scheduler.step(1.0, [Arrival("large", Claim(4, cpu_milli=28_000), "LS")], []) == ([], [])
    started: list[Hashable] = []
    running = {one.id for one in fill}
    rng = random.Random(5)
    for second in range(2, 400):
        done = rng.choice(sorted(running, key=str))
        running.discard(done)
        new = Arrival(f"s{second}", Claim(cpu_milli=7000), "LS")
        _, starts = scheduler.step(float(second), [new], [done])
        started += [start.id for start in starts]
        running |= {start.id for start in starts}
        if "large" in started:
            break
    assert "large" in started
    assert len(started) > 5  # the others went on


def test_the_same_news_gives_the_same_decisions() -> None:
    said = []
    for _ in range(2):
        cluster = Cluster(NODES)
        replay = Replay(Scheduler(cluster, HISTORY, 30.0, "all", First(cluster)))
        replay.run(jobs(200, 2, 18.0), "all", 30.0)
        said.append((replay.waits, replay.moved))
    assert said[0] == said[1]
