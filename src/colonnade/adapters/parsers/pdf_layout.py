# SPDX-License-Identifier: Apache-2.0
"""Lines of pages to paragraphs, headings and list items, by size and place alone. Pure: no PDF library, no model.

What it does not know: tables (their cells come out as lines), captions, footnotes, formulas.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from colonnade.adapters.parsers.build import TextBuilder
from colonnade.adapters.parsers.pdf_bidi import RTL

_BULLET = re.compile(r"([•‣▪◦●○■□–·∙*-]|\(?(?:\d{1,2}|[a-zA-Z]|[ivx]{1,4})[.)])\s+(?=\S)")
_DIGITS = re.compile(r"\d+")
_HYPHENS = ("-", "\u00ad", "\u2010", "\ufffe", "\x02")
_LONGEST_HEADING = 200


@dataclass(slots=True)
class Line:
    """One line as it stands on the page; lengths in points, origin bottom left."""

    text: str
    size: float
    left: float
    right: float
    base: float
    top: float
    page_height: float
    bold: bool = False


def add_pages(builder: TextBuilder, pages: Sequence[Sequence[Line]]) -> str:
    """Append all pages; returns the first of the largest headings, or ""."""
    repeated = _furniture(pages)
    kept = [[line for line in page if _key(line) not in repeated] or page for page in pages]
    body, sizes = _sizes(kept)
    title = ""
    largest = 0.0
    for number, page in enumerate(kept, 1):
        builder.page = number
        for group in _groups(page):
            text = _joined(group)
            level = _heading_level(group, text, body, sizes)
            if level:
                builder.heading(text, level)
                if group[0].size > largest * 1.05 and number <= 2:
                    largest, title = group[0].size, text
            elif bullet := _BULLET.match(text):
                builder.list_item(text[bullet.end() :], bullet.group(1))
            else:
                builder.paragraph(text)
    return title


def _key(line: Line) -> tuple[str, int]:
    return _DIGITS.sub("#", line.text), round(line.base / 4)


def _furniture(pages: Sequence[Sequence[Line]]) -> set[tuple[str, int]]:
    """What stands at the same height near the edge of most pages: running heads, feet, page numbers."""
    if len(pages) < 3:
        return set()
    seen: Counter[tuple[str, int]] = Counter()
    for page in pages:
        edge = {_key(line) for line in page if not 0.09 < line.base / max(line.page_height, 1) < 0.91}
        seen.update(edge)
    least = max(3, len(pages) * 0.4)
    return {key for key, count in seen.items() if count >= least}


def _sizes(pages: Sequence[Sequence[Line]]) -> tuple[float, list[float]]:
    """The size of running text (most characters), and the larger sizes, largest first."""
    count: Counter[float] = Counter()
    for page in pages:
        for line in page:
            count[round(line.size * 2) / 2] += len(line.text)
    if not count:
        return 0.0, []
    body = count.most_common(1)[0][0]
    return body, sorted((size for size in count if size > body * 1.12), reverse=True)


def _groups(page: Sequence[Line]) -> list[list[Line]]:
    """Consecutive lines that belong to one paragraph, heading or item."""
    groups: list[list[Line]] = []
    for line in page:
        if groups and _continues(groups[-1], line):
            groups[-1].append(line)
        else:
            groups.append([line])
    return groups


def _continues(group: list[Line], line: Line) -> bool:
    last = group[-1]
    size = max(last.size, line.size, 1.0)
    if _same_line(last, line):
        return True
    drop = last.base - line.base
    if not 0 < drop < 1.75 * size or abs(last.size - line.size) > 0.12 * size:
        return False
    if line.left > last.right or line.right < last.left or _BULLET.match(line.text):
        return False
    if last.bold != line.bold and (len(group) == 1 or line.bold):
        return False
    return not _ended(group, line)


def _same_line(last: Line, line: Line) -> bool:
    """A piece to the right of the last one on the same line: a superscript, a cell, a word set apart."""
    size = max(last.size, line.size, 1.0)
    return abs(last.base - line.base) < 0.5 * size and 0 <= line.left - last.right + 0.3 * size < 1.2 * size


def _ended(group: list[Line], line: Line) -> bool:
    """Whether the last line ends a paragraph: short of the margin after a full stop, or the next is indented."""
    last = group[-1]
    margin = max(member.right for member in group)
    short = max(margin, line.right) - last.right > 6 * last.size
    if RTL.search(last.text):
        short = last.left - min(member.left for member in (*group, line)) > 6 * last.size
        indented = max(last.right, group[-1].right) - line.right > last.size
        return (short or (indented and len(group) > 1)) and last.text[-1:] in ".!?:؟"
    if short and last.text.endswith((".", ":", "!", "?", ";", "”", '"')):
        return True
    return len(group) > 1 and line.left - min(last.left, group[1].left) > 1.0 * last.size and last.text[-1:] in ".!?:"


def _joined(group: Sequence[Line]) -> str:
    text = group[0].text
    for before, line in pairwise(group):
        if _same_line(before, line) and line.left - before.right < 0.15 * line.size:
            text += line.text
        elif text.endswith(_HYPHENS) and line.text[:1].islower() and text[-2:-1].isalpha():
            text = text[:-1] + line.text
        else:
            text += " " + line.text
    return text


def _heading_level(group: Sequence[Line], text: str, body: float, sizes: Sequence[float]) -> int:
    """1 to 4 for a short group in a larger size; 4 for a short bold line of its own; 0 for what is no heading."""
    if len(text) > _LONGEST_HEADING or len(group) > 4 or sum(c.isalpha() for c in text) < 2:
        return 0
    size = round(group[0].size * 2) / 2
    if size > body * 1.12 and not text.endswith((",", ";")):
        return min(sizes.index(size) + 1, 4) if size in sizes else 4
    if all(line.bold for line in group) and len(group) <= 2 and len(text) < 100 and text[-1:] not in ".,;:":
        return 4
    return 0
