# SPDX-License-Identifier: Apache-2.0
"""Parsed text to chunks: what is embedded, found and cited. Pure and deterministic; no tokenizer, no parser, no clock.

A chunk is one contiguous span of the text. It ends where a reader would pause: before a heading, between paragraphs,
between rows of a table, between sentences; only what is longer than a chunk and has no such place is cut inside. Every
character that is not white space lies in exactly one chunk.

Sizes are estimated WordPiece pieces (`pieces`), because the embedder reads no more than `MOST` of them, context
included.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from colonnade.core.documents import Block, BlockKind, Chunk, Parsed
from colonnade.knowledge.sentences import sentences

CHUNKER = "chunk/1"
"""Goes up whenever the chunks of a text could change: a content's identity holds it beside the parser's version."""

MOST = 230
"""The most pieces of a chunk with its context: the embedder's 254, less a margin for the estimate."""

TARGET = 210
"""A chunk of several blocks is closed once the next would take it past this many pieces."""

_TINY = 40
"""A section below this many pieces joins what follows it."""

_MOST_CONTEXT = 56
_PIECE = re.compile(r"[^\W\d_]{1,7}|\d{1,3}|[^\w\s]|_")
_WIDE = re.compile("[\u1100-\u11ff\u2e80-\u9fff\uac00-\ud7ff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]")
_LINE_END = re.compile(r"[^\r\n]*(?:\r\n|\n|\r|\Z)")
_WORD = re.compile(r"\S+")
_LONGEST_PIECE = 7


def pieces(text: str) -> int:
    """About how many WordPiece pieces the text is; rather too many than too few."""
    wide = len(_WIDE.findall(text))
    return len(_PIECE.findall(text)) + wide - wide // 7


@dataclass(frozen=True, slots=True)
class _Unit:
    """The smallest thing that is not cut: a block, or a part of one that is too long."""

    start: int
    end: int
    size: int
    block: Block
    opens: bool
    """Whether it begins its block."""


def chunk(parsed: Parsed) -> list[Chunk]:
    """The chunks of a document, in order.

    >>> parsed = Parsed("# Leave\\n\\nThirty days a year.", "utf-8", (
    ...     Block(BlockKind.HEADING, 0, 7, level=1), Block(BlockKind.PARAGRAPH, 9, 28, headings=("Leave",))))
    >>> [(c.start, c.end, c.context) for c in chunk(parsed)]
    [(0, 28, '')]
    """
    rooms = _Rooms(parsed)
    units = [unit for block in _blocks(parsed) for unit in _units(parsed.text, block, rooms.of(block))]
    return [
        _made(parsed, group)
        for section in _sections(units)
        for group in _packed(_glued(section, rooms), section, rooms)
    ]


class _Rooms:
    """How many pieces a chunk that begins with a block may have, beside its context."""

    def __init__(self, parsed: Parsed) -> None:
        self._title = parsed.title
        self._known: dict[tuple[tuple[str, ...], tuple[str, ...], str], int] = {}

    def of(self, block: Block) -> int:
        """`MOST` less the pieces of the block's context."""
        key = (block.headings, block.header, block.part)
        if key not in self._known:
            context = pieces(" ".join([self._title, *block.headings, *block.header, block.part]))
            self._known[key] = MOST - min(context, _MOST_CONTEXT)
        return self._known[key]


def _blocks(parsed: Parsed) -> Iterator[Block]:
    """The blocks in order, without overlaps, and a paragraph for any text that lies in none."""
    at = 0
    for block in sorted(parsed.blocks, key=lambda b: (b.start, b.end)):
        start, end = max(block.start, at), min(block.end, len(parsed.text))
        if start > at and parsed.text[at:start].strip():
            yield Block(BlockKind.PARAGRAPH, at, start, block.headings, page=block.page, part=block.part)
        if end > start and parsed.text[start:end].strip():
            yield block if (start, end) == (block.start, block.end) else _moved(block, start, end)
        at = max(at, end)
    if parsed.text[at:].strip():
        last = parsed.blocks[-1] if parsed.blocks else Block(BlockKind.PARAGRAPH, 0, 0)
        yield Block(BlockKind.PARAGRAPH, at, len(parsed.text), last.headings, page=last.page, part=last.part)


def _moved(block: Block, start: int, end: int) -> Block:
    return Block(block.kind, start, end, block.headings, block.level, block.page, block.part, block.header)


def _units(text: str, block: Block, room: int) -> Iterator[_Unit]:
    start, end = _trimmed(text, block.start, block.end)
    size = pieces(text[start:end])
    if size <= room:
        yield _Unit(start, end, size, block, opens=True)
        return
    for at, (a, b) in enumerate(_cut(text, start, end, block.kind, room)):
        yield _Unit(a, b, pieces(text[a:b]), block, opens=at == 0)


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    body = text[start:end]
    return start + len(body) - len(body.lstrip()), start + len(body.rstrip())


def _cut(text: str, start: int, end: int, kind: BlockKind, room: int) -> Iterator[tuple[int, int]]:
    """Spans that fit `room`, cut at sentences (lines, for code), else at words, else anywhere."""
    if kind in (BlockKind.CODE, BlockKind.TABLE_ROW):
        parts = [m.span() for m in _LINE_END.finditer(text, start, end) if m.end() > m.start()]
    else:
        parts = sentences(text, start, end)
    for a, b in parts:
        a, b = _trimmed(text, a, b)
        if b <= a:
            continue
        if pieces(text[a:b]) <= room:
            yield a, b
        else:
            yield from _cut_words(text, a, b, room)


def _cut_words(text: str, start: int, end: int, room: int) -> Iterator[tuple[int, int]]:
    begin, stop, size = start, start, 0
    for match in _WORD.finditer(text, start, end):
        at, word_end = match.span()
        more = pieces(match.group()) if word_end - at <= _LONGEST_PIECE * room else room + 1
        if size and size + more > room:
            yield begin, stop
            begin, size = at, 0
        while more > room:
            cut = _fit(text, begin, word_end, room)
            yield begin, cut
            begin = cut
            more = pieces(text[begin:word_end]) if word_end - begin <= _LONGEST_PIECE * room else room + 1
        size += more
        stop = word_end
    if stop > begin:
        yield begin, stop


def _fit(text: str, begin: int, end: int, room: int) -> int:
    """The furthest end so that the span from `begin` has at most `room` pieces; at least one character."""
    low, high = begin + 1, min(end, begin + _LONGEST_PIECE * room)
    while low < high:
        middle = (low + high + 1) // 2
        if pieces(text[begin:middle]) <= room:
            low = middle
        else:
            high = middle - 1
    return low


def _sections(units: Sequence[_Unit]) -> Iterator[list[_Unit]]:
    """Units up to the next heading that ends a section, or the next part of the file."""
    section: list[_Unit] = []
    size = 0
    for unit in units:
        if section and _breaks(section[-1].block, size, unit):
            yield section
            section, size = [], 0
        section.append(unit)
        size += unit.size
    if section:
        yield section


def _breaks(last: Block, size: int, unit: _Unit) -> bool:
    """Whether a section begins with this unit: another part always, a heading when the section before is not tiny."""
    block = unit.block
    same_page = block.page is not None and block.page == last.page  # a slide and its notes
    if block.part.partition("!")[0] != last.part.partition("!")[0] and not same_page:
        return True
    if block.kind is not BlockKind.HEADING or not unit.opens or last.kind is BlockKind.HEADING:
        return False
    return size >= (_TINY if block.level <= 2 else TARGET // 2)


def _glued(section: Sequence[_Unit], rooms: _Rooms) -> Iterator[list[_Unit]]:
    """Headings together with the unit that they head, as far as that fits into one chunk."""
    held: list[_Unit] = []
    for unit in section:
        size = sum(u.size for u in held) + unit.size
        if held and size > rooms.of(held[0].block):
            yield held
            held = []
        held.append(unit)
        if unit.block.kind is not BlockKind.HEADING:
            yield held
            held = []
    if held:
        yield held


def _packed(glued_units: Iterator[list[_Unit]], section: Sequence[_Unit], rooms: _Rooms) -> Iterator[list[_Unit]]:
    """The section in as few chunks as fit, of about equal size."""
    total = sum(unit.size for unit in section)
    count = 1 if total <= rooms.of(section[0].block) else -(-total // TARGET)
    goal = total / count
    group: list[_Unit] = []
    size = 0
    for glued in glued_units:
        more = sum(unit.size for unit in glued)
        if group and (size + more > rooms.of(group[0].block) or size + more / 2 > goal):
            yield group
            group, size = [], 0
        group.extend(glued)
        size += more
    if group:
        yield group


def _made(parsed: Parsed, group: Sequence[_Unit]) -> Chunk:
    first = group[0]
    return Chunk(
        start=first.start,
        end=group[-1].end,
        headings=first.block.headings,
        page=first.block.page,
        context=_context(parsed, first),
    )


def _context(parsed: Parsed, first: _Unit) -> str:
    """Title, part, headings, and for rows the header: what the span does not say itself, within `_MOST_CONTEXT`."""
    block = first.block
    path: list[str] = []
    for name in (parsed.title, block.part, *block.headings):
        if name and name not in path and not parsed.text.startswith(name, first.start):
            path.append(name)
    if block.kind is BlockKind.CODE and not first.opens:
        path.append(parsed.text[block.start : block.start + 100].strip().splitlines()[0])
    lines = [" > ".join(path)] if path else []
    if block.header:
        lines.append(" | ".join(block.header))
    return _shortened("\n".join(lines), _MOST_CONTEXT)


def _shortened(text: str, most: int) -> str:
    """The text without its middle words, so that both the title and the nearest heading stay."""
    if pieces(text) <= most:
        return text
    words = text[:2000].split(" ")
    while len(words) > 2 and pieces(" ".join(words)) > most:
        del words[len(words) // 2]
    short = " ".join(words)
    return short if pieces(short) <= most else short[: most * 2]
