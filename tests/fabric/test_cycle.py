# SPDX-License-Identifier: Apache-2.0
"""The cycle as pictures: these nodes, these leases, expect these grants and these ends."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

import pytest

from colonnade.core.claims import Claim
from colonnade.fabric.placement.cluster import Cluster, DeviceSpec, NodeSpec, Slot
from colonnade.fabric.placement.engine import Engine
from colonnade.fabric.queues.asks import Ask, Snapshot
from colonnade.fabric.queues.cycle import Action, Grant, Release, Reservation, Reserve, plan
from colonnade.fabric.queues.tree import HIGH, LOW, Queue, Tree

TWO = Tree([Queue("a", guaranteed_milli=4000), Queue("b", guaranteed_milli=4000)])


def world(asks: Iterable[Ask], tree: Tree = TWO, nodes: Sequence[int] = (8,), **more: object) -> Snapshot:
    """Nodes with so many devices, and the asks on them."""
    specs = [NodeSpec(f"n{i}", 96_000, 1 << 20, (DeviceSpec("H100", 81_920),) * count) for i, count in enumerate(nodes)]
    cluster = Cluster(specs)
    asks = tuple(asks)
    for ask in asks:
        if ask.held:
            assert cluster.hosts(ask.claim, ask.held), "the picture itself is over capacity"
            cluster.take(ask.claim, ask.held)
    return Snapshot(cluster, asks, tree, Engine, **more)  # type: ignore[arg-type]


def held(lease: str, queue: str, devices: Sequence[int], *, node: int = 0, milli: int = 1000, **more: object) -> Ask:
    claim = Claim(gpus=len(devices), gpu_milli=milli)
    more = {"since_ms": int("".join(c for c in lease if c.isdigit()) or 0), **more}
    return Ask(lease, claim, queue, state="held", held=Slot(node, tuple(devices)), **more)  # type: ignore[arg-type]


def wants(lease: str, queue: str, gpus: int = 1, milli: int = 1000, **more: object) -> Ask:
    more = {"asked_ms": int("".join(c for c in lease if c.isdigit()) or 0), **more}
    return Ask(lease, Claim(gpus=gpus, gpu_milli=milli), queue, **more)  # type: ignore[arg-type]


def released(actions: Iterable[Action]) -> list[str]:
    return sorted(action.lease for action in actions if isinstance(action, Release))


def granted(actions: Iterable[Action]) -> list[str]:
    return [action.lease for action in actions if isinstance(action, Grant)]


def after(snapshot: Snapshot, actions: Iterable[Action]) -> Snapshot:
    """What the loop would see next: actions applied, nothing that is releasing has ended yet."""
    asks = {ask.lease: ask for ask in snapshot.asks}
    reserved = dict(snapshot.reserved)
    for action in actions:
        ask = asks[action.lease]
        if isinstance(action, Grant):
            asks[action.lease] = dataclasses.replace(ask, state="held", held=action.slot, since_ms=10_000)
            reserved.pop(action.lease, None)
        elif isinstance(action, Release):
            assert ask.state == "held"
            asks[action.lease] = dataclasses.replace(ask, state="releasing", freed_for=action.for_lease)
        elif action.reservation:
            reserved[action.lease] = action.reservation
        else:
            reserved.pop(action.lease, None)
    return world(
        asks.values(), snapshot.tree, [len(n.devices) for n in snapshot.cluster.nodes], reserved=reserved,
        moves_left_ms=snapshot.moves_left_ms,
    )  # fmt: skip


def ended(snapshot: Snapshot, leases: Iterable[str] | None = None) -> Snapshot:
    """The named releasing leases (all, when not said) are gone."""
    gone = {a.lease for a in snapshot.asks if a.state == "releasing" and (leases is None or a.lease in leases)}
    asks = [ask for ask in snapshot.asks if ask.lease not in gone]
    nodes = [len(node.devices) for node in snapshot.cluster.nodes]
    return world(asks, snapshot.tree, nodes, reserved=snapshot.reserved, moves_left_ms=snapshot.moves_left_ms)


EIGHT = [held(f"a{i}", "a", [i]) for i in range(8)]
TWO_FOURS = [held("a0", "a", range(4)), held("a1", "a", range(4, 8))]


@pytest.mark.parametrize(
    ("holds", "asks", "expected"),
    [
        (EIGHT, [wants("b1", "b", 4)], ["a4", "a5", "a6", "a7"]),
        (EIGHT, [wants(f"b{i}", "b") for i in range(4)], ["a4", "a5", "a6", "a7"]),
        (TWO_FOURS, [wants("b1", "b", 4)], ["a1"]),
        (TWO_FOURS, [wants(f"b{i}", "b") for i in range(4)], ["a1"]),
        (TWO_FOURS, [wants("b1", "b", 1)], ["a1"]),
    ],
    ids=["8x1 against 4", "8x1 against 1+1+1+1", "4+4 against 4", "4+4 against 1+1+1+1", "4+4 against 1"],
)
def test_a_queue_below_its_guarantee_takes_back_exactly_the_borrowed_leases(
    holds: list[Ask], asks: list[Ask], expected: list[str]
) -> None:
    snapshot = world([*holds, *asks])
    first = plan(snapshot, 0)
    assert released(first) == expected
    assert granted(first) == []
    again = after(snapshot, first)
    assert plan(again, 1) == []
    assert granted(plan(ended(again), 2)) == [ask.lease for ask in asks]
