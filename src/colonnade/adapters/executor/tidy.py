# SPDX-License-Identifier: Apache-2.0
"""Folders of runs that are long over: what they printed is kept for a while, then removed, the oldest first.

Only what was forgotten (`outcome`) is touched: its row has ended, and whoever waited for it has read how. Nothing that
runs, and nothing that somebody still has to be told of, enters here.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

KEEP_S = 30 * 86_400
KEEP_BYTES = 1 << 30
"""Of all folders together; the newest of them stay, whatever their size, for `LEAST_S`."""
LEAST_S = 3_600


def tidy(folder: Path, now_s: float, *, keep_s: float = KEEP_S, keep_bytes: int = KEEP_BYTES) -> int:
    """Remove folders of runs that ended more than `keep_s` ago, and older ones beyond `keep_bytes`; how many."""
    removed, held = 0, 0
    for ended_s, size, place in sorted(_over(folder), reverse=True):
        held += size
        age = now_s - ended_s
        if age > keep_s or (held > keep_bytes and age > LEAST_S):
            shutil.rmtree(place, ignore_errors=True)
            removed += 1
    return removed


def _over(folder: Path) -> Iterator[tuple[float, int, Path]]:
    """(when it ended, bytes on disk, folder) of each run that was forgotten."""
    for place in folder.iterdir() if folder.is_dir() else ():
        try:
            ended_s = (place / "outcome").stat().st_mtime
            yield ended_s, sum((place / name).stat().st_blocks * 512 for name in os.listdir(place)), place
        except OSError:  # it is not over, or not a run's
            continue
