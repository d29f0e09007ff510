# SPDX-License-Identifier: Apache-2.0
"""Devices that are not there, so that everything else works, demonstrates and tests without one.

They keep nobody from anything: a level of isolation here is what the declaration says, for trying out what depends on
it. What a workload uses is what it writes into the file `$COLONNADE_SIMULATED_USE` ("BUSY_MILLI USED_MIB"), or else the
processor time and memory of its process tree. No placement, no clock of its own.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from colonnade.adapters.devices.kept import Kept, Leases, named
from colonnade.adapters.devices.levels import known, limit_mib, require, visible
from colonnade.adapters.devices.processes import Process, Trees, processes, start_of
from colonnade.adapters.devices.watch import Share, Watch, watch
from colonnade.adapters.devices.written import Machine, Written, read_simulated
from colonnade.core.claims import ISOLATIONS, WHOLE, Claim, Device
from colonnade.ports.outside.devices import DeviceUse, Enforcement, Overuse, ProcessUse, Use

USE = "COLONNADE_SIMULATED_USE"
HEALTH = "health"
"""The file in the folder that makes devices ill: a line each, a uuid or a place, then the health ("3 xid 79")."""
SIMULATED = "The devices are simulated: nothing keeps this share."


class SimulatedDevices:
    """Devices of one or more simulated machines. Thread-safe.

    Args:
        written: what there is.
        folder: where leases, use and health are kept over a restart; None: in memory, and use is measured only.
        now_ms: a clock that only rises, for the share of time between two samples.
        look: every process of this machine.
    """

    def __init__(
        self,
        written: Written,
        folder: Path | None = None,
        *,
        now_ms: Callable[[], int] = lambda: time.monotonic_ns() // 1_000_000,
        look: Callable[[], Mapping[int, Process]] = processes,
    ) -> None:
        self.machines: Sequence[Machine] = written.machines
        self._devices = {device.uuid: device for device in written.devices}
        self._folder, self._now_ms, self._look = folder, now_ms, look
        self._leases = Leases(folder and folder / "leases")
        self._samples: dict[str, tuple[int, int]] = {}
        self._watch = Watch()
        self._lock = threading.Lock()
        if folder is not None:
            (folder / "use").mkdir(parents=True, exist_ok=True)

    @classmethod
    def parse(
        cls, text: str, *, folder: Path | None = None, beside: Path | None = None, node: str = "local"
    ) -> SimulatedDevices:
        """The devices of "simulated://8xH100-80GB?isolation=hard"; `written.py` tells the rest.

        Args:
            text: as declared.
            folder: see the class.
            beside: where a relative node file lies (the declaration's folder); by default here.
            node: what the machine is called.

        Raises `UsageError` with a hint.
        """
        return cls(read_simulated(text, folder=beside or Path(), node=node), folder)

    def inventory(self) -> Sequence[Device]:
        ill = self._health()
        if not ill:
            return list(self._devices.values())
        return [
            replace(device, health=ill.get(device.uuid) or ill.get(str(device.place)) or device.health)
            for device in self._devices.values()
        ]

    def use(self) -> Use:
        with self._lock:
            found = self._sample(timed=True)
        busy: dict[str, list[int]] = defaultdict(list)
        held: dict[str, int] = defaultdict(int)
        for one in found:
            held[one.uuid] += one.used_mib
            if one.busy_milli is not None:
                busy[one.uuid].append(one.busy_milli)
        leased = {one.uuid for one in found}
        devices = [
            DeviceUse(uuid, min(WHOLE, sum(busy[uuid])) if uuid in busy or uuid not in leased else None, held[uuid])
            for uuid in self._devices
        ]
        return Use(devices, found)

    def overuse(self) -> Sequence[Overuse]:
        with self._lock:
            shares = {
                kept.lease: Share(kept.lease, dict.fromkeys(kept.uuids, kept.limit_mib))
                for kept in self._leases.all()
                if kept.level == "soft"
            }
            use = Use((), self._sample(timed=False) if shares else ())
            found, self._watch = watch(use, shares, self._now_ms(), self._watch)
        return found

    def prepare(self, lease: str, claim: Claim, uuids: Sequence[str]) -> Enforcement:
        known(uuids, self._devices)
        named(lease)
        devices = [self._devices[uuid] for uuid in uuids]
        level = min((device.isolation for device in devices), key=ISOLATIONS.index, default="none")
        require(level, claim)
        limit = min((limit_mib(claim, device.memory_mib) for device in devices), default=0)
        environment = visible(uuids)
        if not uuids:  # nothing is kept for it, and nothing of it watched
            return Enforcement(level, environment)
        if self._folder is not None:
            environment[USE] = str(self._use_file(lease))
        with self._lock:
            before = self._leases.get(lease)
            kept = Kept(lease, tuple(uuids), level, "", limit, environment=environment, notes=(SIMULATED,))
            if before is not None:
                kept = replace(kept, pid=before.pid, started=before.started)
            self._leases.put(kept)
        return Enforcement(level, environment, kept.notes)

    def admit(self, lease: str, pid: int) -> str:
        with self._lock:
            if self._leases.get(lease) is None:
                return "none"
            kept = self._leases.bind(lease, pid, start_of(pid, self._look()))
        return kept.level if kept else "none"

    def release(self, lease: str) -> None:
        with self._lock:
            if self._leases.get(lease) is None:
                return
            self._leases.drop(lease)
            self._samples.pop(lease, None)
            if self._folder is not None:
                self._use_file(lease).unlink(missing_ok=True)

    def close(self) -> None:
        return None

    def _sample(self, *, timed: bool) -> list[ProcessUse]:
        """Everything in use. Time is measured since the last sample: a look at memory alone must not shorten it."""
        kept = [lease for lease in self._leases.all() if lease.pid]
        trees = Trees(self._look() if kept else {})
        return [use for lease in kept for use in self._of_lease(lease, trees, timed)]

    def _of_lease(self, lease: Kept, trees: Trees, timed: bool) -> list[ProcessUse]:
        pids = trees.of(lease.pid, lease.started)
        if not pids:
            return []
        busy, used = self._told(lease.lease) or self._measured(lease.lease, [trees.known[pid] for pid in pids], timed)
        return [ProcessUse(lease.pid, uuid, used, busy, lease.lease) for uuid in lease.uuids]

    def _told(self, lease: str) -> tuple[int, int] | None:
        """What the workload says of itself; None when it says nothing that can be read."""
        if self._folder is None:
            return None
        try:
            busy, used = self._use_file(lease).read_text(encoding="ascii").split()
            return min(WHOLE, max(0, int(busy))), max(0, int(used))
        except (OSError, ValueError):
            return None

    def _measured(self, lease: str, members: Sequence[Process], timed: bool) -> tuple[int | None, int]:
        """Processor time since the last sample (one core is a whole device), and resident memory."""
        used = sum(process.resident_mib for process in members)
        if not timed:
            return None, used
        now, cpu = self._now_ms(), sum(process.cpu_ms for process in members)
        before, cpu_before = self._samples.get(lease, (now, cpu))
        if lease not in self._samples or now > before:
            self._samples[lease] = (now, cpu)
        if now <= before:
            return None, used
        return min(WHOLE, max(0, cpu - cpu_before) * WHOLE // (now - before)), used

    def _use_file(self, lease: str) -> Path:
        assert self._folder is not None
        return self._folder / "use" / named(lease)

    def _health(self) -> Mapping[str, str]:
        if self._folder is None:
            return {}
        try:
            lines = (self._folder / HEALTH).read_text(encoding="utf-8").splitlines()
        except OSError:
            return {}
        told = (line.split(None, 1) for line in lines if line.strip() and not line.startswith("#"))
        return {words[0]: words[1].strip() if len(words) == 2 else "cordoned" for words in told}
