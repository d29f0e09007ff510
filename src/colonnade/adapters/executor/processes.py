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
    from collections.abc import Callable, Iterator

Process = tuple[int, int]
"""A process for good: its id, and its start in clock ticks after boot. An id alone is used again."""


def stat(pid: int) -> tuple[bytes, int, int] | None:
    """State, parent and start of a process; None when there is none. See proc_pid_stat(5).

    One whose first thread alone has ended is no zombie yet (Z): it is said to run.
    """
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
    return b"R" if words[0] == b"Z" and int(words[17]) > 1 else words[0], int(words[1]), int(words[19])


def since(pid: int) -> int:
    """When a living process was started, in ticks after boot; 0 when it is gone, or dead and not yet waited for."""
    found = stat(pid) if pid > 0 else None
    return found[2] if found and found[0] not in b"ZX" else 0


def processes() -> list[int]:
    """Every process, the youngest first as far as numbers tell: what forks as it goes is found at its newest."""
    return sorted((int(name) for name in os.listdir("/proc") if name.isdigit()), reverse=True)


def above(pid: int) -> set[int]:
    """A process and all that it descends from."""
    found: set[int] = set()
    while pid and pid not in found:
        found.add(pid)
        about = stat(pid)
        pid = about[1] if about else 0
    return found


def beneath(root: int) -> Iterator[Process]:
    """What descends from a process, one at a time: the children of each are asked for after it was given.

    So whoever stops each as it comes sees all that it had begun.
    """
    children = _children if os.path.exists(f"/proc/self/task/{os.getpid()}/children") else _children_by_search
    ahead = [root]
    while ahead:
        parent = ahead.pop()
        for pid in children(parent):
            about = stat(pid)
            if about and about[1] == parent and about[0] not in b"ZX":
                yield pid, about[2]
                ahead.append(pid)


def _children(parent: int) -> list[int]:
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{parent}/task"):
            with open(f"/proc/{parent}/task/{thread}/children", "rb") as file:
                found.extend(int(pid) for pid in file.read().split())
    except OSError:
        return found
    return found


def _children_by_search(parent: int) -> list[int]:
    """For kernels without CONFIG_PROC_CHILDREN."""
    every = ((pid, stat(pid)) for pid in processes())
    return [pid for pid, about in every if about and about[1] == parent]


def tell(process: Process, number: int) -> bool:
    """Send a signal to exactly this process; whether it was there. Kernels before 5.3 have no handle to be exact by."""
    handle = -1
    try:
        handle = os.pidfd_open(process[0])
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.EPERM, errno.EMFILE, errno.ENFILE):
            return False
    try:
        found = stat(process[0])
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


def _hurry() -> None:
    """A storm of processes must not keep us from ending it. Only root may hurry; others take longer."""
    try:
        os.setpriority(os.PRIO_PROCESS, 0, -20)
    except OSError:
        return


def kill_all(look: Callable[[], Iterator[Process]]) -> set[Process]:
    """Kill all that `look` finds: first stop each as it is found, until nothing new is, so that nothing forks away.

    Returns what was found. Who forks faster than we look may have left something: ask again until nothing is found.
    """
    _hurry()
    stopped: set[Process] = set()
    reached = True
    while reached:
        reached = False
        for process in look():
            if process not in stopped:
                stopped.add(process)
                reached = tell(process, signal.SIGSTOP) or reached
    for process in stopped:
        tell(process, signal.SIGKILL)
    return stopped
