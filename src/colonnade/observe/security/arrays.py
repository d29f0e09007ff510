# SPDX-License-Identifier: Apache-2.0
"""How many bytes of an array follow its wrapper in a file of joblib: a pickle with raw data in its middle.

From joblib's numpy_pickle.py (NumpyArrayWrapper.read_array). Only sizes are worked out; no array is made.
"""

from __future__ import annotations

import re

from colonnade.observe.security.symbols import Box, Made, Symbol

WRAPPERS = {"joblib.numpy_pickle.NumpyArrayWrapper"}
_CODE = re.compile(r"[<>|=]?([a-zA-Z])(\d*)")
_ONE = {"?": 1, "b": 1, "B": 1, "h": 2, "H": 2, "i": 4, "I": 4, "l": 8, "L": 8, "q": 8, "Q": 8, "e": 2, "f": 4, "d": 8}


def what_follows(wrapper: Made) -> tuple[int | None, bool, bool]:
    """The array's bytes (None: not known), whether it holds pickled objects instead, whether a padding precedes it."""
    state = wrapper.state
    if not isinstance(state, Box):
        return None, False, False
    kind, shape = state.entries.get("dtype"), state.entries.get("shape")
    aligned = state.entries.get("numpy_array_alignment_bytes") is not None
    if holds_objects(kind):
        return 0, True, aligned
    width = item_size(kind)
    if width is None or not isinstance(shape, tuple) or not all(type(n) is int and n >= 0 for n in shape):
        return None, False, aligned
    size = width
    for n in shape:
        size *= n
    return size, False, aligned


def item_size(kind: Symbol) -> int | None:
    """Bytes of one entry of a dtype that REDUCE has made, or None."""
    code = kind.args[0] if isinstance(kind, Made) and str(kind.by) == "numpy.dtype" and kind.args else None
    if not isinstance(code, str):
        return None
    found = _CODE.fullmatch(code)
    if not found:
        return None
    letter, digits = found.groups()
    if not digits:
        return _ONE.get(letter)
    return int(digits[:9]) * (4 if letter == "U" else 1)


def holds_objects(kind: Symbol, depth: int = 0) -> bool:
    """Whether a dtype has object entries, in itself or in a field (as far as its parts are known)."""
    if not isinstance(kind, Made) or depth > 8:
        return isinstance(kind, Made)
    if kind.args and isinstance(kind.args[0], str) and kind.args[0].lstrip("<>|=").startswith("O"):
        return True
    return any(holds_objects(part, depth + 1) for part in _parts(kind.state, 0))


def _parts(state: Symbol, depth: int) -> list[Made]:
    """The dtypes within a dtype's state: its base and its fields."""
    if isinstance(state, Made):
        return [state]
    inside: list[Symbol] = []
    if isinstance(state, tuple):
        inside = list(state)
    elif isinstance(state, Box):
        inside = list(state.entries.values())
    return [made for item in inside if depth < 4 for made in _parts(item, depth + 1)]
