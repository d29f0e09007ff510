# SPDX-License-Identifier: Apache-2.0
"""Unpack an LZ4 frame, which joblib writes where the lz4 package is installed: slow, small, and without that package.

Formats: lz4_Frame_format.md 1.6, lz4_Block_format.md. Checksums are not checked: what is judged is what a reader would
unpack, and a damaged frame fails in the reader. Raises ValueError on what is no frame.
"""

from __future__ import annotations

WINDOW = 1 << 16


class Frame:
    """As zlib's decompressor: give bytes, get bytes."""

    def __init__(self) -> None:
        self.eof = False
        self.unused_data = b""
        self._data = bytearray()
        self._flags = -1
        self._window = b""

    def decompress(self, data: bytes, _max_length: int = -1) -> bytes:
        """What the blocks that are whole unpack to. Whole blocks, however much was asked for."""
        self._data += data
        if self._flags < 0 and not self._begin():
            return b""
        out: list[bytes] = []
        while not self.eof and len(self._data) >= 4:
            word = int.from_bytes(self._data[:4], "little")
            if word == 0:
                self.eof = True
                break
            size = word & 0x7FFFFFFF
            if size > 8 << 20:
                raise ValueError("a block larger than the format has")
            whole = 4 + size + (4 if self._flags & 0x10 else 0)
            if len(self._data) < whole:
                break
            raw = bytes(self._data[4 : 4 + size])
            del self._data[:whole]
            block = raw if word & 0x80000000 else _block(raw, b"" if self._flags & 0x20 else self._window)
            self._window = (self._window + block)[-WINDOW:]
            out.append(block)
        return b"".join(out)

    def _begin(self) -> bool:
        if len(self._data) < 19:
            return False
        self._flags = self._data[4]
        if self._flags >> 6 != 1:
            raise ValueError("another version of the format")
        size = 7 + (8 if self._flags & 0x08 else 0) + (4 if self._flags & 0x01 else 0)
        del self._data[:size]
        return True


def _block(data: bytes, window: bytes) -> bytes:
    """One block: literals and copies of what came before."""
    out = bytearray(window)
    at = 0
    while at < len(data):
        token = data[at]
        count, at = _length(data, at + 1, token >> 4)
        out += data[at : at + count]
        at += count
        if at >= len(data):
            break
        back = int.from_bytes(data[at : at + 2], "little")
        count, at = _length(data, at + 2, token & 15)
        if not 0 < back <= len(out):
            raise ValueError("a copy from before the beginning")
        count += 4
        if len(out) + count > 16 << 20:
            raise ValueError("a block larger than the format has")
        start = len(out) - back
        piece = bytes(out[start : start + min(back, count)])
        out += (piece * (count // back + 1))[:count]
    return bytes(out[len(window) :])


def _length(data: bytes, at: int, count: int) -> tuple[int, int]:
    if count == 15:
        while True:
            if at >= len(data):
                raise ValueError("cut short")
            more = data[at]
            at += 1
            count += more
            if more != 255:
                break
    return count, at
