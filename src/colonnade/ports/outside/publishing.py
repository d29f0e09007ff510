# SPDX-License-Identifier: Apache-2.0
"""What we ask of a place outside the machine that keeps a checkpoint: take it, and give back the last one taken."""

from __future__ import annotations

from typing import Protocol


class Publishing(Protocol):
    """One place. Raises Unavailable when it cannot be reached or written."""

    def last(self) -> str | None:
        """The signed note that was put there last; None for none, or where the place only takes."""
        ...

    def put(self, note: str) -> str:
        """Keep a signed note; where it stands now, for people."""
        ...
