# SPDX-License-Identifier: Apache-2.0
"""Whether an answer is one at all: no NaN, no infinity, no null, no ragged rows. Whether it is right is not asked here.

A replica writes what is no number as `null`. Answers are looked at after they were sent, so this costs nobody's time.
"""

from __future__ import annotations

import json
import math
import re
import struct
from array import array
from collections.abc import Mapping, Sequence
from typing import Any

MOST = 65_536
"""So many numbers of a tensor are looked at."""
_FLAT = re.compile(rb"\[[-+0-9., \neE]+\]\Z")
_CODES = {"FP32": "f", "FP64": "d"}


def is_invalid(data: bytes, mark: int = 0) -> bool:
    """Whether an answer's bytes hold what is no prediction; `mark`: how many of them are JSON, where tensors follow.

    >>> is_invalid(b"[0.5, null]"), is_invalid(b"[[1, 2], [3]]"), is_invalid(b'[0.5, "high"]')
    (True, True, False)
    """
    if not mark and data[:1] == b"[" and _FLAT.match(data):
        return False  # numbers in a row, as most answers are
    try:
        told = json.loads(data[:mark] if mark else data)
    except ValueError:
        return True
    if not isinstance(told, dict):
        return _is_bad(told)
    outputs = told.get("outputs", [])
    at = mark
    for output in outputs:
        size = output.get("parameters", {}).get("binary_data_size")
        if size is None:
            if _is_bad(output.get("data", [])):
                return True
            continue
        if _has_bad_numbers(output, data[at : at + int(size)]):
            return True
        at += int(size)
    return False


def _is_bad(value: Any) -> bool:
    """null, NaN or infinity anywhere; lists of lists whose lengths differ."""
    if value is None:
        return True
    if isinstance(value, float):
        return not math.isfinite(value)
    if isinstance(value, Mapping):
        return any(_is_bad(one) for one in value.values())
    if isinstance(value, Sequence) and not isinstance(value, str):
        lengths = {len(one) if isinstance(one, list) else -1 for one in value}
        return len(lengths) > 1 or any(_is_bad(one) for one in value)
    return False


def _has_bad_numbers(output: Mapping[str, Any], raw: bytes) -> bool:
    kind = output.get("datatype")
    if kind == "FP16":
        count = min(MOST, len(raw) // 2)
        return not all(map(math.isfinite, struct.unpack(f"<{count}e", raw[: 2 * count])))
    code = _CODES.get(str(kind))
    if code is None:
        return False
    numbers = array(code)
    whole = len(raw) - len(raw) % numbers.itemsize
    numbers.frombytes(raw[: min(whole, MOST * numbers.itemsize)])
    return not all(map(math.isfinite, numbers))
