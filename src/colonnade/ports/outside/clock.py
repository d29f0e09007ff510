# SPDX-License-Identifier: Apache-2.0
"""What we ask of time."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """Two readings and a wait; a virtual one lives in `colonnade.testing`."""

    def wall_ms(self) -> int:
        """Milliseconds since 1970 as the machine believes; may jump either way."""
        ...

    def monotonic_ms(self) -> int:
        """Milliseconds since some start; never goes back."""
        ...

    def sleep(self, ms: int) -> None:
        """Wait."""
        ...
