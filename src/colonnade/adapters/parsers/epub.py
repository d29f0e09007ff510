# SPDX-License-Identifier: Apache-2.0
"""EPUB books: the chapters in the order of the spine, each read as HTML. A block's page is its chapter's number."""

from __future__ import annotations

import posixpath
from urllib.parse import unquote

from colonnade.adapters.parsers.build import TextBuilder
from colonnade.adapters.parsers.package import Package, local
from colonnade.adapters.parsers.web import add_html, html_text
from colonnade.core.documents import Parsed
from colonnade.core.errors import Unreadable
from colonnade.ports.outside.parsers import ParseLimits


def parse_epub(raw: bytes, limits: ParseLimits) -> Parsed:
    """Text and structure of a book without copy protection."""
    package = Package(raw, limits)
    if package.read("META-INF/rights.xml") is not None:
        raise Unreadable("It is protected against copying.", code="encrypted")
    container = package.xml("META-INF/container.xml")
    rootfile = next((e for e in (container.iter() if container is not None else ()) if local(e) == "rootfile"), None)
    path = (rootfile.get("full-path") or "") if rootfile is not None else ""
    book = package.xml(path) if path else None
    if book is None:
        raise Unreadable("It is damaged: it names no book.", code="corrupt")
    items = {e.get("id") or "": unquote(e.get("href") or "") for e in book.iter() if local(e) == "item"}
    title = next((e.text or "" for e in book.iter() if local(e) == "title"), "")
    builder = TextBuilder(limits.text_mib << 20)
    for number, reference in enumerate((e for e in book.iter() if local(e) == "itemref"), 1):
        chapter = items.get(reference.get("idref") or "", "")
        body = package.read(posixpath.normpath(posixpath.join(posixpath.dirname(path), chapter))) if chapter else None
        if body is not None:
            builder.page = number
            builder.start_part("")
            add_html(builder, html_text(body))
    return builder.result(title)
