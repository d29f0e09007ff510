# SPDX-License-Identifier: Apache-2.0
"""How busy GPUs, instances and processes are, as NVML samples it. It knows no lease.

NVML tells a process's share of the time for whole GPUs only; of an instance only how busy all of it is. Processes under
MPS are listed apart, and the header does not say whose time their work counts as: where it is not told, it is not 0.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from colonnade.adapters.devices.nvml.found import MIB, Found, memory
from colonnade.adapters.devices.nvml.gpm import InstanceCounters
from colonnade.adapters.devices.nvml.library import NOT_FOUND, SUCCESS, Failed, Gone, Library
from colonnade.core.claims import WHOLE
from colonnade.ports.outside.devices import DeviceUse, ProcessUse, Use

PERCENT = WHOLE // 100
_ALONE, _UNDER_MPS = "nvmlDeviceGetComputeRunningProcesses_v3", "nvmlDeviceGetMPSComputeRunningProcesses_v3"


@dataclass(slots=True)
class Usage:
    """Samples use; remembers up to when (us) it has read each GPU's samples."""

    library: Library
    counters: InstanceCounters
    seen_us: dict[str, int] = field(default_factory=dict)

    def now(self, devices: Iterable[Found], *, busy: bool = True) -> Use:
        """One sample of all devices. A device that does not answer is left out.

        Args:
            busy: whether time is asked for too. It is told once: a look at memory alone must leave it to the next one.
        """
        told, processes = [], []
        for device in devices:
            if device.lost:
                continue
            try:
                one, its = self._one(device, busy)
            except Gone:
                continue
            told.append(one)
            processes += its
        return Use(told, processes)

    def tells_memory(self, device: Found) -> bool:
        """Whether somebody tells what a process holds of it: without that nothing can be watched."""
        try:
            self.library.call(_ALONE, device.handle)
        except Failed as failed:
            self.library.note(failed)
            return False
        return True

    def _one(self, device: Found, timed: bool) -> tuple[DeviceUse, list[ProcessUse]]:
        held, clients = self._held(device)
        busy, shares = self._time(device) if timed else (None, None)
        processes = []
        for pid, used_mib in sorted(held.items()):
            share = None
            if shares is not None:
                share = shares.get(pid, None if pid in clients else 0)
            if share is None and len(held) == 1:
                share = busy  # whoever is alone there is as busy as the device
            processes.append(ProcessUse(pid, device.uuid, used_mib, share))
        used = memory(self.library, device.handle)[1] or sum(held.values())
        return DeviceUse(device.uuid, busy, used), processes

    def _time(self, device: Found) -> tuple[int | None, dict[int, int] | None]:
        """How busy the device is, and its processes by pid; None where nobody tells."""
        if device.instance >= 0:
            return self.counters.busy_milli(device), None
        rates = self.library.ask(None, "nvmlDeviceGetUtilizationRates", device.handle)
        return None if rates is None else min(WHOLE, int(rates.gpu) * PERCENT), self._shares(device)

    def _held(self, device: Found) -> tuple[dict[int, int], set[int]]:
        """MiB by pid, and who of them is a client of MPS. One in both lists holds what the larger one says."""
        held: dict[int, int] = {}
        clients: set[int] = set()
        for function in (_ALONE, _UNDER_MPS):
            for process in self.library.ask([], function, device.handle):
                used = int(process.usedGpuMemory or 0) // MIB
                held[int(process.pid)] = max(held.get(int(process.pid), 0), used)
                if function == _UNDER_MPS:
                    clients.add(int(process.pid))
        return held, clients

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
