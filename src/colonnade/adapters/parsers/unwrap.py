# SPDX-License-Identifier: Apache-2.0
"""Lines that a mail program broke for its width become whole again; breaks that the writer made stay.

For running text whose parsed form is ours anyway: never for a text file, where spans count in the file itself.
"""

from __future__ import annotations

import re
from itertools import pairwise

_STARTS_OWN = re.compile(r"[>|#\s]|[-*+•‣–]\s|\(?(?:\d{1,3}|[A-Za-z])[.)]\s|[\w-]+:\s")
_ENDS = re.compile(r"[.!?:;|]\Z|\A>|\t")
_LEAST = 40
"""Nobody wraps narrower: shorter lines are addresses, lists, greetings."""


def unflowed(text: str, *, delete_space: bool) -> str:
    """`format=flowed` text with its lines joined (RFC 3676): a line that ends in a space goes on in the next one.

    Args:
        text: the decoded body.
        delete_space: whether the part says DelSp=yes: the space at the break is no part of the text.
    """
    out: list[str] = []
    flows = False
    for line in text.splitlines():
        whole = line[1:] if line.startswith(" ") else line
        soft = whole.endswith(" ") and whole != "-- " and not whole.startswith(">")
        words = whole[:-1] if soft and delete_space else whole
        if flows and not whole.startswith(">") and whole != "-- ":
            out[-1] += words
        else:
            out.append(words)
        flows = soft
    return "\n".join(line.rstrip() for line in out)


def unwrapped(paragraph: str) -> str:
    """The paragraph with hard-wrapped lines joined by a space.

    A break is one of wrapping when the next line's first word would not have fitted into the width, no sentence ends
    there, and the next line begins nothing of its own.
    """
    lines = [line.rstrip() for line in paragraph.splitlines()]
    width = max(map(len, lines), default=0)
    out = lines[:1]
    for before, line in pairwise(lines):
        first = line.split(" ", 1)[0]
        wraps = len(before) >= _LEAST and len(before) + 1 + len(first) > width
        if wraps and first and not _ENDS.search(before) and not _STARTS_OWN.match(line):
            out[-1] += " " + line
        else:
            out.append(line)
    return "\n".join(out)
