# SPDX-License-Identifier: Apache-2.0
"""Bytes, read once, forwards, a block at a time: what a scan needs of a file, an archive's member, a decompressor.

No seeking, so that a member of an archive is read as cheaply as a file; nothing is kept but one block.
"""

from __future__ import annotations

from typing import Protocol

BLOCK = 1 << 16
LONGEST_LINE = 1 << 20
"""A longer text argument is nothing that a pickler has ever written."""


class Source(Protocol):
    """Whatever gives bytes: a file, a member, a decompressor. b"" at the end."""

    def read(self, size: int, /) -> bytes: ...


class Cut(Exception):
    """The bytes end before what they announced."""


class Stream:
    """A cursor over a source."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._block = b""
        self._at = 0
        self._before = 0

    @property
    def offset(self) -> int:
        """Bytes consumed so far."""
        return self._before + self._at

    def byte(self) -> int:
        """The next byte, or -1 at the end."""
        if self._at >= len(self._block) and not self._fill():
            return -1
        value = self._block[self._at]
        self._at += 1
        return value

    def take(self, size: int) -> bytes:
        """Exactly so many bytes. Raises Cut."""
        end = self._at + size
        if end <= len(self._block):
            data = self._block[self._at : end]
            self._at = end
            return data
        data = self.peek(size)
        if len(data) < size:
            raise Cut
        self._at += size
        return data

    def skip(self, size: int) -> None:
        """Pass so many bytes by, however many. Raises Cut."""
        while size > 0:
            here = len(self._block) - self._at
            if here >= size:
                self._at += size
                return
            size -= here
            self._at = len(self._block)
            if not self._fill():
                raise Cut

    def line(self) -> bytes | None:
        """Up to the next newline, which is consumed and left off; None when longer than LONGEST_LINE. Raises Cut."""
        parts: list[bytes] = []
        size = 0
        while True:
            end = self._block.find(b"\n", self._at)
            if end >= 0:
                parts.append(self._block[self._at : end])
                self._at = end + 1
                return b"".join(parts) if size <= LONGEST_LINE else None
            size += len(self._block) - self._at
            if size <= LONGEST_LINE:
                parts.append(self._block[self._at :])
            self._at = len(self._block)
            if not self._fill():
                raise Cut

    def peek(self, size: int) -> bytes:
        """Up to so many bytes, without consuming them."""
        while len(self._block) - self._at < size:
            more = self._source.read(max(BLOCK, size))
            if not more:
                break
            self._before += self._at
            self._block = self._block[self._at :] + more
            self._at = 0
        return self._block[self._at : self._at + size]

    def read(self, size: int, /) -> bytes:
        """Some bytes, at most so many; b"" at the end. Makes a stream a source."""
        if self._at >= len(self._block) and not self._fill():
            return b""
        data = self._block[self._at : self._at + size]
        self._at += len(data)
        return data

    def _fill(self) -> bool:
        self._before += self._at
        self._block = self._source.read(BLOCK)
        self._at = 0
        return bool(self._block)
