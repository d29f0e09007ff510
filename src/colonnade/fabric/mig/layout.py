# SPDX-License-Identifier: Apache-2.0
"""One device and its instances: which profile serves a claim, and where it may still start. Pure; chooses no device."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from colonnade.core.claims import WHOLE, Claim
from colonnade.fabric.mig.profiles import Geometry, Profile


class Instance(NamedTuple):
    """An instance that exists: its profile and first memory slice."""

    profile: str
    start: int


def profile_for(claim: Claim, geometry: Geometry) -> Profile | None:
    """The smallest profile with the claim's share of compute and its memory; None when the whole has too little.

    A share is of all compute slices: half of seven is 3.5, so that 500 milli need a 4g; 428 are served by a 3g.
    Memory is what an instance can use, a little less than its name says.

    >>> from colonnade.fabric.mig.profiles import GEOMETRIES
    >>> [profile_for(Claim(gpu_milli=140, gpu_mib=mib), GEOMETRIES["H100-80GB"]).name for mib in (0, 16384)]
    ['1g.10gb', '1g.20gb']
    """
    needed_mib = max(claim.gpu_mib, claim.gpu_limit_mib)
    for profile in sorted(geometry.profiles, key=lambda p: (p.size, p.compute)):
        if profile.compute * WHOLE >= claim.gpu_milli * geometry.compute and profile.memory_mib >= needed_mib:
            return profile
    return None


def slices(geometry: Geometry, instances: Iterable[Instance]) -> frozenset[int]:
    """The memory slices in use. `ValueError` where instances overlap or start where none may: no driver makes that."""
    used: set[int] = set()
    for instance in instances:
        profile = geometry.profile(instance.profile)
        mine = set(range(instance.start, instance.start + profile.size))
        if instance.start not in profile.starts or mine & used:
            raise ValueError(f"{instance.profile} at {instance.start} is no legal placement beside {sorted(used)}")
        used |= mine
    return frozenset(used)


def legal_starts(geometry: Geometry, instances: Iterable[Instance], profile: Profile) -> tuple[int, ...]:
    """Where one more instance of a profile may start beside those that exist, rising.

    >>> from colonnade.fabric.mig.profiles import GEOMETRIES
    >>> h100 = GEOMETRIES["H100-80GB"]
    >>> legal_starts(h100, [Instance("3g.40gb", 0)], h100.profile("2g.20gb"))
    (4,)
    """
    used = slices(geometry, instances)
    return tuple(start for start in profile.starts if used.isdisjoint(range(start, start + profile.size)))


def remaining(geometry: Geometry, instances: Sequence[Instance]) -> dict[str, tuple[int, ...]]:
    """Every profile's legal starts beside the instances that exist."""
    return {profile.name: legal_starts(geometry, instances, profile) for profile in geometry.profiles}
