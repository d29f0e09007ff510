# SPDX-License-Identifier: Apache-2.0
"""Which processes belong to a lease's tree, and what they take of the processor: read from /proc. It signals nobody."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
_MIB = 1 << 20
_ROOM = 4096


@dataclass(frozen=True, slots=True)
class Process:
    """One process: who started it, its session, milliseconds of processor time, resident MiB, start in clock ticks."""

    pid: int
    parent: int
    session: int
    cpu_ms: int
    resident_mib: int
    started: int
    state: str = "S"


def processes(proc: Path = Path("/proc")) -> Mapping[int, Process]:
    """Every process that can be read now, by pid. Those that end meanwhile are left out."""
    found = {}
    for name in os.listdir(proc):
        if name.isdigit():
            try:
                with open(f"{proc}/{name}/stat", "rb", buffering=0) as file:
                    found[int(name)] = _parsed(int(name), file.read(_ROOM))
            except (OSError, ValueError, IndexError):
                continue
    return found


class Trees:
    """Who descends from whom among processes that were seen together."""

    def __init__(self, known: Mapping[int, Process]) -> None:
        self.known = known
        self._children: dict[int, list[int]] = defaultdict(list)
        self._sessions: dict[int, list[int]] = defaultdict(list)
        for process in known.values():
            self._children[process.parent].append(process.pid)
            self._sessions[process.session].append(process.pid)

    def under(self, root: int) -> set[int]:
        """The pids under `root`, itself too; also those of its session, which outlive a parent that ended.

        Empty when nothing of it lives (a zombie holds nothing).
        """
        found = {pid for pid in (root, *self._sessions.get(root, ())) if pid in self.known}
        todo = list(found)
        while todo:
            fresh = [pid for pid in self._children.get(todo.pop(), ()) if pid not in found]
            found.update(fresh)
            todo += fresh
        return {pid for pid in found if self.known[pid].state not in "ZX"}

    def of(self, root: int, since: int) -> set[int]:
        """As `under`, but empty when the pid is by now another process, which did not start then (0: not known)."""
        process = self.known.get(root)
        return set() if process is not None and since and process.started != since else self.under(root)


def start_of(pid: int, known: Mapping[int, Process]) -> int:
    """When a process started, in clock ticks since boot; 0 when it is not known. With the pid it names one process."""
    return known[pid].started if pid in known else 0


def started(pid: int) -> int:
    """As `start_of`, asked for one process alone."""
    try:
        return _parsed(pid, Path(f"/proc/{pid}/stat").read_bytes()).started
    except (OSError, ValueError, IndexError):
        return 0


def _parsed(pid: int, stat: bytes) -> Process:
    # proc_pid_stat(5): the name, in brackets, may hold spaces and brackets itself; the state is field 3.
    fields = stat[stat.rindex(b")") + 2 :].split()
    ticks = int(fields[11]) + int(fields[12])
    resident = int(fields[21]) * PAGE // _MIB
    return Process(
        pid, int(fields[1]), int(fields[3]), ticks * 1000 // TICKS, resident, int(fields[19]), fields[0].decode()
    )
