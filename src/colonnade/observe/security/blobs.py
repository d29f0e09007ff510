# SPDX-License-Identifier: Apache-2.0
"""Things that hold bytes and can be opened again: a file, a part of a file, what a compressed part unpacks to.

Whoever reads a compressed one pays into a budget that all parts of one file share, so that no bomb is unpacked whole.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from colonnade.observe.security.stream import BLOCK, Source, Stream


class TooMuch(Exception):
    """More than a scan unpacks."""


class Damaged(Exception):
    """Compressed data that does not unpack."""


@dataclass(slots=True)
class Budget:
    """How many bytes may still be unpacked."""

    left: int

    def pay(self, size: int) -> None:
        """Raises TooMuch."""
        self.left -= size
        if self.left < 0:
            raise TooMuch


class Decompressor(Protocol):
    """zlib's, bz2's and lzma's objects."""

    def decompress(self, data: bytes, max_length: int = ..., /) -> bytes: ...


class Part:
    """A range of an open file, as a source that can also seek."""

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        self._file = file
        self._start = start
        self.size = size
        self._at = 0

    def read(self, size: int, /) -> bytes:
        size = min(size, self.size - self._at)
        if size <= 0:
            return b""
        self._file.seek(self._start + self._at)
        data = self._file.read(size)
        self._at += len(data)
        return data


class Unpacked:
    """What compressed bytes unpack to, a block at a time."""

    def __init__(self, packed: Source, make: Callable[[], object], budget: Budget, *, many: bool) -> None:
        self._packed = packed
        self._make = make
        self._object = make()
        self._budget = budget
        self._many = many
        self._waiting = b""

    def read(self, size: int, /) -> bytes:
        size = max(1, min(size, 1 << 20))
        while True:
            if getattr(self._object, "eof", False):
                self._waiting = self._object.unused_data or b""  # type: ignore[attr-defined]
                if not self._many or not (self._waiting or self._more()):
                    return b""
                self._object = self._make()
            data = self._step(size)
            if data:
                self._budget.pay(len(data))
                return data
            if not getattr(self._object, "eof", False) and not self._waiting and self._needs() and not self._more():
                return b""

    def _more(self) -> bool:
        self._waiting = self._packed.read(BLOCK)
        return bool(self._waiting)

    def _needs(self) -> bool:
        return bool(getattr(self._object, "needs_input", True))

    def _step(self, size: int) -> bytes:
        packed, self._waiting = self._waiting, b""
        try:
            data: bytes = self._object.decompress(packed, size)  # type: ignore[attr-defined]
        except Exception as error:  # zlib.error, OSError, LZMAError, EOFError, ValueError: one meaning
            raise Damaged(str(error)) from None
        self._waiting = getattr(self._object, "unconsumed_tail", b"") or b""
        return data


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes with a name.

    Attributes:
        name: as the file system or the archive says it; only a hint.
        opened: the bytes from the beginning, each time anew.
        seekable: (file, start, size) where they lie in a file as they are; None for unpacked ones.
    """

    name: str
    opened: Callable[[], Source]
    seekable: tuple[BinaryIO, int, int] | None = None

    def head(self, size: int) -> bytes:
        """The first bytes."""
        return Stream(self.opened()).peek(size)

    def whole(self, limit: int) -> bytes:
        """All of it. Raises TooMuch past the limit."""
        parts: list[bytes] = []
        source, left = self.opened(), limit
        while block := source.read(BLOCK):
            parts.append(block)
            left -= len(block)
            if left < 0:
                raise TooMuch
        return b"".join(parts)

    def file(self, limit: int) -> tuple[BinaryIO, int, int]:
        """Where it can be read at any place: itself, or a copy in memory. Raises TooMuch."""
        if self.seekable is not None:
            return self.seekable
        data = self.whole(limit)
        return io.BytesIO(data), 0, len(data)


def part(name: str, file: BinaryIO, start: int, size: int) -> Blob:
    """A range of an open file."""
    return Blob(name, lambda: Part(file, start, size), (file, start, size))


def memory(name: str, data: bytes) -> Blob:
    """Bytes at hand."""
    return part(name, io.BytesIO(data), 0, len(data))
