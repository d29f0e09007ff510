# SPDX-License-Identifier: Apache-2.0
"""Machines with NVIDIA devices that are not there: a driver, a cgroup tree of plain files, a program that plays MPS."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from colonnade.adapters.devices.mps import Mps
from colonnade.adapters.devices.nvml.cgroup import MemoryLimits
from colonnade.adapters.devices.nvml.devices import NvmlDevices
from colonnade.adapters.devices.nvml.library import Library
from colonnade.adapters.devices.nvml.options import Options
from colonnade.adapters.devices.processes import Process, processes
from colonnade.ports.outside.devices import Devices
from colonnade.testing.devices import Milliseconds
from colonnade.testing.devices_conformance import worker
from colonnade.testing.nvml import FakeNvml, installed
from colonnade.testing.nvml_driver import SimGpu, SimInstance, SimulatedDriver

__all__ = ["worker"]

CONTROL = """#!{python}
import os, pathlib, signal, sys
pipes = pathlib.Path(os.environ["CUDA_MPS_PIPE_DIRECTORY"])
note = pipes / "nvidia-cuda-mps-control.pid"
if "-d" in sys.argv:
    if os.path.exists({refuse!r}):
        sys.exit("An instance of this daemon is already running")
    if os.fork():
        while not note.exists():
            pass
        os._exit(0)
    os.setsid()
    for fd in (0, 1, 2):
        os.close(fd)
    draft = note.with_suffix(".draft")
    draft.write_text(str(os.getpid()))
    (pipes / "seen.txt").write_text(os.environ["CUDA_VISIBLE_DEVICES"])
    draft.rename(note)
    signal.pause()
elif sys.stdin.read().split() == ["quit"]:
    os.kill(int(note.read_text()), signal.SIGTERM)
"""


class NvmlBench:
    """NVML devices on a simulated driver.

    Args:
        rights: "none": no root; "root": the driver's limits may be set; with "+mps" a control program is there.
    """

    def __init__(self, folder: Path, fake: FakeNvml, rights: str) -> None:
        self.folder, self.fake, self.driver, self.rights = folder, fake, fake.driver, rights
        self.clock = Milliseconds()
        self.cgroups = folder / "cgroup"
        self.cgroups.mkdir()
        (self.cgroups / "cgroup.controllers").write_text("cpu memory dmem\n")
        self.program, self.refuse = folder / "nvidia-cuda-mps-control", folder / "refuse"
        if "mps" in rights:
            self.program.write_text(CONTROL.format(python=sys.executable, refuse=str(self.refuse)))
            self.program.chmod(0o755)
        self.options = Options()
        self.look: Callable[[], Mapping[int, Process]] = processes
        self.nvml = self._open()
        self.devices: Devices = self.nvml

    def mps(self) -> Mps:
        return Mps(self.folder / "state" / "mps", str(self.program))

    def _open(self) -> NvmlDevices:
        def limits(library: Library) -> MemoryLimits:
            return MemoryLimits(
                library, root=self.cgroups, remove=shutil.rmtree, root_user=lambda: "root" in self.rights
            )

        return NvmlDevices(
            self.folder / "state",
            options=self.options,
            limits=limits,
            mps=self.mps(),
            now_ms=self.clock,
            look=lambda: self.look(),
        )

    def reopen(self) -> NvmlDevices:
        self.nvml = self._open()
        self.devices = self.nvml
        return self.nvml

    def uses(self, lease: str, pid: int, uuid: str, used_mib: int, busy_milli: int) -> None:
        for group in self.cgroups.glob("colonnade/*/cgroup.procs"):
            for member in group.read_text().split():
                self.driver.cgroup_of[int(member)] = str(group.parent)
        self.driver.runs(pid, uuid, used_mib, busy_milli // 10)
        self.nvml.use()  # an instance is told by two looks
        self.passes(1000)
        self.driver.runs(pid, uuid, used_mib, busy_milli // 10)

    def passes(self, ms: int) -> None:
        self.clock.now += ms

    def end(self) -> None:
        for uuid in self.mps().served():
            self.mps().end(uuid)


def whole(count: int = 2) -> list[SimGpu]:
    """GPUs as they come."""
    return [SimGpu(f"GPU-{number}0000000-aaaa-bbbb-cccc-00000000000{number}") for number in range(count)]


def split() -> list[SimGpu]:
    """A GPU in MIG mode with two instances, and a whole one."""
    instances = [
        SimInstance("MIG-00000000-0000-0000-0000-000000000001", "1g.10gb", 7, 1, 9856, 0, 1),
        SimInstance("MIG-00000000-0000-0000-0000-000000000002", "3g.40gb", 2, 3, 40192, 4, 4),
    ]
    return [SimGpu("GPU-f0000000-0000-0000-0000-00000000000f", mig=True, instances=instances), *whole(1)]


Open = Callable[..., NvmlBench]


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Open]:
    """Opens a machine: `machine(gpus, rights)`."""
    opened: list[tuple[NvmlBench, object]] = []

    def open_(gpus: list[SimGpu] | None = None, rights: str = "none") -> NvmlBench:
        context = installed(SimulatedDriver(gpus if gpus is not None else whole()))
        bench = NvmlBench(tmp_path, context.__enter__(), rights)
        opened.append((bench, context))
        return bench

    yield open_
    for bench, context in opened:
        bench.end()
        context.__exit__(None, None, None)  # type: ignore[attr-defined]
