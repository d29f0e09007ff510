# SPDX-License-Identifier: Apache-2.0
"""Protocol Buffers' wire format, as much of it as OTLP needs: fields in, fields out, no schema.

Source: protobuf.dev/programming-guides/encoding. By hand because it is sixty lines, and the generated classes would
bring a compiled dependency that every client pins differently. Reading is safe with any bytes: it raises `Malformed`,
never reads past the end, never recurses.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
Field = tuple[int, int, int | bytes]
"""(number, wire type, value): bytes for BYTES, else an unsigned number."""
_U64, _U32, _F64 = struct.Struct("<Q"), struct.Struct("<I"), struct.Struct("<d")
_WHOLE = (1 << 64) - 1


class Malformed(ValueError):
    """Bytes that are no message."""


def fields(data: bytes) -> Iterator[Field]:
    """The fields of a message, in their order. Raises `Malformed`."""
    at, end = 0, len(data)
    while at < end:
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if not number:
            raise Malformed("a field without a number")
        if wire == VARINT:
            value, at = _varint(data, at)
            yield number, wire, value
        elif wire == BYTES:
            size, at = _varint(data, at)
            if size > end - at:
                raise Malformed("a field that is longer than its message")
            yield number, wire, data[at : at + size]
            at += size
        elif wire in (FIXED64, FIXED32):
            form = _U64 if wire == FIXED64 else _U32
            if form.size > end - at:
                raise Malformed("a message that ends amid a field")
            yield number, wire, form.unpack_from(data, at)[0]
            at += form.size
        else:
            raise Malformed(f"wire type {wire}")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    for place in range(at, min(at + 10, len(data))):
        byte = data[place]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & _WHOLE, place + 1
        shift += 7
    raise Malformed("a number without an end")


def signed(value: int) -> int:
    """An int64 from its unsigned bits."""
    return value - (1 << 64) if value >> 63 else value


def double(bits: int) -> float:
    """A double from its bits."""
    return float(_F64.unpack(_U64.pack(bits))[0])


def number(field: int, value: int) -> bytes:
    """A varint field; nothing for 0."""
    return varint(field << 3) + varint(value & _WHOLE) if value else b""


def fixed64(field: int, value: int) -> bytes:
    """A fixed64 field."""
    return varint(field << 3 | FIXED64) + _U64.pack(value)


def real(field: int, value: float) -> bytes:
    """A double field."""
    return varint(field << 3 | FIXED64) + _F64.pack(value)


def chunk(field: int, value: bytes | str) -> bytes:
    """A field of bytes, of text, or a message."""
    data = value.encode("utf-8", "replace") if isinstance(value, str) else value
    return varint(field << 3 | BYTES) + varint(len(data)) + data


def varint(value: int) -> bytes:
    """A number in base 128, least first.

    >>> varint(300)
    b'\\xac\\x02'
    """
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
