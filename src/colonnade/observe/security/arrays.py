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
    if not isinstance(state, Box) or not state.whole:
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
    """Whether a dtype has object entries, in itself or in a part; also when its parts are not known."""
    if not isinstance(kind, Made) or depth > 8:
        return True
    if kind.args and isinstance(kind.args[0], str) and kind.args[0].lstrip("<>|=").startswith("O"):
        return True
    return any(holds_objects(part, depth + 1) for part, _ in _parts(kind.state))


def dtype_problem(kind: Made, state: Symbol) -> str:
    """Why a dtype may not have this state, or "".

    numpy believes the state: another size than the dtype's own moves what is read, a field past the end reads foreign
    memory, and objects without their flag make pointers out of bytes.
    """
    if not (isinstance(state, tuple) and len(state) in {8, 9} and type(state[5]) is int and type(state[7]) is int):
        return "a dtype with a state that is not known"
    base, fields, size, flags = state[2], state[4], state[5], state[7]
    known = fields is None or (isinstance(fields, Box) and fields.whole and not fields.items)
    if not known or not (base is None or (isinstance(base, tuple) and len(base) == 2)):
        return "a dtype with parts that are not known"
    width = item_size(Made(kind.by, kind.args))
    if size != -1 and size != width:
        return "a dtype with two sizes"
    for part, offset in _parts(state):
        inner = item_size(part) if isinstance(part, Made) else None
        if inner is None or type(offset) is not int or offset < 0 or offset + inner > (width or 0):
            return "a dtype with a field outside of it"
        if holds_objects(part) and not flags & 1:
            return "a dtype that hides its objects"
    return ""


def _parts(state: Symbol) -> list[tuple[Symbol, Symbol]]:
    """The dtypes within a dtype's state, each with its offset: its base and its fields."""
    if not isinstance(state, tuple) or len(state) < 5:
        return []
    found: list[tuple[Symbol, Symbol]] = [(state[2][0], 0)] if isinstance(state[2], tuple) and state[2] else []
    if isinstance(state[4], Box):
        for entry in state[4].entries.values():
            pair = entry if isinstance(entry, tuple) and len(entry) >= 2 else (None, None)
            found.append((pair[0], pair[1]))
    return found
