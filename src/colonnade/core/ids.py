# SPDX-License-Identifier: Apache-2.0
"""Opaque ids that sort by time: a prefix of three letters, `_`, 48 bits of milliseconds and 128 random bits in
Crockford base32.

Never derived from a name. No clock and no source of randomness here: both are handed in.
"""

from __future__ import annotations

import re

PREFIXES = {
    "prj": "project",
    "prn": "principal",
    "doc": "document",
    "cnt": "content",
    "rds": "readers",
    "run": "run",
    "lse": "lease",
    "evt": "event",
    "epc": "epoch",
    "dec": "decision",
    "ans": "answer",
    "key": "key",
    "knw": "knowledge",
    "svc": "service",
    "fbk": "feedback",
    "dev": "device",
    "que": "queue",
    "mod": "model",
    "dst": "dataset",
    "ali": "alias",
    "rol": "rollout",
    "alm": "alarm",
    "cap": "capture",
    "flw": "pipeline",
    "ers": "erasure",
    "trc": "traces",
}
ENTROPY_BYTES = 16
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_SHAPE = re.compile(rf"^[a-z]{{3}}_[{_ALPHABET}]{{36}}\Z")


def new_id(prefix: str, at_ms: int, entropy: bytes) -> str:
    """A new id: `prefix` (a key of PREFIXES), time in ms since 1970 (48 bits), 16 random bytes.

    >>> new_id("doc", 1_790_000_000_000, bytes(16))
    'doc_00d0rh86r000000000000000000000000000'
    """
    if prefix not in PREFIXES or len(entropy) != ENTROPY_BYTES:
        raise ValueError("an id needs a known prefix and 16 bytes of entropy")
    number = ((at_ms & (1 << 48) - 1) << 128) | int.from_bytes(entropy, "big")
    digits = [""] * 36
    for place in range(35, -1, -1):
        digits[place] = _ALPHABET[number & 31]
        number >>= 5
    return f"{prefix}_{''.join(digits)}"


def is_id(text: str) -> bool:
    """Whether the text has the shape of an id with a known prefix."""
    return text[:3] in PREFIXES and _SHAPE.match(text) is not None
