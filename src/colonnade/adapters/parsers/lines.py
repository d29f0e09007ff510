# SPDX-License-Identifier: Apache-2.0
"""Structure of text files, where the text is the file itself: blocks point into it and change nothing.

Plain text and code live here; Markdown and delimited tables have files of their own. All in linear time.
"""

from __future__ import annotations

import re

from colonnade.core.documents import Block, BlockKind, Parsed

_PARAGRAPH_GAP = re.compile(r"(?>\r\n|\n|\r)[ \t\f\v]*(?:\r\n|\n|\r)\s*")
_UNDERLINE = re.compile(r"\A([^\r\n]{1,120})(?:\r\n|\n|\r)([=\-~^\"*#])\2{2,}[ \t]*(?=\r|\n|\Z)")
_OVERLINE = re.compile(r"\A([=*#])\1{2,}[ \t]*(?:\r\n|\n|\r)([^\r\n]{1,120})(?:\r\n|\n|\r)\1{3,}[ \t]*(?=\r|\n|\Z)")
_LEVELS = {"=": 1, "#": 1, "*": 1, "-": 2, "~": 3, "^": 3, '"': 4}


def split_gaps(text: str, gap: re.Pattern[str], start: int = 0, end: int | None = None) -> list[tuple[int, int]]:
    """Spans between the matches of `gap`, without those that are white space only."""
    stop = len(text) if end is None else end
    spans = []
    for match in gap.finditer(text, start, stop):
        spans.append((start, match.start()))
        start = match.end()
    spans.append((start, stop))
    return [(a, b) for a, b in spans if text[a:b].strip()]


def split_paragraphs(text: str) -> list[str]:
    """The paragraphs of running text, cut at blank lines."""
    return [text[start:end] for start, end in split_gaps(text, _PARAGRAPH_GAP)]


def parse_plain(text: str, encoding: str) -> Parsed:
    """Paragraphs at blank lines; a line that is underlined is a heading (as in reStructuredText)."""
    blocks: list[Block] = []
    path: list[tuple[int, str]] = []
    for start, end in split_gaps(text, _PARAGRAPH_GAP):
        found = _UNDERLINE.match(text[start : min(end, start + 400)])
        over = _OVERLINE.match(text[start : min(end, start + 400)])
        if over or found:
            match = over or found
            assert match is not None
            words = (over.group(2) if over else match.group(1)).strip()
            level = 1 if over else _LEVELS[match.group(2)]
            while path and path[-1][0] >= level:
                path.pop()
            headings = tuple(h for _, h in path)
            blocks.append(Block(BlockKind.HEADING, start, start + match.end(), headings, level=level))
            path.append((level, words))
            start += match.end()
        if start < end and text[start:end].strip():
            blocks.append(Block(BlockKind.PARAGRAPH, start, end, tuple(h for _, h in path)))
    return Parsed(text, encoding, tuple(blocks), _first_heading(blocks, text))


def parse_code(text: str, encoding: str) -> Parsed:
    """Top-level pieces of a program: cut at blank lines before a line that is not indented and closes nothing."""
    blocks = []
    start = 0
    for gap in _PARAGRAPH_GAP.finditer(text):
        after = gap.end()
        at_margin = after < len(text) and text[after - 1] in "\r\n" and text[after] not in "})]"
        if at_margin and text[start : gap.start()].strip():
            blocks.append(Block(BlockKind.CODE, start, gap.start()))
            start = after
    if text[start:].strip():
        blocks.append(Block(BlockKind.CODE, start, len(text)))
    return Parsed(text, encoding, tuple(blocks))


def _first_heading(blocks: list[Block], text: str) -> str:
    if blocks and blocks[0].kind is BlockKind.HEADING:
        lines = [line.strip() for line in text[blocks[0].start : blocks[0].end].splitlines()]
        return next((line for line in lines if any(c.isalnum() for c in line)), "")[:200]
    return ""
