# SPDX-License-Identifier: Apache-2.0
"""The `clock` port on the operating system."""

from __future__ import annotations

import time


class SystemClock:
    """CLOCK_REALTIME and CLOCK_BOOTTIME (which goes on while the machine sleeps)."""

    def wall_ms(self) -> int:
        """Milliseconds since 1970 as the machine believes."""
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> int:
        """Milliseconds since the machine started."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000

    def sleep(self, ms: int) -> None:
        """Wait."""
        time.sleep(ms / 1000)
