# SPDX-License-Identifier: Apache-2.0
"""Planned evacuation: a plan is whole, feasible step by step, within its budget, and leaves the cluster as it was."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from colonnade.core.claims import Claim
from colonnade.fabric.placement.cluster import Cluster, DeviceSpec, NodeSpec, Slot
from colonnade.fabric.queues.evacuate import Budget, Running, plan_evacuation

WHOLE_NODE = Claim(gpus=4, gpu_milli=1000, cpu_milli=24_000)
PLENTY = Budget(moves=99)


Runs = dict[Hashable, Running]


class First:
    """The first slot that hosts the claim: enough of an engine for plans."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    def choose(self, claim: Claim, allowed: NDArray[np.bool_] | None = None) -> Slot | None:
        fitting = self.cluster.fitting(claim)
        fitting &= True if allowed is None else allowed
        for node in np.flatnonzero(fitting).tolist():
            enough = self.cluster.usable(claim)[node] & (self.cluster.milli[node] >= claim.gpu_milli)
            return Slot(node, tuple(np.flatnonzero(enough)[: claim.gpus].tolist()))
        return None


def four_gpu_nodes(count: int) -> Cluster:
    return Cluster([NodeSpec(f"n{i}", 32_000, 64_000, (DeviceSpec("A"),) * 4) for i in range(count)])


def put(cluster: Cluster, running: Runs, name: str, claim: Claim, slot: Slot, **more: bool) -> None:
    assert cluster.hosts(claim, slot)
    cluster.take(claim, slot)
    running[name] = Running(claim, slot, cost_s=30.0, **more)


def state(cluster: Cluster) -> list[list[int]]:
    return [cluster.cpu_milli.tolist(), cluster.memory_mib.tolist(), *cluster.milli.tolist()]


def test_the_node_whose_emptying_costs_least_is_emptied() -> None:
    cluster, running = four_gpu_nodes(3), Runs()
    for node, count in enumerate((3, 1, 2)):
        for place in range(count):
            put(cluster, running, f"{node}{place}", Claim(cpu_milli=1000), Slot(node, (place,)))
    before = state(cluster)
    plan = plan_evacuation(cluster, running, WHOLE_NODE, First(cluster), PLENTY)
    assert plan is not None
    assert plan.node == 1
    assert [move.id for move in plan.moves] == ["10"]
    assert plan.lost_gpu_s == 30.0
    assert state(cluster) == before


def test_small_shares_leave_before_whole_devices() -> None:
    cluster, running = four_gpu_nodes(2), Runs()
    put(cluster, running, "share", Claim(gpu_milli=200), Slot(0, (0,)))
    for place in range(3):
        put(cluster, running, f"whole{place}", Claim(), Slot(1, (place,)))
    plan = plan_evacuation(cluster, running, Claim(gpus=4), First(cluster), PLENTY)
    assert plan is not None
    assert [move.id for move in plan.moves] == ["share"]


def test_work_without_a_device_leaves_when_it_holds_the_cpu() -> None:
    cluster, running = four_gpu_nodes(2), Runs()
    put(cluster, running, "cpu", Claim(0, 0, cpu_milli=16_000), Slot(0, ()))
    put(cluster, running, "fixed", Claim(), Slot(1, (0,)), movable=False)
    plan = plan_evacuation(cluster, running, WHOLE_NODE, First(cluster), PLENTY)
    assert plan is not None
    assert [(move.id, move.slot.node) for move in plan.moves] == [("cpu", 1)]


def test_nothing_is_planned_around_what_must_not_move() -> None:
    cluster, running = four_gpu_nodes(2), Runs()
    for node in range(2):
        put(cluster, running, f"fixed{node}", Claim(gpu_milli=100), Slot(node, (0,)), movable=False)
    assert plan_evacuation(cluster, running, WHOLE_NODE, First(cluster), PLENTY) is None


def test_a_budget_of_moves_or_of_gpu_seconds_forbids_a_plan_that_costs_more() -> None:
    cluster, running = four_gpu_nodes(2), Runs()
    for node in range(2):
        for place in range(2):
            put(cluster, running, f"{node}{place}", Claim(), Slot(node, (place,)))
    placer = First(cluster)
    assert plan_evacuation(cluster, running, WHOLE_NODE, placer, Budget(moves=1)) is None
    assert plan_evacuation(cluster, running, WHOLE_NODE, placer, Budget(moves=9, gpu_s=59.0)) is None
    assert plan_evacuation(cluster, running, WHOLE_NODE, placer, Budget(moves=2, gpu_s=60.0)) is not None


def test_a_move_that_needs_another_move_first_gets_it() -> None:
    nodes = [NodeSpec("big", 32_000, 64_000, (DeviceSpec("A"),) * 2), NodeSpec("b", 8_000, 64_000, (DeviceSpec("A"),)),
             NodeSpec("c", 8_000, 64_000, (DeviceSpec("A"),))]  # fmt: skip
    cluster, running = Cluster(nodes), Runs()
    put(cluster, running, "victim", Claim(gpu_milli=600, cpu_milli=6_000), Slot(0, (0,)))
    put(cluster, running, "guest", Claim(gpu_milli=500, cpu_milli=1_000), Slot(1, (0,)))
    put(cluster, running, "cpu", Claim(0, 0, cpu_milli=5_000), Slot(2, ()))
    plan = plan_evacuation(cluster, running, Claim(gpus=2), First(cluster), PLENTY)
    assert plan is not None
    assert [move.id for move in plan.moves] == ["cpu", "victim"]
    assert plan_evacuation(cluster, running, Claim(gpus=2), First(cluster), PLENTY, chain=0) is None


shapes = st.sampled_from(
    [Claim(1, 250, cpu_milli=2000), Claim(1, 600, cpu_milli=4000), Claim(cpu_milli=6000), Claim(2, cpu_milli=9000),
     Claim(0, 0, cpu_milli=12_000)]
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(shapes, st.booleans(), st.integers(0, 3)), max_size=24),
    st.integers(2, 4),
    st.integers(0, 6),
)
def test_every_plan_is_feasible_move_by_move_and_makes_the_room(
    asked: list[tuple[Claim, bool, int]], gpus: int, moves: int
) -> None:
    cluster, running = four_gpu_nodes(4), Runs()
    placer = First(cluster)
    for number, (claim, movable, node) in enumerate(asked):
        only = np.arange(4) == node
        slot = placer.choose(claim, only)
        if slot is not None:
            put(cluster, running, f"r{number}", claim, slot, movable=movable)
    wanted, before = Claim(gpus, cpu_milli=8000 * gpus), state(cluster)
    plan = plan_evacuation(cluster, running, wanted, placer, Budget(moves))
    assert state(cluster) == before
    if plan is None:
        return
    assert len(plan.moves) <= moves
    for move in plan.moves:
        one = running[move.id]
        assert one.movable
        cluster.give(one.claim, one.slot)
        assert cluster.hosts(one.claim, move.slot)
        cluster.take(one.claim, move.slot)
        running[move.id] = Running(one.claim, move.slot, cost_s=one.cost_s)
    assert cluster.hosts(wanted, plan.slot)
