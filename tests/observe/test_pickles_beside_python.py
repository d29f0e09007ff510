# SPDX-License-Identifier: Apache-2.0
"""The walked machine beside Python's own two: whatever name a real unpickler is brought to import, the scan has told.

The real ones run here with an import that imports nothing: every name gives the same inert class.
"""

from __future__ import annotations

import io
import pickle
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from colonnade.observe.security import CLEAN, judge_bytes

PIECES = (
    b"N", b"(", b"0", b"1", b"2", b"]", b"}", b")", b"\x8f", b"K\x00", b"K\x01", b"a", b"e", b"s", b"u", b"t", b"\x85",
    b"\x86", b"\x87", b"\x94", b"\x94", b"q\x00", b"q\x01", b"r\x02\0\0\0", b"h\x00", b"h\x01", b"j\x02\0\0\0", b"g0\n",
    b"g 1\n", b"p0\n", b"p1\n", b"p0_2\n", b"R", b"b", b"o", b"\x81", b"\x92", b"\x93", b"\x93", b".", b"l", b"d",
    b"\x91", b"\x90", b"Vos\n", b"V\\u006fs\n", b"S'system'\n", b"\x8c\x02os", b"X\x06\0\0\0system", b"U\x02os",
    b"T\x06\0\0\0system", b"I01\n", b"I0x1\n", b"I010\n", b"I1\0z\n", b"L7L\n", b"F1e3\n", b"Finf\n", b"G" + bytes(8),
    b"cos\nsystem\n", b"cnumpy\ndtype\n", b"(Vx\niposix\npopen\n", b"\x8a\x01\x05", b"C\x02os", b"Q", b"Px\n",
    b"\x80\x02", b"\x80\x04", b"\x95" + bytes(8), b"\x82\x01", b"\x88", b"\x97", b"J\1\0\0\0", b"M\1\0", b"B\1\0\0\0x",
)  # fmt: skip


class Inert:
    """What every name gives: takes anything, does nothing."""

    def __new__(cls, *_args: Any, **_keywords: Any) -> Inert:
        return object.__new__(cls)

    def __init__(self, *_args: Any, **_keywords: Any) -> None:
        pass

    def __setstate__(self, _state: Any) -> None:
        pass


def imported(machine: type, data: bytes) -> list[str]:
    """The names that a real unpickler would import, up to its end or its failure."""
    names: list[str] = []

    class Watched(machine):  # type: ignore[misc]
        def find_class(self, module: str, name: str) -> type:
            names.append(f"{module}.{name}")
            return type("Inert", (Inert,), {})

        def persistent_load(self, _pid: Any) -> None:
            return None

    unpickler = Watched(io.BytesIO(data))
    try:
        unpickler.load()
    except Exception:  # whatever it fails at, it has imported what it has
        return names
    return names


@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=24))
@settings(max_examples=600, deadline=None)
def test_every_name_that_a_real_unpickler_imports_is_told(pieces: list[bytes]) -> None:
    data = b"".join(pieces) + b"."
    for machine in (pickle.Unpickler, pickle._Unpickler):  # type: ignore[attr-defined]
        names = imported(machine, data)
        for ending in ("model.pkl", "model"):
            verdict = judge_bytes(data, ending)
            assert set(names) <= set(verdict.globals), (machine, data)
            if any("numpy" not in name for name in names):
                assert verdict.verdict != CLEAN
