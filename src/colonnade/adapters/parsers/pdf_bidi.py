# SPDX-License-Identifier: Apache-2.0
"""Lines with Arabic or Hebrew in them, put into reading order from where each character stands on the page. Pure.

A PDF draws glyphs in any order, and a library that reverses what it takes for right-to-left reverses some words twice.
Where the characters stand is certain, so the order is rebuilt from that: sorted from left to right, split into words
at gaps, then the inverse of the Unicode bidirectional algorithm (UAX 9) as far as one line needs it: in a
right-to-left line the words go from right to left, runs of Latin words and numbers stay as they are, and brackets are
turned.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

RTL = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
"""Characters that are written from right to left."""

_FORMS = re.compile("[\ufb1d-\ufdff\ufe70-\ufefc]")
_L = "A-Za-z\u00c0-\u024f"
_KEPT = re.compile(
    rf"[{_L}](?:[{_L}0-9_.@/:+'’,&# -]*[{_L}0-9])?"
    r"|[+\-]?\d+(?:[.,:/\-]\d+)*%?"
    r"|[٠-٩]+(?:[.,٫٬/][٠-٩]+)*"
)
"""What keeps its order in a right-to-left line: Latin words with what stands between them, numbers, dates."""

_RUN = re.compile(f"{RTL.pattern}(?:[^{_L}]*{RTL.pattern})?")
_TURNED = str.maketrans("()[]{}<>«»", ")(][}{><»«")


@dataclass(frozen=True, slots=True)
class Glyph:
    """One character and the edges of its box, in points."""

    char: str
    left: float
    right: float
    size: float


def is_rtl(text: str) -> bool:
    """Whether most letters of the text are written from right to left."""
    rtl = len(RTL.findall(text))
    return rtl > 0 and rtl * 2 >= sum(c.isalpha() for c in text)


def logical(glyphs: Sequence[Glyph], *, rtl_page: bool = False) -> str:
    """The text of one line in reading order; `rtl_page` when the page around it runs from right to left.

    >>> logical([Glyph(c, 10 * i, 10 * i + 9, 10) for i, c in enumerate("בא 12")])
    '12 אב'
    """
    line = " ".join(_words(glyphs))
    line = _turned(line) if rtl_page or is_rtl(line) else _RUN.sub(lambda run: _turned(run.group()), line)
    return _FORMS.sub(lambda form: unicodedata.normalize("NFKC", form.group()), line)


def _words(glyphs: Sequence[Glyph]) -> list[str]:
    """Words from left to right as they look, split where a gap is wide, or where a space was drawn into it."""
    drawn = sorted((g for g in glyphs if not g.char.isspace()), key=lambda g: (g.left + g.right, g.left))
    if not drawn:
        return []
    spaces = sorted(g.left for g in glyphs if g.char.isspace())
    em = median(g.size for g in drawn) or 10.0
    words, reach, at = [drawn[0].char], drawn[0].right, 0
    for glyph in drawn[1:]:
        gap = glyph.left - reach
        while at < len(spaces) and spaces[at] < reach - 0.1 * em:
            at += 1
        spaced = at < len(spaces) and spaces[at] <= glyph.left + 0.1 * em
        if gap > 0.25 * em or (spaced and gap > 0.12 * em):
            words.append(glyph.char)
        else:
            words[-1] += glyph.char
        reach = max(reach, glyph.right)
    return words


def _turned(line: str) -> str:
    """A run as it looks, to as it is read: reversed, with Latin words and numbers put back and brackets turned."""
    pieces = []
    at = 0
    for match in _KEPT.finditer(line):
        pieces.append(line[at : match.start()][::-1].translate(_TURNED))
        pieces.append(match.group())
        at = match.end()
    pieces.append(line[at:][::-1].translate(_TURNED))
    return "".join(reversed(pieces))
