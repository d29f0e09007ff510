# SPDX-License-Identifier: Apache-2.0
"""Requests and answers as bytes: many exchanges in one piece, and back. Pure; nothing is sealed or stored here.

A piece is compressed: `[format][JSON: versions, rollouts, count][a head for each exchange][their bytes]`. Names that
repeat (versions, rollouts) stand once. Floats of milliseconds keep 24 bits.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable, Sequence

from colonnade.core.exchanges import Exchange, Reply

FORMAT = 1
LEVEL = 1
"""Of compression: JSON shrinks to a third at 100 MB/s."""
NOBODY = 0xFFFF
PREFIX = "request/"
CHALLENGER, OWN_KEY, CHAMPION_ERROR, CHALLENGER_ERROR, PAIRED, CHAMPION_LATE, CHALLENGER_LATE = (
    1 << n for n in range(7)
)
_START = struct.Struct("<BI")
_EXCHANGE = struct.Struct("<12sBBHIfHIHfIIHfII")
_NONE = Reply("", 0.0, False, b"")


def pack(exchanges: Sequence[Exchange]) -> bytes:
    """Exchanges of one service, in their order."""
    versions: dict[str, int] = {}
    rollouts: dict[str, int] = {}
    heads: list[bytes] = []
    bodies: list[bytes] = []
    for exchange in exchanges:
        ref, _, rollout, key, kind, mark, body, _, sent, champion, challenger, share, *_ = exchange
        named = b"" if key == ref else key.encode("utf-8", "replace")[:NOBODY]
        one, other = champion or _NONE, challenger or _NONE
        flags = (
            (CHALLENGER if sent == "challenger" else 0)
            | (0 if key == ref else OWN_KEY)
            | (CHAMPION_ERROR if one.error else 0)
            | (CHALLENGER_ERROR if other.error else 0)
            | (PAIRED if exchange.paired else 0)
            | (CHAMPION_LATE if one.late else 0)
            | (CHALLENGER_LATE if other.late else 0)
        )
        heads.append(
            _EXCHANGE.pack(
                bytes.fromhex(ref[8:]), kind, flags, rollouts.setdefault(rollout, len(rollouts)), mark, share,
                len(named), len(body),
                NOBODY if champion is None else versions.setdefault(one.version, len(versions)), one.ms, one.mark,
                len(one.data),
                NOBODY if challenger is None else versions.setdefault(other.version, len(versions)), other.ms,
                other.mark, len(other.data),
            )
        )  # fmt: skip
        bodies += (named, body, one.data, other.data)
    about = json.dumps({"count": len(exchanges), "rollouts": list(rollouts), "versions": list(versions)}).encode()
    return zlib.compress(b"".join([_START.pack(FORMAT, len(about)), about, *heads, *bodies]), LEVEL)


def unpack(packed: bytes, service: str, wanted: Callable[[str], bool] = lambda _ref: True) -> list[Exchange]:
    """The exchanges of a piece, or those whose ref is wanted. Raises ValueError for what is no piece."""
    data = zlib.decompress(packed)
    form, size = _START.unpack_from(data)
    if form != FORMAT:
        raise ValueError(f"format {form} of captures is not known here")
    about = json.loads(data[_START.size : _START.size + size])
    versions, rollouts, count = about["versions"], about["rollouts"], about["count"]
    at = _START.size + size
    body_at, found = at + count * _EXCHANGE.size, []
    for head in range(at, body_at, _EXCHANGE.size):
        (raw, kind, flags, rollout, mark, share, named, body, champion, champion_ms, champion_mark, champion_len,
         challenger, challenger_ms, challenger_mark, challenger_len) = _EXCHANGE.unpack_from(data, head)  # fmt: skip
        ends = (named, body, champion_len, challenger_len)
        ref = PREFIX + raw.hex()
        if wanted(ref):
            parts, start = [], body_at
            for length in ends:
                parts.append(data[start : start + length])
                start += length
            key = parts[0].decode("utf-8", "replace") if flags & OWN_KEY else ref
            replies = [
                None
                if place == NOBODY
                else Reply(versions[place], ms, bool(flags & error), part, jsons, bool(flags & late))
                for place, ms, error, part, jsons, late in (
                    (champion, champion_ms, CHAMPION_ERROR, parts[2], champion_mark, CHAMPION_LATE),
                    (challenger, challenger_ms, CHALLENGER_ERROR, parts[3], challenger_mark, CHALLENGER_LATE),
                )
            ]
            sent = "challenger" if flags & CHALLENGER else "champion"
            found.append(
                Exchange(ref, service, rollouts[rollout], key, kind, mark, parts[1], int.from_bytes(raw[:6], "big"),
                         sent, replies[0], replies[1], share, bool(flags & PAIRED))  # type: ignore[arg-type]
            )  # fmt: skip
        body_at += sum(ends)
    return found


def is_ref(ref: str) -> bool:
    """Whether it has the shape of a request's ref: `request/`, 24 hexadecimal digits."""
    digits = ref[len(PREFIX) :]
    return ref.startswith(PREFIX) and len(digits) == 24 and set(digits) <= set("0123456789abcdef")


def moment_of(ref: str) -> int:
    """When the request came, in milliseconds, from its ref."""
    return int(ref[len(PREFIX) : len(PREFIX) + 12], 16)
