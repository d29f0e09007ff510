# SPDX-License-Identifier: Apache-2.0
"""What the stack of the walked pickle machine holds: as much of each value as decides what is imported and called.

Text, numbers and tuples stand for themselves (Python's own str, int, bool, None, tuple); the rest is one of the classes
here. A value that is not known is UNKNOWN, and UNKNOWN is never good enough to be imported or called.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

Symbol: TypeAlias = Any
"""str, int, None, a tuple of symbols, or one of the below."""

KEPT = 4096
"""Text longer than this, and containers of more entries, are not kept: no import is decided by them."""


class Unknown:
    """Some value that was not kept; `kind` says of which type it surely is."""

    __slots__ = ("kind",)

    def __init__(self, kind: str) -> None:
        self.kind = kind


UNKNOWN = Unknown("unknown")
TEXT = Unknown("str")
BYTES = Unknown("bytes")
FLOAT = Unknown("float")
INTEGER = Unknown("int")
BIG_TUPLE = Unknown("tuple")


@dataclass(frozen=True, slots=True)
class Name:
    """A global: what was imported, not what it is."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(slots=True, eq=False)
class Box:
    """A list, dict or set; `entries` has the values under text keys; `whole`: these are surely all of them."""

    kind: str
    items: list[Symbol] = field(default_factory=list)
    entries: dict[str, Symbol] = field(default_factory=dict)
    whole: bool = True


@dataclass(slots=True, eq=False)
class Made:
    """What a call of an allowed name gave: an instance. `state` is what BUILD set last."""

    by: Name
    args: tuple[Symbol, ...] = ()
    state: Symbol = None


@dataclass(slots=True, eq=False)
class Persistent:
    """An object that only the loader can give, by an id (torch: its storages)."""

    id: Symbol


def said(value: Symbol) -> str:
    """A value in a few words, for a reason."""
    if isinstance(value, str):
        return repr(value[:60])
    if isinstance(value, Name):
        return str(value)
    if isinstance(value, Made):
        return f"the result of {value.by}"
    if isinstance(value, Box | Unknown):
        return f"a value of type {value.kind}" if getattr(value, "kind", "") != "unknown" else "an unknown value"
    return f"a value of type {type(value).__name__.lower()}"


def is_plain(value: Symbol) -> bool:
    """Whether it is a number, text, bytes or a container: what has no attributes and cannot be called."""
    if isinstance(value, Unknown):
        return value is not UNKNOWN
    return value is None or isinstance(value, int | str | bytes | tuple | Box)
