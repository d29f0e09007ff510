# SPDX-License-Identifier: Apache-2.0
"""Passages cut into what can be quoted: sentences, or rows where the passage is a table. Spans only; nothing is
judged.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from colonnade.knowledge.answer.passages import Passage, Source
from colonnade.knowledge.index.words import terms
from colonnade.knowledge.sentences import sentences

_LINE = re.compile(r"[^\r\n]+")
_RULE = re.compile(r"[\s|:+=-]+")
_DELIMITERS = "|\t;,"


@dataclass(frozen=True, slots=True)
class Piece:
    """One sentence or row.

    Attributes:
        source: where it stands.
        terms: its search terms in order; for a row with those of its header.
        present: the same as a set.
        around: terms of what is needed to understand it: the sentence before, the passage's context.
        row: whether it is a row of a table.
        opening: whether it begins with a word that points back ("It", "These").
    """

    source: Source
    terms: tuple[str, ...]
    present: frozenset[str]
    around: frozenset[str]
    row: bool
    opening: bool


_POINTS_BACK = re.compile(r"(?:It|This|These|They|He|She|Such|Its|Their|His|Her|That|Those)\b")


def pieces(passages: Sequence[Passage]) -> list[Piece]:
    """Every piece of the passages, in their order. A markdown table's rule line is no piece."""
    found: list[Piece] = []
    for number, passage in enumerate(passages):
        context = frozenset(terms(passage.context))
        delimiter = table_delimiter(passage.text)
        header = frozenset(terms(" ".join(passage.header))) or (context if delimiter else frozenset())
        before: frozenset[str] = frozenset()
        for start, end in _spans(passage.text, delimiter):
            text = passage.text[start:end]
            words = tuple(terms(text))
            source = Source(number, passage.start + start, passage.start + end, text)
            present = frozenset(words) | (header if delimiter else frozenset())
            points_back = not delimiter and _POINTS_BACK.match(text) is not None
            found.append(Piece(source, words, present, before | context, bool(delimiter), points_back))
            if delimiter and not header:
                header = frozenset(words)
            before = frozenset(words)
    return found


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


def _spans(text: str, delimiter: str) -> list[tuple[int, int]]:
    if not delimiter:
        return sentences(text, 0, len(text))
    spans = []
    for match in _LINE.finditer(text):
        line = match.group()
        if line.strip() and not _RULE.fullmatch(line):
            start = match.start() + len(line) - len(line.lstrip())
            spans.append((start, match.start() + len(line.rstrip())))
    return spans
