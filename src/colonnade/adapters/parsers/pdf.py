# SPDX-License-Identifier: Apache-2.0
"""PDF to lines, by PDFium: the text layer only, with the size and place of each line. What the lines mean is
`pdf_layout`.

No rendering, no forms, no scripts; a page without a text layer gives nothing.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator

from colonnade.adapters.parsers.build import TextBuilder
from colonnade.adapters.parsers.pdf_bidi import RTL, Glyph, is_rtl, logical
from colonnade.adapters.parsers.pdf_layout import Line, add_pages
from colonnade.core.documents import Parsed
from colonnade.core.errors import Unreadable
from colonnade.ports.outside.parsers import ParseLimits


def parse_pdf(raw: bytes, limits: ParseLimits) -> Parsed:
    """Text and structure of a PDF, page by page. Raises `Unreadable`: `encrypted`, `corrupt`, `no_text`, `bomb`."""
    import pypdfium2 as pdfium

    try:
        document = pdfium.PdfDocument(raw)
    except pdfium.PdfiumError as error:
        if "password" in str(error).lower():
            raise Unreadable("It is protected by a password.", code="encrypted") from error
        raise Unreadable("It is damaged, or no PDF.", code="corrupt") from error
    try:
        pages, size, limit = [], 0, limits.text_mib << 20
        for index in range(len(document)):
            lines = _page_lines(document, index)
            size += sum(len(line.text) for line in lines)
            if size > limit:
                raise Unreadable("It holds more text than the limit.", code="bomb")
            pages.append(lines)
        title = str(document.get_metadata_value("Title") or "")
    finally:
        document.close()
    builder = TextBuilder(limit)
    first_heading = add_pages(builder, pages)
    return builder.result(builder.best_title(title, first_heading))


def _page_lines(document: object, index: int) -> list[Line]:
    """The lines of one page in PDFium's order; [] for a page that cannot be loaded."""
    import pypdfium2 as pdfium

    try:
        page = document[index]  # type: ignore[index]
    except pdfium.PdfiumError:
        return []
    try:
        text_page = page.get_textpage()
        try:
            return list(_lines(text_page, page.get_height()))
        finally:
            text_page.close()
    except pdfium.PdfiumError:
        return []
    finally:
        page.close()


def _lines(text_page: object, height: float) -> Iterator[Line]:
    import pypdfium2.raw as raw

    handle = text_page.raw  # type: ignore[attr-defined]
    text: str = text_page.get_text_range()  # type: ignore[attr-defined]
    rtl_page = bool(RTL.search(text)) and is_rtl(text)
    wide = any(c > "\uffff" for c in text)
    box = [ctypes.c_double() for _ in range(4)]
    at = 0
    for piece in text.split("\r\n"):
        body = piece.rstrip()
        if body.strip():
            lead = next((i for i, c in enumerate(body) if c.isalnum()), len(body) - len(body.lstrip()))
            first = raw.FPDFText_GetCharIndexFromTextIndex(handle, at + lead)
            length = len(body.encode("utf-16-le", "surrogatepass")) // 2 if wide else len(body)
            last = raw.FPDFText_GetCharIndexFromTextIndex(handle, at + length - 1)
            raw.FPDFText_GetCharBox(handle, first, *box)
            left, right, bottom, top = (value.value for value in box)
            raw.FPDFText_GetCharBox(handle, last, *box)
            size = raw.FPDFText_GetFontSize(handle, first)
            origin = _origin(raw, handle, first)
            weight = raw.FPDFText_GetFontWeight(handle, first)
            scale = _scale(raw, handle, first)
            words, edges = body.strip(), [left, right, box[0].value, box[1].value]
            if RTL.search(body):
                glyphs = _glyphs(raw, handle, at, length)
                words = logical(glyphs, rtl_page=rtl_page) or words
                edges = [edge for glyph in glyphs for edge in (glyph.left, glyph.right)] or edges
            yield Line(
                words,
                size=size * scale,
                left=min(edges),
                right=max(edges),
                base=origin if origin is not None else bottom,
                top=max(top, box[3].value),
                page_height=height,
                bold=weight >= 600,
            )
        at += (len(piece.encode("utf-16-le", "surrogatepass")) // 2 if wide else len(piece)) + 2


def _glyphs(raw: object, handle: object, at: int, length: int) -> list[Glyph]:
    """The characters of one line with where they stand."""
    box = [ctypes.c_double() for _ in range(4)]
    glyphs = []
    for position in range(at, at + length):
        index = raw.FPDFText_GetCharIndexFromTextIndex(handle, position)  # type: ignore[attr-defined]
        if index < 0:
            continue
        raw.FPDFText_GetCharBox(handle, index, *box)  # type: ignore[attr-defined]
        char = chr(raw.FPDFText_GetUnicode(handle, index))  # type: ignore[attr-defined]
        size = raw.FPDFText_GetFontSize(handle, index)  # type: ignore[attr-defined]
        glyphs.append(Glyph(char, box[0].value, box[1].value, size))
    return glyphs


def _origin(raw: object, handle: object, index: int) -> float | None:
    x, y = ctypes.c_double(), ctypes.c_double()
    if raw.FPDFText_GetCharOrigin(handle, index, x, y):  # type: ignore[attr-defined]
        return y.value
    return None


def _scale(raw: object, handle: object, index: int) -> float:
    """By how much the page's matrix stretches the font: some producers set every font to 1 and scale."""
    matrix = raw.FS_MATRIX()  # type: ignore[attr-defined]
    if not raw.FPDFText_GetMatrix(handle, index, matrix):  # type: ignore[attr-defined]
        return 1.0
    return float((matrix.c**2 + matrix.d**2) ** 0.5) or 1.0
