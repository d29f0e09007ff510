# SPDX-License-Identifier: Apache-2.0
"""The `clock` port on the operating system. Nothing here decides what a time means.

The kernel's uptime is the truth of how much time passed: it goes on while the machine sleeps, which CLOCK_MONOTONIC
does not, and nothing sets it. It is read once a second at most, and CLOCK_MONOTONIC counts in between, so that one that
was tampered with (libfaketime) is followed for a second at most.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

ANCHOR_MS = 1000
_UPTIME = Path("/proc/uptime")


class SystemClock:
    """CLOCK_REALTIME, and the time since the machine started.

    Args:
        count: milliseconds of a clock that counts between two looks at the uptime.
        uptime: milliseconds since the machine started; None where nobody tells.
    """

    def __init__(
        self,
        count: Callable[[], int] = lambda: time.monotonic_ns() // 1_000_000,
        uptime: Callable[[], int | None] = lambda: _uptime_ms(),
    ) -> None:
        self._count, self._uptime = count, uptime
        self._lock = threading.Lock()
        self._counted = count()
        self._anchor = self._last = uptime() or self._counted

    def wall_ms(self) -> int:
        """Milliseconds since 1970 as the machine believes."""
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> int:
        """Milliseconds since the machine started; never goes back."""
        with self._lock:
            counted = self._count()
            if not 0 <= counted - self._counted < ANCHOR_MS:
                found = self._uptime()
                self._anchor = found if found is not None else self._last + max(0, counted - self._counted)
                self._counted = counted
            self._last = max(self._last, self._anchor + counted - self._counted)
            return self._last

    def sleep(self, ms: int) -> None:
        """Wait."""
        time.sleep(ms / 1000)


def _uptime_ms() -> int | None:
    try:
        return int(float(_UPTIME.read_bytes().split()[0]) * 1000)
    except (OSError, ValueError, IndexError):
        return None
