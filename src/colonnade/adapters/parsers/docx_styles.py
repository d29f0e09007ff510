# SPDX-License-Identifier: Apache-2.0
"""What a Word paragraph is by its style and its numbering: a heading of which level, an item with which marker.

Follows ECMA-376 part 1, 17.7 (styles, by inheritance) and 17.9 (numbering), as far as text needs it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from colonnade.adapters.parsers.package import attribute, local

_HEADING = re.compile(r"(?:heading|überschrift|titre|título|titolo|kop|rubrik)\s*([1-9])", re.IGNORECASE)
_PLACE = re.compile(r"%(\d)")
_ROMAN = ((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"))
_ROMAN_LOW = ((10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i"))


@dataclass(frozen=True, slots=True)
class Style:
    """What a paragraph style says: a heading's level (0: none), code, and the list that it belongs to."""

    level: int = 0
    code: bool = False
    list_id: str = ""
    list_level: int = 0


_NONE = Style()


class Styles:
    """The styles of a document by id, with what they inherit."""

    def __init__(self, root: Element | None) -> None:
        self._raw: dict[str, Element] = {}
        for style in root if root is not None else ():
            if local(style) == "style" and attribute(style, "type") in (None, "paragraph"):
                self._raw[attribute(style, "styleId") or ""] = style
        self._known: dict[str, Style] = {"": _NONE}

    def of(self, properties: Element | None) -> Style:
        """The style of a paragraph; an outline level on the paragraph itself wins."""
        name = _value(_child(properties, "pStyle"))
        style = self._resolve(name, 0)
        level = _value(_child(properties, "outlineLvl"))
        if level.isdigit() and int(level) < 6:
            return Style(int(level) + 1, style.code, style.list_id, style.list_level)
        return style

    def _resolve(self, name: str, depth: int) -> Style:
        if name in self._known:
            return self._known[name]
        found = self._raw.get(name)
        if found is None or depth > 20:
            return _by_name(name)
        base = self._resolve(_value(_child(found, "basedOn")), depth + 1)
        title = _value(_child(found, "name"))
        own = _by_name(title)
        properties = _child(found, "pPr")
        outline = _value(_child(properties, "outlineLvl"))
        level = own.level or (int(outline) + 1 if outline.isdigit() and int(outline) < 6 else 0)
        if not level and not outline and base.level and not title.lower().startswith("toc"):
            level = base.level
        numbering = _child(properties, "numPr")
        number = _value(_child(numbering, "numId"))
        deep = _value(_child(numbering, "ilvl"))
        style = Style(
            level,
            own.code or base.code,
            number or base.list_id,
            int(deep) if deep.isdigit() else base.list_level,
        )
        self._known[name] = style
        return style


def _by_name(name: str) -> Style:
    low = name.lower()
    if found := _HEADING.match(low):
        return Style(level=min(int(found.group(1)), 6))
    if low in ("title", "titel", "titre"):
        return Style(level=1)
    return Style(code=low in ("html preformatted", "source code", "code", "macro text", "plain code"))


class Numbering:
    """Counts the items of a document's lists and gives each its marker."""

    def __init__(self, root: Element | None) -> None:
        self._levels: dict[str, dict[int, tuple[str, str, int]]] = {}
        self._abstract_of: dict[str, str] = {}
        self._counts: dict[str, dict[int, int]] = {}
        abstract: dict[str, dict[int, tuple[str, str, int]]] = {}
        for child in root if root is not None else ():
            if local(child) == "abstractNum":
                abstract[attribute(child, "abstractNumId") or ""] = _levels(child)
            elif local(child) == "num":
                number = attribute(child, "numId") or ""
                base = _value(_child(child, "abstractNumId"))
                self._abstract_of[number] = base
                self._levels[number] = dict(abstract.get(base, {}))
                self._override(child, number)

    def _override(self, num: Element, number: str) -> None:
        for override in num:
            start = _value(_child(override, "startOverride"))
            level = attribute(override, "ilvl") or ""
            if local(override) == "lvlOverride" and start.isdigit() and level.isdigit():
                kind, text, _ = self._levels[number].get(int(level), ("decimal", f"%{int(level) + 1}.", 1))
                self._levels[number][int(level)] = (kind, text, int(start))
                self._abstract_of[number] = f"num {number}"

    def next(self, properties: Element | None, style: Style) -> tuple[str, int]:
        """The marker of the paragraph ("" when it is in no list, "-" for a bullet) and its depth from 0."""
        numbering = _child(properties, "numPr")
        number = _value(_child(numbering, "numId")) or style.list_id
        deep = _value(_child(numbering, "ilvl"))
        depth = int(deep) if deep.isdigit() else (style.list_level or max(style.level - 1, 0))
        if not number or number == "0" or number not in self._levels:
            return "", 0
        kind, text, start = self._levels[number].get(depth, ("decimal", f"%{depth + 1}.", 1))
        counts = self._counts.setdefault(self._abstract_of[number], {})
        counts[depth] = counts.get(depth, start - 1) + 1
        for deeper in [d for d in counts if d > depth]:
            del counts[deeper]
        if kind == "bullet":
            return "-", depth
        if kind == "none" or not text:
            return ("", 0) if style.level else ("-", depth)
        return self._written(number, text, counts), depth

    def _written(self, number: str, text: str, counts: dict[int, int]) -> str:
        def one(match: re.Match[str]) -> str:
            level = int(match.group(1)) - 1
            kind, _, start = self._levels[number].get(level, ("decimal", "", 1))
            return count_as(kind, counts.get(level, start))

        return _PLACE.sub(one, text).strip()


def _levels(abstract: Element) -> dict[int, tuple[str, str, int]]:
    found = {}
    for level in abstract:
        index = attribute(level, "ilvl") or ""
        if local(level) == "lvl" and index.isdigit():
            start = _value(_child(level, "start"))
            kind = _value(_child(level, "numFmt")) or "decimal"
            found[int(index)] = (kind, _value(_child(level, "lvlText")), int(start) if start.isdigit() else 1)
    return found


def count_as(kind: str, number: int) -> str:
    """A number written as a list level asks for it.

    >>> count_as("lowerRoman", 14), count_as("upperLetter", 28), count_as("decimalZero", 7)
    ('xiv', 'AB', '07')
    """
    if kind in ("lowerLetter", "upperLetter") and number > 0:
        letters = ""
        while number > 0:
            number, rest = divmod(number - 1, 26)
            letters = chr(97 + rest) + letters
        return letters if kind == "lowerLetter" else letters.upper()
    if kind in ("lowerRoman", "upperRoman") and 0 < number < 4000:
        roman = ""
        for value, sign in _ROMAN + _ROMAN_LOW:
            roman += sign * (number // value)
            number %= value
        return roman if kind == "lowerRoman" else roman.upper()
    return f"{number:02d}" if kind == "decimalZero" else str(number)


def _child(parent: Element | None, name: str) -> Element | None:
    if parent is None:
        return None
    return next((child for child in parent if local(child) == name), None)


def _value(element: Element | None) -> str:
    return (attribute(element, "val") or "") if element is not None else ""
