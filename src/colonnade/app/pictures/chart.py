# SPDX-License-Identifier: Apache-2.0
"""Lay panels out on a sheet and draw them: a title that says the finding, axes, lines named at their ends, bars with
their numbers on top. It draws what the panels say, and decides nothing about the data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from colonnade.app.pictures.canvas import GRID, INK, PAPER, SOFT, Canvas, faint
from colonnade.app.pictures.panels import PALETTE, Bars, Lines, Panel, Scale, Series, apart, scale

WIDTH, HEIGHT = 800, 500
MARGIN, HEAD, GAP = 28.0, 76.0, 34.0
SMALL, BODY, TITLE = 10.0, 12.0, 19.0


@dataclass(frozen=True, slots=True)
class _Frame:
    """The area inside the axes, in points."""

    left: float
    top: float
    right: float
    bottom: float

    def x(self, part: float) -> float:
        return self.left + part * (self.right - self.left)

    def y(self, part: float) -> float:
        return self.bottom - part * (self.bottom - self.top)


def chart(
    title: str,
    panels: Sequence[Sequence[Panel]],
    *,
    subtitle: str = "",
    width: int = WIDTH,
    height: int = HEIGHT,
    lower: float = 0.0,
) -> bytes:
    """A PNG of twice as many pixels as `width` and `height` in points say.

    Args:
        title: the finding, in one sentence.
        panels: rows of panels.
        subtitle: on what it rests.
        width, height: in points.
        lower: height of each row after the first; 0 for rows of equal height.
    """
    canvas = Canvas(width, height)
    canvas.text((MARGIN, 38), title, _fitting(canvas, title, width - 2 * MARGIN), INK, bold=True)
    canvas.text((MARGIN, 58), subtitle, BODY, SOFT)
    colours = _colours(panels)
    room = height - HEAD - GAP / 2 - GAP * (len(panels) - 1)
    lower = lower or room / max(1, len(panels))
    top = HEAD
    for row, across in enumerate(panels):
        tall = lower if row else room - lower * (len(panels) - 1)
        wide = (width - 2 * MARGIN - GAP * (len(across) - 1)) / max(1, len(across))
        for column, panel in enumerate(across):
            left = MARGIN + column * (wide + GAP)
            _panel(canvas, _Frame(left, top, left + wide, top + tall), panel, colours)
        top += tall + GAP
    return canvas.png()


def _panel(canvas: Canvas, frame: _Frame, panel: Panel, colours: dict[str, str]) -> None:
    if isinstance(panel, Lines):
        _lines(canvas, frame, panel, colours)
    else:
        _bars(canvas, frame, panel, colours)


def _fitting(canvas: Canvas, title: str, wide: float) -> float:
    """The title's size: smaller where it would not fit."""
    needed = canvas.width_of(title, TITLE, bold=True)
    return min(TITLE, TITLE * wide / needed) if needed else TITLE


def _colours(panels: Sequence[Sequence[Panel]]) -> dict[str, str]:
    """One colour for each name, the same in all panels; what is strong comes first."""
    named: dict[str, bool] = {}
    for panel in (panel for row in panels for panel in row):
        for series in panel.series:
            named[series.name] = named.get(series.name, False) or series.strong
    order = sorted(named, key=lambda name: not named[name])
    return {name: PALETTE[number % len(PALETTE)] for number, name in enumerate(order)}


def _title(canvas: Canvas, frame: _Frame, panel: Panel) -> None:
    canvas.text((frame.left, frame.top + 12), panel.title, BODY + 1, INK, bold=True)
    if panel.note:
        canvas.text((frame.left, frame.top + 28), panel.note, SMALL, SOFT)


def _inner(canvas: Canvas, frame: _Frame, panel: Lines, said: Sequence[str], right: float) -> _Frame:
    """The area that is left for the data, with room for numbers at the left and names at the right."""
    room = max((canvas.width_of(words, SMALL) for words in said), default=0.0) + 8
    top = frame.top + (44 if panel.note else 28) + (14 if panel.y.label else 0)
    return _Frame(frame.left + room, top, frame.right - right, frame.bottom - 34)


def _grid(canvas: Canvas, frame: _Frame, inner: _Frame, panel: Lines, along: Scale, ticks: Sequence[float]) -> None:
    for tick in ticks:
        y = inner.y(along(tick))
        canvas.line([(inner.left, y), (inner.right, y)], GRID)
        canvas.text((inner.left - 8, y), panel.y.say(tick), SMALL, SOFT, anchor="rm")
    canvas.text((frame.left, inner.top - 12), panel.y.label, SMALL, SOFT)


def _lines(canvas: Canvas, frame: _Frame, panel: Lines, colours: dict[str, str]) -> None:
    shown = [_within(series, panel.x.low, panel.x.high) for series in panel.series]
    heights = [y for series in shown for y in series.y] + [value for _, value in panel.marks]
    along, ticks = scale(panel.y, heights)
    across, steps = scale(panel.x, [x for series in shown for x in series.x])
    names = [f"{series.name} {panel.y.told(series.y[-1])}" for series in shown]
    room = max((canvas.width_of(name, BODY, bold=True) for name in names), default=0.0) + 12
    inner = _inner(canvas, frame, panel, [panel.y.say(tick) for tick in ticks], room)
    _title(canvas, frame, panel)
    _grid(canvas, frame, inner, panel, along, ticks)
    canvas.line([(inner.left, inner.bottom), (inner.right, inner.bottom)], SOFT)
    for step in steps:
        x = inner.x(across(step))
        canvas.line([(x, inner.bottom), (x, inner.bottom + 4)], SOFT)
        canvas.text((x, inner.bottom + 8), panel.x.say(step), SMALL, SOFT, anchor="mt")
    canvas.text(((inner.left + inner.right) / 2, inner.bottom + 22), panel.x.label, SMALL, SOFT, anchor="mt")
    for name, value in panel.marks:
        y = inner.y(along(value))
        canvas.line([(inner.left, y), (inner.right, y)], SOFT, 1.0, dashed=4.0)
        canvas.text((inner.left + 4, y - 5), f"{name} {panel.y.told(value)}", SMALL, SOFT)
    for series in sorted(shown, key=lambda series: series.strong):
        way = [(inner.x(across(x)), inner.y(along(y))) for x, y in zip(series.x, series.y, strict=True)]
        if series.strong:
            canvas.line(way, PAPER, 5.0)
        canvas.line(way, colours[series.name], 2.6 if series.strong else 1.6)
        canvas.dot(way[-1], colours[series.name], 3.6 if series.strong else 2.8)
    places = apart([inner.y(along(series.y[-1])) for series in shown], 15.0, inner.top, inner.bottom)
    for series, name, y in zip(shown, names, places, strict=True):
        canvas.text((inner.right + 9, y), name, BODY, colours[series.name], anchor="lm", bold=series.strong)


def _within(series: Series, low: float | None, high: float | None) -> Series:
    """The part of a line between two numbers."""
    kept = [
        (x, y)
        for x, y in zip(series.x, series.y, strict=True)
        if (low is None or x >= low - 1e-9) and (high is None or x <= high + 1e-9)
    ] or [(series.x[-1], series.y[-1])]
    x, y = zip(*kept, strict=True)
    return Series(series.name, y, x, series.strong)


def _bars(canvas: Canvas, frame: _Frame, panel: Bars, colours: dict[str, str]) -> None:
    _title(canvas, frame, panel)
    names = max((canvas.width_of(series.name, BODY, bold=series.strong) for series in panel.series), default=0.0)
    said = max((canvas.width_of(panel.say(series.y[0]), BODY, bold=True) for series in panel.series), default=0.0)
    left, most = frame.left + names + 10, max((max(series.y) for series in panel.series), default=0.0)
    long = (frame.right - said - 10 - left) / (most or 1.0)
    step = min(24.0, (frame.bottom - frame.top - (40 if panel.note else 24)) / max(1, len(panel.series)))
    for number, series in enumerate(panel.series):
        middle = frame.top + (40 if panel.note else 24) + (number + 0.5) * step
        end, reach = left + long * series.y[0], left + long * max(series.y)
        colour = colours[series.name] if series.strong else faint(colours[series.name], 0.7)
        canvas.text((left - 8, middle), series.name, BODY, colours[series.name], anchor="rm", bold=series.strong)
        if reach > end:
            canvas.line([(end, middle), (reach, middle)], colour, 1.6)
            canvas.line([(reach, middle - 4), (reach, middle + 4)], colour, 1.6)
        canvas.box(left, middle - step * 0.36, max(end, left + 1.5), middle + step * 0.36, colour)
        at = (max(reach, end) + 7, middle)
        canvas.text(at, panel.say(series.y[0]), BODY, INK, anchor="lm", bold=series.strong)
