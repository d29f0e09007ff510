# SPDX-License-Identifier: Apache-2.0
"""Our end of a warm interpreter (`warm.py`): it is started when the first run is, asked for supervisors, told of their
ends, and let go when nothing was asked of it for a while. Without one, supervisors are started by themselves.
"""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from colonnade.adapters.executor.inhabit import MARK

_PROGRAM = str(Path(__file__).with_name("warm.py"))
IDLE_S = 60.0
_ANSWER_S = 10.0
_ROOM = " " * 512
_MARK_ROOM = "x" * 64
READY = b"ready"
_log = logging.getLogger("colonnade.executor")


class Nursery:
    """One warm interpreter at a time. Thread-safe.

    Args:
        modules: what it imports before it forks: what most programs need.
        shaping: the beginnings of variables that shape an interpreter when it starts; the first run's hold for all.
    """

    def __init__(self, modules: Sequence[str], shaping: tuple[str, ...]) -> None:
        self._modules, self._shaping = list(modules), shaping
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._pid = 0
        self._used_s = 0.0
        self._ends: dict[str, int] = {}
        self._broken = False

    def supervise(self, folder: str, environment: Mapping[str, str], given: Sequence[int]) -> int:
        """The process of a new supervisor; 0: there is none to be had, and none was begun. Raises OSError where it is
        not known whether one was.
        """
        with self._lock:
            server = self._socket or self._start(environment)
            if server is None:
                return 0
            self._used_s = time.monotonic()
            try:
                socket.send_fds(server, [os.fsencode(folder)], list(given))
            except OSError:  # it is gone: nothing was asked of it
                self._drop()
                return 0
            try:
                while True:
                    if pid := self._heard(server.recv(8192), folder):
                        return pid
            except OSError:
                self._drop()
                raise

    @property
    def warm(self) -> int:
        """The process of the warm interpreter that lives as far as we know; 0 for none."""
        return self._pid if self._socket is not None else 0

    def ends(self) -> dict[str, int]:
        """folder -> wait status of supervisors that have ended since the last call. Lets go of an idle one."""
        with self._lock:
            if self._socket is not None:
                self._socket.setblocking(False)
                with suppress(BlockingIOError):
                    while self._socket is not None:
                        try:
                            self._heard(self._socket.recv(8192), "")
                        except BlockingIOError:
                            raise
                        except OSError:
                            self._drop()
                if self._socket is not None:
                    self._socket.settimeout(_ANSWER_S)
                    if time.monotonic() - self._used_s > IDLE_S:
                        self._drop()
            found, self._ends = self._ends, {}
            return found

    def close(self) -> None:
        """Let it end; what it forked goes on."""
        with self._lock:
            self._drop()

    def _heard(self, message: bytes, folder: str) -> int:
        """The process that was forked for the folder, if that is what was said; ends are kept."""
        if not message:
            raise ConnectionError("the warm interpreter has gone")
        kind, _, rest = message.decode().partition(" ")
        about, _, number = rest.rpartition(" ")
        if kind == "-":
            self._ends[about] = int(number)
            return 0
        return int(number) if about == folder else 0

    def _start(self, environment: Mapping[str, str]) -> socket.socket | None:
        if self._broken or not hasattr(os, "pidfd_open"):
            return None
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        shaped = {name: value for name, value in environment.items() if name.startswith(self._shaping)}
        high = fcntl.fcntl(theirs.fileno(), fcntl.F_DUPFD_CLOEXEC, 10)
        try:
            self._pid = os.posix_spawn(
                sys.executable,
                [sys.executable, _PROGRAM, _ROOM, *self._modules],
                {**shaped, MARK: _MARK_ROOM},
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
                    (os.POSIX_SPAWN_DUP2, high, 3),
                ],
                setsid=True,
                setsigmask=[],
                setsigdef=signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP},
            )
        except OSError:
            ours.close()
            return None
        finally:
            theirs.close()
            os.close(high)
        ours.settimeout(_ANSWER_S)
        self._socket = ours
        try:
            ready = ours.recv(8192) == READY
        except OSError:
            ready = False
        if not ready:
            self._drop()
            self._broken = True
            _log.warning("the warm interpreter does not start; each run gets an interpreter of its own")
            return None
        return ours

    def _drop(self) -> None:
        if self._socket is None:
            return
        self._socket.close()
        self._socket = None
        with suppress(OSError):
            os.kill(self._pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(self._pid, 0)
