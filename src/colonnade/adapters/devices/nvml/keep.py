# SPDX-License-Identifier: Apache-2.0
"""Choose how a lease's share is kept: the strongest that its devices, the driver and our rights allow. Pure.

    partition   every device is a MIG instance with memory of its own, and the lease has it alone
    hard        the driver's memory limits on the lease's cgroup (with MPS for its share of the multiprocessors)
    soft        a watcher, and before it MPS, or else what frameworks can be told
    none        nobody tells what processes hold, so that nothing can be watched

Each stronger level that could not be had leaves a sentence. docs/concepts/isolation.md argues the order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from colonnade.adapters.devices.nvml.found import Found
from colonnade.core.claims import WHOLE, Claim


@dataclass(frozen=True, slots=True)
class Means:
    """What this machine can do, by device uuid: why not, or "" where it can.

    Attributes:
        limits: the driver's memory limits by cgroup.
        mps: the Multi-Process Service.
        watching: whether what processes hold is told.
    """

    limits: Mapping[str, str]
    mps: str
    watching: Mapping[str, bool]


@dataclass(frozen=True, slots=True)
class Choice:
    """How it is to be kept: the level, whether by cgroup, whether with MPS, and the notes."""

    level: str
    cgroup: bool = False
    mps: bool = False
    notes: tuple[str, ...] = ()


def offers(device: Found, means: Means) -> str:
    """The strongest level that a device offers to whoever holds it alone or, if it is whole, a share of it."""
    if device.profile and device.alone:
        return "partition"
    if not device.profile and not means.limits[device.uuid]:
        return "hard"
    return "soft" if means.watching[device.uuid] else "none"


def choose(claim: Claim, devices: Sequence[Found], means: Means) -> Choice:
    """The strongest way for this claim on these devices."""
    if not devices:
        return Choice("none")
    if all(device.profile and device.alone for device in devices) and claim.gpu_milli == WHOLE:
        return Choice("partition", notes=_several(devices))
    notes = [_no_partition(claim, devices)]
    mps = _no_mps(claim, devices, means)
    reason = next((means.limits[device.uuid] for device in devices if means.limits[device.uuid]), "")
    if not reason:
        return Choice("hard", cgroup=True, mps=not mps, notes=(*notes, *([mps] if mps else [])))
    notes.append(reason)
    if all(means.watching[device.uuid] for device in devices):
        return Choice("soft", mps=not mps, notes=(*notes, *([mps] if mps else [])))
    return Choice("none", notes=(*notes, "NVML does not tell what processes hold, so that nothing can be watched."))


def _no_partition(claim: Claim, devices: Sequence[Found]) -> str:
    if any(not device.profile for device in devices):
        return "A partition needs MIG instances: these are whole devices."
    if claim.gpu_milli < WHOLE:
        return "A share of a MIG instance is no partition: others share the instance."
    return "A compute instance that shares its GPU instance's memory with others is no partition."


def _no_mps(claim: Claim, devices: Sequence[Found], means: Means) -> str:
    """Why MPS is not used, or ""."""
    if claim.gpu_milli == WHOLE:
        return "MPS is not used for whole devices."
    if len(devices) > 1:
        return "MPS is not used for a share of several devices: each has a control daemon of its own."
    if devices[0].profile:
        return "MPS is not used on MIG instances."
    return means.mps


def _several(devices: Sequence[Found]) -> tuple[str, ...]:
    if len(devices) > 1:
        return ("A CUDA process uses one MIG instance only, the first that it sees: start one process for each.",)
    return ()
