# SPDX-License-Identifier: Apache-2.0
"""The `devices` port over NVML: ties together what is found, how it fares, who uses it, and how a share is kept.

It holds the lock and the leases; every question to NVML is in the files beside it. No queue, no placement, no store.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from colonnade.adapters.devices.frameworks import capped
from colonnade.adapters.devices.kept import Kept, Leases, named
from colonnade.adapters.devices.levels import kept_mib, known, limit_mib, require, visible
from colonnade.adapters.devices.mps import Mps, MpsFailed
from colonnade.adapters.devices.nvml.cgroup import MemoryLimits
from colonnade.adapters.devices.nvml.found import Found, look
from colonnade.adapters.devices.nvml.gpm import InstanceCounters
from colonnade.adapters.devices.nvml.health import Health
from colonnade.adapters.devices.nvml.keep import Choice, Means, choose, offers
from colonnade.adapters.devices.nvml.library import Failed, Library
from colonnade.adapters.devices.nvml.mig import Split, split_of
from colonnade.adapters.devices.nvml.options import Options, read_options
from colonnade.adapters.devices.nvml.usage import Usage
from colonnade.adapters.devices.processes import Process, Trees, processes, start_of
from colonnade.adapters.devices.watch import Share, Watch, watch
from colonnade.core.claims import Claim, Device
from colonnade.ports.outside.devices import Enforcement, Overuse, Use


class NvmlDevices:
    """NVIDIA's devices of this machine. Thread-safe.

    Args:
        folder: where leases, health and the pipes of MPS are kept over a restart.
        node: what the machine is called.
        limits, mps: how shares are kept; by default as the machine has it.
        now_ms: a clock that only rises.
        look: every process of this machine.

    Raises `MissingExtra` without nvidia-ml-py, `Unavailable` without a driver.
    """

    def __init__(
        self,
        folder: Path,
        *,
        node: str = "local",
        options: Options | None = None,
        limits: Callable[[Library], MemoryLimits] = MemoryLimits,
        mps: Mps | None = None,
        now_ms: Callable[[], int] = lambda: time.monotonic_ns() // 1_000_000,
        look: Callable[[], Mapping[int, Process]] = processes,
    ) -> None:
        self._library = Library()
        folder.mkdir(parents=True, exist_ok=True)
        self._node, self._options, self._now_ms, self._look = node, options or Options(), now_ms, look
        self._leases = Leases(folder / "leases")
        self._health = Health(self._library, folder / "health.json", now_ms)
        self._counters = InstanceCounters(self._library, now_ms)
        self._usage = Usage(self._library, self._counters)
        self._limits, self._mps = limits(self._library), mps or Mps(folder / "mps")
        self._gpus: dict[int, Found] = {}
        self._offered: list[Found] = []
        self._watch = Watch()
        self._lock = threading.RLock()
        with self._lock:
            self._refresh()
            self._tidy()

    @classmethod
    def parse(
        cls, text: str, *, folder: Path, node: str = "local", environment: Mapping[str, str] | None = None
    ) -> NvmlDevices:
        """The devices of "nvml" or "nvml?mps=off"; `options.py` tells the rest. Raises `UsageError` too.

        Args:
            environment: what NVIDIA's programs inherit: PATH, and LD_LIBRARY_PATH where the driver lies elsewhere.
        """
        options = read_options(text)
        return cls(folder, options=options, node=node, mps=Mps(folder / "mps", environment=environment))

    def inventory(self) -> Sequence[Device]:
        with self._lock:
            self._refresh()
            health = self._health.of(self._gpus.values())
            means = self._means(self._offered)
            return [
                Device(one.uuid, self._node, place, one.model, one.memory_mib, offers(one, means),
                       one.lost or self._health.of_instance(one) or health.get(one.gpu, "healthy"), one.profile)
                for place, one in enumerate(self._offered)
            ]  # fmt: skip

    def use(self) -> Use:
        with self._lock:
            return self._use()

    def overuse(self) -> Sequence[Overuse]:
        with self._lock:
            self._tend()
            shares = {
                kept.lease: Share(kept.lease, dict.fromkeys(kept.uuids, kept.limit_mib))
                for kept in self._leases.all()
                if kept.level == "soft"
            }
            use = self._use(busy=False) if shares else Use()
            found, self._watch = watch(use, shares, self._now_ms(), self._watch)
            return found

    def prepare(self, lease: str, claim: Claim, uuids: Sequence[str]) -> Enforcement:
        named(lease)
        with self._lock:
            self._refresh()
            by_uuid = {one.uuid: one for one in self._offered}
            known(uuids, by_uuid)
            devices = [by_uuid[uuid] for uuid in uuids]
            limit = min((limit_mib(claim, device.memory_mib) for device in devices), default=0)
            before = self._leases.get(lease)
            if before is not None and (before.uuids, before.limit_mib) == (tuple(uuids), limit):
                require(before.level, claim, before.notes)
                self._tend()
                return self._enforcement(before)
            choice = choose(claim, devices, self._means(devices))
            require(choice.level, claim, choice.notes)
            try:
                choice, environment = self._put_in_force(lease, claim, devices, choice, limit)
                require(choice.level, claim, choice.notes)
            except BaseException:
                self._release(lease, devices)
                raise
            kept = Kept(lease, tuple(uuids), choice.level, _means_of(choice), limit, 0, 0, environment, choice.notes)
            self._leases.put(kept)
            return self._enforcement(kept)

    def admit(self, lease: str, pid: int) -> str:
        with self._lock:
            kept = self._leases.bind(lease, pid, start_of(pid, self._look()))
            if kept is None:
                return "none"
            if "cgroup" in kept.means and not self._joined(kept, pid):
                kept = replace(kept, level="soft", means=kept.means.replace("cgroup", "watch"))
                self._leases.put(kept)
            return kept.level

    def release(self, lease: str) -> None:
        with self._lock:
            by_uuid = {one.uuid: one for one in self._offered}
            kept = self._leases.get(lease)
            self._release(lease, [by_uuid[uuid] for uuid in (kept.uuids if kept else ()) if uuid in by_uuid])

    def close(self) -> None:
        with self._lock:
            self._health.close()
            self._counters.close()
            self._library.close()

    def forgive(self, uuid: str) -> None:
        """A device whose Xid was dealt with may work again. Raises `Unavailable` when it is not there."""
        with self._lock:
            by_uuid = {one.uuid: one for one in self._offered}
            known([uuid], by_uuid)
            self._health.forgive(by_uuid[uuid])

    def splits(self) -> Sequence[Split]:
        """How each GPU could be split by MIG, and is."""
        with self._lock:
            self._refresh()
            return [split_of(self._library, gpu, self._offered) for gpu in self._gpus.values()]

    def notes(self) -> Sequence[str]:
        """What NVML did not answer, one sentence a function."""
        return [f"{function}: {', '.join(why)}." for function, why in sorted(self._library.notes().items())]

    def _enforcement(self, kept: Kept) -> Enforcement:
        cgroup = str(self._limits.folder / kept.lease) if "cgroup" in kept.means else ""
        return Enforcement(kept.level, kept.environment, kept.notes, cgroup)

    def _refresh(self) -> None:
        self._gpus, self._offered = look(self._library, self._gpus, self._offered)

    def _means(self, devices: Sequence[Found]) -> Means:
        off = "MPS is switched off by the declaration." if not self._options.mps else ""
        return Means(
            {one.uuid: one.lost or self._limits.missing(one) for one in devices},
            off or self._mps.missing(),
            {one.uuid: not one.lost and self._usage.tells_memory(one) for one in devices},
        )

    def _put_in_force(
        self, lease: str, claim: Claim, devices: Sequence[Found], choice: Choice, limit: int
    ) -> tuple[Choice, dict[str, str]]:
        """Do what was chosen, or the next weaker that works; with the command's variables."""
        environment = visible([device.uuid for device in devices])
        if choice.cgroup:
            try:
                kept = min(kept_mib(claim, device.memory_mib) for device in devices)
                self._limits.limit(lease, devices, kept, limit)
            except (Failed, OSError) as cause:
                if isinstance(cause, Failed):
                    self._library.note(cause)
                choice = replace(
                    choice, level="soft", cgroup=False, notes=(*choice.notes, f"The driver set no limit: {cause}.")
                )
        if choice.mps:
            uuid = devices[0].uuid
            try:
                self._mps.serve(uuid)
                environment |= self._mps.environment(uuid, claim.gpu_milli, 0 if choice.cgroup else limit)
            except (MpsFailed, OSError) as cause:
                choice = replace(choice, mps=False, notes=(*choice.notes, str(cause)))
        if choice.level == "soft" and not choice.mps:
            smallest = min(device.memory_mib for device in devices)
            environment |= capped(limit, smallest, torch=self._options.torch)
        return choice, environment

    def _joined(self, kept: Kept, pid: int) -> bool:
        """Whether the whole tree is held by its cgroup: nobody of it took memory before it stood there."""
        early = {use.pid for use in self._use(busy=False).processes if use.lease == kept.lease and use.used_mib}
        moved = self._limits.join(kept.lease, pid, self._look)
        return moved is not None and not moved & early

    def _release(self, lease: str, devices: Sequence[Found]) -> None:
        kept = self._leases.drop(lease)
        self._limits.clear(lease, devices)
        for uuid in kept.uuids if kept else [device.uuid for device in devices]:
            if not any(uuid in other.uuids and "mps" in other.means for other in self._leases.all()):
                self._mps.end(uuid)

    def _tend(self) -> None:
        """Start control daemons anew that died while leases need them."""
        for uuid in {kept.uuids[0] for kept in self._leases.all() if "mps" in kept.means}:
            if not self._mps.alive(uuid):
                try:
                    self._mps.serve(uuid)
                except (MpsFailed, OSError):  # next time
                    continue

    def _tidy(self) -> None:
        """After a crash: take away what no lease needs, and see that the others have what they need."""
        needed = {uuid for kept in self._leases.all() if "mps" in kept.means for uuid in kept.uuids}
        for uuid in self._mps.served() - needed:
            self._mps.end(uuid)
        for lease in self._limits.left() - {kept.lease for kept in self._leases.all()}:
            self._limits.clear(lease, [one for one in self._offered if not one.profile])
        self._tend()

    def _use(self, *, busy: bool = True) -> Use:
        use = self._usage.now(self._offered, busy=busy)
        leases = [kept for kept in self._leases.all() if kept.pid]
        if not use.processes or not leases:
            return use
        trees, owner = Trees(self._look()), dict[int, str]()
        for kept in leases:
            owner.update(dict.fromkeys(trees.of(kept.pid, kept.started), kept.lease))
        told = [replace(process, lease=owner.get(process.pid, "")) for process in use.processes]
        return Use(use.devices, told)


def _means_of(choice: Choice) -> str:
    if choice.level == "partition":
        return "mig"
    first = "cgroup" if choice.cgroup else "watch" if choice.level == "soft" else ""
    return "+".join(word for word in (first, "mps" if choice.mps else "") if word)
