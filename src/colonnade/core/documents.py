# SPDX-License-Identifier: Apache-2.0
"""What a source file becomes: text with blocks, then chunks. Every span is in code points of `Parsed.text`.

For text files (`TEXT_SUFFIXES`) that text is `raw.decode(encoding)` of the file itself, byte-order mark and newlines
kept, no
normalisation; for all others it is what the parser extracted, and `encoding` is None.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class BlockKind(StrEnum):
    """What a block is, for the chunker."""

    HEADING = "heading"
    PARAGRAPH = "paragraph"
    LIST_ITEM = "list_item"
    TABLE_ROW = "table_row"
    CODE = "code"


UNREADABLE_CODES = {
    "encoding": "The bytes are not text in any encoding that we recognise.",
    "too_large": "The file, or one line of it, is larger than the limit.",
    "bomb": "The file unpacks or parses to far more than its size: it was stopped at the limit.",
    "timeout": "Reading it took longer than the limit.",
    "corrupt": "The file is damaged, or is not what its name says.",
    "encrypted": "The file is protected by a password.",
    "no_text": "There is no text in it (a scan without a text layer, an image).",
    "unsupported": "No parser for this kind of file.",
    "outside": "A link that leads out of the source's folder.",
    "permission": "The operating system refuses to open it.",
    "erased": "It was erased on request and is never read again.",
}


@dataclass(frozen=True, slots=True)
class Block:
    """One structural piece of a text.

    Attributes:
        kind: what it is.
        start, end: its span in code points, end exclusive.
        headings: the path of headings above it, outermost first (for a heading: those above it, without itself).
        level: the depth of a heading (1 to 6), or 0.
        page: 1-based page of a PDF or slide of a deck, else None.
        part: the sheet, the attachment, the notes: a named part of a file that has several, else "".
        header: for a table row, the table's header cells, so that a row is understood alone.
    """

    kind: BlockKind
    start: int
    end: int
    headings: tuple[str, ...] = ()
    level: int = 0
    page: int | None = None
    part: str = ""
    header: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Parsed:
    """A file's text and structure, as a parser gives it."""

    text: str
    encoding: str | None
    blocks: tuple[Block, ...]
    title: str = ""


@dataclass(frozen=True, slots=True)
class Chunk:
    """What is embedded and found: a span, with what it needs to be understood alone.

    Attributes:
        start, end: span in code points of the text.
        headings: path of headings above the span, outermost first.
        page: page or slide where it starts.
        context: words that precede the span when it is embedded and indexed (title, headings, table header); not
            quoted.
    """

    start: int
    end: int
    headings: tuple[str, ...] = ()
    page: int | None = None
    context: str = ""

    def passage(self, text: str) -> str:
        """What is embedded: the context, then the span itself."""
        body = text[self.start : self.end]
        return f"{self.context}\n{body}" if self.context else body
