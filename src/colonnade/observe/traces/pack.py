# SPDX-License-Identifier: Apache-2.0
"""Records and spans as bytes, many in one piece, and back. Pure; nothing is sealed or stored here.

A piece is compressed MessagePack: `[format, records, spans]`, each a plain array in the order of its fields, so that a
record costs about a microsecond and a field that is added later stands at the end.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import msgspec

from colonnade.core.traces import Record, Span, Stage

FORMAT = 1
LEVEL = 1
"""Of compression: 4 to 1 on what requests leave."""
MOST_BYTES = 64 * 1024 * 1024
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode


def pack(records: Sequence[Record], spans: Sequence[Span] = ()) -> bytes:
    """Many of them in one piece."""
    return zlib.compress(_encode((FORMAT, records, spans)), LEVEL)


def unpack(packed: bytes) -> tuple[list[Record], list[Span]]:
    """(records, spans) of a piece. Raises ValueError for what is no piece."""
    opened = zlib.decompressobj()
    data = opened.decompress(packed, MOST_BYTES)
    if opened.unconsumed_tail:
        raise ValueError("a piece of traces is larger than any that is written here")
    form, records, spans = _decode(data)
    if form != FORMAT:
        raise ValueError(f"format {form} of traces is not known here")
    return [_record(one) for one in records], [_span(one) for one in spans]


def _record(fields: list[Any]) -> Record:
    made = Record(*fields[: len(Record._fields)])
    return made._replace(stages=tuple(Stage(*stage) for stage in made.stages))


def _span(fields: list[Any]) -> Span:
    made = Span(*fields[: len(Span._fields)])
    return made._replace(refs=tuple(made.refs))
