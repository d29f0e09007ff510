# SPDX-License-Identifier: Apache-2.0
"""Structure of Markdown, line by line; spans point into the file itself. Only what a chunker needs: headings, fences,
tables, list items, paragraphs (CommonMark 0.31 and GitHub tables, without inline markup and without nesting).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from colonnade.adapters.parsers.build import MOST_HEADER_CELLS
from colonnade.core.documents import Block, BlockKind, Parsed

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\n|\r|\Z)")
_ATX = re.compile(r" {0,3}(#{1,6})(?=[ \t\r\n]|\Z)")
_FENCE = re.compile(r"[ \t]*(?:>[ \t]*)?(`{3,}|~{3,})")
_ITEM = re.compile(r"[ \t]*(?:[-*+]|\d{1,9}[.)])(?:[ \t]+|\Z)")
_SETEXT = re.compile(r" {0,3}(=+|-{2,})[ \t]*[\r\n]*\Z")
_RULE_CELL = re.compile(r":?-+:?|")
_INLINE = re.compile(r"!?\[([^\]\n]{0,400})\]\([^)\n]{0,2000}\)|[*`]+|(?<!\w)_{1,2}|_{1,2}(?!\w)|<[^>\n]{1,200}>")
_TITLE = re.compile(r"^title:[ \t]*[\"']?(.+?)[\"']?[ \t]*$", re.MULTILINE)


def parse_markdown(text: str, encoding: str) -> Parsed:
    """Blocks of a Markdown file; the title is the front matter's, else the first heading of level 1."""
    reader = _Reader(text)
    at = reader.front_matter()
    for match in _LINE.finditer(text, at):
        if match.end() > match.start():
            reader.line(match.start(), match.end())
    reader.flush()
    return Parsed(text, encoding, tuple(reader.blocks), reader.title or reader.first_title)


def _plain(words: str) -> str:
    return " ".join(_INLINE.sub(lambda m: m.group(1) or "", words).split())


def _cells(line: str) -> tuple[str, ...]:
    cells = line[:4000].strip().strip("|").split("|")
    return tuple(_plain(cell)[:80] for cell in cells[:MOST_HEADER_CELLS])


def _is_rule(line: str) -> bool:
    """Whether the line is the rule under a table's header."""
    return "-" in line and all(_RULE_CELL.fullmatch(cell.strip()) for cell in line.split("|"))


@dataclass
class _Reader:
    text: str
    blocks: list[Block] = field(default_factory=list)
    title: str = ""
    first_title: str = ""
    _path: list[tuple[int, str]] = field(default_factory=list)
    _start: int = 0
    _end: int = 0
    _kind: BlockKind | None = None
    _fence: str = ""
    _header: tuple[str, ...] | None = None
    _blank: bool = False

    def front_matter(self) -> int:
        """Where the body begins: after a leading `---` block, whose `title:` is taken and whose text is one block."""
        begin = 1 if self.text.startswith("\ufeff") else 0
        if not self.text.startswith(("---\n", "---\r\n"), begin):
            return begin
        close = re.compile(r"^(?:---|\.\.\.)[ \t]*\r?$\n?", re.MULTILINE).search(self.text, begin + 4)
        if close is None or close.start() - begin > 20_000:
            return begin
        found = _TITLE.search(self.text, begin, close.start())
        self.title = found.group(1).strip()[:200] if found else ""
        self.blocks.append(Block(BlockKind.CODE, begin, close.end()))
        return close.end()

    def line(self, start: int, end: int) -> None:
        """Take one line, its newline included."""
        line = self.text[start:end]
        was_blank, self._blank = self._blank, not line.strip()
        fence = _FENCE.match(line)
        if self._fence:
            self._end = end
            if fence and fence.group(1).startswith(self._fence) and not line[fence.end() :].strip():
                self.flush()
            return
        if fence:
            self._begin(BlockKind.CODE, start, end)
            self._fence = fence.group(1)
        elif self._blank:
            if self._kind is not BlockKind.LIST_ITEM:
                self.flush()
        elif heading := _ATX.match(line):
            self._heading(start, end, len(heading.group(1)), line[heading.end() :].strip().rstrip("#"))
        elif self._kind is BlockKind.PARAGRAPH and (under := _SETEXT.match(line)) and self._one_line():
            words, begin = self.text[self._start : self._end], self._start
            self._kind = None
            self._heading(begin, end, 1 if under.group(1)[0] == "=" else 2, words)
        else:
            self._body(line, start, end, was_blank)

    def _body(self, line: str, start: int, end: int, was_blank: bool) -> None:
        if self._table(line, start, end):
            return
        if _ITEM.match(line):
            self._begin(BlockKind.LIST_ITEM, start, end)
        elif self._kind is BlockKind.PARAGRAPH or self._item_goes_on(line, was_blank):
            self._end = end
        else:
            self._begin(BlockKind.PARAGRAPH, start, end)

    def _item_goes_on(self, line: str, was_blank: bool) -> bool:
        return self._kind is BlockKind.LIST_ITEM and (line[0] in " \t" or not was_blank)

    def _table(self, line: str, start: int, end: int) -> bool:
        """Rows of a pipe table: known only when the rule under the header comes."""
        if self._header is not None:
            if "|" in line:
                self._begin(BlockKind.TABLE_ROW, start, end)
                return True
            self.flush()
        elif self._kind is BlockKind.PARAGRAPH and "|" in line and _is_rule(line):
            last = self._last_line()
            row = self.text[last : self._end]
            if "|" in row:
                stop = self._end
                self._end = last
                self.flush()
                self.blocks.append(Block(BlockKind.TABLE_ROW, last, end, tuple(h for _, h in self._path)))
                self._header = _cells(self.text[last:stop])
                return True
        return False

    def _last_line(self) -> int:
        body = self.text[self._start : self._end].rstrip("\r\n")
        return self._start + max(body.rfind("\n"), body.rfind("\r")) + 1

    def _one_line(self) -> bool:
        return self._last_line() == self._start and self._end - self._start < 300

    def _heading(self, start: int, end: int, level: int, words: str) -> None:
        self.flush()
        while self._path and self._path[-1][0] >= level:
            self._path.pop()
        self.blocks.append(Block(BlockKind.HEADING, start, end, tuple(h for _, h in self._path), level=level))
        name = _plain(words[:1000])[:200]
        if name:
            self._path.append((level, name))
            self.first_title = self.first_title or (name if level == 1 else "")

    def _begin(self, kind: BlockKind, start: int, end: int) -> None:
        header = self._header if kind is BlockKind.TABLE_ROW else None
        self.flush()
        self._header = header
        self._kind, self._start, self._end = kind, start, end

    def flush(self) -> None:
        """End the block that is open."""
        if self._kind is not None and self._end > self._start:
            headings = tuple(h for _, h in self._path)
            header = self._header or () if self._kind is BlockKind.TABLE_ROW else ()
            self.blocks.append(Block(self._kind, self._start, self._end, headings, header=header))
        self._kind, self._fence, self._header = None, "", None
