# SPDX-License-Identifier: Apache-2.0
"""`hard`: the driver keeps a cgroup's processes within an amount of a GPU's memory (`nvmlDeviceSetMemoryLimits_v1`).

Needs driver r615, cgroup v2, root, and a GPU that is not in MIG mode. One cgroup a lease. An allocation beyond the
limit fails in the program as out of memory. Sources: nvml.h 13.4.92, and "MPS v3 Memory Partitioning" of NVIDIA's MPS
guide, which also asks to set the soft limit to 0 before the cgroup is removed. Not yet run on hardware.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from colonnade.adapters.devices.nvml.found import MIB, Found
from colonnade.adapters.devices.nvml.library import NOT_FOUND, Failed, Library
from colonnade.adapters.devices.processes import Process, Trees

SET, GET = "nvmlDeviceSetMemoryLimits_v1", "nvmlDeviceGetMemoryLimits_v1"
_ROUNDS = 20
"""Times that a tree is looked at until nobody of it stands outside: one that forks faster is not held."""


class MemoryLimits:
    """Limits by cgroup, under one folder of the machine's cgroup tree.

    Args:
        root: where cgroup v2 is mounted.
        remove: how an empty cgroup is removed.
        root_user: whether we may set limits at all.
    """

    def __init__(
        self,
        library: Library,
        *,
        root: Path = Path("/sys/fs/cgroup"),
        remove: Callable[[Path], None] = os.rmdir,
        root_user: Callable[[], bool] = lambda: os.geteuid() == 0,
    ) -> None:
        self._library, self._root, self._remove, self._root_user = library, root, remove, root_user
        self.folder = root / "colonnade"

    def missing(self, device: Found) -> str:
        """Why the driver cannot keep shares of this device, one sentence; "" when it can."""
        if device.split or device.instance >= 0:
            return "The driver's memory limits do not apply to MIG."
        if not self._library.has(SET) or not self._library.has(GET):
            return "The driver's memory limits need NVIDIA driver r615 and nvidia-ml-py 13.615 or newer."
        if not (self._root / "cgroup.controllers").is_file():
            return f"The driver's memory limits need cgroup v2 at {self._root}."
        if not self._root_user() or not os.access(self._root, os.W_OK):
            return "The driver's memory limits need root, and a cgroup tree that may be written."
        try:
            self._library.call(GET, device.handle, self._asked(self._root))
        except Failed as failed:
            if failed.code != NOT_FOUND:  # not found: no limit is set there yet
                self._library.note(failed)
                return f"The driver's memory limits do not answer here ({failed})."
        return ""

    def limit(self, lease: str, devices: Sequence[Found], kept_mib: int, limit_mib: int) -> Path:
        """The lease's cgroup, with its limits set on each device; again: the same. Raises `Failed` or `OSError`."""
        group = self.folder / lease
        self.folder.mkdir(exist_ok=True)
        for parent in (self._root, self.folder):
            self._delegate(parent)
        group.mkdir(exist_ok=True)
        try:
            for device in devices:
                limits = self._limits(group, kept_mib * MIB, limit_mib * MIB)
                self._library.call(SET, device.handle, limits)
        except Failed:
            self.clear(lease, devices)
            raise
        return group

    def join(self, lease: str, root: int, look: Callable[[], Mapping[int, Process]]) -> set[int] | None:
        """Bring the tree under `root` into the cgroup; those that stood outside, or None when some still do."""
        members, moved = self.folder / lease / "cgroup.procs", set[int]()
        for _ in range(_ROUNDS):
            inside = self._inside(members)
            outside = Trees(look()).under(root) - inside
            if not outside:
                return moved
            moved |= outside
            for pid in sorted(outside):
                with contextlib.suppress(OSError), members.open("a", encoding="ascii") as file:
                    file.write(f"{pid}\n")
        return None

    def clear(self, lease: str, devices: Sequence[Found]) -> bool:
        """Take the limits away, and the cgroup; False while something of it still lives."""
        group = self.folder / lease
        if not group.is_dir():
            return True
        for device in devices:
            limits = self._limits(group, 0, getattr(self._library.nvml, "NVML_DEVICE_MEMORY_LIMIT_MAX", 2**64 - 1))
            with contextlib.suppress(Failed):  # a lost GPU keeps nobody
                self._library.call(SET, device.handle, limits)
        for _ in range(_ROUNDS):
            try:
                self._remove(group)
            except FileNotFoundError:
                return True
            except OSError:  # its last process is gone, and the kernel has not seen it yet
                time.sleep(0.01)
            else:
                return True
        return False

    def left(self) -> set[str]:
        """Leases that have a cgroup."""
        return {path.name for path in self.folder.iterdir() if path.is_dir()} if self.folder.is_dir() else set()

    def _delegate(self, parent: Path) -> None:
        """Give the children of a cgroup the kernel's `dmem` controller, where it has one (6.14); without it the driver
        counts by itself.
        """
        with contextlib.suppress(OSError):
            if "dmem" in (parent / "cgroup.controllers").read_text(encoding="ascii").split():
                (parent / "cgroup.subtree_control").write_text("+dmem", encoding="ascii")

    def _limits(self, group: Path, soft_bytes: int, hard_bytes: int) -> Any:
        limits = self._library.nvml.c_nvmlSetMemoryLimits_v1_t()
        limits.nameSpace, limits.softLimit, limits.hardLimit = str(group).encode(), soft_bytes, hard_bytes
        return limits

    def _asked(self, group: Path) -> Any:
        limits = self._library.nvml.c_nvmlGetMemoryLimits_v1_t()
        limits.nameSpace = str(group).encode()
        return limits

    @staticmethod
    def _inside(members: Path) -> set[int]:
        try:
            return {int(line) for line in members.read_text(encoding="ascii").split()}
        except (OSError, ValueError):
            return set()
