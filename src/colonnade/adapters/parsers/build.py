# SPDX-License-Identifier: Apache-2.0
"""Builds the text and the blocks of a file whose text is extracted: the one place where blocks and their spans are
made.

Format parsers hand pieces in reading order; nothing of a format's syntax belongs here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from colonnade.core.documents import Block, BlockKind, Parsed
from colonnade.core.errors import Unreadable

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufeff\ufffe\uffff]")
MOST_HEADER_CELLS = 24
"""Of a table's header so many cells are repeated beside each row."""

_TIGHT = {(BlockKind.LIST_ITEM, BlockKind.LIST_ITEM), (BlockKind.TABLE_ROW, BlockKind.TABLE_ROW)}


def one_line(text: str) -> str:
    """The text with every run of white space as one space."""
    return " ".join(text.split())


class TextBuilder:
    """Appends blocks to a text and keeps the path of headings.

    Args:
        limit: the most code points that the text may have; past it `Unreadable` with code `bomb` is raised.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pieces: list[str] = []
        self._size = 0
        self._blocks: list[Block] = []
        self._path: list[tuple[int, str]] = []
        self._headings: tuple[str, ...] = ()
        self.page: int | None = None
        self.part = ""

    def start_part(self, name: str) -> None:
        """A named part begins (a sheet, an attachment): headings of the part before do not reach into it."""
        self.part = name
        self._path.clear()
        self._headings = ()

    def heading(self, text: str, level: int) -> None:
        """A heading of `level` 1 to 6; it is above all that follows until one of its level or a higher one comes."""
        text = one_line(text)
        level = min(max(level, 1), 6)
        while self._path and self._path[-1][0] >= level:
            self._path.pop()
        self._headings = tuple(name for _, name in self._path)
        if self._append(BlockKind.HEADING, text, level=level):
            self._path.append((level, text[:200]))
            self._headings = (*self._headings, text[:200])

    def paragraph(self, text: str) -> None:
        """Running text; inner newlines are kept."""
        self._append(BlockKind.PARAGRAPH, text)

    def list_item(self, text: str, marker: str = "-", depth: int = 0) -> None:
        """An item of a list with its marker, indented by its depth."""
        if text.strip():
            self._append(BlockKind.LIST_ITEM, f"{'  ' * min(depth, 8)}{marker} {text.strip()}")

    def code(self, text: str) -> None:
        """Text whose line breaks and indents mean something."""
        self._append(BlockKind.CODE, text.strip("\r\n"))

    def table(self, rows: Sequence[Sequence[str]], *, has_header: bool | None = None, tidy: bool = False) -> None:
        """A table, row by row. `has_header` None: the first row is taken for a header when it looks like one.

        `tidy`: the cells are single lines already and no row is empty, so that a large table is not copied.
        """
        cleaned = rows
        if not tidy:
            cleaned = [row for row in ([one_line(cell) for cell in row] for row in rows) if any(row)]
        if not cleaned:
            return
        at_header = _header_row(cleaned) if has_header is None else 0 if has_header else -1
        header = tuple(cell[:80] for cell in cleaned[at_header][:MOST_HEADER_CELLS]) if at_header >= 0 else ()
        for at, row in enumerate(cleaned):
            named = header if at > at_header else ()
            self._append(BlockKind.TABLE_ROW, " | ".join(row).strip(), header=named, first=at == 0)

    def absorb(self, parsed: Parsed, part: str) -> None:
        """Append a document inside this one, as the part of that name."""
        shift = self._size + 2 if self._blocks else 0
        body = clean(parsed.text) if parsed.encoding is None else parsed.text
        if not body.strip():
            return
        if self._blocks:
            self._put("\n\n")
        self._put(body)
        self._blocks.extend(
            replace(b, start=b.start + shift, end=b.end + shift, part=f"{part}/{b.part}" if b.part else part)
            for b in parsed.blocks
        )

    def best_title(self, stored: str, heading: str) -> str:
        """The title kept in a file's properties, when its beginning says the same words; else its first heading.

        Properties are often those of another document that was written over.
        """
        words = re.findall(r"\w+", stored.lower())
        beginning = set(re.findall(r"\w+", "".join(self._pieces[:200])[:5000].lower()))
        if words and sum(word in beginning for word in words) * 10 >= len(words) * 6:
            return stored
        return heading or (stored if _is_title(stored) else "")

    def result(self, title: str = "") -> Parsed:
        """The text so far; raises `Unreadable` with code `no_text` when there is none."""
        text = "".join(self._pieces)
        if not self._blocks:
            raise Unreadable("There is no text in it.", code="no_text", hint="Scans need OCR, which is not there yet.")
        return Parsed(text=text, encoding=None, blocks=tuple(self._blocks), title=one_line(clean(title))[:200])

    def _append(
        self, kind: BlockKind, text: str, *, level: int = 0, header: tuple[str, ...] = (), first: bool = False
    ) -> bool:
        text = clean(text).rstrip()
        if not text.strip():
            return False
        if self._blocks:
            tight = (self._blocks[-1].kind, kind) in _TIGHT and not first
            self._put("\n" if tight else "\n\n")
        start = self._size
        self._put(text)
        self._blocks.append(
            Block(kind, start, self._size, self._headings, level=level, page=self.page, part=self.part, header=header)
        )
        return True

    def _put(self, piece: str) -> None:
        self._size += len(piece)
        if self._size > self._limit:
            raise Unreadable(f"Its text is longer than {self._limit >> 20} Mi characters.", code="bomb")
        self._pieces.append(piece)


def _is_title(stored: str) -> bool:
    """Whether a stored title is one, and not what a program writes when nobody named the document."""
    low = stored.strip().lower()
    generic = low.startswith(("microsoft ", "untitled", "powerpoint ", "unknown", "slide ", "document"))
    named = low.endswith((".doc", ".docx", ".pdf", ".tex", ".dvi", ".indd", ".qxd", ".ppt", ".pptx", ".xls", ".xlsx"))
    return not generic and not named and sum(c.isalpha() for c in stored) >= 3


def clean(text: str) -> str:
    """Without control characters, lone surrogates and non-characters, which no reader sees and no encoder takes."""
    return _CONTROL.sub("", text) if _CONTROL.search(text) else text


def looks_like_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row names columns: all its cells are filled, differ, and none is a number."""
    first = rows[0]
    filled = [cell for cell in first if cell]
    return (
        len(rows) > 1
        and len(filled) * 2 > len(first)
        and len(set(filled)) == len(filled)
        and not any(is_number(cell) for cell in filled)
    )


def _header_row(rows: Sequence[Sequence[str]]) -> int:
    """The row that names the columns: the first, or the one after titles that span all columns; -1: none."""
    for at, row in enumerate(rows[:4]):
        if len({cell for cell in row if cell}) > 1:
            return at if looks_like_header(rows[at:]) else -1
    return 0 if len(rows) > 1 and len(rows[0]) == 1 and looks_like_header(rows) else -1


def is_number(cell: str) -> bool:
    """Whether a person reads the cell as a number, an amount or a date."""
    digits = sum(c.isdigit() for c in cell)
    return digits > 0 and digits * 2 >= len(cell.strip("%$€£ "))
