# SPDX-License-Identifier: Apache-2.0
"""What we ask of the accelerators of this machine: which there are, how busy, and that a share be kept. It decides
nothing about who gets one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from colonnade.core.claims import Claim, Device


@dataclass(frozen=True, slots=True)
class ProcessUse:
    """What one process holds of one device.

    Attributes:
        pid: the process itself, or the root of a tree that is measured as one.
        used_mib: of the device's memory.
        busy_milli: thousandths of its time (None: not told).
        lease: whose tree the process belongs to; "" for a stranger.
    """

    pid: int
    uuid: str
    used_mib: int
    busy_milli: int | None = None
    lease: str = ""


@dataclass(frozen=True, slots=True)
class DeviceUse:
    """A device now: thousandths of the last moment in which it computed (None: not told), MiB of memory in use."""

    uuid: str
    busy_milli: int | None
    used_mib: int


@dataclass(frozen=True, slots=True)
class Use:
    """One sample of everything."""

    devices: Sequence[DeviceUse] = ()
    processes: Sequence[ProcessUse] = ()


@dataclass(frozen=True, slots=True)
class Enforcement:
    """How a share is kept.

    Attributes:
        level: which of `core.claims.ISOLATIONS` was reached; never claimed above what is in force.
        environment: variables that the command must be started with.
        notes: one sentence for each stronger level that could not be had, and why.
        cgroup: a folder of the cgroup tree that the command should be started in, so that it is held from its first
            moment; "" for none. `admit` brings in whoever was started elsewhere.
    """

    level: str
    environment: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    cgroup: str = ""


@dataclass(frozen=True, slots=True)
class Overuse:
    """A lease that holds more memory of a device than its share, where only watching keeps it from that.

    Attributes:
        stop: whether it was warned long enough: its work must end now. False: tell its owner.
    """

    lease: str
    uuid: str
    used_mib: int
    limit_mib: int
    stop: bool = False


class Devices(Protocol):
    """The accelerators of one machine. Calls are idempotent by lease and safe after a crash of the caller."""

    def inventory(self) -> Sequence[Device]:
        """Every device, healthy or not, by place. A device that vanished since stays out."""
        ...

    def use(self) -> Use:
        """How busy they are now; empty when nobody can tell."""
        ...

    def overuse(self) -> Sequence[Overuse]:
        """Who exceeds a share that only watching keeps. To be asked every second: a warning first, then `stop`."""
        ...

    def prepare(self, lease: str, claim: Claim, uuids: Sequence[str]) -> Enforcement:
        """Before the start: keep this share on these devices, as strongly as the machine can.

        Raises `Refused` (code `isolation_unavailable`) when the level is below `claim.isolation_at_least`, and
        `Unavailable` when a device is not there.
        """
        ...

    def admit(self, lease: str, pid: int) -> str:
        """After the start: bind the process tree under `pid` to the lease's limits; the level that is in force.

        "none" for a lease that was never prepared. Again after a restart of the caller: changes nothing.
        """
        ...

    def release(self, lease: str) -> None:
        """After the tree is gone: take limits and helper processes away."""
        ...

    def close(self) -> None:
        """Let the driver go; leases stay as they are."""
        ...
