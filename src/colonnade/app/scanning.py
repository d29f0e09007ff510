# SPDX-License-Identifier: Apache-2.0
"""Scan a file, or every file of a folder, for what may not be loaded. Needs no project, no daemon, no network.

Walking folders and adding up verdicts only; how a file is judged is `observe.security`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from colonnade.core.errors import UsageError
from colonnade.observe.security import CLEAN, MALICIOUS, UNREADABLE, Verdict, judge

Show = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Scanned:
    """The verdicts on the files under a path, sorted by path."""

    path: str
    folder: bool
    files: tuple[tuple[str, Verdict], ...]

    @property
    def verdict(self) -> str:
        """The worst of them."""
        words = {verdict.verdict for _, verdict in self.files}
        return MALICIOUS if MALICIOUS in words else UNREADABLE if UNREADABLE in words else CLEAN

    def to_json(self) -> dict[str, Any]:
        """What `--json` prints: one file's fields, or `files[]` with each one's."""
        if not self.folder:
            return {"schema": "colonnade.scan/1", "path": self.path, **self.files[0][1].to_json()}
        reasons = [f"{name}: {reason}" for name, verdict in self.files for reason in verdict.reasons]
        return {
            "schema": "colonnade.scan/1",
            "path": self.path,
            "verdict": self.verdict,
            "reasons": reasons,
            "files": [{"path": name, **verdict.to_json()} for name, verdict in self.files],
        }


def scan(path: str, show: Show = lambda _label, _done, _total: None) -> Scanned:
    """Judge a file, or all files below a folder; links are not followed, but a link given by name is.

    Raises UsageError when there is nothing at the path.
    """
    root = Path(path)
    if not root.exists():
        raise UsageError(f"there is no file or folder {path}", hint="colonnade scan PATH")
    if not root.is_dir():
        return Scanned(path, False, ((path, _judged(root)),))
    names = sorted(_files(root))
    if not names:
        raise UsageError(f"there is no file in {path}", hint="give a folder with files in it")
    verdicts = []
    for done, name in enumerate(names):
        show("scanning", done, len(names))
        verdicts.append((name, _judged(root / name)))
    return Scanned(path, True, tuple(verdicts))


class FolderScan:
    """Implements `ports.skills.scan.Scan`."""

    def judge(self, folder: Path) -> tuple[str, tuple[str, ...]]:
        """See `Scan.judge`."""
        found = scan(str(folder))
        reasons = [f"{name}: {reason}" for name, verdict in found.files for reason in verdict.reasons]
        return found.verdict, tuple(reasons)


def _judged(path: Path) -> Verdict:
    """The verdict; what cannot be opened, and what is no file (a pipe would be waited for), is unreadable."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return Verdict(UNREADABLE, ("it is not a regular file",))
        return judge(path)
    except OSError as error:
        return Verdict(UNREADABLE, (f"it cannot be read: {error.strerror or error}",))


def _files(root: Path) -> Iterator[str]:
    """Paths below the folder. A link to a file counts, for a loader follows it; a link to a folder does not."""
    for folder, _, names in os.walk(root):
        for name in names:
            yield os.path.relpath(os.path.join(folder, name), root)
