# SPDX-License-Identifier: Apache-2.0
"""ONNX: a graph, no Python. What may hide in it is a path to data outside, and operators of somebody's own library.

Walks only the fields that lead there (onnx.proto3: ModelProto.graph 7, GraphProto.initializer 5,
TensorProto.external_data 13, StringStringEntryProto key 1, value 2); everything else is passed by.
"""

from __future__ import annotations

from collections.abc import Iterator

from colonnade.observe.security.blobs import Blob
from colonnade.observe.security.stream import Cut, Stream
from colonnade.observe.security.verdicts import Findings

_PATH = (7, 5, 13)
_DOMAIN = (8, 1)
_KEPT = 1 << 16


def read(found: Findings, blob: Blob, where: str) -> str:
    """The format's name, or "" when it is no such message. Findings: paths that lead out, operators of others."""
    texts: list[tuple[tuple[int, ...], bytes]] = []
    try:
        _message(Stream(blob.opened()), None, (), texts)
    except (Cut, ValueError):
        return ""
    entry: dict[int, str] = {}
    for path, data in texts:
        text = data.decode("utf-8", "replace")
        if path == _DOMAIN and text not in {"", "ai.onnx", "ai.onnx.ml", "com.microsoft", "ai.onnx.training"}:
            found.note(where, f"it needs operators of {text!r}, which a library of its own runs")
        if path[:-1] == _PATH:
            entry[path[-1]] = text
            if path[-1] == 2 and entry.get(1) == "location" and (text.startswith("/") or ".." in text.split("/")):
                found.malicious(where, f"its weights lie at {text[:200]!r}, outside of the model's folder")
    return "onnx"


def _message(
    stream: Stream, size: int | None, path: tuple[int, ...], texts: list[tuple[tuple[int, ...], bytes]]
) -> None:
    end = None if size is None else stream.offset + size
    for field, kind in _fields(stream, end):
        here = (*path, field)
        if kind == 0:
            _varint(stream)
        elif kind in {1, 5}:
            stream.skip(8 if kind == 1 else 4)
        elif kind == 2:
            length = _varint(stream)
            if here in {_PATH[:1], _PATH[:2], _PATH, _DOMAIN[:1]}:
                _message(stream, length, here, texts)
            elif length <= _KEPT and (here == _DOMAIN or here[:-1] == _PATH):
                texts.append((here, stream.take(length)))
            else:
                stream.skip(length)
        else:
            raise ValueError("no such field")


def _fields(stream: Stream, end: int | None) -> Iterator[tuple[int, int]]:
    while stream.offset < end if end is not None else stream.peek(1):
        tag = _varint(stream)
        if tag >> 3 == 0:
            raise ValueError("no such field")
        yield tag >> 3, tag & 7
    if end is not None and stream.offset != end:
        raise ValueError("a message that is longer than it says")


def _varint(stream: Stream) -> int:
    value = 0
    for shift in range(0, 70, 7):
        byte = stream.byte()
        if byte < 0:
            raise Cut
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value
    raise ValueError("a number that is too long")
