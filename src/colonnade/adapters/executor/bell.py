# SPDX-License-Identifier: Apache-2.0
"""Wakes whoever waits for files to change: one inotify(7) for all of them. It only wakes; what changed is looked up.

Where the kernel has no more inotify to give, it looks at the files' times itself.
"""

from __future__ import annotations

import ctypes
import os
import select
import time
from collections.abc import Sequence
from pathlib import Path

_MASK = 0x2 | 0x4 | 0x80 | 0x100  # modified, attributes, moved here, made
_LOOK_S = 0.05


class Bell:
    """Waits for any of a few files or folders to change. For one thread at a time."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self._descriptor = _watch(paths)
        self._poll = select.poll()
        if self._descriptor >= 0:
            self._poll.register(self._descriptor, select.POLLIN)
        self._times = self._look()

    def wait(self, timeout_s: float) -> bool:
        """Until something changed since the last wait, or the time is over; whether something changed."""
        if self._descriptor < 0:
            return self._wait_looking(timeout_s)
        if not self._poll.poll(timeout_s * 1000):
            return False
        try:
            while os.read(self._descriptor, 1 << 16):
                pass
        except BlockingIOError:
            pass
        return True

    def close(self) -> None:
        """Watch nothing any more."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1

    def _wait_looking(self, timeout_s: float) -> bool:
        until = time.monotonic() + timeout_s
        while (now := self._look()) == self._times:
            left = until - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(left, _LOOK_S))
        self._times = now
        return True

    def _look(self) -> list[tuple[int, int]]:
        inner = [file for path in self._paths if path.is_dir() for file in sorted(path.iterdir())]
        stats = [os.stat(path) for path in (*self._paths, *inner) if path.exists()]
        return [(stat.st_mtime_ns, stat.st_size) for stat in stats]


def _watch(paths: Sequence[Path]) -> int:
    """A descriptor that becomes readable when one of the paths changes; -1 when there is none to have."""
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        descriptor = int(libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK))
    except (OSError, AttributeError):
        return -1
    if descriptor < 0:
        return -1
    if any(libc.inotify_add_watch(descriptor, os.fsencode(path), ctypes.c_uint32(_MASK)) < 0 for path in paths):
        os.close(descriptor)
        return -1
    return descriptor
