# SPDX-License-Identifier: Apache-2.0
"""Data goes to stdout, talk to stderr; all of it makes sense without colour."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from colonnade.app.settings.environment import is_terminal, wants_colour

_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


def emit(document: Mapping[str, Any]) -> None:
    """One JSON document on stdout."""
    print(json.dumps(document, ensure_ascii=False, indent=2 if sys.stdout.isatty() else None))


def say(text: str = "") -> None:
    """A line of talk."""
    print(text, file=sys.stderr)


def called() -> str:
    """How to call this program again: `colonnade` where a shell finds this one by it, else the way to its file."""
    mine = Path(sys.argv[0])
    found = shutil.which("colonnade")
    if mine.name != "colonnade" or (found and os.path.realpath(found) == os.path.realpath(mine)):
        return "colonnade"
    return shlex.quote(os.path.relpath(mine) if Path.cwd() in mine.absolute().parents else str(mine))


def paint(text: str, *styles: str) -> str:
    """Coloured where a person looks."""
    if not wants_colour() or not styles:
        return text
    return f"\033[{';'.join(_CODES[style] for style in styles)}m{text}\033[0m"


class Progress:
    """One line that is rewritten on a terminal, and nothing elsewhere."""

    def __init__(self) -> None:
        self._drawn = False
        self._live = is_terminal()

    def show(self, label: str, done: int, total: int) -> None:
        """Draw a bar."""
        if not self._live:
            return
        width = 28
        filled = width * done // total if total else 0
        bar = "█" * filled + "░" * (width - filled)
        sys.stderr.write(f"\r\033[K  {label:<28} {bar} {done:,} of {total:,}")
        sys.stderr.flush()
        self._drawn = True

    def clear(self) -> None:
        """Take the line away."""
        if self._drawn:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()
            self._drawn = False


def table(rows: list[list[str]], head: list[str]) -> str:
    """Columns, padded."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in [head, *rows]
    ]
    return "\n".join(lines)
