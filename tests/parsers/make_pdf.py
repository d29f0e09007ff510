# SPDX-License-Identifier: Apache-2.0
"""Writes small PDFs for the tests, and some that no viewer should have to open."""

from __future__ import annotations

import zlib
from collections.abc import Sequence


def document(objects: Sequence[bytes]) -> bytes:
    """A PDF of numbered objects (the first is the catalog) with its cross-reference table."""
    out = bytearray(b"%PDF-1.7\n")
    places = []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(out)


def stream(data: bytes, extra: bytes = b"") -> bytes:
    """A stream object, deflated."""
    packed = zlib.compress(data, 9)
    return b"<</Length %d/Filter/FlateDecode%s>>stream\n%s\nendstream" % (len(packed), extra, packed)


FONT = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>"


def pages(*contents: bytes) -> bytes:
    """One page for each content stream, in Helvetica as /F1."""
    count = len(contents)
    kids = b" ".join(b"%d 0 R" % (4 + 2 * i) for i in range(count))
    objects = [b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Count %d/Kids[%s]>>" % (count, kids), FONT]
    for at, content in enumerate(contents):
        objects.append(
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<</Font<</F1 3 0 R>>>>/Contents %d 0 R>>"
            % (5 + 2 * at)
        )
        objects.append(stream(content))
    return document(objects)


def text(*lines: tuple[float, float, float, str]) -> bytes:
    """A content stream of lines: x, y, size, words."""
    out = b"BT\n"
    for x, y, size, words in lines:
        safe = words.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)").encode("cp1252")
        out += b"/F1 %g Tf 1 0 0 1 %g %g Tm (%s) Tj\n" % (size, x, y, safe)
    return out + b"ET"


def inflating_bomb(mebibytes: int) -> bytes:
    """One page whose content unpacks to that many MiB, deflated twice so that the file stays small."""
    once = zlib.compressobj(9)
    packed = b"".join(once.compress(b"q Q " * (1 << 18)) for _ in range(mebibytes)) + once.flush()
    twice = zlib.compress(packed, 9)
    body = b"<</Length %d/Filter[/FlateDecode/FlateDecode]>>stream\n%s\nendstream" % (len(twice), twice)
    return document(
        [
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Count 1/Kids[3 0 R]>>",
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<<>>/Contents 4 0 R>>",
            body,
        ]
    )


def doubling_bomb(depth: int) -> bytes:
    """A form that draws another twice, which draws another twice, ...: 2 to the `depth` drawings."""
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Count 1/Kids[3 0 R]>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<</XObject<</X 6 0 R>>>>/Contents 4 0 R>>",
        stream(b"/X Do"),
        FONT,
    ]
    for level in range(depth):
        last = level == depth - 1
        resources = b"/Font<</F1 5 0 R>>" if last else b"/XObject<</X %d 0 R>>" % (7 + level)
        content = b"BT /F1 9 Tf (boom boom boom) Tj ET " * 50 if last else b"/X Do /X Do"
        head = b"/Type/XObject/Subtype/Form/BBox[0 0 595 842]/Resources<<%s>>" % resources
        objects.append(stream(content, head))
    return document(objects)


def page_bomb(count: int) -> bytes:
    """So many pages, all the same object, each with a lot of text."""
    content = b"BT /F1 9 Tf " + b"(many words on a page) Tj 0 -1 Td " * 2000 + b"ET"
    kids = b"4 0 R " * count
    return document(
        [
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Count %d/Kids[%s]>>" % (count, kids),
            FONT,
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<</Font<</F1 3 0 R>>>>/Contents 5 0 R>>",
            stream(content),
        ]
    )
