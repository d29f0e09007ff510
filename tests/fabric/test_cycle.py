# SPDX-License-Identifier: Apache-2.0
"""The cycle as pictures: these nodes, these leases, expect these grants and these ends."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

import pytest

from colonnade.core.claims import Claim
from colonnade.fabric.placement.cluster import Cluster, DeviceSpec, NodeSpec, Slot
from colonnade.fabric.queues.asks import Ask, Snapshot
from colonnade.fabric.queues.cycle import Action, Grant, Release, Reservation, Reserve, plan
from colonnade.fabric.queues.tree import HIGH, LOW, Queue, Tree
from colonnade.fabric.simulate.policies import Packing


def packing(cluster: Cluster) -> Packing:
    """A placer that needs no history."""
    return Packing(cluster, (), 0)


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
    return Snapshot(cluster, asks, tree, packing, **more)  # type: ignore[arg-type]


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


def test_what_is_inside_no_guarantee_is_granted_while_there_is_room_and_waits_otherwise() -> None:
    first = plan(world([wants(f"p{i}", "default") for i in range(9)]), 0)
    assert granted(first) == [f"p{i}" for i in range(8)]
    assert all(action.borrowed for action in first if isinstance(action, Grant))


def test_a_claim_that_straddles_the_guarantee_counts_as_inside_for_whoever_would_take_it_back() -> None:
    straddles = [held("a0", "a", range(3)), held("a1", "a", range(3, 6))]
    assert released(plan(world([*straddles, wants("b1", "b", 4)]), 0)) == []
    third = [*straddles, held("a2", "a", [6])]
    assert released(plan(world([*third, wants("b1", "b", 2)]), 0)) == ["a2"]


def test_a_queue_that_has_its_guarantee_takes_nothing_back() -> None:
    full = [held(f"b{i}", "b", [i]) for i in range(4)] + [held(f"a{i + 4}", "a", [i + 4]) for i in range(4)]
    assert plan(world([*full, wants("b9", "b")]), 0) == [Reserve("b9", Reservation(Slot(0, (0,))))]


@pytest.mark.parametrize(
    ("holds", "claim", "expected"),
    [
        ([held(f"a{i:02}", "a", [i // 2], milli=500) for i in range(16)], wants("b1", "b", 1), 2),
        ([held(f"a{i:02}", "a", [i // 2], milli=500) for i in range(16)], wants("b1", "b", 1, 500), 1),
        ([held("a0", "a", range(4)), held("a1", "a", [4, 5]), held("a2", "a", [6, 7])], wants("b1", "b", 1), 1),
        ([held("a0", "a", range(4)), held("a1", "a", [4, 5, 6]), held("a2", "a", [7])], wants("b1", "b", 1), 1),
    ],
    ids=["two halves of one device", "one half", "one of two pairs", "the smaller"],
)
def test_as_few_and_as_small_leases_end_as_will_do(holds: list[Ask], claim: Ask, expected: int) -> None:
    snapshot = world([*holds, claim])
    gone = released(plan(snapshot, 0))
    assert len(gone) == expected
    assert granted(plan(ended(after(snapshot, plan(snapshot, 0))), 1)) == [claim.lease]


def test_a_team_takes_back_from_its_own_department_before_it_takes_from_others() -> None:
    tree = Tree([Queue("x", guaranteed_milli=4000), Queue("x.a", "x", 2000), Queue("x.b", "x", 2000), Queue("y")])
    holds = [held(f"l{i}", "x.b", [i]) for i in range(4)] + [held(f"l{i}", "y", [i]) for i in range(4, 8)]
    assert released(plan(world([*holds, wants("p", "x.a", 2)], tree), 0)) == ["l2", "l3"]


def test_a_department_takes_its_guarantee_back_for_a_team_that_has_none() -> None:
    tree = Tree([Queue("x", guaranteed_milli=4000), Queue("x.a", "x"), Queue("y")])
    holds = [held(f"l{i}", "y", [i]) for i in range(8)]
    assert released(plan(world([*holds, wants("p", "x.a", 2)], tree), 0)) == ["l6", "l7"]


def test_neither_a_team_nor_a_department_goes_beyond_its_limit_though_devices_stand_free() -> None:
    tree = Tree([Queue("x", limit_milli=3000), Queue("x.a", "x", limit_milli=2000), Queue("x.b", "x")])
    asks = [wants(f"a{i}", "x.a") for i in range(4)] + [wants(f"b{i}", "x.b") for i in range(4)]
    got = granted(plan(world(asks, tree), 0))
    assert len(got) == 3
    assert sum(lease.startswith("a") for lease in got) <= 2


def test_among_borrowers_the_more_urgent_goes_first_then_the_queue_that_has_less() -> None:
    asks = [wants("a1", "a", 4, priority=LOW), wants("b2", "b", 4), held("c3", "default", [0])]
    assert granted(plan(world([*asks, held("a4", "a", [1, 2]), held("b5", "b", [3])]), 0)) == ["b2"]


def test_a_more_urgent_claim_ends_less_urgent_borrowers_but_nothing_inside_another_guarantee() -> None:
    holds = [held(f"a{i}", "a", [i], priority=LOW) for i in range(4)]
    holds += [held(f"d{i}", "default", [i], priority=LOW) for i in range(4, 8)]
    actions = plan(world([*holds, wants("p", "default", 4, priority=HIGH)]), 0)
    assert released(actions) == ["d4", "d5", "d6", "d7"]
    assert {action.reason for action in actions if isinstance(action, Release)} == {"preempt"}
    assert released(plan(world([*holds, wants("p", "default", 5, priority=HIGH)]), 0)) == []


def test_within_a_queue_a_more_urgent_claim_takes_the_place_of_a_less_urgent_lease() -> None:
    holds = [held(f"a{i}", "a", [i], priority=LOW) for i in range(4)]
    holds += [held(f"b{i}", "b", [i], priority=HIGH) for i in range(4, 8)]
    assert released(plan(world([*holds, wants("a9", "a", priority=HIGH)]), 0)) == ["a3"]


def test_a_gang_starts_whole_or_waits_and_two_gangs_do_not_hold_one_another_up() -> None:
    def gang(name: str, size: int) -> list[Ask]:
        return [wants(f"{name}{i}", "default", 2, gang=name, gang_size=size) for i in range(size)]

    assert granted(plan(world([*gang("g", 3), *gang("h", 3)]), 0)) == ["g0", "g1", "g2"]
    assert granted(plan(world(gang("g", 3)[:2]), 0)) == []


def test_reclaim_ends_a_gang_whole() -> None:
    holds = [held("a0", "a", range(4)), held("a1", "a", [4, 5], gang="g"), held("a2", "a", [6, 7], gang="g")]
    assert released(plan(world([*holds, wants("b1", "b", 2)]), 0)) == ["a1", "a2"]


def test_small_claims_pass_a_large_one_but_not_over_the_place_that_is_kept_for_it() -> None:
    holds = [held("d1", "default", [0, 1, 2]), held("d2", "default", range(4), node=1)]
    snapshot = world([*holds, wants("p10", "default", 4)], nodes=(4, 4))
    first = plan(snapshot, 0)
    assert first == [Reserve("p10", Reservation(Slot(0, (0, 1, 2, 3))))]
    later = after(snapshot, first)
    small = world([*later.asks, wants("p11", "default")], nodes=(4, 4), reserved=later.reserved)
    assert granted(plan(small, 1)) == []
    gone = world([a for a in small.asks if a.lease != "d2"], nodes=(4, 4), reserved=small.reserved)
    assert granted(plan(gone, 2))[0] == "p10"


def test_what_was_freed_for_a_claim_goes_to_it_and_not_to_a_more_urgent_one_that_came_since() -> None:
    snapshot = world([*EIGHT, wants("b1", "b", 4)])
    freed = ended(after(snapshot, plan(snapshot, 0)), {"a4", "a5"})
    rival = wants("a99", "a", priority=HIGH)
    there = world([*freed.asks, rival], reserved=freed.reserved)
    actions = plan(there, 1)
    assert granted(actions) == []
    rest = ended(after(there, actions), {"a6", "a7"})
    assert "b1" in granted(plan(rest, 2))


def test_idle_and_expired_leases_end_though_nobody_waits() -> None:
    asks = [held("l1", "a", [0], idle=True), held("l2", "a", [1], expires_ms=5), held("l3", "a", [2], expires_ms=6)]
    ends = {(a.lease, a.reason) for a in plan(world(asks), 5) if isinstance(a, Release)}
    assert ends == {("l1", "idle"), ("l2", "expired")}


def test_the_grace_is_the_teams_or_else_its_departments() -> None:
    tree = Tree([Queue("x", grace_ms=3000), Queue("x.a", "x", grace_ms=0), Queue("x.b", "x"), Queue("y")])
    asks = [held(f"l{i}", q, [i], idle=True) for i, q in enumerate(["x.a", "x.b", "y"])]
    assert [a.grace_ms for a in plan(world(asks, tree), 0) if isinstance(a, Release)] == [0, 3000, 10_000]


def test_nothing_goes_to_a_device_that_is_cordoned() -> None:
    snapshot = world([wants("p1", "a", 2)], nodes=(2,))
    snapshot.cluster.cordon(0, [1])
    assert granted(plan(snapshot, 0)) == []


def test_movable_leases_move_to_make_room_for_a_large_claim_when_the_budget_allows() -> None:
    def split(movable: bool) -> list[Ask]:
        holds = [held("l1", "default", [0], movable=movable, since_ms=0), held("l2", "default", [0, 1, 2], node=1)]
        return [*holds, wants("p", "default", 4)]

    assert released(plan(world(split(True), nodes=(4, 4), moves_left_ms=0), 1000)) == []
    assert released(plan(world(split(False), nodes=(4, 4), moves_left_ms=10_000), 1000)) == []
    snapshot = world(split(True), nodes=(4, 4), moves_left_ms=10_000)
    first = plan(snapshot, 1000)
    assert [a for a in first if isinstance(a, Release)] == [Release("l1", "evacuate", 10_000, "p")]
    again = after(snapshot, first)
    assert plan(again, 1001) == []
    moved = world(
        [*(a for a in again.asks if a.lease != "l1"), wants("l1b", "default")], nodes=(4, 4), reserved=again.reserved
    )
    slots = {a.lease: a.slot for a in plan(moved, 1002) if isinstance(a, Grant)}
    assert slots == {"p": Slot(0, (0, 1, 2, 3)), "l1b": Slot(1, (3,))}
