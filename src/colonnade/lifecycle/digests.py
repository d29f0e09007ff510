# SPDX-License-Identifier: Apache-2.0
"""Digests of files, read again only when their size, time or place on the disk changed."""

from __future__ import annotations

import hashlib
from pathlib import Path


class Digests:
    """Remembers what it read."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[tuple[int, int, int], str]] = {}

    def of(self, path: Path) -> str:
        """SHA-256 (hex) of a file's bytes. Raises OSError."""
        with open(path, "rb") as file:
            stat = path.stat()
            here = (stat.st_size, stat.st_mtime_ns, stat.st_ino)
            known = self._known.get(path)
            if known is None or known[0] != here:
                known = self._known[path] = (here, hashlib.file_digest(file, "sha256").hexdigest())
            return known[1]
