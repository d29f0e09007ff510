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

from colonnade.core.documents import Parsed
from colonnade.ports.outside.parsers import ParseLimits

MOST_BYTES = 1 << 30


class Ask(msgspec.Struct, frozen=True):
    """Parse this file."""

    path: str
    suffix: str
    limits: ParseLimits


class Answer(msgspec.Struct, frozen=True):
    """What became of it: the text, or a code of UNREADABLE_CODES with a message."""

    parsed: Parsed | None = None
    code: str = ""
    message: str = ""
    hint: str = ""


class Gone(Exception):
    """The other end closed the pipe, or broke the protocol."""


class Late(Exception):
    """The answer did not come in time."""


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
