# SPDX-License-Identifier: Apache-2.0
"""Nodes that are left to empty, evacuations that are compared by what they cost in all, and patience in a queue."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np

from colonnade.core.claims import Claim
from colonnade.fabric.placement.cluster import Cluster, DeviceSpec, NodeSpec, Slot
from colonnade.fabric.queues.churn import QUEUE, Arrival, Past, Scheduler
from colonnade.fabric.queues.draining import AGAIN_S, MOST, STEADY, Draining, emptying_cost
from colonnade.fabric.queues.evacuate import Budget, Running, plan_evacuation
from tests.fabric.test_evacuate_plans import First

ONE = Claim(1, cpu_milli=1000)
NODE = Claim(4, cpu_milli=4000)


def nodes(count: int) -> Cluster:
    return Cluster([NodeSpec(f"n{i}", 32_000, 64_000, (DeviceSpec("A"),) * 4) for i in range(count)])


def test_what_is_about_to_end_is_cheap_to_empty_and_a_claim_of_several_devices_is_dear() -> None:
    assert emptying_cost([(ONE, 0.1)]) < emptying_cost([(ONE, 0.9)]) < emptying_cost([(NODE, 0.0)])
    assert emptying_cost([]) == 0.0


def test_the_cheapest_nodes_drain_and_the_furthest_from_empty_is_used_first() -> None:
    draining = Draining(MOST + 4)
    draining.choose(0.0, np.ones(MOST + 4, dtype=bool), float)
    assert np.flatnonzero(draining.mask).tolist() == list(range(MOST))
    assert draining.furthest(np.ones(MOST + 4, dtype=bool)) == MOST - 1
    assert draining.furthest(~draining.mask) is None


def test_a_draining_node_gives_way_only_to_one_that_is_much_cheaper_and_only_when_it_is_time() -> None:
    able = np.ones(MOST + 1, dtype=bool)
    costs = [10.0] * MOST + [11.0]
    draining = Draining(MOST + 1)
    draining.choose(0.0, able, costs.__getitem__)
    costs[MOST] = 10.0 * STEADY - 1
    draining.choose(AGAIN_S / 2, able, costs.__getitem__)
    assert not draining.mask[MOST]
    draining.choose(AGAIN_S, able, costs.__getitem__)
    assert draining.mask[MOST]
    costs[0] = 10.0 * STEADY + 1
    draining.choose(2 * AGAIN_S, able, costs.__getitem__)
    assert draining.mask.sum() == MOST


def test_of_the_plans_that_work_the_one_that_costs_least_in_all_is_taken() -> None:
    """Moving the four devices of one claim looks cheaper than moving four claims, until they need a home as well."""
    cluster = nodes(3)
    running: dict[Hashable, Running] = {"whole": Running(NODE, Slot(0, (0, 1, 2, 3)), cost_s=30.0)}
    running |= {f"b{place}": Running(ONE, Slot(1, (place,)), cost_s=30.0) for place in range(3)}
    running |= {f"c{place}": Running(ONE, Slot(2, (place,)), cost_s=30.0) for place in range(1)}
    for one in running.values():
        cluster.take(one.claim, one.slot)
    plan = plan_evacuation(cluster, running, NODE, First(cluster), Budget(8))
    assert plan is not None
    assert [move.id for move in plan.moves] == ["c0"]


HISTORY = [Past(claim, "LS", run_s) for claim in (ONE, NODE) for run_s in (100.0, 1000.0)]


def full(count: int) -> tuple[Scheduler, int]:
    cluster = nodes(count)
    scheduler = Scheduler(cluster, HISTORY, 30.0, "all", First(cluster))
    jobs = [Arrival(f"f{i}", ONE, "LS") for i in range(4 * count)]
    assert len(scheduler.step(0.0, jobs, [])[1]) == 4 * count
    return scheduler, 4 * count


def test_a_claim_of_a_whole_node_lets_a_long_queue_go_on_for_a_while_and_no_longer() -> None:
    scheduler, count = full(2)
    queue = [Arrival(f"q{i}", ONE, "LS") for i in range(QUEUE)]
    assert scheduler.step(1.0, [*queue, Arrival("large", NODE, "LS")], []) == ([], [])
    started: dict[object, float] = {}
    ended = [f"f{i}" for i in range(count)] + [f"q{i}" for i in range(QUEUE)]
    for number, name in enumerate(ended):
        t_s = 2.0 + 30.0 * number
        _, starts = scheduler.step(
            t_s, [Arrival(f"more{number}", ONE, "LS")], [name] if name in scheduler.running else []
        )
        started |= {start.id: t_s for start in starts}
    assert started["large"] > 60.0  # the first that came free went to the queue
    assert started["large"] <= 2.0 + 450.0 + 30.0 * 5


def test_an_empty_node_is_left_idle_only_where_it_is_a_small_part_of_the_cluster() -> None:
    """With no moves left at all a job still gets the last empty node of a small cluster at once."""
    cluster = nodes(2)
    scheduler = Scheduler(cluster, HISTORY, 30.0, "all", First(cluster))
    scheduler.moved = 10_000
    jobs = [Arrival(f"f{i}", ONE, "LS") for i in range(8)]
    assert len(scheduler.step(0.0, jobs, [])[1]) == 8


def test_an_empty_node_of_a_large_cluster_is_left_to_the_next_large_claim_while_moves_are_scarce() -> None:
    cluster = nodes(20)
    scheduler = Scheduler(cluster, HISTORY, 30.0, "all", First(cluster))
    scheduler.moved = 10_000
    jobs = [Arrival(f"f{i}", ONE, "LS") for i in range(77)]
    assert len(scheduler.step(0.0, jobs[:70], [])[1]) == 70
    assert len(scheduler.step(1.0, jobs[70:], [])[1]) == 6
    _, starts = scheduler.step(2.0, [Arrival("large", NODE, "LS")], [])
    assert next(start.id for start in starts) == "large"
