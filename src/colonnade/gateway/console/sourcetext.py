# SPDX-License-Identifier: Apache-2.0
"""A document's text as HTML that adds nothing to it: lines numbered, one span marked, borders of chunks and pages
drawn.

The text comes from outside: everything is escaped, always. What is drawn is empty elements whose labels CSS writes
from attributes,
so that the text content of the page's `<pre>`, and of `<mark id="span">`, is the document's own, character for
character.
Pure: no template, no request.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

WINDOW_LINES = 1200
WINDOW_CHARACTERS = 160_000
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_PICTURES = {n: 0x2400 + n for n in range(32)} | {0x7F: 0x2421}


@dataclass(frozen=True, slots=True)
class Window:
    """The part of a text that one page shows.

    Attributes:
        start, end: its span in code points, on line borders where lines are not too long for that.
        first_line, last_line: numbers of its lines, 1-based, inclusive.
        lines: lines in the whole text.
        before, after: where the neighbouring windows start, or None.
    """

    start: int
    end: int
    first_line: int
    last_line: int
    lines: int
    before: int | None
    after: int | None


def window(text: str, at: int) -> Window:
    """The window that holds position `at`. Windows tile the text, so each part of it has one stable address."""
    starts = _window_starts(text)
    index = max(i for i, start in enumerate(starts) if start <= max(at, 0))
    start = starts[index]
    end = starts[index + 1] if index + 1 < len(starts) else len(text)
    first = text.count("\n", 0, start) + 1
    body = text[start:end]
    return Window(
        start,
        end,
        first,
        first + body.count("\n") - (1 if body.endswith("\n") else 0),
        text.count("\n") + (0 if text.endswith("\n") or not text else 1),
        starts[index - 1] if index else None,
        end if index + 1 < len(starts) else None,
    )


def _window_starts(text: str) -> list[int]:
    starts, position = [0], 0
    while len(text) - position > WINDOW_CHARACTERS or text.count("\n", position) > WINDOW_LINES:
        position = _window_end(text, position)
        if position >= len(text):
            break
        starts.append(position)
    return starts


def _window_end(text: str, start: int) -> int:
    limit, position = min(len(text), start + WINDOW_CHARACTERS), start
    for _ in range(WINDOW_LINES):
        newline = text.find("\n", position, limit)
        if newline < 0:
            return limit if position == start or limit == len(text) else position
        position = newline + 1
    return position


def render(
    text: str,
    part: Window,
    *,
    mark: tuple[int, int] | None = None,
    chunks: Sequence[tuple[int, int]] = (),
    pages: Sequence[tuple[int, int]] = (),
) -> Markup:
    """The window's text as escaped HTML. `mark` and `chunks` are spans in the whole text; `pages` are (page, where some
    part of it starts), in the order of the text: a border is drawn at the first of each page.
    """
    inserts: list[tuple[int, int, Markup]] = []
    first = dict(reversed(pages))
    inserts += [(at, 0, _page(page)) for page, at in first.items() if part.start <= at < part.end]
    inserts += [(p, 1, _chunk(n, text, p)) for n, (p, _) in enumerate(chunks, 1) if part.start <= p < part.end]
    inserts += [(p, 2, _line(n)) for n, p in _line_starts(text, part)]
    if mark is not None and mark[0] < mark[1] and mark[0] < part.end and part.start < mark[1]:
        inserts.append((max(mark[0], part.start), 3, Markup('<mark id="span">')))
        inserts.append((min(mark[1], part.end), -1, Markup("</mark>")))
    inserts.sort(key=lambda insert: insert[:2])
    pieces: list[Markup] = []
    position = part.start
    for at, _, element in inserts:
        pieces += [_escaped(text[position:at]), element]
        position = at
    return Markup("").join([*pieces, _escaped(text[position : part.end])])


def _line_starts(text: str, part: Window) -> list[tuple[int, int]]:
    starts, position = [(part.first_line, part.start)], part.start
    while (position := text.find("\n", position, part.end) + 1) and position < part.end:
        starts.append((starts[-1][0] + 1, position))
    return starts


def _escaped(text: str) -> Markup:
    """Escaped so that the browser's text is the file's: carriage returns kept, other control characters shown as
    pictures.
    """
    shown = _CONTROL.sub(lambda m: chr(_PICTURES[ord(m[0])]), text)
    return Markup(str(escape(shown)).replace("\r", "&#13;"))  # noqa: S704 - escaped in this line


def _line(number: int) -> Markup:
    return Markup('<i class="line" id="L{0}" data-n="{0}"></i>').format(number)


def _chunk(number: int, text: str, at: int) -> Markup:
    """A border across the page where the chunk begins a line, else a tick between two words."""
    if text[text.rfind("\n", 0, at) + 1 : at].strip():
        return Markup('<i class="chunk-tick" data-n="{0}"></i>').format(number)
    return Markup('<i class="chunk-border" data-n="chunk {0}"></i>').format(number)


def _page(number: int) -> Markup:
    return Markup('<i class="page-border" data-n="page {0}"></i>').format(number)
