# SPDX-License-Identifier: Apache-2.0
"""A Claim: what is asked of the machines, in integers; and a Device: what a machine offers. No placement, no state."""

from __future__ import annotations

from dataclasses import dataclass

WHOLE = 1000
"""Milli of one whole device."""
ISOLATIONS = ("none", "soft", "hard", "partition")
"""How strongly a share is kept, rising: nothing keeps it; a watcher warns, then stops; the driver keeps it; a hardware
partition keeps it."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What one process tree asks for, all on one node. Hashable: equal claims are one shape to the engine.

    Attributes:
        gpus: how many devices, all different; 0 for work without a device.
        gpu_milli: share of each of them, 1..1000; below 1000 several leases share a device.
        gpu_mib: memory kept for it on each of them, in MiB; 0 when not said.
        gpu_limit_mib: where its memory is cut off on each of them, in MiB; 0 for `gpu_mib`, or else for its share.
        cpu_milli, memory_mib: of the node.
        models: device models that it accepts; empty for any.
        isolation_at_least: one of ISOLATIONS.
    """

    gpus: int = 1
    gpu_milli: int = WHOLE
    gpu_mib: int = 0
    gpu_limit_mib: int = 0
    cpu_milli: int = 0
    memory_mib: int = 0
    models: tuple[str, ...] = ()
    isolation_at_least: str = "none"

    @property
    def milli(self) -> int:
        """Of all its devices together.

        >>> Claim(gpus=2, gpu_milli=500).milli
        1000
        """
        return self.gpus * self.gpu_milli


@dataclass(frozen=True, slots=True)
class Device:
    """One accelerator, as its driver tells of it.

    Attributes:
        uuid: the driver's name of it, stable over restarts ("GPU-..."; "MIG-..." for a MIG instance).
        node: the machine.
        place: its index on the machine.
        model: for example "H100-80GB".
        memory_mib: all of its memory.
        isolation: the strongest level that it offers.
        health: "healthy", or why no new work goes there ("xid 79", "ecc", "throttled", "cordoned", "gone").
        profile: the MIG profile ("1g.10gb") of an instance; "" for a whole device.
    """

    uuid: str
    node: str
    place: int
    model: str
    memory_mib: int
    isolation: str = "none"
    health: str = "healthy"
    profile: str = ""


def at_least(offered: str, asked: str) -> bool:
    """Whether a level of isolation is as strong as the one asked for.

    >>> at_least("partition", "hard"), at_least("none", "soft")
    (True, False)
    """
    return ISOLATIONS.index(offered) >= ISOLATIONS.index(asked)
