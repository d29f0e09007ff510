# SPDX-License-Identifier: Apache-2.0
"""What we ask of a file format: bytes become text with structure, within bounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from colonnade.core.documents import Parsed


@dataclass(frozen=True, slots=True)
class ParseLimits:
    """Bounds of one parse. Defaults are the promise of the docs."""

    cpu_s: int = 10
    memory_mib: int = 512
    file_mib: int = 256
    text_mib: int = 64
    line_mib: int = 16
    zip_members: int = 20_000
    zip_ratio: int = 200


class Parsers(Protocol):
    """Reads files, each bounded in a child process that dies with us."""

    def parse(self, path: str, suffix: str) -> Parsed:
        """Text and structure of the file at `path` (opened read-only, not followed if a link).

        `suffix` is the lower-case suffix of its declared name (".pdf"). Raises `Unreadable` with a code of
        UNREADABLE_CODES.
        """
        ...

    def version(self, suffix: str) -> str:
        """Changes whenever the output for this kind of file could change; part of a content's identity."""
        ...

    def close(self) -> None:
        """End the children."""
        ...
