# SPDX-License-Identifier: Apache-2.0
"""JSON Canonicalization Scheme (RFC 8785) for the values that we allow: no floats, integers that a double holds
exactly.

What stands in a leaf is final, so this file may become faster but never different; `core.leaf` spells the same bytes
directly.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from json.encoder import encode_basestring

MAX_INTEGER = (1 << 53) - 1
"""I-JSON (RFC 7493 section 2.2): every integer up to here is one double and no other's."""

quote = encode_basestring
"""A JSON string as RFC 8785 section 3.2.2.2 writes it: only `"`, `\\` and what is below U+0020 are escaped."""


def canonical_json(value: object) -> bytes:
    """UTF-8 bytes: keys sorted by UTF-16 code units, no white space.

    Raises ValueError for what RFC 8785 excludes (a lone surrogate) or we do (a float, a key that is no string, an
    integer beyond 2^53 - 1).

    >>> canonical_json({"b": 1, "a": ["x", None, True]})
    b'{"a":["x",null,true],"b":1}'
    """
    return json.dumps(_sorted(value), ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def in_order(keys: Iterable[str]) -> list[str]:
    """Keys in the order of RFC 8785: by UTF-16 code units, which for ASCII is the order of Python."""
    found = sorted(keys)
    if not all(map(str.isascii, found)):
        found.sort(key=_utf16)
    return found


def integer(value: int) -> str:
    """Its digits. Raises ValueError for a bool, a float, and beyond 2^53 - 1."""
    if isinstance(value, bool) or not isinstance(value, int) or not -MAX_INTEGER <= value <= MAX_INTEGER:
        raise ValueError(f"{value!r} is no integer within 2^53 - 1")
    return int.__repr__(value)


def _sorted(value: object) -> object:
    match value:
        case None | bool() | str():
            return value
        case int():
            return int(integer(value))
        case dict():
            if not all(isinstance(key, str) for key in value):
                raise ValueError("a key of an object is a string")
            return {key: _sorted(value[key]) for key in in_order(value)}
        case list() | tuple():
            return [_sorted(item) for item in value]
        case _:
            raise ValueError(f"{type(value).__name__} has no canonical form here")


def _utf16(text: str) -> bytes:
    return text.encode("utf-16-be")
