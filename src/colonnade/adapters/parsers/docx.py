# SPDX-License-Identifier: Apache-2.0
"""Word documents (.docx, .docm, .dotx; Transitional and Strict): body in order, tables, text boxes, notes, comments.

Deleted text of tracked changes is left out, inserted text is in. Styles and numbering are `docx_styles`, formulas
`omml`. No fields are computed and no layout is done: there are no page numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree.ElementTree import Element

from colonnade.adapters.parsers.build import TextBuilder, one_line
from colonnade.adapters.parsers.docx_styles import Numbering, Styles
from colonnade.adapters.parsers.drawing import add_chart, diagram_texts
from colonnade.adapters.parsers.omml import latex
from colonnade.adapters.parsers.package import Package, attribute, local
from colonnade.core.documents import Parsed
from colonnade.core.errors import Unreadable
from colonnade.ports.outside.parsers import ParseLimits

_SKIPPED = frozenset(
    ["del", "moveFrom", "delText", "instrText", "Fallback", "rPr", "pPr", "sectPr", "tblPr", "tcPr", "trPr", "tblGrid"]
)
_TEXT = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-", "ptab": "\t"}


def parse_docx(raw: bytes, limits: ParseLimits) -> Parsed:
    """Text and structure of a Word document."""
    package = Package(raw, limits)
    main = next(iter(package.related("", "officeDocument")), "word/document.xml")
    root = package.xml(main)
    body = next((child for child in root if local(child) == "body"), None) if root is not None else None
    if body is None:
        raise Unreadable("It is damaged: it has no document body.", code="corrupt")
    builder = TextBuilder(limits.text_mib << 20)
    reader = _Reader(builder, package, main)
    reader.blocks(body)
    reader.extras()
    return builder.result(builder.best_title(_title(package), reader.title))


def _title(package: Package) -> str:
    for part in package.related("", "core-properties"):
        root = package.xml(part)
        for child in root if root is not None else ():
            if local(child) == "title" and child.text and child.text.strip():
                return child.text.strip()
    return ""


class _Reader:
    """Walks the body and appends what it finds."""

    def __init__(self, builder: TextBuilder, package: Package, main: str) -> None:
        self._builder = builder
        self._package = package
        self._main = main
        self._relations = package.relations(main)
        self._styles = Styles(self._part("styles"))
        self._numbering = Numbering(self._part("numbering"))
        self._boxes: list[Element] = []
        self._drawings: list[tuple[str, str]] = []
        self.title = ""

    def _part(self, kind: str) -> Element | None:
        for found, path in self._relations.values():
            if found == kind:
                return self._package.xml(path)
        return None

    def blocks(self, parent: Element) -> None:
        """Paragraphs and tables below `parent`, in order."""
        for child in _flat(parent):
            if local(child) == "p":
                self._paragraph(child)
            else:
                self._table(child)
            self._text_boxes()
            self._drawn()

    def _drawn(self) -> None:
        """Charts and diagrams met in the paragraph before."""
        drawings, self._drawings = self._drawings, []
        for kind, relation in drawings:
            path = self._relations.get(relation, ("", ""))[1]
            root = self._package.xml(path) if path else None
            if root is None:
                continue
            if kind == "chart":
                add_chart(self._builder, root)
            else:
                for text in diagram_texts(root):
                    self._builder.list_item(text)

    def _paragraph(self, paragraph: Element) -> None:
        text = self._text(paragraph)
        if not text.strip():
            return
        properties = _child(paragraph, "pPr")
        style = self._styles.of(properties)
        marker, depth = self._numbering.next(properties, style)
        if style.level:
            numbered = f"{marker} {text}" if marker and marker != "-" else text
            self._builder.heading(numbered, style.level)
            self.title = self.title or (one_line(text) if style.level == 1 else "")
        elif marker:
            self._builder.list_item(one_line(text), marker, depth)
        elif style.code:
            self._builder.code(text)
        else:
            self._builder.paragraph(text.strip())

    def _text(self, parent: Element) -> str:
        """The visible text below an element; text boxes met on the way are kept for after the paragraph."""
        pieces: list[str] = []
        for child in parent:
            name = local(child)
            if name in _SKIPPED:
                continue
            if name == "t":
                pieces.append(child.text or "")
            elif name in _TEXT:
                pieces.append(_TEXT[name])
            elif name == "sym":
                pieces.append(_symbol(child))
            elif name in ("oMath", "oMathPara"):
                pieces.append(f"${latex(child)}$")
            elif name == "txbxContent":
                self._boxes.append(child)
            elif name in ("chart", "relIds"):
                self._drawings.append((name, attribute(child, "id" if name == "chart" else "dm") or ""))
            else:
                pieces.append(self._text(child))
        return "".join(pieces)

    def _text_boxes(self) -> None:
        while self._boxes:
            boxes, self._boxes = self._boxes, []
            for box in boxes:
                self.blocks(box)

    def _table(self, table: Element) -> None:
        rows = self._rows(table)
        if sum(map(len, rows)) == 1:
            cell = next(c for c in table.iter() if local(c) == "tc")
            self.blocks(cell)
            return
        self._builder.table(rows)

    def _rows(self, table: Element) -> list[list[str]]:
        """The cells' texts, with each merged cell repeated in all cells that it covers."""
        rows: list[list[str]] = []
        for row in _rows(table):
            cells: list[str] = []
            for cell in _cells(row):
                properties = _child(cell, "tcPr")
                merge = _child(properties, "vMerge")
                if merge is not None and attribute(merge, "val") != "restart" and rows:
                    above = rows[-1]
                    text = above[len(cells)] if len(cells) < len(above) else ""
                else:
                    text = self._cell(cell)
                cells.extend([text] * _number(_child(properties, "gridSpan"), 1))
            rows.append(cells)
        return rows

    def _cell(self, cell: Element) -> str:
        texts = []
        for child in _flat(cell):
            if local(child) == "p":
                properties = _child(child, "pPr")
                marker, _ = self._numbering.next(properties, self._styles.of(properties))
                text = self._text(child)
                texts.append(f"{marker} {text}" if marker and marker != "-" and text.strip() else text)
            else:
                texts.extend(" ".join(row) for row in self._rows(child))
        return one_line(" ".join(texts))

    def extras(self) -> None:
        """Notes and comments: after the body, as parts of their own. Heads and feet repeat on every page: left out."""
        for kind in ("footnotes", "endnotes", "comments"):
            root = self._part(kind)
            self._builder.start_part(kind)
            for note in root if root is not None else ():
                text = one_line(" ".join(self._text(p) for p in note.iter() if local(p) == "p"))
                author = attribute(note, "author") or ""
                if text:
                    self._builder.paragraph(f"{author}: {text}" if author else text)


def _flat(parent: Element) -> Iterator[Element]:
    """Paragraphs and tables, through the wrappers that carry no text of their own (content controls, insertions)."""
    for child in parent:
        name = local(child)
        if name in ("p", "tbl"):
            yield child
        elif name not in _SKIPPED and name not in ("sdtPr", "sdtEndPr"):
            yield from _flat(child)


def _rows(table: Element) -> Iterator[Element]:
    for child in table:
        if local(child) == "tr":
            if not _is_deleted(child):
                yield child
        elif local(child) in ("sdt", "sdtContent", "customXml", "ins"):
            yield from _rows(child)


def _is_deleted(row: Element) -> bool:
    properties = _child(row, "trPr")
    return properties is not None and _child(properties, "del") is not None


def _cells(row: Element) -> Iterator[Element]:
    for child in row:
        if local(child) == "tc":
            yield child
        elif local(child) in ("sdt", "sdtContent", "customXml"):
            yield from _cells(child)


def _child(parent: Element | None, name: str) -> Element | None:
    if parent is None:
        return None
    return next((child for child in parent if local(child) == name), None)


def _number(element: Element | None, default: int) -> int:
    value = attribute(element, "val") if element is not None else None
    return min(max(int(value), 1), 1000) if value and value.isdigit() and len(value) < 6 else default


def _symbol(element: Element) -> str:
    """A character of a symbol font: its code, where that is no private one."""
    code = int(attribute(element, "char") or "0", 16)
    code = code - 0xF000 if 0xF000 <= code <= 0xF0FF else code
    return {0xB7: "•", 0xE0: "→", 0xFC: "✓", 0xA8: "☐", 0xFE: "☑"}.get(code, "")
