# SPDX-License-Identifier: Apache-2.0
"""Structure of CSV and TSV: one block a record, with the header's cells; spans point into the file itself (RFC 4180).

Quoted cells may hold newlines. A quote that is never closed does not swallow the file: past `_MOST_LINES` lines a
record is cut line by line.
"""

from __future__ import annotations

import csv
import re

from colonnade.adapters.parsers.build import MOST_HEADER_CELLS, looks_like_header
from colonnade.core.documents import Block, BlockKind, Parsed

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\n|\r|\Z)")
_MOST_LINES = 200
_DELIMITERS = ",;\t|"


def parse_delimited(text: str, encoding: str) -> Parsed:
    """Records of a table; the first is its header when it looks like one."""
    spans = _records(text)
    delimiter = _delimiter(text, spans[:20])
    rows = [_cells(text[a:b], delimiter) for a, b in spans[:20]]
    header: tuple[str, ...] = ()
    if rows and looks_like_header(rows):
        header = tuple(cell.strip()[:80] for cell in rows[0][:MOST_HEADER_CELLS])
    blocks = [
        Block(BlockKind.TABLE_ROW, start, end, header=header if at else ()) for at, (start, end) in enumerate(spans)
    ]
    return Parsed(text, encoding, tuple(blocks))


def _records(text: str) -> list[tuple[int, int]]:
    """Spans of records: lines, joined while a quote is open."""
    begin = 1 if text.startswith("\ufeff") else 0
    lines = [m.span() for m in _LINE.finditer(text, begin) if m.end() > m.start()]
    spans: list[tuple[int, int]] = []
    at = 0
    while at < len(lines):
        last = _last_of_record(text, lines, at)
        start, end = lines[at][0], lines[last][1]
        if text[start:end].strip():
            spans.append((start, end))
        at = last + 1
    return spans


def _last_of_record(text: str, lines: list[tuple[int, int]], at: int) -> int:
    quotes = 0
    for last in range(at, min(at + _MOST_LINES, len(lines))):
        quotes += text.count('"', *lines[last])
        if quotes % 2 == 0:
            return last
    return at


def _delimiter(text: str, spans: list[tuple[int, int]]) -> str:
    """The sign that splits the first records into the same number of cells, more than one."""
    best, most = ",", (0.0, 0)
    for sign in _DELIMITERS:
        counts = [len(_cells(text[a:b], sign)) for a, b in spans]
        if not counts or max(counts) < 2:
            continue
        usual = max(set(counts), key=counts.count)
        score = (counts.count(usual) / len(counts) if usual > 1 else 0.0, usual)
        if score > most:
            best, most = sign, score
    return best


def _cells(record: str, delimiter: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([record[:20_000]], delimiter=delimiter), [])]
    except csv.Error:
        return record.strip().split(delimiter)
