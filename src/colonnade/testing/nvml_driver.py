# SPDX-License-Identifier: Apache-2.0
"""A driver that is not there: GPUs, instances, processes that take memory, exceed it and exit, Xids that fire.

Only its state, and what a test does to it; how it is asked is in `nvml.py`. It decides nothing that a driver would not.
"""

from __future__ import annotations

import itertools
from collections import deque
from dataclasses import dataclass, field

MIB = 1 << 20
PROFILES_80GB = {
    # number: (id, slices, MiB, starts, size), as NVIDIA's MIG guide has them for A100-80GB and H100-80GB
    0: (19, 1, 9856, (0, 1, 2, 3, 4, 5, 6), 1),
    1: (14, 2, 19968, (0, 2, 4), 2),
    2: (9, 3, 40192, (0, 4), 4),
    3: (5, 4, 40192, (0,), 4),
    4: (0, 7, 80896, (0,), 8),
}


@dataclass
class SimProcess:
    """A process on a GPU: MiB it holds, percent of the multiprocessors, whether it is a client of MPS."""

    pid: int
    used_mib: int = 0
    sm_percent: int = 0
    mps: bool = False
    instance: int = -1


@dataclass
class SimInstance:
    """A MIG instance."""

    uuid: str
    profile: str
    number: int
    slices: int
    memory_mib: int
    start: int
    size: int
    compute_slices: int = 0
    handle: int = 0


@dataclass
class SimGpu:
    """A GPU."""

    uuid: str
    name: str = "NVIDIA H100 80GB HBM3"
    memory_mib: int = 81559
    mig_capable: bool = True
    mig: bool = False
    instances: list[SimInstance] = field(default_factory=list)
    processes: dict[int, SimProcess] = field(default_factory=dict)
    ecc: int = 0
    remap_failed: bool = False
    slow: int = 0
    compute_mode: int = 0
    lost: int = 0
    handle: int = 0
    samples: list[tuple[int, int, int]] = field(default_factory=list)


class SimulatedDriver:
    """GPUs and what happens on them. `limits` is what was set by cgroup: (uuid, folder) -> (soft, hard) bytes."""

    def __init__(self, gpus: list[SimGpu]) -> None:
        self.gpus = gpus
        self.handles = itertools.count(0x1000, 0x10)
        self.events: deque[tuple[str, int, int, int]] = deque()
        self.watched: dict[str, int] = {}
        self.limits: dict[tuple[str, str], tuple[int, int]] = {}
        self.cgroup_of: dict[int, str] = {}
        self.time_us = 1
        self.counters: dict[int, tuple[str, int]] = {}
        for gpu in gpus:
            gpu.handle = next(self.handles)
            for instance in gpu.instances:
                instance.handle = next(self.handles)

    def gpu(self, uuid: str) -> SimGpu:
        """The GPU of this uuid, or that has the instance."""
        for gpu in self.gpus:
            if gpu.uuid == uuid or any(one.uuid == uuid for one in gpu.instances):
                return gpu
        raise LookupError(uuid)

    def runs(self, pid: int, uuid: str, used_mib: int, sm_percent: int = 0, *, mps: bool = False) -> bool:
        """A process holds so much from now on; False where the driver refuses it the memory (a limit, or none left)."""
        gpu = self.gpu(uuid)
        number = next((one.number for one in gpu.instances if one.uuid == uuid), -1)
        group = self.cgroup_of.get(pid, "")
        hard = self.limits.get((gpu.uuid, group), (0, 2**64))[1]
        rest = [one for one in gpu.processes.values() if one.pid != pid]
        others = sum(one.used_mib for one in rest)
        beside = sum(one.used_mib for one in rest if self.cgroup_of.get(one.pid, "") == group)
        if used_mib + others > gpu.memory_mib or (group and (used_mib + beside) * MIB > hard):
            return False
        gpu.processes[pid] = SimProcess(pid, used_mib, sm_percent, mps, number)
        if sm_percent:
            self.time_us += 1
            gpu.samples.append((self.time_us, pid, sm_percent))
        return True

    def exits(self, pid: int) -> None:
        """The process is gone, and what it held."""
        for gpu in self.gpus:
            gpu.processes.pop(pid, None)

    def xid(self, uuid: str, number: int) -> None:
        """An Xid fires: of a GPU, or of an instance."""
        gpu = self.gpu(uuid)
        instance = next((one.number for one in gpu.instances if one.uuid == uuid), 0xFFFFFFFF)
        if self.watched.get(gpu.uuid, 0) & 0x8:
            self.events.append((gpu.uuid, 0x8, number, instance))

    def loses(self, uuid: str, code: int = 15) -> None:
        """The GPU falls off the bus (15), or waits for a reset (16)."""
        self.gpu(uuid).lost = code
