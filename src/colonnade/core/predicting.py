# SPDX-License-Identifier: Apache-2.0
"""How predictions travel between the gateway and a replica: frames of items over a local socket. Pure bytes.

A frame is one batch: `[bytes that follow][items]`, then for each item `[kind][mark][bytes]`, then all their bytes. What
an item means is the replica's and the gateway's business; nothing about models stands here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import NamedTuple

ROWS, TENSORS, HEALTH = 0, 1, 2
"""Kinds of a request: JSON rows; an Open Inference Protocol body; what the replica is (answered with JSON)."""
ANSWERED, WRONG, FAILED = 0, 1, 2
"""Kinds of an answer: as asked; the request cannot be used (a sentence); the model failed on it (a sentence)."""
TOOK = 255
"""Kind of the item behind a batch's answers: its mark is how many microseconds the replica worked on the batch."""
SOCKET = "socket"
"""The name of a replica's socket, in its folder. It is there once the model is loaded."""
_HEAD = struct.Struct("<II")
_ITEM = struct.Struct("<BII")
FRAME_BYTES = 1 << 30


class Item(NamedTuple):
    """One request or answer. `mark`: how many of the bytes are JSON, where tensors follow; else 0."""

    kind: int
    mark: int
    data: bytes


def frame(items: Sequence[Item]) -> bytes:
    """A batch as bytes.

    >>> unframe(frame([Item(ROWS, 0, b"[]"), Item(HEALTH, 0, b"")])[8:], 2)
    [Item(kind=0, mark=0, data=b'[]'), Item(kind=2, mark=0, data=b'')]
    """
    heads = b"".join([_ITEM.pack(item.kind, item.mark, len(item.data)) for item in items])
    size = len(heads) + sum(len(item.data) for item in items)
    return b"".join([_HEAD.pack(size, len(items)), heads, *(item.data for item in items)])


def unframe(body: bytes, count: int) -> list[Item]:
    """The items of a frame's body. Raises ValueError when the bytes do not add up."""
    at, found = count * _ITEM.size, []
    for number in range(count):
        kind, mark, size = _ITEM.unpack_from(body, number * _ITEM.size)
        found.append(Item(kind, mark, body[at : at + size]))
        at += size
    if at != len(body):
        raise ValueError("a frame's sizes do not add up")
    return found


class Frames:
    """Bytes as they come -> whole frames.

    Attributes:
        took_s: how long the replica says that it worked on the frame given last; None where it does not say.
    """

    def __init__(self) -> None:
        self._held = bytearray()
        self.took_s: float | None = None

    def feed(self, data: bytes) -> Iterable[list[Item]]:
        """The frames that are whole now. Raises ValueError for what is no frame."""
        self._held += data
        while len(self._held) >= _HEAD.size:
            size, count = _HEAD.unpack_from(self._held)
            if size > FRAME_BYTES or count * _ITEM.size > size:
                raise ValueError("this is no frame")
            if len(self._held) < _HEAD.size + size:
                return
            body = bytes(self._held[_HEAD.size : _HEAD.size + size])
            del self._held[: _HEAD.size + size]
            items = unframe(body, count)
            self.took_s = items.pop().mark / 1e6 if items and items[-1].kind == TOOK else None
            yield items
