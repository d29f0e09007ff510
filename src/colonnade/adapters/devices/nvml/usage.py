# SPDX-License-Identifier: Apache-2.0
"""How busy GPUs, instances and processes are, as NVML samples it. It knows no lease.

NVML tells a process's share of a GPU's time for whole GPUs only: of an instance nobody tells it, so that `None` stands
there. Processes under MPS are listed apart from the others.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from colonnade.adapters.devices.nvml.found import MIB, Found, memory
from colonnade.adapters.devices.nvml.library import NOT_FOUND, SUCCESS, Failed, Gone, Library
from colonnade.core.claims import WHOLE
from colonnade.ports.outside.devices import DeviceUse, ProcessUse, Use

PERCENT = WHOLE // 100


@dataclass(slots=True)
class Usage:
    """Samples use; remembers up to when it has read each GPU's samples."""

    library: Library
    seen_us: dict[str, int]

    def now(self, devices: Iterable[Found]) -> Use:
        """One sample of all devices. A device that does not answer is left out."""
        told, processes = [], []
        for device in devices:
            if device.lost:
                continue
            try:
                one, its = self._one(device)
            except Gone:
                continue
            told.append(one)
            processes += its
        return Use(told, processes)

    def tells_memory(self, device: Found) -> bool:
        """Whether somebody tells what a process holds of it: without that nothing can be watched."""
        try:
            self.library.call("nvmlDeviceGetComputeRunningProcesses_v3", device.handle)
        except Failed as failed:
            self.library.note(failed)
            return False
        return True

    def _one(self, device: Found) -> tuple[DeviceUse, list[ProcessUse]]:
        held = self._held(device)
        busy: int | None = None
        shares: dict[int, int] | None = None
        if device.instance < 0:
            rates = self.library.ask(None, "nvmlDeviceGetUtilizationRates", device.handle)
            busy = None if rates is None else min(WHOLE, int(rates.gpu) * PERCENT)
            shares = self._shares(device)
        processes = []
        for pid, used_mib in sorted(held.items()):
            share = None
            if shares is not None:
                share = shares.get(pid, 0)
            elif len(held) == 1:
                share = busy  # whoever is alone there is as busy as the device
            processes.append(ProcessUse(pid, device.uuid, used_mib, share))
        used = memory(self.library, device.handle)[1] or sum(held.values())
        return DeviceUse(device.uuid, busy, used), processes

    def _held(self, device: Found) -> dict[int, int]:
        """MiB by pid. A process in both lists holds what the larger one says."""
        held: dict[int, int] = {}
        for function in ("nvmlDeviceGetComputeRunningProcesses_v3", "nvmlDeviceGetMPSComputeRunningProcesses_v3"):
            for process in self.library.ask([], function, device.handle):
                used = int(process.usedGpuMemory or 0) // MIB
                held[int(process.pid)] = max(held.get(int(process.pid), 0), used)
        return held

    def _shares(self, device: Found) -> dict[int, int] | None:
        """Thousandths by pid since the last sample: a mean over the samples told, rounded up so that any work counts.

        None when nobody tells. A process that is not in it computed nothing.
        """
        samples: list[Any] = []
        try:
            since = self.seen_us.get(device.uuid, 0)
            samples = self.library.call("nvmlDeviceGetProcessUtilization", device.handle, since)
        except Gone:
            raise
        except Failed as failed:
            if failed.code not in (NOT_FOUND, SUCCESS):  # no sample since: nothing computed
                self.library.note(failed)
                return None
        sums: dict[int, list[int]] = {}
        for sample in samples:
            self.seen_us[device.uuid] = max(self.seen_us.get(device.uuid, 0), int(sample.timeStamp))
            sums.setdefault(int(sample.pid), []).append(min(100, int(sample.smUtil)))
        return {pid: -(-sum(each) * PERCENT // len(each)) for pid, each in sums.items()}
