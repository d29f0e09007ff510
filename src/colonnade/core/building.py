# SPDX-License-Identifier: Apache-2.0
"""What the builders of entries share: the stamp, and how a leaf is put together. No kind stands here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from colonnade.core.leaf import Leaf

Mac = Callable[[str, str, str, bytes], bytes]
"""(subject, entry id, field, value) -> 32 bytes: the `mac` method of the port `keys`."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What every entry carries: its id (`evt_...`), time, project, and the principal who acts."""

    id: str
    at_ms: int
    project: str
    actor: str


def leaf_of(
    stamp: Stamp,
    kind: str,
    subject: str,
    refs: Sequence[tuple[str, str]] = (),
    mac: Mapping[str, tuple[str, bytes]] | None = None,
    n: Mapping[str, int] | None = None,
    status: Mapping[str, str] | None = None,
) -> Leaf:
    """A leaf of this kind; what is left out is empty."""
    return Leaf(
        kind, stamp.id, stamp.at_ms, stamp.project, stamp.actor, subject, tuple(refs), mac or {}, n or {}, status or {}
    )


def some(**refs: str | None) -> list[tuple[str, str]]:
    """Refs in the order given, without the absent ones."""
    return [(role, ref) for role, ref in refs.items() if ref is not None]


def some_as(role: str, ref: str | None) -> list[tuple[str, str]]:
    """The same for a role that is a word of the language."""
    return [] if ref is None else [(role, ref)]


def known(**numbers: int | None) -> dict[str, int]:
    """Numbers without the absent ones."""
    return {name: value for name, value in numbers.items() if value is not None}


def said(**words: str | None) -> dict[str, str]:
    """Words without the absent ones."""
    return {name: value for name, value in words.items() if value is not None}


def macs_of(mac: Mac, stamp: Stamp, subject: str, **values: bytes | str | None) -> dict[str, tuple[str, bytes]]:
    """field -> (subject, MAC) for the values that are there; text as UTF-8."""
    return {
        name: (subject, mac(subject, stamp.id, name, value.encode() if isinstance(value, str) else value))
        for name, value in values.items()
        if value is not None
    }
