# SPDX-License-Identifier: Apache-2.0
"""The engine never refuses what fits, never chooses what does not, and hangs on neither names nor order."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from colonnade.core.claims import Claim
from colonnade.fabric.placement.cluster import Cluster, DeviceSpec, NodeSpec, Slot
from colonnade.fabric.placement.engine import Engine
from colonnade.fabric.placement.forecast import Forecast
from colonnade.fabric.placement.rehearsal import Plan, learn
from tests.fabric.placer_story import EVENTS, NODES, ONCE, A, Story, claims

QUICK = Plan(fills=60, again=2, rounds=1, copies=2, nodes=8)
HISTORY = (
    (Claim(cpu_milli=8000), 5.0),
    (Claim(1, 500, cpu_milli=4000), 4.0),
    (Claim(1, 190, cpu_milli=2000), 2.0),
    (Claim(2, cpu_milli=8000), 1.0),
    (Claim(0, cpu_milli=4000), 2.0),
)


@lru_cache(maxsize=1)
def forecast() -> Forecast:
    return learn(NODES, HISTORY, QUICK)


def engine(cluster: Cluster) -> Engine:
    return Engine(cluster, forecast=forecast())


@settings(max_examples=60, deadline=None, phases=ONCE)
@given(EVENTS, claims(), st.sets(st.integers(0, 4)))
def test_it_refuses_exactly_what_fits_nowhere_and_chooses_only_what_fits(
    events: list[tuple[int, Claim]], asked: Claim, some: set[int]
) -> None:
    story = Story(engine)
    for what, claim in events:
        fitting = story.cluster.fitting(claim).any()
        slot = story.placer.choose(claim)
        assert (slot is not None) == fitting
        assert slot is None or story.cluster.hosts(claim, slot)
        story.happen(what, claim)
    allowed = np.isin(np.arange(5), list(some))
    slot = story.placer.choose(asked, allowed)
    assert (slot is not None) == bool((story.cluster.fitting(asked) & allowed).any())
    assert slot is None or (allowed[slot.node] and story.cluster.hosts(asked, slot))


@settings(max_examples=60, deadline=None, phases=ONCE)
@given(EVENTS, st.lists(claims(), max_size=5))
def test_what_was_kept_is_what_a_fresh_engine_computes(events: list[tuple[int, Claim]], asked: list[Claim]) -> None:
    story = Story(engine)
    for what, claim in events:
        story.happen(what, claim)
    fresh = Engine(story.cluster, forecast=forecast())
    for claim in [*asked, *(claim for _, claim in events)]:
        assert story.placer.choose(claim) == fresh.choose(claim)


@settings(max_examples=30, deadline=None, phases=ONCE)
@given(st.lists(claims(), max_size=30), st.permutations(range(5)))
def test_names_and_order_of_nodes_change_nothing(asked: list[Claim], order: list[int]) -> None:
    """All nodes here differ, so that even the chosen node must be the same."""
    shuffled = [NODES[index] for index in order]
    renamed = [NodeSpec(f"x{n}", s.cpu_milli, s.memory_mib, s.devices) for n, s in enumerate(shuffled)]
    first, second = Story(engine), Story(engine, renamed)
    for claim in asked:
        one, two = first.placer.choose(claim), second.placer.choose(claim)
        assert (one is None) == (two is None)
        if one is not None and two is not None:
            assert one.node == order[two.node]
            assert one.devices == two.devices
            first.cluster.take(claim, one)
            second.cluster.take(claim, two)


def test_learning_hangs_on_neither_order_nor_names() -> None:
    names = [NodeSpec(f"n{n}", s.cpu_milli, s.memory_mib, s.devices) for n, s in enumerate(reversed(NODES))]
    again = learn(names, tuple(reversed(HISTORY)), QUICK)
    assert again is forecast()


def test_a_share_on_several_devices_takes_different_ones() -> None:
    story = Story(engine)
    slot = story.placer.choose(Claim(3, 333, models=("A100",)))
    assert slot is not None
    assert slot.node == 0
    assert len(set(slot.devices)) == 3


def test_memory_of_a_device_counts_like_its_share() -> None:
    cluster = Cluster([NodeSpec("a", 8000, 8000, (A, A))])
    engine = Engine(cluster, forecast=forecast())
    big = Claim(1, 100, gpu_mib=30_000)
    for _ in range(2):
        slot = engine.choose(big)
        assert slot is not None
        cluster.take(big, slot)
    assert engine.choose(big) is None
    assert engine.choose(Claim(1, 900)) is not None


def test_devices_with_as_much_free_in_different_ways_are_told_apart() -> None:
    cluster = Cluster([NodeSpec("a", 8000, 8000, (DeviceSpec("A100", 40_000), DeviceSpec("A100", 40_000)))])
    engine = Engine(cluster, forecast=forecast())
    cluster.take(Claim(1, 500), Slot(0, (0,)))
    cluster.take(Claim(1, 100, gpu_mib=20_000), Slot(0, (1,)))
    assert engine.choose(Claim(1, 800)) == Slot(0, (1,))
    assert engine.choose(Claim(1, 100, gpu_mib=30_000)) == Slot(0, (0,))
    assert engine.choose(Claim(2, 300, gpu_mib=20_000)) == Slot(0, (0, 1))


def test_an_empty_cluster_and_one_without_devices_answer() -> None:
    assert Engine(Cluster([])).choose(Claim()) is None
    plain = Engine(Cluster([NodeSpec("a", 4000, 100, ())]))
    assert plain.choose(Claim()) is None
    assert plain.choose(Claim(0, cpu_milli=4000)) == Slot(0, ())


def test_more_shapes_than_are_kept_change_no_answer() -> None:
    story = Story(engine)
    fresh = Engine(story.cluster, forecast=forecast())
    for cpu in range(600):
        claim = Claim(1, 500, cpu_milli=cpu)
        slot = story.placer.choose(claim)
        assert slot is not None
        story.cluster.take(claim, slot)
        story.cluster.give(claim, slot)
    assert story.placer.choose(HISTORY[0][0]) == fresh.choose(HISTORY[0][0])
