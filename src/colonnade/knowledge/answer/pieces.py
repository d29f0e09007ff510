# SPDX-License-Identifier: Apache-2.0
"""Passages cut into what can be quoted: sentences, or rows where the passage is a table. Spans only; nothing is
judged.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from colonnade.knowledge.answer.passages import Passage, Source
from colonnade.knowledge.index.words import terms
from colonnade.knowledge.sentences import sentences

_LINE = re.compile(r"[^\r\n]+")
_DELIMITERS = "|\t;,"


@dataclass(frozen=True, slots=True)
class Piece:
    """One sentence or row.

    Attributes:
        source: where it stands.
        terms: its search terms in order; for a row with those of its header.
        present: the same as a set.
        around: terms of what is needed to understand it: the sentence and the heading before, the context.
        row: whether it is a row of a table.
        opening: whether it begins with a word that points back ("It", "These").
        heading: whether it looks like a heading, which says nothing itself.
    """

    source: Source
    terms: tuple[str, ...]
    present: frozenset[str]
    around: frozenset[str]
    row: bool
    opening: bool
    heading: bool


_NUMBERING = re.compile(r"^(?:\d+(?:\.\d+)*[.)]?|[A-Z][.)])\s+")
_OPEN_END = re.compile(r"[\w)\]'’]$")
_SAYS = re.compile(r"\d|:|^[-*+•]\s")
_POINTS_BACK = re.compile(r"(?:It|This|These|They|He|She|Such|Its|Their|His|Her|That|Those)\b")


def pieces(passages: Sequence[Passage]) -> list[Piece]:
    """Every piece of the passages, in their order. A table's header and rule lines are no pieces."""
    return [piece for number, passage in enumerate(passages) for piece in _cut(number, passage)]


def _cut(number: int, passage: Passage) -> list[Piece]:
    found: list[Piece] = []
    for start, end, ruled in _parts(passage.text):
        part = replace(passage, text=passage.text[start:end], start=passage.start + start)
        if ruled or table_delimiter(part.text):
            last = found[-1] if found else None
            found += _rows(number, part, last.present if last is not None and last.heading else frozenset())
        else:
            found += _sentences(number, part)
    return found


def _parts(text: str) -> Iterator[tuple[int, int, bool]]:
    """Spans that make up the text: Markdown tables, each with its header and rule (True), and what stands between."""
    lines = [match.span() for match in _LINE.finditer(text)]
    at = number = 0
    while number + 1 < len(lines):
        if not (_has_bar(text, lines[number]) and _is_rule(text, lines[number + 1])):
            number += 1
            continue
        last = number + 1
        while last + 1 < len(lines) and _has_bar(text, lines[last + 1]) and lines[last + 1][0] - lines[last][1] <= 2:
            last += 1
        start, end = lines[number][0], lines[last][1]
        if start > at:
            yield at, start, False
        yield start, end, True
        at, number = end, last + 1
    if at < len(text):
        yield at, len(text), False


def _has_bar(text: str, line: tuple[int, int]) -> bool:
    return text.find("|", *line) >= 0


def _is_rule(text: str, line: tuple[int, int]) -> bool:
    """Whether the line is a Markdown table's rule: dashes between bars."""
    return _has_bar(text, line) and text.find("--", *line) >= 0 and not text[slice(*line)].strip(" \t|:-")


def _rows(number: int, passage: Passage, heading: frozenset[str]) -> list[Piece]:
    context = heading | frozenset(terms(passage.context))
    header = context | frozenset(terms(" ".join(passage.header)))
    spans = _row_spans(passage.text)
    if _opens_with_header(passage.text, spans):
        header |= frozenset(terms(passage.text[slice(*spans[0])]))
        spans = spans[1:]
    found = []
    for start, end in spans:
        text = passage.text[start:end]
        words = tuple(terms(text))
        source = Source(number, passage.start + start, passage.start + end, text)
        found.append(Piece(source, words, frozenset(words) | header, header, row=True, opening=False, heading=False))
    return found


def _sentences(number: int, passage: Passage) -> list[Piece]:
    context = frozenset(terms(passage.context))
    before: frozenset[str] = frozenset()
    above: frozenset[str] = frozenset()
    found = []
    for start, end in sentences(passage.text, 0, len(passage.text)):
        text = passage.text[start:end]
        words = tuple(terms(text))
        present = frozenset(words)
        heading = is_heading(passage.text, start, end)
        source = Source(number, passage.start + start, passage.start + end, text)
        opening = _POINTS_BACK.match(text) is not None
        found.append(
            Piece(source, words, present, before | above | context, row=False, opening=opening, heading=heading)
        )
        if heading:
            above, before = present, frozenset()
        else:
            before = present
    return found


def is_heading(text: str, start: int, end: int) -> bool:
    """Whether `text[start:end]` looks like a heading: marked as one, or a short line of its own that ends openly.

    A line with a number (but for its own numbering), a colon or a bullet says something and is no heading.
    """
    line = text[start:end]
    if line.startswith("#"):
        return True
    alone = (start == 0 or text[start - 1] in "\r\n") and end < len(text) and text[end] in "\r\n"
    bare = _NUMBERING.sub("", line)
    return alone and len(bare.split()) <= 8 and _OPEN_END.search(bare) is not None and _SAYS.search(bare) is None


def _opens_with_header(text: str, spans: Sequence[tuple[int, int]]) -> bool:
    """Whether the first row names the columns: a rule follows it, or it alone has no digit."""
    if not spans:
        return False
    after = text[spans[0][1] : spans[1][0] if len(spans) > 1 else len(text)].strip()
    if after and not after.strip(" \t\r\n|:+=-"):
        return True
    if len(spans) < 2:
        return False
    digits = [any(c.isdigit() for c in text[a:b]) for a, b in spans]
    return not digits[0] and sum(digits) > 0.6 * len(digits) - 1


def table_delimiter(text: str) -> str:
    """What separates the cells when the text is rows of a table, else "".

    Rows: at least two lines, of which most have the delimiter, and those that have it have it equally often.
    """
    lines = [line for line in _LINE.findall(text) if line.strip()]
    if not lines:
        return ""
    for delimiter in _DELIMITERS:
        counts = [line.count(delimiter) for line in lines]
        usual = max(set(counts), key=counts.count)
        if usual > 0 and counts.count(usual) >= max(2, 0.8 * len(lines)) and _looks_like_cells(lines, delimiter):
            return delimiter
    return ""


def _looks_like_cells(lines: Sequence[str], delimiter: str) -> bool:
    """Commas and semicolons stand in prose too: cells are short and do not end in a full stop."""
    if delimiter in "|\t":
        return True
    cells = [cell for line in lines for cell in line.split(delimiter)]
    return sum(len(cell) for cell in cells) / len(cells) < 30 and not any(line.rstrip().endswith(".") for line in lines)


def _row_spans(text: str) -> list[tuple[int, int]]:
    spans = []
    for match in _LINE.finditer(text):
        line = match.group()
        if line.strip(" \t|:+=-"):
            start = match.start() + len(line) - len(line.lstrip())
            spans.append((start, match.start() + len(line.rstrip())))
    return spans
