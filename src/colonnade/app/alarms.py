# SPDX-License-Identifier: Apache-2.0
"""Alarms of the running daemon, where any command can read them: a file of fixed size that is written in place, because
an alarm must
also be told when no space is left on the disk.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SIZE = 16_384


class Alarms:
    """What is wrong now, by room. Thread-safe."""

    def __init__(self, path: Path) -> None:
        self._found: dict[str, Mapping[str, Any]] = {}
        self._lock = threading.Lock()
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._write()

    def tell(self, room: str, alarm: Mapping[str, Any]) -> None:
        """Something is wrong there."""
        with self._lock:
            if self._found.get(room) != alarm:
                self._found[room] = alarm
                self._write()

    def clear(self, room: str) -> None:
        """It is well again."""
        with self._lock:
            if self._found.pop(room, None) is not None:
                self._write()

    def all(self) -> list[Mapping[str, Any]]:
        """Every alarm."""
        with self._lock:
            return list(self._found.values())

    def close(self) -> None:
        """Nothing is wrong with a daemon that is not there."""
        with self._lock:
            self._found.clear()
            self._write()
            os.close(self._file)

    def _write(self) -> None:
        alarms = list(self._found.values())
        while len(data := json.dumps(alarms, ensure_ascii=False).encode()) > SIZE:
            alarms.pop()
        os.pwrite(self._file, data.ljust(SIZE), 0)


def read_alarms(path: Path) -> list[dict[str, Any]]:
    """The alarms in a file; none when it is not there."""
    try:
        found: list[dict[str, Any]] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return []
    return found
