# SPDX-License-Identifier: Apache-2.0
"""OpenDocument text and slides (.odt, .ott, .odp): headings by outline level, lists, tables, notes (ISO/IEC 26300).

Spreadsheets (.ods) are read by `sheets`. Deleted text of tracked changes is left out.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element

from colonnade.adapters.parsers.build import TextBuilder, one_line
from colonnade.adapters.parsers.grid import Grid
from colonnade.adapters.parsers.package import Package, attribute, local
from colonnade.core.documents import Parsed
from colonnade.core.errors import Unreadable
from colonnade.ports.outside.parsers import ParseLimits

_SKIPPED = frozenset(
    ("tracked-changes", "annotation", "sequence-decls", "forms", "table-of-content-source", "soft-page-break")
)
_BREAKS = {"tab": "\t", "line-break": "\n"}


def parse_opendocument(raw: bytes, limits: ParseLimits) -> Parsed:
    """Text and structure of an OpenDocument text or presentation; a slide is a page."""
    package = Package(raw, limits)
    root = package.xml("content.xml")
    if root is None:
        raise Unreadable("It is damaged: it has no content.", code="corrupt")
    builder = TextBuilder(limits.text_mib << 20)
    body = next((child for child in root if local(child) == "body"), root)
    walk = _Walk(builder)
    walk.children(body, 0)
    meta = package.xml("meta.xml")
    title = next((e.text or "" for e in (meta.iter() if meta is not None else ()) if local(e) == "title"), "")
    return builder.result(builder.best_title(title, walk.title))


class _Walk:
    def __init__(self, builder: TextBuilder) -> None:
        self._builder = builder
        self._slides = 0
        self.title = ""

    def children(self, parent: Element, depth: int) -> None:
        """All blocks below an element; `depth` counts the lists around it."""
        for child in parent:
            self._one(child, depth)

    def _one(self, element: Element, depth: int) -> None:
        name = local(element)
        if name in _SKIPPED:
            return
        if name == "h":
            level = attribute(element, "outline-level") or "1"
            self._builder.heading(_text(element), int(level) if level.isdigit() else 1)
            self.title = self.title or one_line(_text(element))
        elif name == "p":
            if depth:
                self._builder.list_item(one_line(_text(element)), "-", depth - 1)
            else:
                self._builder.paragraph(_text(element))
            for inner in element.iter():
                if inner is not element and local(inner) in ("text-box", "note-body"):
                    self.children(inner, 0)
        elif name == "list":
            self.children(element, depth + 1)
        elif name == "table":
            self._table(element)
        elif name == "page":
            self._slides += 1
            self._builder.page = self._slides
            self._builder.start_part("")
            self.children(element, 0)
        else:
            self.children(element, depth)

    def _table(self, table: Element) -> None:
        grid = Grid()
        for row in (e for e in table.iter() if local(e) == "table-row"):
            cells = []
            for cell in (e for e in row if local(e) == "table-cell"):
                text = one_line(" ".join(_text(p) for p in cell.iter() if local(p) in ("p", "h")))
                cells.append((text, _count(cell, "columns-spanned"), _count(cell, "rows-spanned")))
            grid.row(cells)
        self._builder.table(grid.rows)


def _count(cell: Element, name: str) -> int:
    value = attribute(cell, f"number-{name}") or "1"
    return min(max(int(value), 1), 1000) if value.isdigit() and len(value) < 6 else 1


def _text(element: Element) -> str:
    """The visible text of a paragraph; notes and boxes in it are blocks of their own."""
    pieces = [element.text or ""]
    for child in element:
        name = local(child)
        if name == "s":
            count = attribute(child, "c") or "1"
            pieces.append(" " * min(int(count), 100) if count.isdigit() else " ")
        elif name in _BREAKS:
            pieces.append(_BREAKS[name])
        elif name not in ("note", "annotation", "text-box", "deletion"):
            pieces.append(_text(child))
        pieces.append(child.tail or "")
    return "".join(pieces)
