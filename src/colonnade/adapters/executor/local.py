# SPDX-License-Identifier: Apache-2.0
"""Runs commands on this machine, each under a supervisor of its own that outlives us. Nothing here waits for a run.

    runs/changed        touched whenever the state of any run changes: `changed` waits for it
    runs/RUN/lock       locked by whoever starts the run, then by its supervisor until that dies
    runs/RUN/state      the record (record.py): made here, then written by the supervisor only
    runs/RUN/stop       the grace, in milliseconds, of a stop that was asked for; may be there before the run is
    runs/RUN/attached   locked by the waiter, if the run ends with it
    runs/RUN/out, err   what the command printed; they stay, and grow without a bound
    runs/RUN/outcome    the record of a run that was forgotten: a late waiter reads it, and the name is never used again

A start goes: folder, lock, record, supervisor (which runs nothing before the record
is on disk). The order (with the environment) goes
to it in memory, never to disk. A caller that dies before the supervisor has written its own name into the record has
started nothing: the run is not `seen`, and can be started. From then on it runs at most once, ever: a record of
another boot, or without a living supervisor, is a lost run.
"""

from __future__ import annotations

import errno
import fcntl
import marshal
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from colonnade.adapters.executor.bell import Bell
from colonnade.adapters.executor.folder import alive, asked, read, this_boot, told
from colonnade.adapters.executor.inhabit import SHAPING
from colonnade.adapters.executor.nursery import Nursery
from colonnade.adapters.executor.processes import since, tell
from colonnade.adapters.executor.record import FIELDS, LOST, MARK, RECORD_BYTES, pack
from colonnade.core.errors import StateError, StorageFull
from colonnade.ports.outside.executor import Seen, Work

_PROGRAM = str(Path(__file__).with_name("supervisor.py"))
_TAKE_S = 0.005
_NEVER_BEGAN = "its supervisor ended before it began"


@dataclass(slots=True)
class _Child:
    """A supervisor or sweeper that we started; whoever started it must wait for it, or it stays as a zombie."""

    pid: int
    sweeps: bool
    status: int | None = None
    born: int = 0
    """The warm interpreter whose child it is, which tells of its end; 0: it is ours."""


class LocalExecutor:
    """Implements `Executor` for one machine: Linux, /proc, Python's own interpreter.

    Args:
        folder: `$COLONNADE_HOME/runs`; made when it is missing. On a file system of this machine.
        warm: what a warm interpreter imports before it forks (`warm.py`); None: there is none.
    """

    def __init__(self, folder: Path, *, warm: Sequence[str] | None = None) -> None:
        self._folder = folder.absolute()
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        (self._folder / "changed").touch(0o600)
        self._bell = Bell([self._folder / "changed"])
        self._lock = threading.RLock()
        self._children: dict[str, _Child] = {}
        self._ended: dict[str, Seen] = {}
        self._over: set[str] = set()
        self._nursery = None if warm is None else Nursery(warm, SHAPING)

    def start(self, work: Work) -> None:
        """See `Executor.start`."""
        place = self._place(work.run)
        try:
            place.mkdir(mode=0o700, exist_ok=True)
            with _locked(place) as lock:
                if lock >= 0 and not self._begun(place):
                    self._prepare(place)
                    self._launch(work.run, lock, _order(work), environment=work.environment)
        except OSError as error:
            raise _refusal(f"{work.run} cannot be started", error) from error

    def seen(self) -> Mapping[str, Seen]:
        """See `Executor.seen`."""
        with self._lock:
            self._wait_for_children()
            try:
                with os.scandir(self._folder) as listing:
                    names = [entry.name for entry in listing if entry.name not in self._over and entry.is_dir()]
                found = [(name, self._ended.get(name) or self._look(name)) for name in sorted(names)]
            except OSError as error:
                raise _refusal("the runs cannot be read", error) from error
            return {name: seen for name, seen in found if seen}

    def stop(self, run: str, grace_ms: int) -> None:
        """See `Executor.stop`."""
        place = self._place(run)
        number = signal.SIGUSR1
        try:
            place.mkdir(mode=0o700, exist_ok=True)
            _ask(place / "stop", max(grace_ms, 0))
        except OSError:
            number = signal.SIGTERM  # with the run's own grace: better than to let it go on
        record = read(place)
        if record and record["supervisor"]:
            tell((int(record["supervisor"]), int(record["since"])), number)

    def forget(self, run: str) -> None:
        """See `Executor.forget`."""
        place = self._place(run)
        with self._lock:
            if run in self._over or not place.exists():
                return
            seen = self._ended.get(run) or self._look(run)
            if seen is None:
                return
            if seen.state != "ended":
                raise StateError(f"{run} has not ended: it cannot be forgotten")
            with suppress(FileNotFoundError):
                os.rename(place / "state", place / "outcome")
            for name in ("stop", "attached", "lock"):
                (place / name).unlink(missing_ok=True)
            self._over.add(run)
            self._ended.pop(run, None)

    def changed(self, timeout_s: float) -> bool:
        """See `Executor.changed`."""
        return self._bell.wait(timeout_s)

    def close(self) -> None:
        """See `Executor.close`."""
        self._bell.close()
        if self._nursery is not None:
            self._nursery.close()

    # --- start ---------------------------------------------------------------------------------------------------

    def _place(self, run: str) -> Path:
        if not run or "/" in run or "\0" in run or run.startswith(".") or run == "changed":
            raise ValueError(f"{run!r} is not the name of a run")
        return self._folder / run

    def _begun(self, place: Path) -> bool:
        """Whether the run was begun once, by anybody: then never again."""
        record = read(place)
        begun = record is not None and (record["supervisor"] != "" or record["boot"] != this_boot())
        return begun or (record is not None and record["state"] == "ended") or (place / "outcome").exists()

    def _prepare(self, place: Path) -> None:
        """Take the room for all that will be written about it, before anything runs."""
        for name in ("out", "err"):
            os.close(os.open(place / name, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        descriptor = os.open(place / "stop", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, 64)
        finally:
            os.close(descriptor)
        descriptor = os.open(place / "state", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _write(descriptor, dict.fromkeys(FIELDS, "") | {"state": "starting", "boot": this_boot()})
        finally:
            os.close(descriptor)

    def _launch(
        self, run: str, lock: int, order: bytes, *mode: str, environment: Mapping[str, str] | None = None
    ) -> None:
        """Start a supervisor, which holds the lock from here on, also when we die in the next moment."""
        place = self._place(run)
        memory = os.memfd_create("order")
        try:
            os.write(memory, order)
            os.lseek(memory, 0, os.SEEK_SET)
            pid = 0
            if self._nursery is not None and environment is not None:
                error = os.open(place / "err", os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
                try:
                    pid = self._nursery.supervise(str(place), environment, (memory, lock, error))
                finally:
                    os.close(error)
            born = self._nursery.warm if self._nursery is not None and pid else 0
            pid = pid or _spawned(place, memory, lock, mode)
        finally:
            os.close(memory)
        with self._lock:
            self._children[run] = _Child(pid, bool(mode), born=born)

    # --- look ----------------------------------------------------------------------------------------------------

    def _wait_for_children(self) -> None:
        ends = self._nursery.ends() if self._nursery is not None else {}
        warm = self._nursery.warm if self._nursery is not None else 0
        for run, child in list(self._children.items()):
            if child.status is not None and (run in self._ended or run in self._over):
                del self._children[run]
            elif child.status is None and child.born:
                status = ends.get(str(self._folder / run))
                if status is not None:
                    child.status = status
                elif child.born != warm and not since(child.pid):  # nobody is left who could tell
                    child.status = int(signal.SIGKILL)
            elif child.status is None:
                try:
                    pid, status = os.waitpid(child.pid, os.WNOHANG)
                except ChildProcessError:
                    pid, status = child.pid, signal.SIGKILL
                if pid:
                    child.status = status

    def _look(self, run: str) -> Seen | None:
        """What is known of a run that has not ended as far as we knew; starts a sweep where a supervisor was lost."""
        place = self._folder / run
        record = read(place)
        if record is None:
            if (place / "outcome").exists():
                self._over.add(run)
            return None
        if record["state"] != "ended" and not alive(record):
            try:
                record = self._without_supervisor(run, place)
            except FileNotFoundError:  # somebody deleted its folder
                return None
        if record is None:
            return None
        seen = told(run, record)
        if seen.state == "ended":
            self._ended[run] = seen
        elif seen.state in ("starting", "running") and asked(place):
            return Seen(run, "stopping", seen.pid, None, seen.started_ms)
        return seen

    def _without_supervisor(self, run: str, place: Path) -> dict[str, str] | None:
        """The record of a run whose supervisor was not there: not yet, not any more, or it just said the end."""
        with _locked(place, wait=False) as lock:
            record = read(place)
            if record is None or record["state"] == "ended" or alive(record):
                return record
            if lock < 0:  # its supervisor is on its way, or a sweeper is at work
                return record if record["supervisor"] == "" else record | {"state": "unknown"}
            return self._settle(run, place, record, lock)

    def _settle(self, run: str, place: Path, record: dict[str, str], lock: int) -> dict[str, str] | None:
        """What becomes of a run that nobody supervises. We hold its lock."""
        child = self._children.get(run)
        if record["boot"] != this_boot():
            return _conclude(place, record, message=LOST)
        if record["supervisor"] == "":
            return _conclude(place, record, message=_NEVER_BEGAN) if child else None
        if child and child.status is not None and os.WIFEXITED(child.status):
            if child.sweeps:
                return _conclude(place, record, message=LOST)
            if str(child.pid) == record["supervisor"]:
                return _conclude(place, record, code=str(os.WEXITSTATUS(child.status)))
        if child is None or child.status is not None:
            self._launch(run, lock, b"", "sweep")
        return record | {"state": "unknown"}


def _spawned(place: Path, memory: int, lock: int, mode: Sequence[str]) -> int:
    """A supervisor, or a sweeper, in an interpreter of its own."""
    high = [fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 10) for descriptor in (memory, lock)]
    try:
        return os.posix_spawn(
            sys.executable,
            [sys.executable, "-I", "-S", "-X", "utf8", _PROGRAM, str(place), *mode],
            {},
            file_actions=[
                (os.POSIX_SPAWN_DUP2, high[0], 0),
                (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_OPEN, 2, str(place / "err"), os.O_WRONLY | os.O_APPEND, 0),
                (os.POSIX_SPAWN_DUP2, high[1], 3),
            ],
            setsid=True,
            setsigmask=[],
            setsigdef=signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP},
        )
    finally:
        for descriptor in high:
            os.close(descriptor)


def _conclude(place: Path, record: dict[str, str], *, code: str = "", message: str = "") -> dict[str, str]:
    """Write the end that the supervisor could not. When the disk refuses, it is concluded again next time."""
    now = str(time.time_ns() // 1_000_000)
    record = record | {"state": "ended", "code": code, "ended_ms": now, "message": message}
    with suppress(OSError):
        descriptor = os.open(place / "state", os.O_WRONLY | os.O_CLOEXEC)
        try:
            _write(descriptor, record)
        finally:
            os.close(descriptor)
    return record


def _refusal(what: str, error: OSError) -> StateError:
    kind = StorageFull if error.errno in (errno.ENOSPC, errno.EDQUOT) else StateError
    return kind(f"{what}: {error.strerror}")


def _ask(path: Path, grace_ms: int) -> None:
    """Write the grace of a stop, unless a shorter one stands there, which the supervisor may not have read yet."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        before = os.pread(descriptor, 64, 0).strip(b"\0 \n")
        os.pwrite(descriptor, b"%016d\n" % min([grace_ms, *([int(before)] if before.isdigit() else [])]), 0)
    finally:
        os.close(descriptor)


def _order(work: Work) -> bytes:
    return marshal.dumps(
        {
            "argv": [str(word) for word in work.argv],
            "folder": os.path.abspath(work.folder),
            "environment": {str(name): str(value) for name, value in work.environment.items()} | {MARK: work.run},
            "grace_ms": work.grace_ms,
            "attached": work.attached,
            "cgroup": work.cgroup,
        }
    )


def _write(descriptor: int, record: dict[str, str]) -> None:
    if os.pwrite(descriptor, pack(record), 0) != RECORD_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@contextmanager
def _locked(place: Path, *, wait: bool = True) -> Iterator[int]:
    """The run's lock, or -1: a supervisor has it, or another starter and we may not wait until that has begun."""
    descriptor = os.open(place / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        while not _take(descriptor):
            record = read(place)
            if not wait or (record and record["supervisor"]):
                yield -1
                return
            time.sleep(_TAKE_S)
        yield descriptor
    finally:
        os.close(descriptor)


def _take(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
