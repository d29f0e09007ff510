# SPDX-License-Identifier: Apache-2.0
"""Arrivals and departures are what their protocols say, and the figures add up."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest

from colonnade.core.claims import Claim
from colonnade.core.errors import UsageError
from colonnade.fabric.placement.cluster import Cluster, DeviceSpec, NodeSpec, Slot
from colonnade.fabric.queues.churn import Arrival, Move, Start
from colonnade.fabric.simulate.backfill import Backfill
from colonnade.fabric.simulate.departures import BadMove, run_jobs
from colonnade.fabric.simulate.policies import Baseline, Fgd
from colonnade.fabric.simulate.replay import Replay, replay
from colonnade.fabric.simulate.trace import Job, Pod, arrivals, jobs, split

HALF, WHOLE, PAIR, CPU = Claim(1, 500, cpu_milli=1000), Claim(cpu_milli=1000), Claim(2), Claim(0, 0, cpu_milli=2000)
PODS = [Pod(HALF, "BE", 60.0), Pod(WHOLE, "LS", 120.0), Pod(PAIR, "LS", 600.0), Pod(CPU, "LS", 30.0)] * 5
NODES = [NodeSpec(f"n{n}", 32_000, 1 << 20, (DeviceSpec("T4"),) * 4) for n in range(4)]


def clock() -> float:
    """A clock that stands still: what took how long is not tested."""
    return 0.0


def placed(coming: Sequence[Pod], quotas: dict[str, int] | None = None) -> Replay:
    """A replay under FGD."""
    history = [pod.claim for pod in PODS]
    return replay(NODES, coming, history, lambda c: Fgd(c, history, 1), clock=clock, quotas=quotas)


def test_arrivals_ask_for_the_ratio_and_not_more() -> None:
    coming = arrivals(PODS, 16_000, seed=3, ratio=1.3)
    asked = sum(pod.claim.milli for pod in coming)
    assert 1.3 * 16_000 - 2_000 < asked <= 1.3 * 16_000
    assert coming == arrivals(PODS, 16_000, seed=3, ratio=1.3)
    assert coming != arrivals(PODS, 16_000, seed=4, ratio=1.3)


def test_a_trace_that_asks_for_more_than_the_ratio_is_thinned() -> None:
    coming = arrivals(PODS * 10, 4_000, seed=3, ratio=1.0)
    assert sum(pod.claim.milli for pod in coming) <= 4_000


def test_a_trace_without_devices_and_nodes_without_devices_are_refused() -> None:
    with pytest.raises(UsageError, match="no pod asks"):
        arrivals([Pod(CPU)], 4_000, 1, 1.3)
    with pytest.raises(UsageError, match="have no GPU"):
        arrivals(PODS, 0, 1, 1.3)


def test_what_arrived_is_placed_or_refused_and_what_is_in_use_adds_up() -> None:
    found = placed(arrivals(PODS, 16_000, seed=3, ratio=1.3))
    assert all(found.arrived[k] == found.placed[k] + found.refused[k] for k in found.arrived)
    sizes = {"share": 500, "whole": 1000, "multi": 2000, "cpu": 0}
    assert found.allocated_milli == sum(sizes[k] * count for k, count in found.placed.items())
    assert found.allocated_milli <= found.capacity_milli == 16_000
    assert found.cpu_allocated_milli == sum(
        {"share": 1000, "whole": 1000, "multi": 0, "cpu": 2000}[k] * count for k, count in found.placed.items()
    )
    assert list(found.curve.asked_milli) == sorted(found.curve.asked_milli)
    assert found.curve.allocated_milli[-1] == found.allocated_milli


def test_a_quota_holds_what_a_class_takes_together() -> None:
    coming = [Pod(WHOLE, "BE")] * 6 + [Pod(WHOLE, "LS")] * 2
    found = placed(coming, {"BE": 2_500})
    assert (found.placed["whole"], found.over_quota, found.allocated_milli) == (4, 4, 4_000)


def test_only_pods_with_a_known_run_time_come_as_jobs_and_the_halves_do_not_overlap() -> None:
    numbered = [Pod(WHOLE, str(n), None if n % 5 == 0 else float(n)) for n in range(20)]
    past, coming = split(numbered)
    assert not {p.qos for p in past} & {p.qos for p in coming}
    assert all(p.run_s is not None for p in past + coming)
    with pytest.raises(UsageError, match="no pod with a known run time"):
        jobs([Pod(CPU, "", 10.0)], 4_000, 10, 0.9, 1)


def test_jobs_offer_the_load_that_was_asked_for() -> None:
    drawn = jobs(PODS, 16_000, 20_000, 0.8, 1)
    offered = sum(job.claim.milli * job.run_s for job in drawn) / (16_000 * drawn[-1].arrives_s)
    assert offered == pytest.approx(0.8, rel=0.05)


def test_a_job_waits_until_another_leaves() -> None:
    whole_node = Claim(4)
    coming = [Job(0.0, whole_node, "", 100.0)] + [Job(10.0 + n, whole_node, "", 100.0) for n in range(2)]
    found = run_jobs(NODES[:1], coming, lambda c: Backfill(c, Baseline(c, [], 1)), clock=clock)
    assert set(found.waits) == {"multi", "all"}
    for wait in found.waits.values():
        assert (wait.jobs, wait.max_s) == (3, 189.0)
        assert wait.mean_s == pytest.approx((90 + 189) / 3)
    assert (found.moves, found.unfinished) == (0, 0)


class Script:
    """A queue that does what it was told at each step."""

    def __init__(self, *steps: tuple[list[Move], list[Start]]) -> None:
        self._steps = itertools.chain(steps, itertools.repeat(([], [])))

    def step(self, t_s: float, arrivals: Sequence[Arrival], ended: Sequence[object]) -> tuple[list[Move], list[Start]]:
        return next(self._steps)


def test_a_move_costs_the_job_that_is_moved() -> None:
    coming = [Job(0.0, WHOLE, "", 100.0), Job(10.0, WHOLE, "", 1.0)]
    steps: tuple[tuple[list[Move], list[Start]], ...] = (
        ([], [Start(0, Slot(0, (0,)))]),
        ([Move(0, Slot(1, (2,)))], [Start(1, Slot(0, (0,)))]),
    )
    found = run_jobs(NODES, coming, lambda _: Script(*steps), clock=clock, move_cost_s=30.0)
    assert found.moves == 1
    assert found.slowdown_mean == pytest.approx((130 / 100 + 1) / 2)


@pytest.mark.parametrize(
    "steps",
    [
        [([], [Start(0, Slot(0, (0,))), Start(1, Slot(0, (0,)))])],
        [([], [Start(0, Slot(0, (0,))), Start(0, Slot(0, (1,)))])],
        [([], [Start(2, Slot(0, (0,)))])],
        [([Move(0, Slot(0, (0,)))], [])],
    ],
    ids=["twice on one device", "started twice", "before it came", "moved before it ran"],
)
def test_a_queue_that_cheats_is_caught(steps: list[tuple[list[Move], list[Start]]]) -> None:
    coming = [Job(0.0, WHOLE, "", 100.0), Job(0.0, WHOLE, "", 100.0), Job(5.0, WHOLE, "", 100.0)]
    with pytest.raises(BadMove):
        run_jobs(NODES, coming, lambda _: Script(*steps), clock=clock)


def test_backfill_lets_a_small_job_pass_a_large_one_that_does_not_fit() -> None:
    cluster = Cluster(NODES[:1])
    queue = Backfill(cluster, Baseline(cluster, [], 1))
    _, first = queue.step(0.0, [Arrival(0, Claim(3)), Arrival(1, PAIR), Arrival(2, WHOLE)], [])
    assert [start.id for start in first] == [0, 2]
    _, then = queue.step(1.0, [], [0])
    assert [start.id for start in then] == [1]
