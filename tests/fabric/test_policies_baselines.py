# SPDX-License-Identifier: Apache-2.0
"""The published policies do what their papers say, and none refuses what fits."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colonnade.core.claims import Claim
from colonnade.fabric.placement.cluster import Cluster, DeviceSpec, NodeSpec, Slot
from colonnade.fabric.simulate.fragmentation import Fragmentation
from colonnade.fabric.simulate.policies import BASELINES, BestFit, Fgd, Packing

HALF, WHOLE, PAIR, CPU = Claim(1, 500, cpu_milli=1000), Claim(cpu_milli=1000), Claim(2), Claim(0, 0, cpu_milli=2000)
HISTORY = [HALF] * 6 + [WHOLE] * 3 + [PAIR]


def nodes(*gpus: int, cpu_milli: int = 8000) -> list[NodeSpec]:
    """One node for each number of devices."""
    return [NodeSpec(f"n{n}", cpu_milli, 1 << 20, (DeviceSpec("T4"),) * g) for n, g in enumerate(gpus)]


def test_fragmentation_is_what_typical_work_cannot_use() -> None:
    cluster = Cluster(nodes(2))
    measure = Fragmentation(cluster, [HALF, PAIR])
    assert measure.now(cluster).tolist() == [0.0]
    cluster.take(Claim(1, 700), Slot(0, (0,)))
    # 1300 are free: 300 of them too little for a half, all of them for a pair; each is half of the trace
    assert measure.now(cluster).tolist() == [0.5 * 300 + 0.5 * 1300]


def test_fragmentation_counts_work_that_lacks_cpu_and_devices_that_are_not_accepted() -> None:
    specs = [NodeSpec("a", 500, 1, (DeviceSpec("T4"),)), NodeSpec("b", 9000, 1, (DeviceSpec("A10"),))]
    measure = Fragmentation(Cluster(specs), [Claim(1, 500, cpu_milli=1000, models=("T4",))])
    assert measure.now(Cluster(specs)).tolist() == [1000.0, 1000.0]


def test_claims_without_a_device_count_as_work_that_can_use_none() -> None:
    cluster = Cluster(nodes(1))
    assert Fragmentation(cluster, [CPU, WHOLE]).now(cluster).tolist() == [500.0]
    assert Fragmentation(cluster, [CPU]).now(cluster).tolist() == [1000.0]


def test_fgd_fills_the_device_in_use_rather_than_opening_another() -> None:
    cluster = Cluster(nodes(2, 2))
    cluster.take(HALF, Slot(1, (1,)))
    assert Fgd(cluster, HISTORY, 1).choose(HALF) == Slot(1, (1,))


def test_fgd_follows_the_changes_of_its_cluster() -> None:
    cluster = Cluster(nodes(1, 1))
    fgd = Fgd(cluster, HISTORY, 1)
    first = fgd.choose(HALF)
    assert first is not None
    cluster.take(HALF, first)
    assert fgd.choose(HALF) == first
    cluster.give(HALF, first)
    other = Slot(1 - first.node, (0,))
    cluster.take(HALF, other)
    assert fgd.choose(HALF) == other


def test_bestfit_takes_the_node_with_least_left_over() -> None:
    assert BestFit(Cluster(nodes(8, 2, 4)), HISTORY, 1).choose(PAIR) == Slot(1, (0, 1))


def test_packing_takes_a_device_in_use_before_a_free_one_and_a_node_in_use_before_a_free_one() -> None:
    cluster = Cluster(nodes(8, 8))
    cluster.take(HALF, Slot(1, (3,)))
    packing = Packing(cluster, HISTORY, 1)
    assert packing.choose(HALF) == Slot(1, (3,))
    whole = packing.choose(WHOLE)
    assert whole is not None
    assert whole.node == 1


def test_ties_follow_the_seed_alone() -> None:
    chosen = {
        seed: [BASELINES[name](Cluster(nodes(*[1] * 50)), HISTORY, seed).choose(WHOLE) for name in BASELINES]
        for seed in (1, 1, 2)
    }
    again = [BASELINES[name](Cluster(nodes(*[1] * 50)), HISTORY, 1).choose(WHOLE) for name in BASELINES]
    assert chosen[1] == again
    assert chosen[1] != chosen[2]


CLAIMS = st.builds(
    Claim,
    gpus=st.integers(0, 3),
    gpu_milli=st.sampled_from([100, 300, 500, 1000]),
    cpu_milli=st.integers(0, 5000),
    models=st.sampled_from([(), ("T4",), ("A10", "T4"), ("none",)]),
)


@pytest.mark.parametrize("name", list(BASELINES))
@settings(max_examples=40, deadline=None)
@given(claims=st.lists(CLAIMS, min_size=1, max_size=40), seed=st.integers(0, 9))
def test_what_fits_is_placed_where_it_fits_and_nothing_else_is(name: str, claims: list[Claim], seed: int) -> None:
    specs = [*nodes(1, 2, 4), NodeSpec("m", 9000, 1 << 20, (DeviceSpec("A10"), DeviceSpec("T4")))]
    cluster = Cluster(specs)
    policy = BASELINES[name](cluster, claims, seed)
    for claim in claims:
        slot, fits = policy.choose(claim), cluster.fitting(claim)
        assert (slot is not None) == bool(fits.any())
        if slot is not None:
            assert cluster.hosts(claim, slot)
            cluster.take(claim, slot)
