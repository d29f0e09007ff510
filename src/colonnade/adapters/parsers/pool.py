# SPDX-License-Identifier: Apache-2.0
"""`BoundedParsers`: the Parsers port over a few warm child processes, each of which a hostile file can only end.

Short text files are parsed in place: decoding and cutting them is linear, so a child would only cost time.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

import msgspec

from colonnade.adapters.parsers import formats
from colonnade.adapters.parsers.opening import open_source, read_all
from colonnade.adapters.parsers.wire import Answer, Ask, Gone, Late, encode, read_frame, unpack, write_all
from colonnade.core.documents import UNREADABLE_CODES, Parsed
from colonnade.core.errors import Unreadable
from colonnade.ports.outside.parsers import ParseLimits

_IN_PLACE_BYTES = 1 << 20
_FILES_A_CHILD = 500
_SMALL_FILE = 8 << 20
_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE")


class BoundedParsers:
    """Parses files in child processes; thread-safe, one child a call.

    Args:
        limits: the bounds of one file.
        children: how many files are parsed at once; further calls wait.
        idle_s: a child without work for so long ends by itself, so that an idle daemon holds no memory for it.
    """

    def __init__(self, limits: ParseLimits | None = None, *, children: int = 2, idle_s: float = 60) -> None:
        self._limits = limits or ParseLimits()
        self._idle: list[_Child] = []
        self._lock = threading.Lock()
        self._slots = threading.BoundedSemaphore(children)
        self._closed = False
        self._idle_s = idle_s

    def parse(self, path: str, suffix: str) -> Parsed:
        """See `Parsers.parse`. A file that is gone raises FileNotFoundError."""
        suffix = suffix.lower()
        if formats.version(suffix) == "none/0":
            raise Unreadable(
                f"No parser for {suffix or 'files without a suffix'}.",
                code="unsupported",
                hint="docs/reference/formats.md lists what is read.",
            )
        fd, size = open_source(path, suffix, self._limits)
        try:
            if formats.is_text(suffix) and size <= _IN_PLACE_BYTES:
                return formats.parse_text(read_all(fd, size), suffix, self._limits)
        finally:
            os.close(fd)
        with self._slots:
            return self._in_child(path, suffix, size)

    def version(self, suffix: str) -> str:
        """See `Parsers.version`."""
        return formats.version(suffix.lower())

    def close(self) -> None:
        """End the idle children; one that is at work ends when its file is done."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for child in idle:
            child.end()

    def _in_child(self, path: str, suffix: str, size: int) -> Parsed:
        """Ask a child; one that had ended by itself for want of work is replaced once."""
        ask = Ask(os.fsencode(os.path.abspath(path)), suffix, self._limits)  # the child works elsewhere
        child, warm = self._take()
        try:
            answer = child.ask(ask)
            # Killed from outside (by a person, or for want of memory elsewhere): our own limits never end it so.
            if answer is None and ((warm and child.ended_idle()) or child.collect() == -signal.SIGKILL):
                child.end()
                child = _Child(self._idle_s)
                answer = child.ask(ask)
        except Late:
            busy = child.cpu_s() > self._limits.cpu_s / 2
            child.end()
            raise _death(-signal.SIGXCPU if busy else 0, size, self._limits) from None
        except BaseException:
            child.end()
            raise
        if answer is None:
            status = child.collect()
            child.end()
            raise _death(status, size, self._limits)
        self._give_back(child, spent=answer.code == "bomb")
        return _result(answer, path)

    def _take(self) -> tuple[_Child, bool]:
        with self._lock:
            if self._idle:
                return self._idle.pop(), True
        return _Child(self._idle_s), False

    def _give_back(self, child: _Child, *, spent: bool) -> None:
        with self._lock:
            keep = not self._closed and not spent and child.files < _FILES_A_CHILD
            if keep:
                self._idle.append(child)
        if not keep:
            child.end()


def _result(answer: Answer, path: str) -> Parsed:
    if answer.code == "gone":
        raise FileNotFoundError(path)
    if answer.packed is not None:
        return unpack(answer.packed)
    code = answer.code if answer.code in UNREADABLE_CODES else "corrupt"
    raise Unreadable(answer.message or UNREADABLE_CODES[code], code=code, hint=answer.hint)


def _death(status: int, size: int, limits: ParseLimits) -> Unreadable:
    """Why a file has no answer, from its child's exit status (negative: the signal; 0: it was too slow)."""
    if status == -signal.SIGXCPU:
        if size <= _SMALL_FILE:
            return Unreadable(f"{size} bytes needed more than {limits.cpu_s} s of CPU.", code="bomb")
        return Unreadable(f"Reading it took more than {limits.cpu_s} s of CPU.", code="timeout")
    if status in (-signal.SIGKILL, -signal.SIGABRT, -signal.SIGTRAP, -signal.SIGILL):
        return Unreadable(f"It needs more than {limits.memory_mib} MiB of memory.", code="bomb")
    if status == 0:
        return Unreadable("Reading it took longer than the limit.", code="timeout")
    return Unreadable("It is damaged: its parser crashed on it.", code="corrupt")


class _Child:
    """One parsing process and its pipes."""

    def __init__(self, idle_s: float) -> None:
        lifeline, self._alive = os.pipe2(os.O_CLOEXEC)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "colonnade.adapters.parsers.child", str(lifeline), str(idle_s)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                pass_fds=(lifeline,),
                env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
                cwd="/",
                start_new_session=True,
            )
        except BaseException:
            os.close(self._alive)
            raise
        finally:
            os.close(lifeline)
        self.files = 0

    def ask(self, ask: Ask) -> Answer | None:
        """The child's answer, or None when it ended; raises `Late`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self.files += 1
        deadline = time.monotonic() + 3 * ask.limits.cpu_s
        try:
            write_all(self._process.stdin.fileno(), encode(ask))
            return msgspec.msgpack.decode(read_frame(self._process.stdout.fileno(), deadline), type=Answer)
        except (Gone, msgspec.DecodeError):
            return None

    def cpu_s(self) -> float:
        """CPU seconds that the child has used since it started."""
        try:
            with open(f"/proc/{self._process.pid}/stat", encoding="ascii", errors="replace") as stat:
                fields = stat.read().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def ended_idle(self) -> bool:
        """Whether it ended by itself because no work came; called after it closed its pipe."""
        return self.collect() == 0

    def collect(self) -> int:
        """The exit status of a child that closed its pipe, negative for the signal that ended it."""
        try:
            return self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return self.end()

    def end(self) -> int:
        """End it if it has not ended, collect it, and close what is ours; its exit status."""
        if self._process.poll() is None:
            self._process.kill()
        status = self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        if self._alive >= 0:
            os.close(self._alive)
            self._alive = -1
        return status
