# SPDX-License-Identifier: Apache-2.0
"""Which processes belong to a house, as /proc tells it: for what kills leave over, and for its footprint. Linux.

Nothing here signals anything, and no process is asked: what hides from its parent is found as well.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from colonnade.adapters.executor.processes import Process, beneath, since


def ours(home: Path) -> list[Process]:
    """Every living process that has a house's folder in its command line, its environment, its working directory or
    an open file, with all that descends from it; never this process.
    """
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid() and _holds(Path("/proc", name), str(home)):
            for process in ((int(name), since(int(name))), *beneath(int(name))):
                found[process[0]] = process[1]
    return sorted((pid, start) for pid, start in found.items() if start and pid != os.getpid())


ROLES = {
    "minilm.child": "embedder", "executor/warm.py": "warm interpreter", "supervisor.py": "supervisor",
    "wiring_replica": "replica", "parsers.child": "parser", "tables.child": "tables", "cli.main": "daemon",
    "/code/": "step",
}  # fmt: skip


def role(pid: int) -> str:
    """What a process of a house is, by its command line; "" for none that is known, or gone."""
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace").replace("\0", " ")
        return next((name for part, name in ROLES.items() if part in words), "")
    return ""


def living(processes: set[Process]) -> set[Process]:
    """Those that still run; a zombie does not, and neither does another process of the same number."""
    return {process for process in processes if since(process[0]) == process[1]}


class Census:
    """Keeps every process that a house ever had while it is open: a `with` block around a test."""

    def __init__(self, home: Path, every_s: float = 0.2) -> None:
        self._home, self._every_s, self._over = home, every_s, threading.Event()
        self.seen: set[Process] = set()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Census:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def left(self) -> set[Process]:
        """What of all that was ever seen still runs."""
        return living(self.seen | set(ours(self._home)))

    def _look(self) -> None:
        while not self._over.wait(self._every_s):
            self.seen.update(ours(self._home))


def _holds(process: Path, home: str) -> bool:
    return any(part == home or f"{home}/" in part or part.endswith(home) for part in _told(process))


def _told(process: Path) -> Iterator[str]:
    with contextlib.suppress(OSError):
        yield from (process / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
        yield from (process / "environ").read_bytes().decode("utf-8", "replace").split("\0")
        yield os.readlink(process / "cwd")
    with contextlib.suppress(OSError):
        for one in os.listdir(process / "fd"):
            with contextlib.suppress(OSError):
                yield os.readlink(process / "fd" / one)
