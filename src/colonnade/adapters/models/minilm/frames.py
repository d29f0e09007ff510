# SPDX-License-Identifier: Apache-2.0
"""What the daemon and its embedder child say to each other: little-endian lengths, UTF-8 texts, raw float32.

Pure but for reading and writing a connected socket. Strangers never speak this: the two ends are one program.
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_HEAD = struct.Struct("<BII")
VECTORS, WORDS, TEXTS = 0, 1, 2
"""Kinds of a frame: vectors [n, size]; a JSON object of n bytes; n texts of size bytes in all."""


class Ended(Exception):
    """The other end closed the connection."""


def _raw(array: NDArray[Any]) -> memoryview:
    return array.data.cast("B")


def _receive_into(connection: socket.socket, view: memoryview) -> None:
    while view:
        try:
            count = connection.recv_into(view)
        except ConnectionError as error:
            raise Ended from error
        if count == 0:
            raise Ended
        view = view[count:]


def _send(connection: socket.socket, *parts: bytes | memoryview) -> None:
    try:
        for part in parts:
            connection.sendall(part)
    except ConnectionError as error:
        raise Ended from error


def send_texts(connection: socket.socket, texts: Sequence[str]) -> None:
    """Ask for vectors."""
    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    sizes = np.array([len(text) for text in encoded], "<u4").tobytes()
    body = b"".join(encoded)
    _send(connection, _HEAD.pack(TEXTS, len(texts), len(body)) + sizes, body)


def send_vectors(connection: socket.socket, vectors: NDArray[np.float32]) -> None:
    """Answer with vectors."""
    head = _HEAD.pack(VECTORS, *vectors.shape)
    _send(connection, head, _raw(np.ascontiguousarray(vectors, "<f4")))


def send_words(connection: socket.socket, words: Mapping[str, Any]) -> None:
    """Say what is loaded, or what went wrong."""
    body = json.dumps(words).encode()
    _send(connection, _HEAD.pack(WORDS, len(body), 0), body)


def receive(connection: socket.socket) -> list[str] | NDArray[np.float32] | dict[str, Any]:
    """The next frame: texts, vectors or words. Raises `Ended`."""
    head = bytearray(_HEAD.size)
    _receive_into(connection, memoryview(head))
    kind, count, size = _HEAD.unpack(head)
    if kind == VECTORS:
        vectors = np.empty((count, size), "<f4")
        _receive_into(connection, _raw(vectors))
        return vectors
    sizes = np.empty(count if kind == TEXTS else 0, "<u4")
    _receive_into(connection, _raw(sizes))
    body = bytearray(size if kind == TEXTS else count)
    _receive_into(connection, memoryview(body))
    if kind == WORDS:
        words: dict[str, Any] = json.loads(body)
        return words
    ends = np.cumsum(sizes)
    starts = ends - sizes
    pairs = zip(starts.tolist(), ends.tolist(), strict=True)
    return [body[first:last].decode("utf-8", "surrogatepass") for first, last in pairs]
