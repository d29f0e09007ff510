# SPDX-License-Identifier: Apache-2.0
"""One command and all that descends from it, from its start to the end of the last of them. Run by supervisor.py.

A stop, a waiter that is gone, and the command's own end lead to the same: SIGTERM to whatever is left, SIGKILL after
the grace, and no end before nothing is left. Nothing here knows why a command runs, or what it may use.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import time

from .processes import Process, beneath, kill_all, since, tell
from .record import FIELDS, boot, pack, ring, write_record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypedDict

    class Order(TypedDict):
        """What is to be run, as it comes through descriptor 0."""

        argv: list[str]
        folder: str
        environment: dict[str, str]
        grace_ms: int
        attached: bool
        cgroup: str


POLL_S = 5.0
"""How often a stop is looked for without having been woken; signals come at once."""
SHORT_S = 0.02
"""A command that is over sooner wakes whoever waits once, for its end, and not for its beginning as well."""
WAITER_S = 1.0
"""How often an attached run looks whether its waiter lives."""

_REAPED_AT_ONCE = 1000
"""So many are taken away before we look at what else there is to do: a storm may end faster than we take away."""

_PDEATHSIG, _CHILD_SUBREAPER = 1, 36
_WAKERS = {signal.SIGCHLD, signal.SIGUSR1, signal.SIGTERM, signal.SIGINT, signal.SIGHUP}


class Embodied(BaseException):
    """In the child of a warm interpreter: everything is in place, and this process is to be the command itself."""

    def __init__(self, work: Order) -> None:
        super().__init__()
        self.work = work


class Supervisor:
    """One command and all that descends from it. The current folder is the run's.

    Args:
        be: what the child does once everything is in place; None: execute the command.
    """

    def __init__(self, work: Order, be: Callable[[Order], None] | None = None) -> None:
        self.work = work
        self.be = be or execute
        self.grace_s = work["grace_ms"] / 1000
        self.descriptor = os.open("state", os.O_RDWR)
        self.record = dict.fromkeys(FIELDS, "") | {"state": "starting", "boot": boot(), "pid": "0"}
        self.record |= {"supervisor": str(os.getpid()), "since": str(since(os.getpid()))}
        self.waiter = os.open("attached", os.O_RDWR | os.O_CREAT, 0o600) if work["attached"] else -1
        self.command = 0
        self.code: int | None = None
        self.trouble = -1
        self.kill_at: float | None = None
        self.told: set[Process] = set()
        self.killed: set[Process] = set()
        self.pause_s = 0.001
        self.told_running = False

    def run(self) -> int:
        """From here to the end of the tree. Returns the command's code."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _WAKERS)
        _prctl(_CHILD_SUBREAPER, 1)
        write_record(self.descriptor, self.record)  # nobody has to be woken: who started it knows
        why = self._unwanted()
        if why:
            return self._end(128 + signal.SIGTERM, why)
        self._settle()
        self._begin()
        while self._reap():
            self._press()
            self._wait()
        return self._end(self.code, self._said())

    def _settle(self) -> None:
        """The record is on disk before anything runs: after a loss of power the run counts as begun, and as lost."""
        os.fsync(self.descriptor)
        for folder in (".", ".."):
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            os.fsync(descriptor)
            os.close(descriptor)

    def _begin(self) -> None:
        """Fork; the child becomes the command, or says why it cannot in a pipe that exec closes."""
        self.trouble, say = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        parent = os.getpid()
        self.command = os.fork()
        if not self.command:
            _become(self.work, parent, say, self.be)
        os.close(say)
        self.work["environment"] = {}
        self.record |= {"state": "running", "pid": str(self.command), "started_ms": str(time.time_ns() // 1_000_000)}
        write_record(self.descriptor, self.record)

    def _reap(self) -> bool:
        """Wait for whatever has ended, up to a bound; whether any of the tree is left."""
        for _ in range(_REAPED_AT_ONCE):
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if not pid:
                return True
            if pid == self.command:
                code = os.waitstatus_to_exitcode(status)
                self.code = code if code >= 0 else 128 - code
        return True

    def _living(self) -> Iterator[Process]:
        """What is left of the tree. What has ended is taken away first, so that the list stays short."""
        self._reap()
        return beneath(os.getpid())

    def _press(self) -> None:
        """Whatever has to be done now so that the tree ends: nothing, SIGTERM, or SIGKILL after the grace."""
        asked = _asked()
        if asked is None and (self.code is not None or self._waiter_gone() or self._forgotten()):
            asked = self.grace_s
        now = time.monotonic()
        if asked is not None:
            first = self.kill_at is None
            self.kill_at = min(now + asked, self.kill_at if self.kill_at is not None else now + asked)
            if first or (self.code is not None and self.record["code"] == ""):
                self._term()
        if self.kill_at is not None and now >= self.kill_at:
            found = kill_all(self._living)
            self.pause_s = 0.001 if found - self.killed else min(self.pause_s * 2, 0.5)
            self.killed = found

    def _term(self) -> None:
        """SIGTERM to whatever has not had it; what is stopped is woken, to hear it."""
        self._write(state="stopping", code="" if self.code is None else str(self.code))
        for process in beneath(os.getpid()):
            if process not in self.told:
                tell(process, signal.SIGTERM)
                tell(process, signal.SIGCONT)
                self.told.add(process)

    def _wait(self) -> None:
        """Sleep until something ends, somebody signals, or it is time to look."""
        if self.kill_at is not None:
            left = self.kill_at - time.monotonic()
            wait = left if left > 0 else self.pause_s
        else:
            wait = POLL_S if self.waiter < 0 else WAITER_S
        found = signal.sigtimedwait(_WAKERS, wait if self.told_running else min(wait, SHORT_S))
        if found is None and not self.told_running:
            self.told_running = True
            ring()
        if found and found.si_signo in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP) and self.kill_at is None:
            self.kill_at = time.monotonic() + self.grace_s
            self._term()

    def _unwanted(self) -> str:
        """Why the command must not start any more; "" when it may."""
        if _asked() is not None:
            return "it was stopped before it started"
        return "whoever waited for it had gone before it started" if self._waiter_gone() else ""

    def _waiter_gone(self) -> bool:
        """Whether the lock that a waiter holds for as long as it lives can be taken."""
        if self.waiter < 0:
            return False
        try:
            fcntl.flock(self.waiter, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def _forgotten(self) -> bool:
        """Whether the run's folder was removed: nobody finds this run again, to stop it or to learn how it ended."""
        return os.fstat(self.descriptor).st_nlink == 0

    def _said(self) -> str:
        """Why the command could not start, if it could not."""
        try:
            return os.read(self.trouble, 4096).decode("utf-8", "replace")
        except OSError:
            return ""

    def _end(self, code: int | None, message: str) -> int:
        ended = str(time.time_ns() // 1_000_000)
        self._write(state="ended", code="" if code is None else str(code), ended_ms=ended, message=message)
        return code or 0

    def _write(self, **fields: str) -> None:
        self.record |= fields
        write_record(self.descriptor, self.record)
        ring()


def _asked() -> float | None:
    """The grace of the stop that was asked for, in seconds; None when none was."""
    try:
        with open("stop", "rb") as file:
            words = file.read(64).strip(b"\0 \n")
    except OSError:
        return None
    return int(words) / 1000 if len(words) == 16 and words.isdigit() else None


_libc = ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


def rehearse() -> None:
    """Have loaded whatever a supervisor will need (codecs, say), before it is forked."""
    pack(dict.fromkeys(FIELDS, "") | {"boot": boot(), "since": str(since(os.getpid()))})


def execute(work: Order) -> None:
    """Be another program. Returns never; raises OSError."""
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    os.execvpe(work["argv"][0], work["argv"], work["environment"])  # noqa: S606  no shell is wanted


def embody(work: Order) -> None:
    """Leave everything that was forked behind, for the top of the program to go on with the command."""
    raise Embodied(work)


def _become(work: Order, parent: int, say: int, be: Callable[[Order], None]) -> None:
    """In the child: be the command. Never returns."""
    what = str(work["argv"][0])
    try:
        os.setsid()
        _prctl(_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for target, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(name, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), target)
        os.umask(0o022)
        if work["cgroup"]:  # before anything of it runs: its limits hold from the first allocation
            what = str(work["cgroup"])
            with open(f"{what}/cgroup.procs", "w") as members:
                members.write("0")
        what = str(work["folder"])
        os.chdir(what)
        what = str(work["argv"][0])
        if be is not execute:
            os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        be(work)
    except (OSError, ValueError) as error:
        missing = isinstance(error, FileNotFoundError) and what == work["argv"][0]
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
        os.write(say, f"{what}: {reason}".encode("utf-8", "replace")[:600])
        os._exit(127 if missing else 126)
    except Embodied:
        raise
    except BaseException:
        os._exit(126)
    os._exit(126)
