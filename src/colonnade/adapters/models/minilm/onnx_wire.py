# SPDX-License-Identifier: Apache-2.0
"""ONNX graphs as bytes, so that neither `onnx` nor protobuf is needed at run time.

Only the dozen messages of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto that our graphs use. No graph and no
weight enters this file. The tests read the bytes back with the official `onnx` package.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence

FLOAT, UINT8, INT8, INT32, INT64 = 1, 2, 3, 6, 7
"""TensorProto.DataType."""
CONTRIB = "com.microsoft"
"""Operators that onnxruntime adds to the standard."""
_OPSET, _IR_VERSION = 20, 9

Attribute = int | float | str | Sequence[int]


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _int(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes | str) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return _varint(field << 3 | 2) + _varint(len(raw)) + raw


def _attribute(name: str, value: Attribute) -> bytes:
    head = _bytes(1, name)
    if isinstance(value, str):
        return head + _bytes(4, value) + _int(20, 3)
    if isinstance(value, int):
        return head + _int(3, value) + _int(20, 2)
    if isinstance(value, float):
        return head + _varint(2 << 3 | 5) + struct.pack("<f", value) + _int(20, 1)
    return head + b"".join(_int(8, item) for item in value) + _int(20, 7)


def node(
    op: str, inputs: Sequence[str], outputs: Sequence[str], attributes: Mapping[str, Attribute], *, domain: str = ""
) -> bytes:
    """One NodeProto. An input named "" is one left out."""
    parts = [_bytes(1, name) for name in inputs] + [_bytes(2, name) for name in outputs]
    parts += [_bytes(3, outputs[0]), _bytes(4, op)]
    parts += [_bytes(5, _attribute(name, value)) for name, value in attributes.items()]
    return b"".join(parts) + (_bytes(7, domain) if domain else b"")


def constant(name: str, kind: int, shape: Sequence[int], raw: bytes) -> bytes:
    """One TensorProto that carries its few values itself, little-endian."""
    return b"".join(_int(1, size) for size in shape) + _int(2, kind) + _bytes(8, name) + _bytes(9, raw)


def external(name: str, kind: int, shape: Sequence[int]) -> bytes:
    """One TensorProto whose values are handed to the session by name (`add_external_initializers`)."""
    place = _bytes(13, _bytes(1, "location") + _bytes(2, "handed-in"))
    return b"".join(_int(1, size) for size in shape) + _int(2, kind) + _bytes(8, name) + place + _int(14, 1)


def value(name: str, kind: int, shape: Sequence[int | str]) -> bytes:
    """One ValueInfoProto; a size that is a string is free."""
    dims = b"".join(_bytes(1, _bytes(2, size) if isinstance(size, str) else _int(1, size)) for size in shape)
    return _bytes(1, name) + _bytes(2, _bytes(1, _int(1, kind) + _bytes(2, dims)))


def model(
    nodes: Iterable[bytes], tensors: Iterable[bytes], inputs: Iterable[bytes], outputs: Iterable[bytes], *, name: str
) -> bytes:
    """The whole ModelProto."""
    fields: Mapping[int, Iterable[bytes]] = {1: nodes, 5: tensors, 11: inputs, 12: outputs}
    graph = _bytes(2, name) + b"".join(_bytes(field, item) for field, items in fields.items() for item in items)
    opsets = _bytes(8, _bytes(1, "") + _int(2, _OPSET)) + _bytes(8, _bytes(1, CONTRIB) + _int(2, 1))
    return _int(1, _IR_VERSION) + _bytes(2, "colonnade") + _bytes(7, graph) + opsets
