# SPDX-License-Identifier: Apache-2.0
"""What passes between the daemon and a parsing child: length-prefixed msgpack over pipes, and nothing else.

A frame is four bytes of length, big-endian, then that many bytes. The child is not trusted: an answer is decoded
against its type, and a length past `MOST_BYTES` ends the child.
"""

from __future__ import annotations

import os
import select
import time

import msgspec

from colonnade.core.documents import Block, BlockKind, Parsed
from colonnade.ports.outside.parsers import ParseLimits

MOST_BYTES = 1 << 29
_KINDS = tuple(BlockKind)
_KIND_NUMBER = {kind: number for number, kind in enumerate(_KINDS)}


class Ask(msgspec.Struct, frozen=True):
    """Parse this file. Its path is bytes: a name need not be UTF-8."""

    path: bytes
    suffix: str
    limits: ParseLimits


class Packed(msgspec.Struct, frozen=True):
    """A parsed file, compactly: heading paths, table headers and parts once each, a block as eight integers."""

    text: str
    encoding: str | None
    title: str
    paths: list[tuple[str, ...]]
    numbers: list[int]


class Answer(msgspec.Struct, frozen=True):
    """What became of it: the text, or a code of UNREADABLE_CODES with a message."""

    packed: Packed | None = None
    code: str = ""
    message: str = ""
    hint: str = ""


class Gone(Exception):
    """The other end closed the pipe, or broke the protocol."""


class Late(Exception):
    """The answer did not come in time."""


def pack(parsed: Parsed) -> Packed:
    """The form in which a parsed file crosses the pipe."""
    paths: dict[tuple[str, ...], int] = {}
    numbers: list[int] = []
    for b in parsed.blocks:
        places = [paths.setdefault(path, len(paths)) for path in (b.headings, b.header, (b.part,))]
        numbers += (_KIND_NUMBER[b.kind], b.start, b.end, b.level, b.page or 0, *places)
    return Packed(parsed.text, parsed.encoding, parsed.title, list(paths), numbers)


def unpack(packed: Packed) -> Parsed:
    """The parsed file again; raises `Gone` when the numbers name what is not there."""
    paths, n = packed.paths, packed.numbers
    try:
        blocks = tuple(
            Block(_KINDS[kind], start, end, paths[above], level, page or None, paths[part][0], paths[header])
            for kind, start, end, level, page, above, header, part in zip(*[iter(n)] * 8, strict=True)
        )
    except (IndexError, ValueError) as error:
        raise Gone from error
    return Parsed(packed.text, packed.encoding, blocks, packed.title)


def encode(message: Ask | Answer) -> bytes:
    """One frame."""
    body = msgspec.msgpack.encode(message)
    return len(body).to_bytes(4, "big") + body


def write_all(fd: int, data: bytes) -> None:
    """Write everything; raises `Gone`."""
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(fd, view) :]
    except OSError as error:
        raise Gone from error


def read_frame(fd: int, deadline: float | None = None) -> bytearray:
    """The body of the next frame; raises `Gone`, or `Late` once `time.monotonic()` passes `deadline`."""
    size = int.from_bytes(_read_exactly(fd, 4, deadline), "big")
    if size > MOST_BYTES:
        raise Gone
    return _read_exactly(fd, size, deadline)


def _read_exactly(fd: int, size: int, deadline: float | None) -> bytearray:
    buffer = bytearray(size)
    view = memoryview(buffer)
    got = 0
    while got < size:
        if deadline is not None and not select.select([fd], [], [], max(deadline - time.monotonic(), 0))[0]:
            raise Late
        count = os.readv(fd, [view[got:]])
        if count == 0:
            raise Gone
        got += count
    return buffer
