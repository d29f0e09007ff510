# SPDX-License-Identifier: Apache-2.0
"""The gradient never refuses what fits, never chooses what does not, and is what a fresh one would choose."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from colonnade.core.claims import Claim
from colonnade.fabric.placement.cluster import Cluster, NodeSpec, Slot
from colonnade.fabric.placement.gradient import Gradient
from colonnade.fabric.simulate.fragmentation import Fragmentation
from tests.fabric.placer_story import EVENTS, NODES, ONCE, Story, claims

HISTORY = (
    (Claim(cpu_milli=8000), 5.0),
    (Claim(1, 500, cpu_milli=4000), 4.0),
    (Claim(1, 190, cpu_milli=2000, models=("T4",)), 2.0),
    (Claim(2, cpu_milli=8000), 1.0),
    (Claim(0, cpu_milli=4000), 2.0),
)


def gradient(cluster: Cluster) -> Gradient:
    return Gradient(cluster, HISTORY)


@settings(max_examples=60, deadline=None, phases=ONCE)
@given(EVENTS, st.sets(st.integers(0, 4)))
def test_the_gradient_refuses_exactly_what_fits_nowhere(events: list[tuple[int, Claim]], some: set[int]) -> None:
    story = Story(gradient)
    allowed = np.isin(np.arange(5), list(some))
    for what, claim in events:
        for mask in (None, allowed):
            fitting = story.cluster.fitting(claim) & (True if mask is None else mask)
            slot = story.placer.choose(claim, mask)
            assert (slot is not None) == bool(fitting.any())
            assert slot is None or (fitting[slot.node] and story.cluster.hosts(claim, slot))
        story.happen(what, claim)


@settings(max_examples=60, deadline=None, phases=ONCE)
@given(EVENTS, st.lists(claims(), max_size=5))
def test_kept_scores_are_those_of_a_fresh_gradient(events: list[tuple[int, Claim]], asked: list[Claim]) -> None:
    story = Story(gradient)
    for what, claim in events:
        story.happen(what, claim)
    fresh = Gradient(story.cluster, tuple(reversed(HISTORY)))
    for claim in [*asked, *(claim for _, claim in events)]:
        assert story.placer.choose(claim) == fresh.choose(claim)


@settings(max_examples=60, deadline=None, phases=ONCE)
@given(st.lists(claims(), max_size=30), claims())
def test_nothing_that_fits_would_fragment_less(asked: list[Claim], last: Claim) -> None:
    """By the measure that pictures use, which is computed elsewhere; it knows neither isolation nor device memory."""
    story = Story(gradient)
    for claim in asked:
        story.happen(0, claim)
    lost = Fragmentation(story.cluster, [claim for claim, weight in HISTORY for _ in range(int(weight))])

    def after(slot: Slot) -> float:
        before = float(lost.now(story.cluster).sum())
        story.cluster.take(last, slot)
        found = float(lost.now(story.cluster).sum())
        story.cluster.give(last, slot)
        return found - before

    chosen = story.placer.choose(last)
    if chosen is None or last.gpus != 1:
        return
    others = [Slot(node, (place,)) for node in range(len(NODES)) for place in range(story.cluster.width)]
    best = min(after(slot) for slot in others if story.cluster.hosts(last, slot))
    assert after(chosen) <= best + 1e-6


def test_an_empty_cluster_and_no_history_are_answered() -> None:
    assert Gradient(Cluster([])).choose(Claim()) is None
    plain = Gradient(Cluster([NodeSpec("a", 4000, 100, ()), NodeSpec("b", 2000, 100, ())]))
    assert plain.choose(Claim()) is None
    assert plain.choose(Claim(0, cpu_milli=1000)) == Slot(1, ())


def test_more_shapes_than_are_kept_change_no_answer_of_the_gradient() -> None:
    story = Story(gradient)
    first = story.placer.choose(HISTORY[0][0])
    for cpu in range(600):
        assert story.placer.choose(Claim(1, 500, cpu_milli=cpu)) is not None
    assert story.placer.choose(HISTORY[0][0]) == first
