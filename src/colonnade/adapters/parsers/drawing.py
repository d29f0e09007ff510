# SPDX-License-Identifier: Apache-2.0
"""What drawings in Office files say: a chart as the table behind it, a diagram (SmartArt) as its labels.

Reads the values that the file caches (ECMA-376 part 1, 21.2 and 21.4); the embedded workbook is not opened.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element

from colonnade.adapters.parsers.build import TextBuilder, one_line
from colonnade.adapters.parsers.package import local

_MOST_POINTS = 10_000
_DAY_ZERO = datetime.date(1899, 12, 30)
_DATE_CODE = re.compile(r"[dy]|mmm", re.IGNORECASE)
_LITERAL = re.compile(r'"[^"]*"|\[[^\]]*\]|\\.')
_KINDS = {
    "barChart": "Bar chart",
    "bar3DChart": "Bar chart",
    "lineChart": "Line chart",
    "line3DChart": "Line chart",
    "pieChart": "Pie chart",
    "pie3DChart": "Pie chart",
    "doughnutChart": "Pie chart",
    "scatterChart": "Scatter chart",
    "areaChart": "Area chart",
    "area3DChart": "Area chart",
    "bubbleChart": "Bubble chart",
    "radarChart": "Radar chart",
    "surfaceChart": "Surface chart",
    "stockChart": "Stock chart",
}


def add_chart(builder: TextBuilder, root: Element) -> None:
    """Append a chart: its title, then categories by series."""
    title = next((e for e in root.iter() if local(e) == "title"), None)
    words = (
        one_line(" ".join(e.text or "" for e in title.iter() if local(e) in ("t", "v"))) if title is not None else ""
    )
    kind = next((_KINDS[local(e)] for e in root.iter() if local(e) in _KINDS), "Chart")
    builder.paragraph(f"{kind}: {words}" if words else kind)
    names: list[str] = []
    columns: list[dict[int, str]] = []
    labels: dict[int, str] = {}
    for series in (e for e in root.iter() if local(e) == "ser"):
        names.append(" ".join(_points(series, ("tx",)).values()))
        columns.append(_points(series, ("val", "yVal")))
        for index, label in _points(series, ("cat", "xVal")).items():
            labels.setdefault(index, label)
    indices = sorted({index for column in columns for index in column} | set(labels))[:_MOST_POINTS]
    rows = [[labels.get(i, ""), *(column.get(i, "") for column in columns)] for i in indices]
    builder.table([["", *names], *rows], has_header=True)


def _points(series: Element, holders: tuple[str, ...]) -> dict[int, str]:
    """The cached points below one of the holders, by index; levels of a multi-level category are joined."""
    found: dict[int, str] = {}
    dated = False
    holder = next((child for child in series if local(child) in holders), None)
    for point in holder.iter() if holder is not None else ():
        if local(point) == "formatCode":
            dated = bool(_DATE_CODE.search(_LITERAL.sub("", point.text or "")))
        elif local(point) == "pt":
            index = point.get("idx") or ""
            value = one_line("".join(e.text or "" for e in point if local(e) == "v"))
            if index.isdigit() and len(index) < 8 and value:
                at = int(index)
                shown = _date(value) if dated else _number(value)
                found[at] = f"{shown} {found[at]}" if at in found else shown
        elif local(point) == "v" and not found and local(series) == "ser" and holder is not None and point in holder:
            found[0] = one_line(point.text or "")
    return found


def _date(serial: str) -> str:
    """A day number of the 1900 system as a date."""
    try:
        return (_DAY_ZERO + datetime.timedelta(days=int(float(serial)))).isoformat()
    except (ValueError, OverflowError):
        return serial


def _number(value: str) -> str:
    """A cached number as a person would write it: no tail of binary rounding."""
    if "." not in value and "E" not in value:
        return value
    try:
        return f"{float(value):.12g}"
    except ValueError:
        return value


def diagram_texts(root: Element) -> Iterator[str]:
    """The labels of a diagram's data part, in the order in which they were made."""
    for point in (e for e in root.iter() if local(e) == "pt"):
        if point.get("type") in ("pres", "parTrans", "sibTrans"):
            continue
        text = one_line(" ".join(_paragraphs(point)))
        if text:
            yield text


def _paragraphs(parent: Element) -> Iterator[str]:
    for paragraph in (e for e in parent.iter() if local(e) == "p"):
        yield "".join(e.text or "" for e in paragraph.iter() if local(e) == "t")
