# SPDX-License-Identifier: Apache-2.0
"""Builders of the entries about devices, queues and leases, as `core.entries` has them for the rest. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from colonnade.core.building import Mac, Stamp, known, leaf_of, macs_of, some, some_as
from colonnade.core.claims import Claim
from colonnade.core.leaf import Leaf


def device_found(stamp: Stamp, mac: Mac, *, device: str, uuid: str, memory_mib: int) -> Leaf:
    """A device is there. Its driver's name for it is under the project's own key."""
    return leaf_of(
        stamp, "device.found", device, (), macs_of(mac, stamp, stamp.project, uuid=uuid), {"memory_mib": memory_mib}
    )


def device_changed(stamp: Stamp, *, device: str, health: str) -> Leaf:
    """No new work goes to a device, or it does again; health: healthy, cordoned, failing, gone."""
    return leaf_of(stamp, "device.changed", device, status={"health": health})


def queue_declared(
    stamp: Stamp, mac: Mac, *, queue: str, name: str, guaranteed_milli: int, limit_milli: int | None
) -> Leaf:
    """What a queue is promised from now on, in thousandths of a device; its name is under the project's own key."""
    n = {"guaranteed_milli": guaranteed_milli, **known(limit_milli=limit_milli)}
    return leaf_of(
        stamp, "queue.declared", queue, some(by=stamp.actor), macs_of(mac, stamp, stamp.project, name=name), n
    )


def lease_asked(
    stamp: Stamp, *, lease: str, person: str, queue: str, claim: Claim, priority: int, follows: str | None = None
) -> Leaf:
    """Somebody asks for a share; `follows`: the lease that gave way and asks again."""
    refs = [*some(asked_by=person), *some_as("in", queue), *some(follows=follows)]
    return leaf_of(stamp, "lease.asked", lease, refs, n={**_sizes(claim), "priority": priority})


def lease_granted(
    stamp: Stamp,
    mac: Mac,
    *,
    lease: str,
    run: str,
    devices: Sequence[str],
    queue: str,
    claim: Claim,
    token: int,
    isolation: str,
    command: bytes,
) -> Leaf:
    """A share is held from now on, at this level of isolation; `command` is under the run's key, which must exist."""
    refs = [*some_as("for", run), *(("on", device) for device in devices), *some_as("in", queue)]
    macs = macs_of(mac, stamp, run, command=command)
    return leaf_of(
        stamp, "lease.granted", lease, refs, macs, {**_sizes(claim), "token": token}, {"isolation": isolation}
    )


def lease_releasing(stamp: Stamp, *, lease: str, reason: str, gives_way_to: str | None = None) -> Leaf:
    """A share is being taken back; reason: reclaim, preempt, evacuate, idle, cancelled, left, exceeded, unhealthy."""
    return leaf_of(stamp, "lease.releasing", lease, some_as("for", gives_way_to), status={"reason": reason})


def lease_ended(stamp: Stamp, *, lease: str, outcome: str, held_ms: int, gpu_ms: int) -> Leaf:
    """A share is free again: its process tree is gone; outcome: succeeded, failed, cancelled, lost, moved, refused."""
    n = {"gpu_ms": gpu_ms, "held_ms": held_ms}
    return leaf_of(stamp, "lease.ended", lease, n=n, status={"outcome": outcome})


def _sizes(claim: Claim) -> dict[str, int]:
    sizes = {
        "gpus": claim.gpus, "gpu_milli": claim.gpu_milli, "gpu_mib": claim.gpu_mib,
        "cpu_milli": claim.cpu_milli, "memory_mib": claim.memory_mib,
    }  # fmt: skip
    return {name: size for name, size in sizes.items() if size or name in {"gpus", "gpu_milli"}}
