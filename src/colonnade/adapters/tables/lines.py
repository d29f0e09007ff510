# SPDX-License-Identifier: Apache-2.0
"""Rows as lines of CSV (RFC 4180, lines ended by a line feed). Python's own writer leaves a carriage return unquoted in
some releases, and is slow; here most rows are only joined.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_SPECIAL = re.compile(r'[,"\r\n]')


def lines_of(rows: Sequence[Sequence[str]]) -> list[str]:
    """One line a row, without its end; a value that holds a line break keeps it, in quotes.

    >>> for line in lines_of([["a", "b"], ["say 'hi'", "1,5"]]):
    ...     print(line)
    a,b
    say 'hi',"1,5"
    """
    if not rows:
        return []
    width = len(rows[0])
    lines = list(map(",".join, rows))
    text = "\n".join(lines)
    plain = text.count(",") == len(rows) * (width - 1) and text.count("\n") == len(rows) - 1
    if width > 1 and plain and '"' not in text and "\r" not in text:
        return lines
    return [",".join(map(_quoted, row)) or '""' for row in rows]


def _quoted(value: str) -> str:
    if _SPECIAL.search(value) is None:
        return value
    return '"' + value.replace('"', '""') + '"'
