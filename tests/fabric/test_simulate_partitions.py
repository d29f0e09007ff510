# SPDX-License-Identifier: Apache-2.0
"""With MIG turned on, a simulation cuts devices as the hardware allows and in no other way."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colonnade.core.claims import Claim
from colonnade.fabric.mig.layout import Instance, profile_for, slices
from colonnade.fabric.mig.profiles import GEOMETRIES
from colonnade.fabric.placement.cluster import Cluster, DeviceSpec, NodeSpec
from colonnade.fabric.simulate.partitions import Partitions
from colonnade.fabric.simulate.policies import Baseline

H100 = GEOMETRIES["H100-80GB"]


def nodes(*models: str, devices: int = 2) -> list[NodeSpec]:
    """A node of each model."""
    return [NodeSpec(m, 1 << 20, 1 << 20, (DeviceSpec(m, 81920),) * devices) for m in models]


def served(cluster: Cluster, claims: list[Claim]) -> list[str | None]:
    """The models that claims went to, in order."""
    cut = Partitions(cluster, Baseline(cluster, [], 1))
    found: list[str | None] = []
    for claim in claims:
        answer = cut.serve(claim)
        if answer is not None:
            assert cluster.hosts(*answer)
            cluster.take(*answer)
        found.append(answer and cluster.nodes[answer[1].node].name)
    return found


@pytest.mark.parametrize("milli, instances", [(140, 7), (280, 3), (420, 2), (500, 1), (900, 1)])
def test_a_device_takes_as_many_instances_as_the_hardware_allows(milli: int, instances: int) -> None:
    found = served(Cluster(nodes("H100-80GB", devices=1)), [Claim(1, milli)] * 9)
    assert Counter(found) == {"H100-80GB": instances, None: 9 - instances}


def test_whole_devices_stay_whole_and_shares_leave_them_alone() -> None:
    cluster = Cluster(nodes("H100-80GB"))
    assert served(cluster, [Claim(1, 140), Claim(2), Claim(1), Claim(1), Claim(1, 140)]) == [
        "H100-80GB",
        None,
        "H100-80GB",
        None,
        "H100-80GB",
    ]


def test_what_cannot_be_cut_is_shared_as_before() -> None:
    cluster = Cluster(nodes("H100-80GB", "T4", devices=1))
    found = served(cluster, [Claim(1, 500), Claim(1, 500), Claim(1, 500), Claim(1, 500)])
    assert Counter(found) == {"H100-80GB": 1, "T4": 2, None: 1}
    assert served(Cluster(nodes("H100-80GB", "T4")), [Claim(1, 140, models=("T4",))]) == ["T4"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 999), max_size=20))
def test_every_layout_that_comes_of_it_is_legal(shares: list[int]) -> None:
    cluster = Cluster(nodes("H100-80GB", devices=1))
    cut = Partitions(cluster, Baseline(cluster, [], 1))
    layout: list[Instance] = []
    before = 0
    for milli in shares:
        answer = cut.serve(Claim(1, milli))
        if answer is None:
            continue
        cluster.take(*answer)
        profile, now = profile_for(Claim(1, milli), H100), int(cut._used[0, 0])
        assert profile is not None
        layout.append(Instance(profile.name, (now ^ before).bit_length() - profile.size))
        before = now
        slices(H100, layout)  # raises where no driver would make it
