# SPDX-License-Identifier: Apache-2.0
"""A clock that tests turn by hand."""

from __future__ import annotations


class VirtualClock:
    """Stands still until told; `wall` and `monotonic` can be moved apart."""

    def __init__(self, wall_ms: int = 1_790_000_000_000) -> None:
        self._wall = wall_ms
        self._monotonic = 0

    def wall_ms(self) -> int:
        """The wall clock."""
        return self._wall

    def monotonic_ms(self) -> int:
        """The monotonic clock."""
        return self._monotonic

    def sleep(self, ms: int) -> None:
        """Time passes at once."""
        self.advance(ms)

    def advance(self, ms: int) -> None:
        """Let time pass on both clocks."""
        self._wall += ms
        self._monotonic += ms

    def jump(self, ms: int) -> None:
        """Set the wall clock forward or back, as an administrator or a broken clock does."""
        self._wall += ms
