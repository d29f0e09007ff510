# SPDX-License-Identifier: Apache-2.0
"""What rooms ask before files of a model are loaded: may they be? Nothing of how files are judged."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

CLEAN = "clean"


class Scan(Protocol):
    """Judges files without loading them."""

    def judge(self, folder: Path) -> tuple[str, tuple[str, ...]]:
        """(clean, malicious or unreadable; why) over every file below a folder. Only `clean` may be loaded."""
        ...
