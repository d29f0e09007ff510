# SPDX-License-Identifier: Apache-2.0
"""HTML to text with structure, by lexbor: headings, lists, tables with spans repeated, preformatted text, title.

Dropped: what is no content (script, style, template) and what surrounds it on every page (nav, footer, aside). Nothing
is fetched and nothing runs.
"""

from __future__ import annotations

import re
from typing import Any

from colonnade.adapters.parsers.build import TextBuilder, one_line
from colonnade.adapters.parsers.grid import Grid
from colonnade.adapters.parsers.sniff import decode
from colonnade.core.documents import Parsed
from colonnade.core.errors import Unreadable
from colonnade.ports.outside.parsers import ParseLimits

_DROPPED = (
    "script, style, noscript, template, nav, footer, aside, svg, iframe, object, head > *:not(title), "
    "[hidden], [style*='display:none'], [style*='display: none']"
)
_BLOCK_TAGS = (
    "address article blockquote body center dd details dialog div dl dt fieldset figcaption figure form header hgroup "
    "hr html legend main menu option p search section select summary tbody textarea"
)
_BLOCKS = frozenset(_BLOCK_TAGS.split())
_META = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]{2,40})", re.IGNORECASE)
_DEEPEST = 400


def parse_html(raw: bytes, limits: ParseLimits) -> Parsed:
    """Text and structure of an HTML document."""
    builder = TextBuilder(limits.text_mib << 20)
    title = add_html(builder, html_text(raw))
    return builder.result(title)


def html_text(raw: bytes) -> str:
    """The document decoded: by its byte-order mark, else as it declares, else as it looks."""
    declared = _META.search(raw[:4096])
    if declared and not raw.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        name = declared.group(1).decode("ascii").lower()
        name = "cp1252" if name in ("iso-8859-1", "latin1", "latin-1", "ascii", "us-ascii") else name
        try:
            if not name.startswith("utf-16"):
                return raw.decode(name)
        except (LookupError, UnicodeDecodeError):
            pass
    try:
        return decode(raw)[0]
    except Unreadable:
        if b"<" not in raw[:4096] or b"\x00" in raw:
            raise
        return raw.decode("utf-8", "replace")


def add_html(builder: TextBuilder, text: str) -> str:
    """Append the document's blocks; returns its title."""
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(text)
    title_node = tree.css_first("title")
    title = one_line(title_node.text()) if title_node is not None else ""
    for node in tree.css(_DROPPED):
        node.decompose()
    for node in tree.css("img[alt]"):
        node.replace_with(f" {node.attributes.get('alt') or ''} ")
    root = tree.body or tree.root
    if root is not None:
        walk = _Walk(builder)
        walk.children(root, 0)
        walk.flush()
    return title


class _Walk:
    """Collects inline text and turns it into a block where a block begins or ends."""

    def __init__(self, builder: TextBuilder) -> None:
        self._builder = builder
        self._inline: list[str] = []
        self._lists: list[tuple[str, int]] = []
        self._marker: str | None = None

    def children(self, node: Any, depth: int) -> None:
        """All that lies below `node`, in document order."""
        if depth > _DEEPEST:
            self._inline.append(node.text(deep=True, separator=" "))
            return
        child = node.child
        while child is not None:
            self._node(child, depth + 1)
            child = child.next

    def _node(self, node: Any, depth: int) -> None:
        tag = node.tag
        if tag == "-text":
            self._inline.append(node.text_content or "")
        elif tag == "br":
            self._inline.append("\n")
        elif tag in ("ul", "ol", "menu"):
            self._list(node, tag, depth)
        elif tag == "li":
            self._item(node, depth)
        elif len(tag) == 2 and tag[0] == "h" and tag[1].isdigit():
            self.flush()
            self._builder.heading(_spaced(node), int(tag[1]))
        elif tag == "table":
            self._table(node, depth)
        elif tag in ("pre", "listing", "xmp"):
            self.flush()
            self._builder.code(node.text(deep=True))
        elif tag in _BLOCKS:
            self.flush()
            self.children(node, depth)
            self.flush()
        elif tag in ("input", "video", "audio", "canvas", "-comment", "!--"):
            return
        else:
            self.children(node, depth)

    def _list(self, node: Any, tag: str, depth: int) -> None:
        self.flush()
        start = node.attributes.get("start") or "1"
        self._lists.append((tag, int(start) if start.lstrip("-").isdigit() and len(start) < 10 else 1))
        self.children(node, depth)
        self.flush()
        self._lists.pop()

    def _item(self, node: Any, depth: int) -> None:
        self.flush()
        self._marker = "-"
        if self._lists and self._lists[-1][0] == "ol":
            tag, number = self._lists[-1]
            self._marker = f"{number}."
            self._lists[-1] = (tag, number + 1)
        self.children(node, depth)
        self.flush()
        self._marker = None

    def _table(self, node: Any, depth: int) -> None:
        """A table of data as a grid; a table that only lays out other tables, as its content."""
        self.flush()
        if node.css_first("table table") is not None or depth > _DEEPEST:
            self._layout(node, depth)
            return
        caption = node.css_first("caption")
        if caption is not None:
            self._builder.paragraph(_spaced(caption))
        grid = Grid()
        headed = False
        for at, row in enumerate(node.css("tr")):
            cells = [c for c in row.iter() if c.tag in ("td", "th")]
            headed = headed or (at == 0 and bool(cells) and all(c.tag == "th" for c in cells))
            grid.row([(_spaced(c), _span(c, "colspan"), _span(c, "rowspan")) for c in cells])
        if grid.width == 1:
            for (only,) in grid.rows:
                self._builder.paragraph(only)
        else:
            self._builder.table(grid.rows, has_header=headed or None)

    def _layout(self, node: Any, depth: int) -> None:
        child = node.child
        while child is not None:
            if child.tag in ("tbody", "thead", "tfoot", "tr"):
                self._layout(child, depth + 1)
            elif child.tag != "-text":
                self.flush()
                self.children(child, depth + 1)
                self.flush()
            child = child.next

    def flush(self) -> None:
        """What was collected becomes a paragraph, or an item of the list that is open."""
        if not self._inline:
            return
        text = one_line("".join(self._inline))
        self._inline.clear()
        if not text:
            return
        if self._marker is not None:
            self._builder.list_item(text, self._marker, max(len(self._lists) - 1, 0))
            self._marker = None if not self._lists else ""
        else:
            self._builder.paragraph(text)


def _spaced(node: Any) -> str:
    """The text below a node, where blocks and breaks count as white space."""
    if node.child is None:
        return ""
    return one_line(node.text(deep=True, separator=" ") if _has_blocks(node) else node.text(deep=True))


def _has_blocks(node: Any) -> bool:
    return node.css_first("p, br, div, li, td, dt, dd, h1, h2, h3, h4, h5, h6, pre, table") is not None


def _span(node: Any, name: str) -> int:
    value = node.attributes.get(name) or "1"
    return min(max(int(value), 1), 1000) if value.isdigit() and len(value) < 6 else 1
