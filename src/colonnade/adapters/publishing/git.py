# SPDX-License-Identifier: Apache-2.0
"""A checkpoint in a git repository: one commit each, pushed where the branch follows another. Others pull, and keep it.

`git` itself is asked; what it needs to reach a remote is its own business.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from colonnade.adapters.publishing.file import FilePublishing
from colonnade.core.errors import Unavailable

NAME = "checkpoint"
TIMEOUT_S = 60


class GitPublishing:
    """Implements `ports.outside.publishing.Publishing`. `folder`: of a working tree, or below it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = FilePublishing(folder / NAME)

    def last(self) -> str | None:
        """See `Publishing.last`."""
        return self._file.last()

    def put(self, note: str) -> str:
        """See `Publishing.put`. A commit is made only when something is new."""
        self._file.put(note)
        self._git("add", "--", NAME)
        if self._git("status", "--porcelain", "--", NAME):
            size = note.split("\n")[1]
            self._git("commit", "--quiet", "-m", f"Checkpoint of {size} entries", "--", NAME)
        where = f"{self._folder / NAME} at {self._git('rev-parse', '--short', 'HEAD')}"
        if self._git("rev-parse", "--abbrev-ref", "@{upstream}", fails=True):
            self._git("push", "--quiet")
            where += ", pushed"
        return where

    def _git(self, *words: str, fails: bool = False) -> str:
        try:
            done = subprocess.run(
                ["git", "-C", str(self._folder), *words],
                capture_output=True, text=True, timeout=TIMEOUT_S, stdin=subprocess.DEVNULL, check=False,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Unavailable(f"git {words[0]}: {error}", code="publish_failed") from error
        if done.returncode and not fails:
            said = done.stderr.strip().splitlines()
            message = f"git {words[0]} in {self._folder}: {said[-1] if said else f'exit {done.returncode}'}"
            raise Unavailable(message, code="publish_failed")
        return "" if done.returncode else done.stdout.strip()
