# SPDX-License-Identifier: Apache-2.0
"""Leaf format v1: what one entry of the log is, and its canonical bytes (RFC 8785). Final from the first entry.

The bytes stored are the bytes hashed. Ids are the only join keys; names, paths and contents never enter a leaf.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from colonnade.core.canonical import canonical_json


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
        """The canonical bytes. Raises ValueError for an integer beyond 2^53 or a float."""
        entry: dict[str, object] = {
            "v": 1,
            "kind": self.kind,
            "id": self.id,
            "at_ms": self.at_ms,
            "project": self.project,
            "actor": self.actor,
            "subject": self.subject,
        }
        if self.refs:
            entry["refs"] = [[role, ref] for role, ref in self.refs]
        if self.mac:
            entry["mac"] = {name: [who, base64.b64encode(mac).decode()] for name, (who, mac) in self.mac.items()}
        if self.n:
            entry["n"] = dict(self.n)
        if self.status:
            entry["is"] = dict(self.status)
        return canonical_json(entry)
