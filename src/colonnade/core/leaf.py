# SPDX-License-Identifier: Apache-2.0
"""Leaf format v1: what one entry of the log is, and its canonical bytes (RFC 8785). Final from the first entry.

The bytes stored are the bytes hashed. Ids are the only join keys; names, paths and contents never enter a leaf.
The published page with test vectors is docs/reference/ledger.md; which kinds and roles exist stands in `core.entries`.
"""

from __future__ import annotations

import json
from base64 import b64decode
from binascii import b2a_base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from colonnade.core.canonical import in_order, integer, quote

T = TypeVar("T")
MAC_BYTES = 32
_REQUIRED = {"v", "kind", "id", "at_ms", "project", "actor", "subject"}
_ENVELOPE = _REQUIRED | {"refs", "mac", "n", "is"}


@dataclass(frozen=True, slots=True)
class Leaf:
    """One entry. Empty refs, mac, n and status are left out of the bytes.

    Attributes:
        kind: "document.added", "answer.given", ... (docs/reference/ledger.md lists them).
        id: `evt_...`.
        at_ms: milliseconds since 1970.
        project, actor, subject: ids.
        refs: (role, id) in order.
        mac: field -> (id of the subject whose key is used, 32 bytes).
        n: integers within 2^53, the unit in the key.
        status: values of a published enumeration (the `is` key).
    """

    kind: str
    id: str
    at_ms: int
    project: str
    actor: str
    subject: str
    refs: Sequence[tuple[str, str]] = ()
    mac: Mapping[str, tuple[str, bytes]] = field(default_factory=dict)
    n: Mapping[str, int] = field(default_factory=dict)
    status: Mapping[str, str] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """The canonical bytes: those of `canonical_json` on the envelope, spelled directly because ten thousand a
        second are.

        Raises ValueError for an integer beyond 2^53 - 1, a float, a MAC that is not 32 bytes, a lone surrogate.
        """
        text = f'{{"actor":{quote(self.actor)},"at_ms":{integer(self.at_ms)},"id":{quote(self.id)}'
        if self.status:
            text += f',"is":{_object(self.status, quote)}'
        text += f',"kind":{quote(self.kind)}'
        if self.mac:
            text += f',"mac":{_object(self.mac, _mac)}'
        if self.n:
            text += f',"n":{_object(self.n, integer)}'
        text += f',"project":{quote(self.project)}'
        if self.refs:
            text += f',"refs":[{",".join([f"[{quote(role)},{quote(ref)}]" for role, ref in self.refs])}]'
        return f'{text},"subject":{quote(self.subject)},"v":1}}'.encode()


def parse_leaf(data: bytes) -> Leaf:
    """The leaf of stored bytes. Raises ValueError, with the reason, unless they are exactly the canonical bytes of a v1
    leaf.

    Kinds, roles and keys inside `n`, `is`, `mac` that are not known yet are accepted; another top-level key never is.
    """
    try:
        entry = json.loads(data.decode("utf-8"))
    except RecursionError:
        raise ValueError("nested deeper than any leaf") from None
    if not isinstance(entry, dict) or not _REQUIRED <= entry.keys() <= _ENVELOPE:
        raise ValueError("the envelope is not closed: a top-level key is missing or unknown")
    if entry["v"] != 1:
        raise ValueError(f"leaf format {entry['v']!r} is not known")
    try:
        leaf = _leaf(entry)
        canonical = leaf.to_bytes()
    except (TypeError, AttributeError) as error:
        raise ValueError(f"a value is of the wrong type: {error}") from None
    if canonical != data:
        raise ValueError("not in canonical form (RFC 8785)")
    return leaf


def _leaf(entry: dict[str, Any]) -> Leaf:
    return Leaf(
        kind=entry["kind"],
        id=entry["id"],
        at_ms=entry["at_ms"],
        project=entry["project"],
        actor=entry["actor"],
        subject=entry["subject"],
        refs=tuple((role, ref) for role, ref in entry.get("refs", ())),
        mac={name: (who, b64decode(mac, validate=True)) for name, (who, mac) in entry.get("mac", {}).items()},
        n=entry.get("n", {}),
        status=entry.get("is", {}),
    )


def _object(values: Mapping[str, T], spell: Callable[[T], str]) -> str:
    if len(values) == 1:
        ((key, value),) = values.items()
        return f"{{{quote(key)}:{spell(value)}}}"
    return "{" + ",".join([f"{quote(key)}:{spell(values[key])}" for key in in_order(values)]) + "}"


def _mac(mac: tuple[str, bytes]) -> str:
    who, value = mac
    if len(value) != MAC_BYTES:
        raise ValueError(f"a MAC is {MAC_BYTES} bytes, not {len(value)}")
    return f'[{quote(who)},"{b2a_base64(value, newline=False).decode()}"]'
