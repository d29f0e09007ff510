# SPDX-License-Identifier: Apache-2.0
"""Cut a stream of text into sentences as it comes, each with the citation marks that follow it. Pure; joined, the
sentences are the text.
"""

from __future__ import annotations

import re

_END = re.compile(r"[.!?。！？]+[\"'”’)\]*_]*(?=\s)|[。！？]|\n")
_MARKS = re.compile(r"[ \t]*(?:[\[【]\^?[\d\s,;]+[\]】][ \t]*[.!?]?)+")
_OPEN_MARK = re.compile(r"[ \t]*(?:[\[【]\^?[\d\s,;]+[\]】][ \t]*)*[\[【]?\^?[\d\s,;]*$")
_ABBREVIATED = re.compile(
    r"(?:^|[\s(])(?:e\.g|i\.e|etc|cf|vs|approx|nr|art|sec|fig|mr|mrs|ms|dr|prof|st|z\.B|d\.h|ca|bzw|vgl|[A-Za-z])\.$"
    r"|^\s*\d{1,2}\.$",
    re.IGNORECASE,
)


class SentenceFlow:
    """Feed pieces, get whole sentences.

    >>> flow = SentenceFlow()
    >>> flow.feed("Up to 120 euros. [1] No"), flow.feed(" more."), flow.rest()
    (['Up to 120 euros. [1] '], [], ['No more.'])
    """

    def __init__(self) -> None:
        self._held = ""

    def feed(self, piece: str) -> list[str]:
        """The sentences that are whole now."""
        self._held += piece
        out: list[str] = []
        at = 0
        while True:
            cut = _cut(self._held, at)
            if cut is None:
                break
            out.append(self._held[at:cut])
            at = cut
        self._held = self._held[at:]
        return out

    def rest(self) -> list[str]:
        """What is left at the end of the stream."""
        left, self._held = self._held, ""
        return [left] if left else []


def _cut(text: str, at: int) -> int | None:
    """Where the sentence that begins at `at` ends, marks and spaces included; None if that is not known yet."""
    start = at
    while True:
        found = _END.search(text, start)
        if found is None:
            return None
        if found.group() != "\n" and _ABBREVIATED.search(text[at : found.start() + 1]):
            start = found.end()
            continue
        break
    end = found.end()
    if found.group() == "\n":
        return end
    marks = _MARKS.match(text, end)
    after = marks.end() if marks else end
    if _OPEN_MARK.match(text, after):
        return None
    while after < len(text) and text[after] in " \t":
        after += 1
    if after < len(text) and text[after] == "\n":
        after += 1
    return after
