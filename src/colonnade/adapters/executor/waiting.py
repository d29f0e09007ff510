# SPDX-License-Identifier: Apache-2.0
"""Waits for one run in somebody's terminal: shows what it prints, and holds the lock that an attached run lives by.

It reads files only, so that it goes on when the daemon dies. Whether the run will ever begin (it may wait in a queue,
or be refused) is not known here: ask whoever was asked to run it, between two calls of `pump`.
"""

from __future__ import annotations

import fcntl
import os
import signal
import time
from pathlib import Path

from colonnade.adapters.executor.bell import Bell
from colonnade.adapters.executor.folder import alive, outcome, read, told
from colonnade.adapters.executor.processes import tell
from colonnade.core.errors import StateError
from colonnade.ports.outside.executor import Seen

_LOOK_S = 1.0
"""How often to look without having been woken: for a supervisor that was killed."""
_LOST_S = 10.0
"""How long a run may stay unknown, with nobody to settle it, until `follow` gives up."""


class Waiter:
    """The one who waits for a run. Make it before the run is asked for: from then on, its death is noticed.

    Args:
        folder: `$COLONNADE_HOME/runs`; made when it is missing.
        run: the name of the run.
        out, err: descriptors that get what the command prints, byte for byte, as it grows.

    Raises:
        StateError: another waiter waits for it already.
    """

    def __init__(self, folder: Path, run: str, *, out: int = 1, err: int = 2) -> None:
        self._run, self._place = run, folder.absolute() / run
        self._place.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = os.open(self._place / "attached", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise StateError(f"{run} is waited for by another process") from None
        self._streams = {"out": _Stream(self._place / "out", out), "err": _Stream(self._place / "err", err)}
        self._bell = Bell([self._place])

    def pump(self, timeout_s: float) -> Seen | None:
        """Show what is new, waiting at most so long for it, and tell how the run stands; None before it begins.

        Once it tells `ended`, all that the command printed was shown. `unknown`: its supervisor was lost, and whoever
        runs the executor has to settle it. Raises `BrokenPipeError` when nobody reads what is shown.
        """
        if not self._show():
            self._bell.wait(timeout_s)
        seen = self._look()
        while self._show() and seen and seen.state == "ended":
            pass
        return seen

    def follow(self) -> Seen:
        """Show what it prints until it has ended, and tell how; or until it stays unknown, with nobody to settle it."""
        since_s = time.monotonic()
        while True:
            seen = self.pump(_LOOK_S)
            if seen and seen.state == "ended":
                return seen
            if not seen or seen.state != "unknown":
                since_s = time.monotonic()
            elif time.monotonic() - since_s > _LOST_S:
                return seen

    def release(self) -> None:
        """Wait no more: an attached run is stopped with its grace, at once. `pump` still shows its end."""
        if self._lock < 0:
            return
        os.close(self._lock)
        self._lock = -1
        record = read(self._place)
        if record and record["supervisor"]:
            tell((int(record["supervisor"]), int(record["since"])), signal.SIGUSR1)

    def close(self) -> None:
        """Let go of everything, the lock too."""
        self.release()
        self._bell.close()
        for stream in self._streams.values():
            stream.close()

    def _look(self) -> Seen | None:
        """How the run stands. A record is read again after its supervisor was found dead: it may have said the end."""
        record = read(self._place)
        if record and record["supervisor"] and record["state"] != "ended" and not alive(record):
            record = read(self._place)
            if record and record["state"] != "ended":
                record["state"] = "unknown"
        record = record or outcome(self._place)
        return told(self._run, record) if record else None

    def _show(self) -> bool:
        return any([stream.copy() for stream in self._streams.values()])  # noqa: C419  each of them


class _Stream:
    """A file that grows, copied to a descriptor."""

    def __init__(self, path: Path, target: int) -> None:
        self._path, self._target, self._source = path, target, -1

    def copy(self) -> bool:
        """Copy up to a mebibyte of what is new; whether anything was."""
        if self._source < 0:
            try:
                self._source = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                return False
        data = memoryview(os.read(self._source, 1 << 20))
        found = len(data) > 0
        while data:
            data = data[os.write(self._target, data) :]
        return found

    def close(self) -> None:
        if self._source >= 0:
            os.close(self._source)
        self._source = -1
