# SPDX-License-Identifier: Apache-2.0
"""What holds in every cycle, on random clusters, trees, leases and orders of events."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from colonnade.core.claims import Claim
from colonnade.fabric.placement.cluster import Cluster, DeviceSpec, NodeSpec
from colonnade.fabric.queues.asks import Ask, Snapshot
from colonnade.fabric.queues.cycle import Action, Grant, Release, plan
from colonnade.fabric.queues.tree import Queue, Tree
from colonnade.fabric.simulate.policies import Packing


def packing(cluster: Cluster) -> Packing:
    """A placer that needs no history."""
    return Packing(cluster, (), 0)


TREES = [
    Tree([Queue("a", guaranteed_milli=4000), Queue("b", guaranteed_milli=4000)]),
    Tree([Queue("a", guaranteed_milli=2000, limit_milli=3000), Queue("b", guaranteed_milli=3000), Queue("c")]),
    Tree(
        [
            Queue("x", guaranteed_milli=5000, limit_milli=7000),
            Queue("x.a", "x", 2000, 4000),
            Queue("x.b", "x", 2000),
            Queue("y", guaranteed_milli=3000),
            Queue("y.c", "y", 1500),
        ]
    ),
]
SHAPES = [(1, 250), (1, 500), (1, 1000), (2, 1000), (3, 1000), (4, 1000), (2, 500)]
ONES = [(1, 1000)]


class World:
    """A cluster with its queues, driven by events. It refuses to hold anything beyond capacity or a limit."""

    def __init__(self, tree: Tree, nodes: Sequence[int]) -> None:
        self.tree, self.nodes = tree, nodes
        self.asks: dict[str, Ask] = {}
        self.reserved: dict[str, object] = {}
        self.clock = self.count = 0

    def snapshot(self, order: Sequence[str] | None = None) -> Snapshot:
        cluster = Cluster(
            [NodeSpec(f"n{i}", 64_000, 1 << 19, (DeviceSpec("H100", 81_920),) * n) for i, n in enumerate(self.nodes)]
        )
        used: Counter[str] = Counter()
        for ask in self.asks.values():
            if ask.held:
                assert cluster.hosts(ask.claim, ask.held), f"{ask.lease} is beyond what the devices have"
                cluster.take(ask.claim, ask.held)
                used.update(dict.fromkeys(self.tree.path(ask.queue), ask.claim.milli))
        for name, milli in used.items():
            limit = self.tree.limit(name)
            assert limit is None or milli <= limit, f"{name} is beyond its limit"
        asks = [self.asks[lease] for lease in order or self.asks]
        return Snapshot(cluster, asks, self.tree, packing, dict(self.reserved))  # type: ignore[arg-type]

    def add(self, queue: str, shape: tuple[int, int], priority: int, size: int, movable: bool) -> None:
        self.clock += 1
        first = f"l{self.count:03}"
        for _ in range(size):
            lease = f"l{self.count:03}"
            self.count += 1
            self.asks[lease] = Ask(
                lease, Claim(gpus=shape[0], gpu_milli=shape[1], cpu_milli=1000), queue, priority, self.clock,
                gang=first if size > 1 else "", gang_size=size, movable=movable,
            )  # fmt: skip

    def held(self) -> Counter[str]:
        used: Counter[str] = Counter()
        for ask in self.asks.values():
            if ask.state == "held":
                for name in self.tree.path(ask.queue):
                    used[name] += ask.claim.milli
        return used

    def apply(self, actions: Sequence[Action]) -> None:
        self.clock += 1
        for action in actions:
            ask = self.asks[action.lease]
            if isinstance(action, Grant):
                assert ask.state == "pending"
                self.asks[ask.lease] = dataclasses.replace(
                    ask, state="held", held=action.slot, since_ms=self.clock, borrowed=action.borrowed
                )
                self.reserved.pop(ask.lease, None)
            elif isinstance(action, Release):
                assert ask.state == "held"
                self.asks[ask.lease] = dataclasses.replace(ask, state="releasing", freed_for=action.for_lease)
            elif action.reservation:
                assert ask.state == "pending"
                self.reserved[ask.lease] = action.reservation
            else:
                del self.reserved[ask.lease]

    def end(self, lease: str, again: bool) -> None:
        ask = self.asks[lease]
        if again:
            self.asks[lease] = dataclasses.replace(ask, state="pending", held=None, freed_for="")
        else:
            del self.asks[lease]
            self.reserved.pop(lease, None)

    def settle(self, *, again: bool, cycles: int = 60) -> int:
        """Cycles in which everything that is releasing ends at once, until nothing happens; how many it took."""
        for cycle in range(cycles):
            actions = plan(self.snapshot(), self.clock)
            if not actions and all(ask.state != "releasing" for ask in self.asks.values()):
                return cycle
            self.apply(actions)
            for lease in [ask.lease for ask in self.asks.values() if ask.state == "releasing"]:
                self.end(lease, again)
        raise AssertionError("it never comes to rest")


def guarded(world: World, actions: Sequence[Action]) -> None:
    """No queue gives what it was guaranteed, but to more urgent claims of its own."""
    before, lost = world.held(), Counter[str]()
    for action in actions:
        if isinstance(action, Release) and action.for_lease:
            ask, claimant = world.asks[action.lease], world.asks[action.for_lease]
            ours = world.tree.path(claimant.queue)
            if ours == world.tree.path(ask.queue):
                assert action.reason == "preempt"
                assert ask.priority < claimant.priority or ask.gang
            for name in world.tree.path(ask.queue):
                if name not in ours:
                    lost[name] += ask.claim.milli
    for name, milli in lost.items():
        assert before[name] - milli >= world.tree.guaranteed(name), f"{name} gave what is its own"


def together(world: World, actions: Sequence[Action]) -> None:
    """A gang is granted whole or not at all."""
    gangs: Counter[str] = Counter(world.asks[a.lease].gang for a in actions if isinstance(a, Grant))
    held = Counter(ask.gang for ask in world.asks.values() if ask.state == "held")
    for gang, granted in gangs.items():
        size = next(ask.gang_size for ask in world.asks.values() if ask.gang == gang)
        assert not gang or granted + held[gang] >= size


@st.composite
def worlds(draw: st.DrawFn, shapes: Sequence[tuple[int, int]] = SHAPES, gangs: bool = True, urgent: int = 2) -> World:
    tree = draw(st.sampled_from(TREES))
    world = World(tree, draw(st.sampled_from([(8,), (4, 4), (2, 3, 4)])))
    queues = [name for name in tree.queues if not any(q.parent == name for q in tree.queues.values())]
    for _ in range(draw(st.integers(1, 4))):
        for _ in range(draw(st.integers(1, 8))):
            size = draw(st.sampled_from([1, 1, 1, 2, 3])) if gangs else 1
            world.add(
                draw(st.sampled_from(queues)), draw(st.sampled_from(shapes)), draw(st.integers(0, urgent)), size,
                draw(st.booleans()),
            )  # fmt: skip
        if draw(st.booleans()):
            world.apply(plan(world.snapshot(), world.clock))
            there = [ask.lease for ask in world.asks.values() if ask.state != "pending"]
            for lease in draw(st.lists(st.sampled_from(there), unique=True)) if there else ():
                world.end(lease, again=False)
    return world


@settings(max_examples=60, deadline=None)
@given(worlds(), st.randoms(use_true_random=False))
def test_every_cycle_keeps_capacity_limits_guarantees_and_gangs_in_any_order_of_input(
    world: World, random: object
) -> None:
    for _ in range(3):
        actions = plan(world.snapshot(), world.clock)
        order = list(world.asks)
        random.shuffle(order)  # type: ignore[attr-defined]
        assert plan(world.snapshot(order), world.clock) == actions
        guarded(world, actions)
        together(world, actions)
        world.apply(actions)
        world.snapshot()
        for lease in [ask.lease for ask in world.asks.values() if ask.state == "releasing"]:
            if random.random() < 0.5:  # type: ignore[attr-defined]
                world.end(lease, again=False)


def twice(world: World) -> tuple[list[Action], list[Action]]:
    """A cycle, and the next one before anything that is releasing has ended."""
    first = plan(world.snapshot(), world.clock)
    world.apply(first)
    return first, plan(world.snapshot(), world.clock)


@settings(max_examples=60, deadline=None)
@given(worlds())
def test_a_claim_for_which_leases_are_ending_ends_no_others(world: World) -> None:
    waits = {ask.freed_for for ask in world.asks.values() if ask.freed_for}
    first, second = twice(world)
    waits |= {action.for_lease for action in first if isinstance(action, Release)}
    assert not [action for action in second if isinstance(action, Release) and action.for_lease in waits]


@settings(max_examples=60, deadline=None)
@given(worlds(urgent=0))
def test_a_cycle_that_is_run_again_before_anything_ended_grants_and_ends_nothing(world: World) -> None:
    _, second = twice(world)
    assert [action for action in second if isinstance(action, (Release, Grant))] == []


@settings(max_examples=40, deadline=None)
@given(worlds())
def test_even_when_all_victims_ask_again_the_queues_come_to_rest(world: World) -> None:
    world.settle(again=True)


@settings(max_examples=40, deadline=None)
@given(worlds(shapes=ONES, gangs=False))
def test_at_rest_no_queue_waits_below_its_guarantee_and_no_device_stands_idle_within_limits(world: World) -> None:
    world.settle(again=True)
    held = world.held()
    free = sum(world.nodes) * 1000 - sum(ask.claim.milli for ask in world.asks.values() if ask.held)
    for ask in world.asks.values():
        if ask.state == "pending":
            path = world.tree.path(ask.queue)
            limits = [(name, world.tree.limit(name)) for name in path]
            within = all(limit is None or held[name] + 1000 <= limit for name, limit in limits)
            assert not within or (free < 1000 and held[path[0]] + 1000 > world.tree.guaranteed(path[0]))
