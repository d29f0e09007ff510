# SPDX-License-Identifier: Apache-2.0
"""The store's clock: wall time when the store was opened, then monotonic time, never behind what was ever stored.

A jump of the machine's clock while we run changes nothing; one between two runs can only move us forward.
"""

from __future__ import annotations

from colonnade.ports.outside.clock import Clock


class StoreClock:
    """Milliseconds since 1970 that never go back."""

    def __init__(self, clock: Clock, last_ms: int) -> None:
        self._clock = clock
        self._opened_at = max(clock.wall_ms(), last_ms + 1)
        self._opened_monotonic = clock.monotonic_ms()

    def now_ms(self) -> int:
        """Now."""
        return self._opened_at + self._clock.monotonic_ms() - self._opened_monotonic
