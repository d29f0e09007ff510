# SPDX-License-Identifier: Apache-2.0
"""What an entry only commits to, opened: a value behind a MAC with that one field's key, or the manifest of a folder
behind its digest. Each is opened only if it is what the entry was made of: nothing is claimed, all is found.

A *way* leads from an entry through openings to a value: `[{"opening": id, "path": [...]}, ...]`; what stands at the end
of one path is the digest that the next opening has. A path goes through keys and places; "#" counts what is there.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from colonnade.core.errors import Tampered
from colonnade.core.leaf import MAC_BYTES
from colonnade.govern.reports.log import Entry
from colonnade.ports.outside.keys import Keys
from colonnade.ports.outside.state import State

Candidates = Callable[[Mapping[str, Any], str], Iterable[bytes]]
"""(entry, field) -> what the field may have been made of."""
Path = Sequence[str | int]


class Openings:
    """Opens values for one report, and remembers which."""

    def __init__(self, state: State, keys: Keys, project: str, candidates: Candidates) -> None:
        self._state, self._keys, self._project, self._candidates = state, keys, project, candidates
        self.kept: dict[str, dict[str, Any]] = {}

    def field(self, entry: Entry, field: str) -> tuple[str, Any] | None:
        """(opening, value) of a MAC field; JSON is read, other text stays text. None when it cannot be opened."""
        leaf = entry.fields
        if field not in leaf.get("mac", {}):
            return None
        who, said = leaf["mac"][field]
        ident, mac = f"{leaf['id']}/{field}", base64.b64decode(said)
        for value in self._candidates(leaf, field):
            try:
                fits = len(mac) == MAC_BYTES and self._keys.mac(who, leaf["id"], field, value) == mac
            except KeyError:
                return None
            if fits:
                self.kept[ident] = {
                    "type": "mac", "entry": leaf["id"], "field": field, "subject": who,
                    "key": base64.b64encode(self._keys.field_key(who, leaf["id"], field)).decode(),
                    "value": value.decode(),
                }  # fmt: skip
                return ident, read(value.decode())
        return None

    def folder(self, digest: str) -> tuple[str, Any] | None:
        """(opening, manifest) of a folder that is kept. None when it is not here, or is none."""
        rows = self._state.rows("artifact_get", digest=digest)
        if not rows:
            return None
        try:
            manifest = self._keys.open((self._project,), rows[0]["body"], digest)
        except (KeyError, Tampered):  # erased, or sealed as something else than a folder
            return None
        if "sha256:" + hashlib.sha256(manifest).hexdigest() != digest:
            return None
        self.kept[digest] = {"type": "folder", "manifest": manifest.decode()}
        return digest, json.loads(manifest)


def read(text: str) -> Any:
    """JSON where it is JSON, else the text itself (a digest)."""
    return json.loads(text) if text[:1] in "[{" else text


def follow(value: Any, path: Path) -> Any:
    """What stands at a path; None where it leads nowhere.

    >>> follow({"files": [["a.csv", "9f", 10]]}, ["files", 0, 2]), follow({"files": [1, 2]}, ["files", "#"])
    (10, 2)
    """
    for step in path:
        try:
            value = len(value) if step == "#" else value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value
