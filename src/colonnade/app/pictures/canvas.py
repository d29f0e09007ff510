# SPDX-License-Identifier: Apache-2.0
"""A sheet to draw on: lines, boxes and words in points, drawn four times as large and scaled down for smooth edges.

The only file that touches Pillow. It knows no axis and no data.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

from PIL import Image, ImageColor, ImageDraw, ImageFont

FINE = 3
"""Everything but words is drawn so many times as large. Words come smooth from the font renderer."""
PAPER, INK, SOFT, GRID = "#FFFFFF", "#1B2430", "#5B6470", "#E6E9EE"

Point = tuple[float, float]


class Canvas:
    """A sheet of so many points; one point is `dense` pixels."""

    def __init__(self, width: int, height: int, dense: int = 2) -> None:
        self.width, self.height, self._dense = width, height, dense
        self._fine = FINE * dense
        self._shapes = Image.new("RGB", (width * self._fine, height * self._fine), PAPER)
        self._draw = ImageDraw.Draw(self._shapes)
        self._words: list[tuple[Point, str, float, str, str, bool]] = []

    def line(self, points: Sequence[Point], colour: str, wide: float = 1.0, *, dashed: float = 0.0) -> None:
        """A line through points with round joints; dashes of so many points when asked for."""
        pieces = _dashes(points, dashed) if dashed else [points]
        radius = wide * self._fine / 2
        for piece in pieces:
            at = [self._at(point) for point in piece]
            self._draw.line(at, fill=colour, width=max(1, round(2 * radius)), joint="curve")
            if wide > 1.2:
                for x, y in (at[0], at[-1]):
                    self._draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)

    def box(self, left: float, top: float, right: float, bottom: float, colour: str) -> None:
        """A filled box."""
        (x0, y0), (x1, y1) = self._at((left, top)), self._at((right, bottom))
        if x1 > x0 and y1 > y0:
            self._draw.rectangle((x0, y0, x1 - 1, y1 - 1), fill=colour)

    def dot(self, at: Point, colour: str, radius: float) -> None:
        """A filled circle with a rim of paper."""
        for size, fill in ((radius + 1.2, PAPER), (radius, colour)):
            x, y = self._at(at)
            r = size * self._fine
            self._draw.ellipse((x - r, y - r, x + r, y + r), fill=fill)

    def text(
        self, at: Point, words: str, size: float, colour: str = INK, *, anchor: str = "ls", bold: bool = False
    ) -> None:
        """Words at a point; `anchor` as in Pillow ("ls": left end of the base line)."""
        self._words.append((at, words, size, colour, anchor, bold))

    def width_of(self, words: str, size: float, *, bold: bool = False) -> float:
        """In points."""
        font = _font(round(size * self._dense * 4))
        return font.getlength(words) / self._dense / 4 + (0.035 * size if bold else 0.0)

    def png(self) -> bytes:
        """The sheet as a PNG."""
        size = (self.width * self._dense, self.height * self._dense)
        image = self._shapes.resize(size, Image.Resampling.BOX)
        draw = ImageDraw.Draw(image)
        for (x, y), words, points, colour, anchor, bold in self._words:
            font = _font(round(points * self._dense))
            stroke = points * self._dense * 0.022 if bold else 0
            at = (x * self._dense, y * self._dense)
            draw.text(at, words, fill=colour, font=font, anchor=anchor, stroke_width=stroke)
        out = io.BytesIO()
        image.save(out, "PNG", optimize=True)
        return out.getvalue()

    def _at(self, point: Point) -> Point:
        return point[0] * self._fine, point[1] * self._fine


def faint(colour: str, part: float) -> str:
    """The colour thinned with paper: 1 is the colour, 0 is paper.

    >>> faint("#000000", 0.5)
    '#7f7f7f'
    """
    mixed = (int(255 + (channel - 255) * part) for channel in ImageColor.getrgb(colour)[:3])
    return "#" + "".join(f"{channel:02x}" for channel in mixed)


@lru_cache(maxsize=32)
def _font(pixels: int) -> ImageFont.FreeTypeFont:
    """The scalable font that comes with Pillow (Aileron Regular)."""
    font = ImageFont.load_default(pixels)
    assert isinstance(font, ImageFont.FreeTypeFont)  # Pillow is built with FreeType in every wheel
    return font


def _dashes(points: Sequence[Point], length: float) -> list[list[Point]]:
    """The line cut into dashes and gaps of the same length, along its way."""
    pieces: list[list[Point]] = [[points[0]]]
    drawn, left = True, length
    for (x0, y0), (x1, y1) in pairwise(points):
        way = ((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5
        gone = 0.0
        while way - gone > left:
            gone += left
            at = (x0 + (x1 - x0) * gone / way, y0 + (y1 - y0) * gone / way)
            if drawn:
                pieces[-1].append(at)
            else:
                pieces.append([at])
            drawn, left = not drawn, length
        left -= way - gone
        if drawn:
            pieces[-1].append((x1, y1))
    return [piece for piece in pieces if len(piece) > 1]
