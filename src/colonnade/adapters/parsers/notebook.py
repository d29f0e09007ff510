# SPDX-License-Identifier: Apache-2.0
"""Jupyter notebooks (.ipynb, nbformat 3 and 4): Markdown cells by their headings, code cells, and their text output."""

from __future__ import annotations

import json
from typing import Any

from colonnade.adapters.parsers.build import TextBuilder
from colonnade.adapters.parsers.markdown import parse_markdown
from colonnade.core.documents import BlockKind, Parsed
from colonnade.core.errors import Unreadable
from colonnade.ports.outside.parsers import ParseLimits

_LONGEST_OUTPUT = 4_000


def parse_notebook(raw: bytes, limits: ParseLimits) -> Parsed:
    """Text and structure of a notebook; outputs that are no text are left out."""
    try:
        book = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise Unreadable("It is damaged: it is no JSON.", code="corrupt") from error
    cells = _cells(book)
    if cells is None:
        raise Unreadable("It is JSON, but no notebook.", code="corrupt")
    builder = TextBuilder(limits.text_mib << 20)
    title = ""
    for cell in cells:
        source = _joined(cell.get("source", cell.get("input")))
        if cell.get("cell_type") == "markdown":
            title = title or _add_markdown(builder, source)
        elif cell.get("cell_type") == "heading":
            builder.heading(source, cell["level"] if isinstance(cell.get("level"), int) else 1)
        else:
            builder.code(source)
            for output in cell.get("outputs") or ():
                builder.code(_output(output)[:_LONGEST_OUTPUT])
    return builder.result(title)


def _cells(book: object) -> list[dict[str, Any]] | None:
    if not isinstance(book, dict):
        return None
    sheets = book.get("worksheets")
    found = book.get("cells")
    if found is None and isinstance(sheets, list):
        found = [cell for sheet in sheets if isinstance(sheet, dict) for cell in sheet.get("cells") or ()]
    return [cell for cell in found if isinstance(cell, dict)] if isinstance(found, list) else None


def _joined(source: object) -> str:
    return "".join(part for part in source if isinstance(part, str)) if isinstance(source, list) else str(source or "")


def _output(output: object) -> str:
    if not isinstance(output, dict):
        return ""
    data = output.get("data")
    return _joined(output.get("text") or (data.get("text/plain") if isinstance(data, dict) else ""))


def _add_markdown(builder: TextBuilder, source: str) -> str:
    """Append a cell's blocks; returns its first title."""
    parsed = parse_markdown(source, "utf-8")
    for block in parsed.blocks:
        text = source[block.start : block.end]
        if block.kind is BlockKind.HEADING:
            builder.heading(text.strip().splitlines()[0].strip("# "), block.level)
        elif block.kind is BlockKind.CODE:
            builder.code(text)
        else:
            builder.paragraph(text.strip())
    return parsed.title
