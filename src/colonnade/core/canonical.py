# SPDX-License-Identifier: Apache-2.0
"""JSON Canonicalization Scheme (RFC 8785) for the values that we allow: no floats, integers within 2^53."""

from __future__ import annotations

import json


def canonical_json(value: object) -> bytes:
    """UTF-8 bytes: keys sorted by UTF-16 code units, no white space. Raises ValueError for what RFC 8785 or we exclude.

    >>> canonical_json({"b": 1, "a": ["x", None, True]})
    b'{"a":["x",null,true],"b":1}'
    """
    return json.dumps(_sorted(value), ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def _sorted(value: object) -> object:
    match value:
        case None | bool() | str():
            return value
        case int():
            if abs(value) > 1 << 53:
                raise ValueError(f"{value} is beyond 2^53")
            return value
        case dict():
            keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
            return {key: _sorted(value[key]) for key in keys}
        case list() | tuple():
            return [_sorted(item) for item in value]
        case _:
            raise ValueError(f"{type(value).__name__} has no canonical form here")
