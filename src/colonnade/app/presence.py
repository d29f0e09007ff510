# SPDX-License-Identifier: Apache-2.0
"""Is a daemon there, and where? By file lock: a process id alone can belong to somebody else by now. Light: every
command comes here.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import stat
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from colonnade.app.settings.environment import Places
from colonnade.core.errors import NeedsDaemon, StateError

STARTING_S = 60.0
ENDING_S = 5.0
"""So long a killed process may keep its lock: its memory is given back first."""
OURS = frozenset({"daemon.lock", "state.db"})
"""By these a state directory is known that is not closed to others yet."""


@dataclass(frozen=True, slots=True)
class Presence:
    """A running daemon; `url` is "" while it is starting."""

    pid: int
    url: str


def find_daemon(places: Places) -> Presence | None:
    """The daemon of these places, or None."""
    if not places.lock.exists() or not is_locked(places.lock):
        return None
    return Presence(int(_read(places.pid) or 0), _read(places.address))


def need_daemon(places: Places) -> tuple[str, str]:
    """(url, owner token). Raises NeedsDaemon."""
    daemon = await_daemon(places) if find_daemon(places) else None
    if daemon is None:
        raise NeedsDaemon(
            "no daemon runs here", hint="start one: `colonnade up` (add --detach to keep it in the background)"
        )
    return daemon.url, _read(places.token)


def await_daemon(places: Places, seconds: float = STARTING_S) -> Presence | None:
    """The daemon once it listens; None if it ends before that."""
    end = time.monotonic() + seconds
    while (daemon := find_daemon(places)) is not None:
        if daemon.url and daemon.pid:
            return daemon
        if time.monotonic() > end:
            raise StateError(
                "the daemon does not come up", hint="`colonnade logs` says what it is doing", code="daemon_stuck"
            )
        pause(0.05)
    return None


def ends_now(places: Places, daemon: Presence) -> bool:
    """Whether a daemon that did not answer is gone, or another has taken its place, within a few seconds."""
    end = time.monotonic() + ENDING_S
    while (now := find_daemon(places)) is not None and now.pid in (daemon.pid, 0):
        if time.monotonic() > end:
            return False
        pause(0.01)
    return True


def stop_daemon(places: Places, seconds: float = 60.0) -> bool:
    """Ask the daemon to drain and wait until it is gone; False if none ran. Raises StateError if it does not end."""
    daemon = find_daemon(places)
    if daemon is None:
        return False
    daemon = await_daemon(places)
    if daemon is None:  # It ended by itself; its number may be nobody's, and 0 would be everybody of our group.
        return True
    with _process(daemon.pid) as ended:
        with contextlib.suppress(ProcessLookupError):
            os.kill(daemon.pid, signal.SIGTERM)
        end = time.monotonic() + seconds
        while find_daemon(places) is not None or not ended():
            if time.monotonic() > end:
                raise StateError(
                    f"the daemon {daemon.pid} does not end",
                    hint=f"`kill -9 {daemon.pid}`; nothing acknowledged is lost",
                )
            pause(0.02)
    return True


@contextlib.contextmanager
def _process(pid: int) -> Iterator[Callable[[], bool]]:
    """Whether this very process has ended, whoever gets its number next. The lock is free some moments before that."""
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:  # gone already, or a system without them: then the lock alone tells
        yield lambda: True
        return
    try:
        yield lambda: bool(select.select([descriptor], [], [], 0)[0])
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def daemon_lock(places: Places) -> Iterator[bool]:
    """Be the daemon of these places: True if the lock is ours until the block ends, False if somebody else holds it."""
    private_folder(places.home)
    descriptor = os.open(places.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        for stale in (places.pid, places.address):
            stale.unlink(missing_ok=True)
        mark = lock_mark(places)
        yield True
        if lock_mark(places) == mark:
            for mine in (places.address, places.pid):
                mine.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def lock_mark(places: Places) -> tuple[int, int] | None:
    """Which file the lock is; None where there is none. Another one, or none, means that the state directory which a
    daemon works in was removed or moved away: whoever comes next does not see that daemon.
    """
    try:
        found = os.stat(places.lock)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def tell_looked(places: Places, began_ns: int) -> None:
    """The daemon's: a look at models that began then found nothing left to begin. A full disk holds up nobody."""
    with contextlib.suppress(OSError):
        descriptor = os.open(places.looked, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.pwrite(descriptor, f"{began_ns:020}\n".encode(), 0)
        finally:
            os.close(descriptor)


def has_looked(places: Places, since_ns: int) -> bool:
    """Whether the daemon has looked at models since then (monotonic); True where it does not tell."""
    told = _read(places.looked)
    return not told.isdigit() or int(told) >= since_ns


def private_folder(folder: Path) -> None:
    """Make the state directory, for its owner alone. Raises StateError for a folder that is open for other things."""
    folder.mkdir(parents=True, exist_ok=True)
    if stat.S_IMODE(folder.stat().st_mode) == 0o700:
        return
    held = {entry.name for entry in folder.iterdir()} - {"logs", "lost+found"}
    if held and not held & OURS:
        raise StateError(
            f"{folder} holds other things and is open to others: it would be closed to them",
            hint="set COLONNADE_HOME to a folder of its own",
            code="home_shared",
        )
    os.chmod(folder, 0o700)


def pause(seconds: float) -> None:
    """Wait. Not `time.sleep`: under libfaketime that fails with EINVAL."""
    threading.Event().wait(seconds)


def is_locked(path: os.PathLike[str]) -> bool:
    """Whether somebody holds the lock of this file; False where there is no such file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _read(path: os.PathLike[str]) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().strip()
    except FileNotFoundError:
        return ""
