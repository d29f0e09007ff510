# SPDX-License-Identifier: Apache-2.0
"""The daemon's log: JSON lines in a file, turned over at 10 MB; plain words on a terminal. No question, text, path or
key enters it.
"""

from __future__ import annotations

import json
import logging
import logging.handlers
import os
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path

MOST_BYTES = 10_000_000


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """`at, level, room, message` and, for an exception, where it came from (never its arguments)."""
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "room": record.name.removeprefix("colonnade."),
            "message": record.getMessage(),
        }
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            line["error"] = type(error).__name__
            line["where"] = "; ".join(
                f"{f.filename}:{f.lineno} {f.name}" for f in traceback.extract_tb(error.__traceback__)[-6:]
            )
        return json.dumps(line, ensure_ascii=False)


class OneLine(logging.Formatter):
    """Words only: where an exception came from stands in the file, and its arguments stand nowhere."""

    def formatException(self, ei: object) -> str:  # noqa: ARG002, N802  (the library's name)
        """Nothing."""
        return ""


def last_bytes(path: Path, count: int) -> tuple[bytes, int]:
    """The end of a file, and where it stands in it. Raises OSError."""
    with open(path, "rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - count))
        return file.read(), file.tell()


def log_to_file(path: Path) -> None:
    """Write our log there from now on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.handlers.RotatingFileHandler(path, maxBytes=MOST_BYTES, backupCount=3, encoding="utf-8")
    handler.setFormatter(JsonLines())
    logger = logging.getLogger("colonnade")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(handler)


def log_to_terminal() -> None:
    """Warnings and errors on stderr as well."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setLevel(logging.WARNING)
    handler.setFormatter(OneLine("%(levelname)s %(name)s: %(message)s"))
    logging.getLogger("colonnade").addHandler(handler)


def read_log(path: Path, since: int = 0) -> tuple[list[dict[str, str]], int]:
    """Lines from byte `since` on, and where they end; a file that was turned over is read from its start."""
    if not path.exists():
        return [], 0
    with open(path, "rb") as file:
        if file.seek(0, 2) < since:
            since = 0
        file.seek(since)
        data = file.read()
    end = data.rfind(b"\n") + 1
    lines = []
    for line in data[:end].splitlines():
        try:
            lines.append(json.loads(line))
        except ValueError:
            continue
    return lines, since + end
