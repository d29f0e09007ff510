# SPDX-License-Identifier: Apache-2.0
"""Processes as /proc tells of them, and signals to exactly the process that is meant. Linux.

Supervisors import this: only small modules of the standard library, and nothing of this package.
"""

from __future__ import annotations

import errno
import os
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Process = tuple[int, int]
"""A process for good: its id, and its start in clock ticks after boot. An id alone is used again."""


def _stat(pid: int) -> tuple[bytes, int, int] | None:
    """State, parent and start of a process; None when there is none. See proc_pid_stat(5)."""
    try:
        descriptor = os.open(f"/proc/{pid}/stat", os.O_RDONLY)
    except OSError:
        return None
    try:
        words = os.read(descriptor, 4096).rpartition(b")")[2].split()
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return words[0], int(words[1]), int(words[19])


def since(pid: int) -> int:
    """When a living process was started, in ticks after boot; 0 when it is gone, or dead and not yet waited for."""
    found = _stat(pid) if pid > 0 else None
    return found[2] if found and found[0] not in b"ZX" else 0


def processes() -> dict[int, tuple[bytes, int, int]]:
    """Every process: its state, parent and start."""
    every = ((int(name), _stat(int(name))) for name in os.listdir("/proc") if name.isdigit())
    return {pid: found for pid, found in every if found}


def beneath(roots: set[int]) -> list[Process]:
    """What descends from the roots, which are not among it."""
    children: dict[int, list[Process]] = {}
    for pid, (_, parent, start) in processes().items():
        children.setdefault(parent, []).append((pid, start))
    found: list[Process] = []
    ahead = list(roots)
    while ahead:
        for child in children.pop(ahead.pop(), []):
            found.append(child)
            ahead.append(child[0])
    return found


def tell(process: Process, number: int) -> bool:
    """Send a signal to exactly this process; whether it was there. Kernels before 5.3 have no handle to be exact by."""
    handle = -1
    try:
        handle = os.pidfd_open(process[0])
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.EPERM, errno.EMFILE, errno.ENFILE):
            return False
    try:
        found = _stat(process[0])
        if not found or found[2] != process[1]:
            return False
        if handle >= 0:
            signal.pidfd_send_signal(handle, number)
        else:
            os.kill(process[0], number)
    except OSError:
        return False
    finally:
        if handle >= 0:
            os.close(handle)
    return True


def kill_all(look: Callable[[], Iterable[Process]]) -> int:
    """Kill all that `look` finds: first stop it, until nothing new is found, so that nothing forks away. How many."""
    stopped: set[Process] = set()
    reached = True
    while reached:
        found = [process for process in look() if process not in stopped]
        reached = sum(tell(process, signal.SIGSTOP) for process in found) > 0
        stopped.update(found)
    for process in stopped:
        tell(process, signal.SIGKILL)
    return len(stopped)
