# SPDX-License-Identifier: Apache-2.0
"""The log up to its last signed checkpoint, for reports: entries by kind, and the proof that each stands in it.

What entries mean to a report is not known here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from colonnade.core.errors import StateError, Tampered
from colonnade.core.merkle import HashTree, inclusion_proof, leaf_hash
from colonnade.govern.reports.rules import Fields, matcher
from colonnade.ports.outside.state import State

BATCH = 5_000
_KIND = b'"kind":"'


@dataclass(frozen=True)
class Entry:
    """One entry: its place in the log, its bytes."""

    index: int
    data: bytes

    @cached_property
    def fields(self) -> Fields:
        """As JSON reads it."""
        found: Fields = json.loads(self.data)
        return found


class Log:
    """The first `size` entries, those of one project readable. Raises Tampered when they are not what was signed."""

    def __init__(self, state: State, project: str, size: int, root: bytes) -> None:
        self.size, self.root = size, root
        self._kinds: dict[str, list[Entry]] = {}
        self._selected: dict[str, Sequence[Entry]] = {}
        hashes: list[bytes] = []
        while len(hashes) < size:
            rows = state.rows("entries_by_index", first=len(hashes), limit=min(BATCH, size - len(hashes)))
            if not rows or rows[0]["idx"] != len(hashes):
                hint = "`colonnade verify` says what is wrong"
                raise StateError(f"the entry of index {len(hashes)} is missing", hint=hint)
            for row in rows:
                data: bytes = row["bytes"]
                hashes.append(leaf_hash(data))
                if row["project"] == project:
                    self._kinds.setdefault(_kind(data), []).append(Entry(row["idx"], data))
        self._tree = HashTree(hashes)
        if size == 0 or self._tree.root() != root:
            message = "the entries are not those that the last checkpoint covers"
            raise Tampered(message, hint="`colonnade verify` says what is wrong and where", code="tree")

    def last(self) -> Entry:
        """The newest entry of the project."""
        return max((entries[-1] for entries in self._kinds.values()), key=lambda entry: entry.index)

    def kinds(self) -> Mapping[str, int]:
        """How many entries of each kind there are."""
        return {kind: len(entries) for kind, entries in sorted(self._kinds.items())}

    def select(self, where: Mapping[str, Any], sets: Mapping[str, Sequence[str]]) -> Sequence[Entry]:
        """The entries that count, in the log's order. A set that a rule names stays as it is from then on."""
        entries: Sequence[Entry] = self._kinds.get(where["kind"], [])
        if len(where) == 1:
            return entries
        known = json.dumps(where, sort_keys=True)
        if known not in self._selected:
            if "is" in where and len(where) > 2:  # what differs by its status alone is looked through once
                entries = self.select({name: value for name, value in where.items() if name != "is"}, sets)
                where = {"kind": where["kind"], "is": where["is"]}
            fits = matcher(where, sets)
            self._selected[known] = [entry for entry in entries if fits(entry.fields)]
        return self._selected[known]

    def evidence(self, entry: Entry) -> dict[str, Any]:
        """What shows to anybody that the entry stands in the log: its bytes, and its audit path to the signed root."""
        proof = inclusion_proof(entry.index, self.size, self._tree.node)
        return {
            "entry": entry.fields["id"], "index": entry.index, "leaf": entry.data.decode(),
            "leaf_hash": leaf_hash(entry.data).hex(), "proof": [one.hex() for one in proof],
            "size": self.size, "root": self.root.hex(),
        }  # fmt: skip


def _kind(data: bytes) -> str:
    """Of canonical bytes, without reading them whole: before it come ids and statuses alone, none called so."""
    start = data.find(_KIND)
    return data[start + len(_KIND) : data.find(b'"', start + len(_KIND))].decode() if start >= 0 else ""
