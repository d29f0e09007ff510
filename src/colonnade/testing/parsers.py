# SPDX-License-Identifier: Apache-2.0
"""A `Parsers` in this process that reads UTF-8 text and nothing else: for tests that are not about formats.

Unbounded: never point it at a file that a test did not write.
"""

from __future__ import annotations

import os
import re

from colonnade.core.documents import Block, BlockKind, Parsed
from colonnade.core.errors import Unreadable

_PARAGRAPH = re.compile(r"\S(?:.|\r?\n(?!\s*\n))*")


class PlainParsers:
    """Paragraphs of .txt and .md files."""

    def parse(self, path: str, suffix: str) -> Parsed:
        """See `Parsers.parse`."""
        if suffix not in (".txt", ".md"):
            raise Unreadable("No parser for it.", code="unsupported")
        if os.path.islink(path):
            raise Unreadable("It is a link.", code="outside")
        with open(path, "rb") as file:
            raw = file.read()
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise Unreadable("It is not UTF-8.", code="encoding") from error
        blocks = tuple(Block(BlockKind.PARAGRAPH, *found.span()) for found in _PARAGRAPH.finditer(text))
        return Parsed(text, "utf-8", blocks)

    def version(self, suffix: str) -> str:
        """See `Parsers.version`."""
        return f"plain/1{suffix}"

    def close(self) -> None:
        """Nothing to end."""
