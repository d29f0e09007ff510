# SPDX-License-Identifier: Apache-2.0
"""What a claim means where some devices are MIG instances: an instance is given whole, and only to whom it suits. Pure.

The engine sees an instance as a device of its own model ("H100-80GB/1g.10gb"). Without this rule a claim on a whole
H100 could land on its smallest slice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from colonnade.core.claims import WHOLE, Claim
from colonnade.core.errors import UsageError
from colonnade.fabric.mig.layout import profile_for
from colonnade.fabric.mig.profiles import Profile, geometry_of
from colonnade.fabric.picture import model_of
from colonnade.ports.outside.state import Row


def shaped(claim: Claim, devices: Sequence[Row]) -> Claim:
    """The claim in terms of the models that there are.

    - it names a profile ("3g.40gb", or "H100-80GB/3g.40gb"): those instances, each whole;
    - it asks for a hardware partition, or there is nothing but instances: the smallest existing ones that hold its
      share and memory, each whole;
    - otherwise: whole devices only.

    Raises UsageError when no existing instance is large enough.
    """
    instances = {model_of(row): row for row in devices if row["profile"]}
    if not claim.gpus or not instances:
        return claim
    named = [model for model in instances if {model, model.partition("/")[2]} & set(claim.models)]
    if named:
        return replace(claim, models=tuple(named), gpu_milli=WHOLE)
    whole = sorted({row["model"] for row in devices if not row["profile"]})
    if claim.isolation_at_least != "partition" and whole:
        return claim if claim.models else replace(claim, models=tuple(whole))
    return replace(claim, models=_smallest(claim, instances), gpu_milli=WHOLE)


def _smallest(claim: Claim, instances: dict[str, Row]) -> tuple[str, ...]:
    """The models of the smallest instances that hold the claim; of each accepted kind of device one."""
    found: dict[str, tuple[int, int, str]] = {}
    for model, row in instances.items():
        geometry = geometry_of(row["model"])
        if geometry is None or (claim.models and row["model"] not in claim.models):
            continue
        least, profile = profile_for(claim, geometry), geometry.profile(row["profile"])
        if least is None or not _holds(profile, least, claim):
            continue
        size = (profile.size, profile.compute, model)
        found[row["model"]] = min(found.get(row["model"], size), size)
    if not found:
        raise UsageError(
            "no MIG instance here is large enough for that share",
            hint=f"the instances are {', '.join(sorted(instances))}; ask for less, or name one with --model",
            code="claim_impossible",
        )
    return tuple(model for _, _, model in sorted(found.values()))


def _holds(profile: Profile, least: Profile, claim: Claim) -> bool:
    return profile.compute >= least.compute and profile.memory_mib >= max(claim.gpu_mib, claim.gpu_limit_mib)
