# SPDX-License-Identifier: Apache-2.0
"""A warm interpreter that forks supervisors, and Python programs under them, so that nobody waits for Python to start.

Started by its path, with `warm.py ROOM MODULE...`; descriptor 3 is the socket of whoever starts runs (`nursery.py`). It
has one thread and holds nothing: no secret (an order is read after the fork, by the supervisor alone), no connection,
no descriptor but the socket. When the other end closes, it ends; what it forked goes on.

It says `ready` when it is. A request is `FOLDER`, with three descriptors: the order, the run's lock, its `err`; the
answer `+ FOLDER PID`. When a supervisor has ended, `- FOLDER STATUS` says how.

In a supervisor, everything is as in one that was started by itself (supervisor.py); the command, if it is a program for
this very interpreter, is not executed but run here. It finds what a fresh interpreter would show it: its environment,
arguments, path, `__main__`, descriptors and signals. What it shares with its siblings: where things lie in memory.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import sys

if __name__ == "__main__":  # started by its path: its neighbours are found as a package without our package
    sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    __package__ = "executor"

from .command import Embodied, Supervisor, embody, rehearse
from .inhabit import ROOM, SHAPING, inhabit, show

if __name__ == "__main__":
    del sys.path[0]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .command import Order

MOST_BYTES = 4096
SOCKET = 3


def main(modules: list[str]) -> Order:
    """Fork supervisors until the socket closes. Returns in a command only, with what it is to be."""
    for module in modules:
        try:
            __import__(module)
        except ImportError:
            continue
    rehearse()
    gc.collect()
    gc.freeze()
    server = socket.socket(fileno=SOCKET)
    server.send(b"ready")
    poll = select.poll()
    poll.register(server, select.POLLIN)
    watched: dict[int, tuple[int, str]] = {}
    while True:
        for descriptor, _ in poll.poll():
            if descriptor != server.fileno():
                pid, folder = watched.pop(descriptor)
                poll.unregister(descriptor)
                os.close(descriptor)
                server.send(f"- {folder} {os.waitpid(pid, 0)[1]}".encode())
                continue
            data, given, _, _ = socket.recv_fds(server, MOST_BYTES, 3)
            if not data:
                os._exit(0)
            folder = data.decode()
            pid = os.fork()
            if not pid:
                server.detach()
                return _supervise(folder, given)
            for one in given:
                os.close(one)
            server.send(f"+ {folder} {pid}".encode())
            handle = os.pidfd_open(pid)
            watched[handle] = pid, folder
            poll.register(handle, select.POLLIN)


def _supervise(folder: str, given: list[int]) -> Order:
    """Be a supervisor to the end; or, in the command that it forks, return what that is to be."""
    try:
        os.setsid()
        order, lock, error = (os.dup(one) if one < 4 else one for one in given)
        os.dup2(order, 0)
        os.dup2(error, 2)
        os.dup2(lock, 3, inheritable=False)
        os.closerange(4, os.sysconf("SC_OPEN_MAX"))
        os.umask(0o077)
        os.chdir(folder)
        show([sys.executable, "supervisor.py", folder])
        import marshal

        with open(0, "rb") as file:
            work: Order = marshal.load(file)  # noqa: S302  from our own starter, through memory nobody else can open
        os.open(os.devnull, os.O_RDWR)
        status = Supervisor(work, embody if _ours(work) else None).run()
    except Embodied as embodied:
        return embodied.work
    except BaseException:
        sys.excepthook(*sys.exc_info())
        os.kill(os.getpid(), signal.SIGKILL)
    os._exit(status)


def _ours(work: Order) -> bool:
    """Whether a command is a program that a fresh interpreter like this one would run just so."""
    argv = work["argv"]
    return argv[:1] == sys.orig_argv[:1] and (
        (len(argv) > 1 and argv[1].endswith(".py") and argv[1].startswith("/")) or argv[1:3] == ["-P", "-m"]
    ) and startup(work["environment"]) == STARTUP  # fmt: skip


def startup(environment: dict[str, str]) -> dict[str, str]:
    """What of an environment shapes an interpreter before it runs anything."""
    return {name: value for name, value in environment.items() if name.startswith(SHAPING)}


with open("/proc/self/environ", "rb") as _file:  # what we were given: Python itself adds LC_CTYPE where there is none
    STARTUP = startup(dict(os.fsdecode(one).partition("=")[::2] for one in _file.read().split(b"\0") if one))

if __name__ == "__main__":
    work = main(sys.argv[ROOM:])
    inhabit(work["argv"], work["environment"])
