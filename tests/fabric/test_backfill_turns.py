# SPDX-License-Identifier: Apache-2.0
"""Whose turn it is, what a reservation holds, and what is believed about run times."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np

from colonnade.core.claims import Claim
from colonnade.fabric.placement.cluster import Slot
from colonnade.fabric.queues.backfill import Reservation, Waiting, gather, in_turn, reserve
from colonnade.fabric.queues.evacuate import Budget, Running
from colonnade.fabric.queues.runtimes import Past, Runtimes
from tests.fabric.test_evacuate_plans import First, Runs, four_gpu_nodes, put

LARGE = Claim(gpus=4)


def test_several_devices_come_first_then_age_then_the_least_expected_work() -> None:
    line = [
        Waiting("long", Claim(), "", 990.0, 900.0),
        Waiting("short", Claim(), "", 995.0, 10.0),
        Waiting("old", Claim(), "", 10.0, 7200.0),
        Waiting("share", Claim(gpu_milli=250), "", 990.0, 900.0),
        Waiting("large", LARGE, "", 999.0, 7200.0),
    ]
    assert [one.id for one in in_turn(line, 1000.0)] == ["large", "old", "short", "share", "long"]


def test_the_node_that_is_nearest_to_empty_is_reserved_and_never_a_closed_one() -> None:
    cluster, running = four_gpu_nodes(3), Runs()
    for node, count in enumerate((1, 2, 3)):
        for place in range(count):
            put(cluster, running, f"{node}{place}", Claim(), Slot(node, (place,)))

    def there(node: int) -> dict[Hashable, Running]:
        return {name: one for name, one in running.items() if one.slot.node == node}

    def stays(name: Hashable) -> tuple[float, float]:
        return 1.0, 600.0

    found = reserve(cluster, there, LARGE, stays, np.array([False, False, False]))
    assert found is not None
    assert found.node == 0
    found = reserve(cluster, there, LARGE, stays, np.array([True, False, False]))
    assert found is not None
    assert found.node == 1
    assert reserve(cluster, there, Claim(gpus=5), stays, np.zeros(3, dtype=bool)) is None


def test_homes_are_held_until_all_are_found_and_nothing_moves_before() -> None:
    cluster, running = four_gpu_nodes(2), Runs()
    for place in range(2):
        put(cluster, running, f"in the way {place}", Claim(), Slot(0, (place,)))
    for place in range(3):
        put(cluster, running, f"next door {place}", Claim(), Slot(1, (place,)))
    reservation, placer, homes = Reservation(0), First(cluster), np.array([False, True])

    def moves(budget: Budget) -> list[tuple[Hashable, int]] | None:
        there = {name: one for name, one in running.items() if one.slot.node == 0}
        found = gather(cluster, there, reservation, LARGE, placer, homes, homes, budget, set())
        return None if found is None else [(move.id, move.slot.node) for move in found]

    assert moves(Budget(9)) is None
    assert int((cluster.milli[1] == 1000).sum()) == 0  # the one free device is held
    assert moves(Budget(1)) is None
    assert int((cluster.milli[1] == 1000).sum()) == 1  # given back: it could not be paid for
    gone = running.pop("next door 0")
    cluster.give(gone.claim, gone.slot)
    assert moves(Budget(9)) == [("in the way 0", 1), ("in the way 1", 1)]
    assert int((cluster.milli[1] == 1000).sum()) == 2  # the holds are off; the moves are the caller's


def test_an_estimate_comes_from_the_narrowest_group_that_has_enough() -> None:
    known, other = Claim(cpu_milli=1), Claim(cpu_milli=2)
    times = Runtimes([Past(known, "LS", s) for s in (10, 20, 30, 40, 50)] + [Past(other, "LS", 500.0)] * 5)
    assert times.mean(known, "LS") == 30.0
    assert times.mean(known, "BE") == 30.0
    assert times.mean(Claim(cpu_milli=9), "LS") == 265.0
    assert times.ends_within(known, "LS", 0.0, 30.0) == 0.6
    assert times.remaining(known, "LS", 45.0) == 380.0  # too few of its own ran longer
    assert times.remaining(known, "LS", 10_000.0) == 1000.0  # longer than anything known: a tenth of what it ran
