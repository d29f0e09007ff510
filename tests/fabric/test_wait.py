# SPDX-License-Identifier: Apache-2.0
"""Why a claim waits, and whether what is said to free it does."""

from __future__ import annotations

import dataclasses

import pytest

from colonnade.core.claims import Claim
from colonnade.fabric.placement.cluster import Cluster, DeviceSpec, NodeSpec, Slot
from colonnade.fabric.queues.asks import Ask, Snapshot
from colonnade.fabric.queues.cycle import Grant, plan
from colonnade.fabric.queues.explain import Wait, explain_wait
from colonnade.fabric.queues.tree import Queue, Tree
from colonnade.fabric.simulate.policies import Packing


def packing(cluster: Cluster) -> Packing:
    """A placer that needs no history."""
    return Packing(cluster, (), 0)


def world(asks: list[Ask], tree: Tree | None = None, nodes: tuple[int, ...] = (8,), cpu: int = 64_000) -> Snapshot:
    device = DeviceSpec("H100-80GB", 81_920, "soft")
    cluster = Cluster([NodeSpec(f"n{i}", cpu, 1 << 19, (device,) * count) for i, count in enumerate(nodes)])
    for ask in asks:
        if ask.held:
            assert cluster.hosts(ask.claim, ask.held)
            cluster.take(ask.claim, ask.held)
    return Snapshot(cluster, asks, tree or Tree(), packing)


def held(lease: str, devices: list[int], milli: int = 1000, node: int = 0, **more: object) -> Ask:
    claim = Claim(gpus=len(devices), gpu_milli=milli, cpu_milli=1000)
    return Ask(lease, claim, state="held", held=Slot(node, tuple(devices)), **more)  # type: ignore[arg-type]


def starts_without(snapshot: Snapshot, gone: tuple[str, ...], lease: str) -> bool:
    """Whether the next cycle grants it once these have ended."""
    asks = [ask for ask in snapshot.asks if ask.lease not in gone]
    nodes = tuple(len(node.devices) for node in snapshot.cluster.nodes)
    after = world(asks, snapshot.tree, nodes, snapshot.cluster.nodes[0].cpu_milli)
    return lease in [action.lease for action in plan(after, 0) if isinstance(action, Grant)]


def missing(wait: Wait) -> dict[str, int]:
    return {dimension.name: dimension.missing for dimension in wait.dimensions if dimension.missing}


HALVES = [held(f"h{i:02}", [i // 2], 500, since_ms=i) for i in range(16)]


def test_a_half_that_waits_behind_sixteen_is_freed_by_any_one_of_them() -> None:
    snapshot = world([*HALVES, Ask("p1", Claim(gpu_milli=500))])
    wait = explain_wait(snapshot, "p1")
    assert [(d.name, d.asked, d.free, d.missing) for d in wait.dimensions] == [
        ("gpus", 1, 0, 1),
        ("gpu_milli", 500, 0, 500),
    ]
    assert wait.would_free_any
    assert set(wait.would_free) == {ask.lease for ask in HALVES}
    assert all(starts_without(snapshot, (lease,), "p1") for lease in wait.would_free)


def test_the_second_in_line_is_freed_by_two_ends_and_not_by_one() -> None:
    snapshot = world([*HALVES, Ask("p1", Claim(gpu_milli=500)), Ask("p2", Claim(gpu_milli=500), asked_ms=1)])
    wait = explain_wait(snapshot, "p2")
    assert wait.before == ("p1",)
    assert not wait.would_free_any
    assert len(wait.would_free) == 2
    assert starts_without(snapshot, wait.would_free, "p2")
    assert not starts_without(snapshot, wait.would_free[:1], "p2")


@pytest.mark.parametrize(
    ("asks", "claim", "count"),
    [
        (HALVES, Claim(gpu_milli=1000), 2),
        ([*HALVES[:8], held("w", [4, 5, 6, 7])], Claim(gpus=2), 1),
        ([held(f"w{i}", [i]) for i in range(8)], Claim(gpus=3), 3),
        ([held("a", [0, 1, 2, 3]), held("b", [4]), held("c", [5, 6, 7])], Claim(gpus=4), 1),
    ],
    ids=["a whole one among halves", "two where one lease has four", "three of eight", "four of eight"],
)
def test_what_is_said_to_free_it_does_and_nothing_less_does(asks: list[Ask], claim: Claim, count: int) -> None:
    snapshot = world([*asks, Ask("p", claim)])
    wait = explain_wait(snapshot, "p")
    if wait.would_free_any:
        assert count == 1
        assert all(starts_without(snapshot, (lease,), "p") for lease in wait.would_free)
    else:
        assert len(wait.would_free) == count
        assert starts_without(snapshot, wait.would_free, "p")
        for lease in wait.would_free:
            assert not starts_without(snapshot, tuple(set(wait.would_free) - {lease}), "p")


@pytest.mark.parametrize(
    ("claim", "expected"),
    [
        (Claim(cpu_milli=3000), {"cpu_milli": 1000}),
        (Claim(gpus=9), {"gpus": 2, "gpu_milli": 1000}),
        (Claim(gpu_mib=100_000), {"gpus": 1, "gpu_mib": 100_000 - 81_920}),
        (Claim(models=("B200",)), {"gpus": 1, "gpu_milli": 1000, "model": 1}),
        (Claim(isolation_at_least="hard"), {"gpus": 1, "gpu_milli": 1000, "isolation": 1}),
    ],
    ids=["cpu", "more devices than a node has", "more memory than a device has", "another model", "isolation"],
)
def test_every_dimension_that_is_missing_is_named(claim: Claim, expected: dict[str, int]) -> None:
    wait = explain_wait(world([held("a", [0]), Ask("p", claim)], cpu=3000), "p")
    assert missing(wait) == expected


def test_a_limit_is_named_and_only_a_lease_under_it_would_free() -> None:
    tree = Tree([Queue("q", limit_milli=2000)])
    mine = [held(f"m{i}", [i], queue="q") for i in range(2)]
    snapshot = world([*mine, held("other", [7]), Ask("p", Claim(), "q")], tree)
    wait = explain_wait(snapshot, "p")
    assert missing(wait) == {"limit of q": 1000}
    assert wait.would_free_any
    assert set(wait.would_free) == {"m0", "m1"}


def test_a_gang_that_is_not_complete_says_how_many_it_lacks() -> None:
    wait = explain_wait(world([Ask("p", Claim(), gang="g", gang_size=3)]), "p")
    assert missing(wait) == {"gang": 2}
    assert wait.would_free == ()


def test_what_no_node_can_take_is_freed_by_nothing() -> None:
    wait = explain_wait(world([held("a", [0]), Ask("p", Claim(gpus=9))]), "p")
    assert wait.would_free == ()
    assert "No end of a lease" in wait.sentence


def test_it_is_said_until_when_room_is_made() -> None:
    ending = [
        dataclasses.replace(a, state="releasing", release_by_ms=9000 + i, freed_for="p")
        for i, a in enumerate(HALVES[:2])
    ]
    wait = explain_wait(world([*ending, *HALVES[2:], Ask("p", Claim())]), "p")
    assert wait.starts_by_ms == 9001


def test_only_what_waits_can_be_asked_about() -> None:
    with pytest.raises(KeyError):
        explain_wait(world([held("a", [0])]), "a")
