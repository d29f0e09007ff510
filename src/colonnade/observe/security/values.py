# SPDX-License-Identifier: Apache-2.0
"""The part of the pickle machine that only moves values: stack, marks, memo, plain values, containers.

Nothing here imports or calls in the pickle's name; that is `machine`, which extends this. Opcode semantics: CPython's
Lib/pickletools.py; where `pickle.py` and `_pickle.c` differ, the one that runs more is followed.
"""

from __future__ import annotations

import codecs
import re

from colonnade.observe.security.stream import Stream
from colonnade.observe.security.symbols import (
    BIG_TUPLE,
    BYTES,
    FLOAT,
    INTEGER,
    KEPT,
    TEXT,
    Box,
    Made,
    Symbol,
    is_plain,
    said,
)

EMBEDDED = 64 << 20
"""Bytes that look like a serialised torch object are kept up to this, to be judged when they are loaded."""


_DIGITS = re.compile(rb"\s*[+-]?\s*\d")
_FLOAT = re.compile(rb"\s*[+-]?(\d|\.\d|inf|nan)", re.IGNORECASE)


class Broken(Exception):
    """The real machine would fail here too."""


class Values:
    """The machine's stack and memo, and the opcodes that do nothing else."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.stack: list[Symbol] = []
        self.outer: list[list[Symbol]] = []
        self.memo: dict[int, Symbol] = {}

    def say(self, what: str) -> None:
        """A reason to call it malicious."""
        raise NotImplementedError

    # --- the stack ---------------------------------------------------------------------------------------

    def _push(self, value: Symbol) -> None:
        self.stack.append(value)

    def _pop(self) -> Symbol:
        if not self.stack:
            raise Broken("it takes more from the stack than there is")
        return self.stack.pop()

    def _top(self) -> Symbol:
        if not self.stack:
            raise Broken("it takes more from the stack than there is")
        return self.stack[-1]

    def _marked(self) -> list[Symbol]:
        if not self.outer:
            raise Broken("there is no mark")
        items, self.stack = self.stack, self.outer.pop()
        return items

    def mark(self) -> None:
        self.outer.append(self.stack)
        self.stack = []

    def pop(self) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self._marked()

    def pop_mark(self) -> None:
        self._marked()

    def dup(self) -> None:
        self._push(self._top())

    # --- plain values --------------------------------------------------------------------------------------

    def proto(self) -> None:
        if self._size(1) > 5:
            raise Broken("a protocol that does not exist")

    def frame(self) -> None:
        self._size(8)

    def none(self) -> None:
        self._push(None)

    def true(self) -> None:
        self._push(True)

    def false(self) -> None:
        self._push(False)

    def int_line(self) -> None:
        text = self.stream.line()
        self._push(text == b"01" if text in {b"00", b"01"} else _whole(text))

    def long_line(self) -> None:
        self._push(_whole(self.stream.line()))

    def binint(self) -> None:
        self._push(int.from_bytes(self.stream.take(4), "little", signed=True))

    def binint1(self) -> None:
        self._push(self._size(1))

    def binint2(self) -> None:
        self._push(self._size(2))

    def long1(self) -> None:
        self._long(self._size(1))

    def long4(self) -> None:
        self._long(int.from_bytes(self.stream.take(4), "little", signed=True))

    def _long(self, size: int) -> None:
        if size < 0:
            raise Broken("a negative length")
        if size > 64:
            self.stream.skip(size)
            self._push(INTEGER)
        else:
            self._push(int.from_bytes(self.stream.take(size), "little", signed=True))

    def float_line(self) -> None:
        text = self.stream.line()
        if text is not None and not _FLOAT.match(text):
            raise Broken("a number that is none")
        self._push(FLOAT)

    def binfloat(self) -> None:
        self.stream.skip(8)
        self._push(FLOAT)

    # --- text and bytes ----------------------------------------------------------------------------------------

    def string_line(self) -> None:
        text = self.stream.line()
        if text is None:
            self._push(TEXT)
            return
        text = text.strip(b"\r\n \t")
        if len(text) < 2 or text[:1] != text[-1:] or text[:1] not in {b"'", b'"'}:
            raise Broken("a text without quotes")
        try:
            self._push(codecs.escape_decode(text[1:-1])[0].decode("latin-1"))
        except ValueError:
            raise Broken("a text with a wrong escape") from None

    def unicode_line(self) -> None:
        text = self.stream.line()
        try:
            self._push(TEXT if text is None else codecs.raw_unicode_escape_decode(text)[0])
        except UnicodeDecodeError:
            raise Broken("a text with a wrong escape") from None

    def binstring(self) -> None:
        self._text(int.from_bytes(self.stream.take(4), "little", signed=True), "latin-1")

    def short_binstring(self) -> None:
        self._text(self._size(1), "latin-1")

    def binunicode(self) -> None:
        self._text(self._size(4), "utf-8")

    def short_binunicode(self) -> None:
        self._text(self._size(1), "utf-8")

    def binunicode8(self) -> None:
        self._text(self._size(8), "utf-8")

    def _text(self, size: int, encoding: str) -> None:
        if size < 0:
            raise Broken("a negative length")
        if size > KEPT:
            self.stream.skip(size)
            self._push(TEXT)
            return
        try:
            self._push(self.stream.take(size).decode(encoding, "surrogatepass" if encoding == "utf-8" else "strict"))
        except UnicodeDecodeError:
            raise Broken("a text that is not UTF-8") from None

    def binbytes(self) -> None:
        self._bytes(self._size(4))

    def short_binbytes(self) -> None:
        self._bytes(self._size(1))

    def binbytes8(self) -> None:
        self._bytes(self._size(8))

    def _bytes(self, size: int) -> None:
        if size <= EMBEDDED and self.stream.peek(min(size, 2)) in {b"\x80\x02", b"PK"}:
            self._push(self.stream.take(size))
        else:
            self.stream.skip(size)
            self._push(BYTES)

    def buffer(self) -> None:
        raise Broken("it needs buffers from outside of the file")

    # --- containers ----------------------------------------------------------------------------------------------

    def tuple_(self) -> None:
        items = self._marked()
        self._push(tuple(items) if len(items) <= KEPT else BIG_TUPLE)

    def empty_tuple(self) -> None:
        self._push(())

    def tuple1(self) -> None:
        self._push((self._pop(),))

    def tuple2(self) -> None:
        last, first = self._pop(), self._pop()
        self._push((first, last))

    def tuple3(self) -> None:
        last, middle, first = self._pop(), self._pop(), self._pop()
        self._push((first, middle, last))

    def empty_list(self) -> None:
        self._push(Box("list"))

    def empty_dict(self) -> None:
        self._push(Box("dict"))

    def empty_set(self) -> None:
        self._push(Box("set"))

    def list_(self) -> None:
        items = self._marked()
        self._push(Box("list", items[: KEPT + 1]))

    def dict_(self) -> None:
        box = Box("dict")
        self._set_pairs(box, self._marked())
        self._push(box)

    def frozenset_(self) -> None:
        self._push(Box("frozenset", self._marked()[: KEPT + 1]))

    def append(self) -> None:
        item = self._pop()
        self._extend([item])

    def appends(self) -> None:
        self._extend(self._marked())

    def _extend(self, items: list[Symbol]) -> None:
        target = self._top()
        if isinstance(target, Box):
            if len(target.items) <= KEPT:
                target.items.extend(items[:KEPT])
        elif is_plain(target):
            raise Broken("it adds to what is no list")
        elif not isinstance(target, Made):
            self.say(f"adds to {said(target)}, which is no list")

    def setitem(self) -> None:
        value, key = self._pop(), self._pop()
        self._set_pairs(self._top(), [key, value])

    def setitems(self) -> None:
        items = self._marked()
        self._set_pairs(self._top(), items)

    def _set_pairs(self, target: Symbol, items: list[Symbol]) -> None:
        if isinstance(target, Box):
            if len(items) % 2:
                raise Broken("a key without a value")
            target.whole &= len(target.entries) <= KEPT and all(isinstance(key, str) for key in items[::2])
            if len(target.entries) <= KEPT:
                pairs = zip(items[::2], items[1::2], strict=True)
                target.entries.update((key, value) for key, value in pairs if isinstance(key, str))
        elif is_plain(target):
            raise Broken("it sets an item of what is no dictionary")
        elif not isinstance(target, Made):
            self.say(f"sets an item of {said(target)}, which is no dictionary")

    # --- the memo ------------------------------------------------------------------------------------------------

    def put_line(self) -> None:
        self._put(_number(self.stream.line()))

    def binput(self) -> None:
        self._put(self._size(1))

    def long_binput(self) -> None:
        self._put(self._size(4))

    def memoize(self) -> None:
        self._put(len(self.memo))

    def _put(self, key: int) -> None:
        if key < 0:
            raise Broken("a negative memo key")
        self.memo[key] = self._top()

    def get_line(self) -> None:
        self._get(_number(self.stream.line()))

    def binget(self) -> None:
        self._get(self._size(1))

    def long_binget(self) -> None:
        self._get(self._size(4))

    def _get(self, key: int) -> None:
        if key not in self.memo:
            raise Broken(f"it reads memo {key}, which was never set")
        self._push(self.memo[key])

    def _size(self, width: int) -> int:
        return int.from_bytes(self.stream.take(width), "little")


def _number(text: bytes | None) -> int:
    """A memo key. C reads up to a zero byte."""
    try:
        return int((text or b"").split(b"\0")[0][:4000])
    except ValueError:
        raise Broken("a number that is none") from None


def _whole(text: bytes | None) -> Symbol:
    """A whole number in text: of any base, and ended early by what C's strtol ends at."""
    if text is None:
        return INTEGER
    if not _DIGITS.match(text):
        raise Broken("a number that is none")
    try:
        return int(text.removesuffix(b"L")[:64], 0)
    except ValueError:
        return INTEGER
