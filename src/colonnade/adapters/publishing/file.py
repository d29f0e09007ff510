# SPDX-License-Identifier: Apache-2.0
"""A checkpoint in a file: on a disk that somebody else holds, in a synchronised folder, on a stick."""

from __future__ import annotations

import os
from pathlib import Path

from colonnade.core.errors import Unavailable


class FilePublishing:
    """Implements `ports.outside.publishing.Publishing`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def last(self) -> str | None:
        """See `Publishing.last`."""
        try:
            return self._path.read_text("utf-8")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise Unavailable(f"{self._path} cannot be read: {error}", code="publish_failed") from error

    def put(self, note: str) -> str:
        """See `Publishing.put`: whole or not at all."""
        aside = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with open(aside, "w", encoding="utf-8") as file:
                file.write(note)
                file.flush()
                os.fsync(file.fileno())
            os.replace(aside, self._path)
        except OSError as error:
            aside.unlink(missing_ok=True)
            raise Unavailable(f"{self._path} cannot be written: {error.strerror}", code="publish_failed") from error
        return str(self._path)
