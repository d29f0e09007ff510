# SPDX-License-Identifier: Apache-2.0
"""Write small PDF files with a text layer, for the example company. Standard library only; same input, same bytes.

A4, Helvetica, headings, paragraphs, tables, page numbers: what a plain manual needs and nothing more.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

WIDTH, HEIGHT, MARGIN = 595, 842, 64
# Advance widths of Helvetica for the characters 32 to 126, in thousandths of the size (Adobe's font metrics).
_ADVANCES = [
    int(w)
    for w in (
        "278 278 355 556 556 889 667 191 333 333 389 584 278 333 278 278 556 556 556 556 556 556 556 556 556 556 278 278 "
        "584 584 584 556 1015 667 667 722 722 667 611 778 722 278 500 667 556 833 722 778 667 778 722 667 611 722 667 944 "
        "667 667 611 278 278 278 469 556 333 556 556 500 556 556 278 556 556 222 222 500 222 833 556 556 556 556 333 500 "
        "278 556 500 722 500 500 500 334 260 334 584"
    ).split()
]


def text_width(text: str, size: float) -> float:
    """Width in points; characters outside ASCII count as a digit."""
    return sum(_ADVANCES[ord(c) - 32] if 32 <= ord(c) < 127 else 556 for c in text) * size / 1000


def wrap(text: str, size: float, width: float) -> list[str]:
    """Break at spaces so that each line fits the width in points."""
    lines: list[str] = []
    for word in text.split():
        if lines and text_width(f"{lines[-1]} {word}", size) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


@dataclass
class Pages:
    """A text that grows downwards and turns the page by itself."""

    title: str
    drawn: list[list[str]] = field(default_factory=lambda: [[]])
    y: float = HEIGHT - MARGIN

    def heading(self, text: str, size: int = 14) -> None:
        """A heading; it starts a new page when less than a few lines are left under it."""
        self._room(size * 2 + 60)
        self.y -= size
        self._line(text, MARGIN, size, "F2")
        self.y -= size * 1.4

    def paragraph(self, text: str, size: int = 11) -> None:
        """A paragraph, broken into lines."""
        for line in wrap(text, size, WIDTH - 2 * MARGIN):
            self._room(size)
            self._line(line, MARGIN, size, "F1")
            self.y -= size * 1.4
        self.y -= size * 0.5

    def table(self, rows: Sequence[Sequence[str]], widths: Sequence[int], size: int = 10) -> None:
        """A ruled table; the first row is its head. Widths in points."""
        for number, row in enumerate(rows):
            self._room(size * 1.8)
            x = float(MARGIN)
            for cell, width in zip(row, widths, strict=True):
                self._line(cell, x + 3, size, "F2" if number == 0 else "F1")
                x += width
            self._rule(self.y - size * 0.45, x)
            self.y -= size * 1.8
        self.y -= size * 0.6

    def new_page(self) -> None:
        """Go on at the top of a new page."""
        self.drawn.append([])
        self.y = HEIGHT - MARGIN

    def _room(self, needed: float) -> None:
        if self.y - needed < MARGIN:
            self.new_page()

    def _line(self, text: str, x: float, size: float, font: str) -> None:
        safe = text.encode("cp1252").decode("latin-1").replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
        self.drawn[-1].append(f"BT /{font} {size} Tf {x:.1f} {self.y:.1f} Td ({safe}) Tj ET")

    def _rule(self, y: float, right: float) -> None:
        self.drawn[-1].append(f"0.5 w {MARGIN} {y:.1f} m {right:.1f} {y:.1f} l S")

    def write(self, path: Path) -> None:
        """Number the pages and write the file."""
        total = len(self.drawn)
        for number, page in enumerate(self.drawn, start=1):
            foot = f"{self.title} - page {number} of {total}"
            page.append(f"BT /F1 8 Tf {MARGIN} 36 Td ({foot}) Tj ET")
        write_pdf(path, self.title, ["\n".join(page).encode("latin-1") for page in self.drawn])


def write_pdf(path: Path, title: str, pages: Iterable[bytes]) -> None:
    """A PDF of pages of drawing operators, with Helvetica as F1 and its bold as F2."""
    contents = list(pages)
    kids = " ".join(f"{5 + 2 * n} 0 R" for n in range(len(contents)))
    bodies = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(contents)} >>".encode(),
        _font("Helvetica"),
        _font("Helvetica-Bold"),
    ]
    for number, content in enumerate(contents):
        box = f"[0 0 {WIDTH} {HEIGHT}]"
        fonts = "<< /Font << /F1 3 0 R /F2 4 0 R >> >>"
        page = f"<< /Type /Page /Parent 2 0 R /MediaBox {box} /Resources {fonts} /Contents {6 + 2 * number} 0 R >>"
        bodies += [page.encode(), stream(content)]
    bodies.append(f"<< /Title ({title}) /Producer (Acme Pumps) >>".encode("latin-1"))
    write_objects(path, bodies, info=len(bodies))


def write_image_pdf(path: Path, bits: bytes, width: int, height: int) -> None:
    """A page that is one black and white picture, as an old scanner leaves it. Rows padded to whole bytes, 1 is white."""
    image = (
        f"/Type /XObject /Subtype /Image /Width {width} /Height {height} /ColorSpace /DeviceGray /BitsPerComponent 1 "
    )
    box = f"[0 0 {WIDTH} {HEIGHT}]"
    bodies = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        f"<< /Type /Page /Parent 2 0 R /MediaBox {box} /Resources << /XObject << /I 5 0 R >> >> /Contents 4 0 R >>".encode(),
        stream(f"q {WIDTH} 0 0 {HEIGHT} 0 0 cm /I Do Q".encode()),
        stream(bits, image),
    ]
    write_objects(path, bodies)


def stream(data: bytes, extra: str = "") -> bytes:
    """A compressed stream object's body."""
    packed = zlib.compress(data, 9)
    head = f"<< {extra}/Filter /FlateDecode /Length {len(packed)} >>\nstream\n"
    return head.encode() + packed + b"\nendstream"


def write_objects(path: Path, bodies: Sequence[bytes], info: int | None = None) -> None:
    """Objects 1 to n, the cross-reference table, the trailer; object 1 is the catalogue."""
    out = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    offsets = []
    for number, body in enumerate(bodies, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj\n" % number + body + b"\nendobj\n"
    table = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(bodies) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    about = f" /Info {info} 0 R" if info else ""
    out += f"trailer\n<< /Size {len(bodies) + 1} /Root 1 0 R{about} >>\nstartxref\n{table}\n%%EOF\n".encode()
    path.write_bytes(out)


def _font(name: str) -> bytes:
    return f"<< /Type /Font /Subtype /Type1 /BaseFont /{name} /Encoding /WinAnsiEncoding >>".encode()
