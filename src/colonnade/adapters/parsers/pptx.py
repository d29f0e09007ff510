# SPDX-License-Identifier: Apache-2.0
"""PowerPoint decks (.pptx, .pptm, .ppsx): slides in their order, each with title, texts, tables, charts, diagrams,
notes and comments. Text that stands on a master or layout, dates, feet and slide numbers are left out: they repeat on
every slide.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree.ElementTree import Element

from colonnade.adapters.parsers.build import TextBuilder, one_line
from colonnade.adapters.parsers.drawing import add_chart, diagram_texts
from colonnade.adapters.parsers.omml import latex
from colonnade.adapters.parsers.package import Package, attribute, local
from colonnade.core.documents import Parsed
from colonnade.core.errors import Unreadable
from colonnade.ports.outside.parsers import ParseLimits

_FURNITURE = frozenset(("dt", "ftr", "sldNum", "hdr", "sldImg"))
_TITLES = frozenset(("title", "ctrTitle"))


def parse_pptx(raw: bytes, limits: ParseLimits) -> Parsed:
    """Text and structure of a deck; a block's page is its slide."""
    package = Package(raw, limits)
    main = next(iter(package.related("", "officeDocument")), "ppt/presentation.xml")
    root = package.xml(main)
    if root is None:
        raise Unreadable("It is damaged: it has no presentation.", code="corrupt")
    builder = TextBuilder(limits.text_mib << 20)
    relations = package.relations(main)
    authors = _authors(package, main)
    title = ""
    for number, slide in enumerate(_slides(root), 1):
        path = relations.get(slide, ("", ""))[1]
        builder.page = number
        builder.start_part("")
        first = _Slide(builder, package, path).read(authors)
        title = title or first
    return builder.result(title)


def _slides(root: Element) -> Iterator[str]:
    for child in root:
        if local(child) == "sldIdLst":
            for slide in child:
                # the element has an own `id` as well; the relation's is the one in a namespace
                yield next((v for k, v in slide.attrib.items() if k.endswith("}id")), "")


def _authors(package: Package, main: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for kind in ("commentAuthors", "authors"):
        for path in package.related(main, kind):
            root = package.xml(path)
            for author in root if root is not None else ():
                found[author.get("id") or ""] = author.get("name") or ""
    return found


class _Slide:
    """One slide and what belongs to it."""

    def __init__(self, builder: TextBuilder, package: Package, path: str) -> None:
        self._builder = builder
        self._package = package
        self._path = path
        self._relations = package.relations(path)

    def read(self, authors: dict[str, str]) -> str:
        """Append the slide; returns its title."""
        root = self._package.xml(self._path)
        if root is None:
            return ""
        shapes = [shape for tree in root.iter() if local(tree) == "spTree" for shape in _leaves(tree)]
        title = ""
        for shape in shapes:
            if _placeholder(shape) in _TITLES:
                text = one_line(" ".join(_texts(shape)))
                if text:
                    self._builder.heading(text, 2)
                    title = title or text
        for shape in shapes:
            if _placeholder(shape) not in _TITLES:
                self._shape(shape)
        self._notes()
        self._comments(authors)
        return title

    def _shape(self, shape: Element) -> None:
        kind = _placeholder(shape)
        if kind in _FURNITURE:
            return
        if local(shape) == "graphicFrame":
            self._frame(shape)
            return
        if kind == "subTitle":
            self._builder.paragraph(one_line(" ".join(_texts(shape))))
            return
        for paragraph, depth, marker in _paragraphs(shape, listed=kind in ("", "body", "obj") and kind != ""):
            if marker:
                self._builder.list_item(paragraph, marker, depth)
            else:
                self._builder.paragraph(paragraph)

    def _frame(self, frame: Element) -> None:
        for element in frame.iter():
            name = local(element)
            if name == "tbl":
                self._builder.table(_table(element))
            elif name == "chart":
                root = self._target(element, "id")
                if root is not None:
                    add_chart(self._builder, root)
            elif name == "relIds":
                root = self._target(element, "dm")
                for text in diagram_texts(root) if root is not None else ():
                    self._builder.list_item(text)

    def _target(self, element: Element, name: str) -> Element | None:
        path = self._relations.get(attribute(element, name) or "", ("", ""))[1]
        return self._package.xml(path) if path else None

    def _notes(self) -> None:
        for path in (path for kind, path in self._relations.values() if kind == "notesSlide"):
            root = self._package.xml(path)
            self._builder.part = "notes"
            for shape in root.iter() if root is not None else ():
                if local(shape) == "sp" and _placeholder(shape) == "body":
                    self._builder.paragraph("\n".join(text for text in _texts(shape) if text))
            self._builder.part = ""

    def _comments(self, authors: dict[str, str]) -> None:
        for path in (path for kind, path in self._relations.values() if kind in ("comments", "comment")):
            root = self._package.xml(path)
            self._builder.part = "comments"
            for comment in root.iter() if root is not None else ():
                if local(comment) in ("cm", "reply"):
                    name = authors.get(comment.get("authorId") or "", "")
                    text = _comment_text(comment)
                    if text:
                        self._builder.paragraph(f"{name}: {text}" if name else text)
            self._builder.part = ""


def _comment_text(comment: Element) -> str:
    parts = []
    for child in comment:
        if local(child) == "text":
            parts.append(child.text or "")
        elif local(child) == "txBody":
            parts.extend(_texts(child))
    return one_line(" ".join(parts))


def _leaves(tree: Element) -> Iterator[Element]:
    """Shapes in drawing order, through groups; of alternatives the first."""
    for child in tree:
        name = local(child)
        if name in ("sp", "graphicFrame", "cxnSp"):
            yield child
        elif name in ("grpSp", "AlternateContent", "Choice"):
            yield from _leaves(child)


def _placeholder(shape: Element) -> str:
    """The kind of a placeholder ("body" when it names none), or "" for a free shape."""
    for holder in shape:
        if local(holder).startswith("nv"):
            found = next((e for e in holder.iter() if local(e) == "ph"), None)
            return (found.get("type") or "body") if found is not None else ""
    return ""


def _texts(shape: Element) -> Iterator[str]:
    for paragraph in shape.iter():
        if local(paragraph) == "p":
            yield _text(paragraph)


def _text(paragraph: Element) -> str:
    pieces: list[str] = []
    for child in paragraph:
        name = local(child)
        if name in ("r", "fld"):
            pieces.extend(e.text or "" for e in child if local(e) == "t")
        elif name == "br":
            pieces.append("\n")
        elif name in ("m", "oMath", "oMathPara", "AlternateContent"):
            math = next((e for e in child.iter() if local(e) == "oMath"), None)
            pieces.append(f"${latex(math)}$" if math is not None else "")
    return "".join(pieces).replace("\v", "\n").strip()


def _paragraphs(shape: Element, *, listed: bool) -> Iterator[tuple[str, int, str]]:
    """Text, depth and marker of each paragraph: numbered and bulleted ones are items, and so are those of a body."""
    count: dict[int, int] = {}
    for paragraph in (e for e in shape.iter() if local(e) == "p"):
        text = _text(paragraph)
        if not text:
            continue
        properties = next((e for e in paragraph if local(e) == "pPr"), None)
        signs = {local(e) for e in properties} if properties is not None else set()
        level = (properties.get("lvl") or "0") if properties is not None else "0"
        depth = int(level) if level.isdigit() else 0
        if "buAutoNum" in signs:
            count[depth] = count.get(depth, 0) + 1
            yield one_line(text), depth, f"{count[depth]}."
        elif "buChar" in signs or "buBlip" in signs or (listed and "buNone" not in signs):
            yield one_line(text), depth, "-"
        else:
            yield text, 0, ""


def _table(table: Element) -> list[list[str]]:
    """The cells' texts, with each merged cell repeated in all cells that it covers."""
    rows: list[list[str]] = []
    for row in (e for e in table if local(e) == "tr"):
        cells: list[str] = []
        for cell in (e for e in row if local(e) == "tc"):
            if cell.get("hMerge") in ("1", "true") and cells:
                text = cells[-1]
            elif cell.get("vMerge") in ("1", "true") and rows and len(cells) < len(rows[-1]):
                text = rows[-1][len(cells)]
            else:
                text = one_line(" ".join(_texts(cell)))
            cells.append(text)
        rows.append(cells)
    return rows
