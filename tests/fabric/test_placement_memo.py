# SPDX-License-Identifier: Apache-2.0
"""What is remembered of a node's state is what would be computed for it."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from colonnade.core.claims import Claim
from colonnade.fabric.placement.cluster import Cluster, DeviceSpec, NodeSpec, Slot
from colonnade.fabric.placement.engine import Engine
from colonnade.fabric.placement.memo import Memo
from colonnade.fabric.placement.rehearsal import Plan, learn
from colonnade.fabric.placement.scores import Scores

NODES = [NodeSpec(f"n{n}", 32_000, 1 << 16, (DeviceSpec(("T4", "A10")[n % 2]),) * 4) for n in range(6)]
SHAPES = [
    Claim(1, 250, cpu_milli=1000),
    Claim(1, 500, models=("A10",)),
    Claim(2, cpu_milli=8000),
    Claim(0, 0, 0, 0, 4000),
]
FORECAST = learn(NODES, [(shape, 1.0) for shape in SHAPES], Plan(fills=40, rounds=2, copies=2))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3), st.integers(0, 5)), max_size=40))
def test_remembered_costs_are_computed_costs(events: list[tuple[int, int, int]]) -> None:
    cluster = Cluster(NODES)
    plain, remembering = Scores(cluster, FORECAST), Scores(cluster, FORECAST)
    memo, held = Memo(remembering), list[tuple[Claim, Slot]]()
    for what, shape, node in events:
        for scores in (plain, remembering):
            scores.row(SHAPES[shape])
        if what < 7:
            free = np.flatnonzero(cluster.open[node] & (cluster.milli[node] >= SHAPES[shape].gpu_milli))
            slot = Slot(node, tuple(free[: SHAPES[shape].gpus].tolist()))
            if not cluster.hosts(SHAPES[shape], slot):
                continue
            cluster.take(SHAPES[shape], slot)
            held.append((SHAPES[shape], slot))
        elif what < 9 and held:
            claim, slot = held.pop(0)
            cluster.give(claim, slot)
        else:
            cluster.cordon(node, [shape], closed=bool(cluster.open[node, shape]))
        changed = cluster.changes[-1] if cluster.changes else 0
        plain.update(np.array([changed]))
        memo.update(changed)
        assert np.array_equal(plain.cost, remembering.cost)
        fits = np.isfinite(plain.cost)
        assert np.array_equal(plain.device[fits], remembering.device[fits])


def test_shapes_that_are_expected_are_kept_from_the_start_and_change_no_choice() -> None:
    first, second = Cluster(NODES), Cluster(NODES)
    asked, told = Engine(first, forecast=FORECAST), Engine(second, forecast=FORECAST)
    told.expect(SHAPES)
    told.expect(SHAPES)
    for number in range(40):
        claim = SHAPES[number % len(SHAPES)]
        slot = asked.choose(claim)
        assert slot == told.choose(claim)
        if slot is not None:
            first.take(claim, slot)
            second.take(claim, slot)
