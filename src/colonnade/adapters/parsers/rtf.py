# SPDX-License-Identifier: Apache-2.0
"""Rich text (.rtf, specification 1.9.1): running text, paragraphs, cells of tables; no styles, no pictures."""

from __future__ import annotations

import codecs
import re

from colonnade.adapters.parsers.build import TextBuilder
from colonnade.core.documents import Parsed
from colonnade.core.errors import Unreadable
from colonnade.ports.outside.parsers import ParseLimits

_TOKEN = re.compile(
    rb"\\([a-zA-Z]{1,32})(-?\d{1,10})? ?|\\'([0-9a-fA-F]{2})|\\([^a-zA-Z])|([{}])|[\r\n]+|([^\\{}\r\n]+)"
)
_HIDDEN = (
    "fonttbl colortbl stylesheet info pict object header footer headerl headerr headerf footerl footerr footerf "
    "themedata colorschememapping latentstyles datastore listtable listoverridetable rsidtbl generator xmlnstbl "
    "fldinst nonshppict operator author filetbl revtbl ftnsep ftnsepc ftncn aftnsep bkmkstart bkmkend mmathPr upr"
)
_DESTINATIONS = frozenset(_HIDDEN.encode().split())
_SIGNS = {
    b"par": "\n", b"line": "\n", b"sect": "\n", b"page": "\n", b"row": "\n", b"cell": " | ", b"tab": "\t",
    b"emdash": "—", b"endash": "–", b"lquote": "‘", b"rquote": "’", b"ldblquote": "“", b"rdblquote": "”",
    b"bullet": "•", b"~": "\xa0", b"_": "-", b"emspace": " ", b"enspace": " ",
}  # fmt: skip
_DEEPEST = 1000


def parse_rtf(raw: bytes, limits: ParseLimits) -> Parsed:
    """The paragraphs of a document; raises `Unreadable` with code `corrupt` for what does not begin as one."""
    if not raw.lstrip().startswith(b"{\\rtf"):
        raise Unreadable("It does not begin as RTF does.", code="corrupt")
    builder = TextBuilder(limits.text_mib << 20)
    for line in _Reader(raw).text().split("\n"):
        cells = [cell.strip() for cell in line.split(" | ")]
        builder.paragraph(" | ".join(cell for cell in cells if cell))
    return builder.result()


class _Reader:
    """State of the reading: the code page, whether the group is hidden, how many characters are skipped after a \\u."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._page = "cp1252"
        self._out: list[str] = []
        self._bytes = bytearray()
        self._stack: list[tuple[bool, int]] = []
        self._hidden, self._after, self._skip = False, 1, 0

    def text(self) -> str:
        """The document's text, a line a paragraph."""
        for match in _TOKEN.finditer(self._raw):
            word, number, code, sign, brace, plain = match.groups()
            if code or plain:
                self._characters(bytes.fromhex(code.decode()) if code else plain)
            elif brace:
                self._brace(brace)
            elif word or sign:
                self._control(word or sign, int(number) if number else None)
        self._flush()
        return "".join(self._out)

    def _characters(self, data: bytes) -> None:
        skipped = min(self._skip, len(data))
        self._skip -= skipped
        if not self._hidden:
            self._bytes += data[skipped:]

    def _brace(self, brace: bytes) -> None:
        self._flush()
        if brace == b"{":
            if len(self._stack) > _DEEPEST:
                raise Unreadable("It is nested deeper than the limit.", code="bomb")
            self._stack.append((self._hidden, self._after))
        elif self._stack:
            self._hidden, self._after = self._stack.pop()

    def _control(self, word: bytes, number: int | None) -> None:
        if word in _DESTINATIONS or word == b"*":
            self._hidden = True
        elif word == b"ansicpg" and number:
            self._page = _known(f"cp{number}")
        elif word == b"uc":
            self._after = number or 0
        elif self._hidden:
            return
        elif word == b"u" and number is not None:
            self._flush()
            self._out.append(chr(number % 65536))
            self._skip = self._after
        elif word in _SIGNS:
            self._flush()
            self._out.append(_SIGNS[word])
        elif word in (b"\\", b"{", b"}"):
            self._characters(word)

    def _flush(self) -> None:
        if self._bytes:
            self._out.append(self._bytes.decode(self._page, "replace"))
            self._bytes.clear()


def _known(page: str) -> str:
    try:
        return codecs.lookup(page).name
    except LookupError:
        return "cp1252"
