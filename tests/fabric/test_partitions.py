# SPDX-License-Identifier: Apache-2.0
"""A claim where some devices are MIG instances: nobody gets a slice for a device, nor a device for one."""

from __future__ import annotations

from typing import Any

import pytest

from colonnade.app.partitions import shaped
from colonnade.core.claims import Claim
from colonnade.core.errors import UsageError


def row(profile: str = "", model: str = "H100-80GB") -> Any:
    return {"model": model, "profile": profile}


MIXED = [row(), row(), row("1g.10gb"), row("3g.40gb"), row("3g.40gb")]
SLICES = [row("1g.10gb"), row("2g.20gb"), row("4g.40gb")]


def test_a_claim_on_a_device_never_lands_on_a_slice() -> None:
    assert shaped(Claim(), MIXED).models == ("H100-80GB",)
    assert shaped(Claim(gpu_milli=500), MIXED) == Claim(gpu_milli=500, models=("H100-80GB",))


def test_without_instances_a_claim_stays_as_it_is() -> None:
    assert shaped(Claim(gpu_milli=300), [row(), row()]) == Claim(gpu_milli=300)


def test_a_named_profile_is_given_whole() -> None:
    for name in ("3g.40gb", "H100-80GB/3g.40gb"):
        asked = shaped(Claim(gpu_milli=400, models=(name,)), MIXED)
        assert (asked.models, asked.gpu_milli) == (("H100-80GB/3g.40gb",), 1000)


def test_a_partition_is_the_smallest_instance_that_holds_the_share() -> None:
    asked = shaped(Claim(gpu_milli=140, isolation_at_least="partition"), MIXED)
    assert (asked.models, asked.gpu_milli) == (("H100-80GB/1g.10gb",), 1000)
    assert shaped(Claim(gpu_milli=250, isolation_at_least="partition"), MIXED).models == ("H100-80GB/3g.40gb",)


def test_where_there_are_only_instances_a_share_gets_one() -> None:
    assert shaped(Claim(gpu_milli=200), SLICES).models == ("H100-80GB/2g.20gb",)
    assert shaped(Claim(gpu_milli=140, gpu_mib=30_000), SLICES).models == ("H100-80GB/4g.40gb",)


def test_what_no_instance_holds_is_refused_with_what_there_is() -> None:
    with pytest.raises(UsageError, match="large enough") as caught:
        shaped(Claim(gpu_milli=900), SLICES)
    assert "4g.40gb" in caught.value.hint
