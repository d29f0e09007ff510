# SPDX-License-Identifier: Apache-2.0
"""What we ask of the operating system about changed files: a hint to look, never the truth of what changed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol


class Hints(Protocol):
    """Wakes whoever made it soon after something changed beneath the watched folders."""

    def watch(self, roots: Sequence[Path]) -> bool:
        """Watch these files and folders, all that lies beneath included, and nothing else any more.

        Whether every change will be told: not where a folder is missing, on another machine, or one too many. Then
        only looking often finds all. Costs little when nothing is new.
        """
        ...

    def close(self) -> None:
        """Watch nothing."""
        ...
