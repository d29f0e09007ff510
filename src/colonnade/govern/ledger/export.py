# SPDX-License-Identifier: Apache-2.0
"""The evidence for an auditor: the log as tiles under its last checkpoint, values that the owner opens, and a program
of one file that checks it all without us.

    DIR/checkpoint      the last signed checkpoint (C2SP)
    DIR/tile/...        hashes and entries, `ledger.tiles`
    DIR/opened.json     values that were opened, each with the key of its one field
    DIR/verify.py       `ledger.standalone`, byte for byte
    DIR/README.txt      how to check it, and where the key must come from

The verifier key is not among it: a key that travels with what it proves proves nothing. Entries after the checkpoint
are left out; entries of other projects are withheld, their hashes are there.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from colonnade.core.errors import StateError, UnknownName, UsageError
from colonnade.core.leaf import Leaf, parse_leaf
from colonnade.core.merkle import HASH_BYTES
from colonnade.govern.ledger import standalone
from colonnade.govern.ledger.tiles import tiles
from colonnade.ports.outside.keys import Keys
from colonnade.ports.outside.state import Row, State

BATCH = 5_000
README = """A log of Colonnade, as it stood at its last signed checkpoint.

    python3 -I verify.py --key KEY [--since CHECKPOINT] [--json]

KEY is the verifier key of {origin}. Get it from its owner by another way than this folder (`colonnade up` prints it,
`colonnade checkpoint --key` too). CHECKPOINT is one that you kept from before, if you have one: it shows that nothing
was taken away or rewritten since. Exit code 0: intact. 1: not, with the index of the entry.

tile/ is laid out as https://c2sp.org/tlog-tiles says, checkpoint as https://c2sp.org/tlog-checkpoint does, so any tool
for such logs reads them. What an entry says: docs/reference/ledger.md of Colonnade. Names and contents are in no entry;
values that were opened to you are in opened.json, with what proves that the entry was made of them.

What it cannot show: entries after this checkpoint, and whether what was said to the log was true.
"""

Values = Callable[[Leaf, str], Iterable[bytes]]
"""(entry, field) -> what the field may have been made of."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written: entries, those withheld, values opened, and why others could not be (`entry field`)."""

    folder: Path
    entries: int
    withheld: int
    opened: int
    closed: Sequence[str]

    def to_json(self) -> dict[str, Any]:
        """`colonnade.export/1`."""
        return {
            "schema": "colonnade.export/1", "folder": str(self.folder), "entries": self.entries,
            "withheld": self.withheld, "opened": self.opened, "closed": list(self.closed),
        }  # fmt: skip


def export(
    state: State, folder: Path, project: str, opened: Sequence[Mapping[str, Any]], closed: Sequence[str],
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Exported:  # fmt: skip
    """Write the evidence into an empty folder. Raises UsageError for any other, StateError without a checkpoint."""
    rows = state.rows("checkpoint_last")
    if not rows:
        raise StateError("nothing is signed yet", hint="`colonnade up` signs within a second", code="nothing_signed")
    _empty(folder)
    note, size = str(rows[0]["note"]), int(rows[0]["size"])
    withheld = 0

    def leaves() -> Iterator[tuple[bytes, bytes]]:
        nonlocal withheld
        for row in _stored(state, size):
            mine = row["project"] == project
            withheld += not mine
            if row["idx"] % BATCH == 0:
                progress(row["idx"], size)
            yield row["hash"], row["bytes"] if mine else b""

    for file in tiles(leaves()):
        _write(folder / file.path, file.data)
    origin = note.split("\n", 1)[0]
    kept = [value for value in opened if value["index"] < size]
    late = [f"{value['entry']} {value['field']}: not yet under a checkpoint" for value in opened if value not in kept]
    if kept:
        _write(folder / "opened.json", json.dumps({"values": kept}, indent=1).encode())
    _write(folder / "verify.py", Path(standalone.__file__).read_bytes())
    _write(folder / "README.txt", README.format(origin=origin).encode())
    _write(folder / "checkpoint", note.encode())  # last: without it there is no evidence to be misread
    progress(size, size)
    return Exported(folder, size, withheld, len(kept), [*closed, *late])


def opened_values(
    state: State, keys: Keys, subjects: Iterable[str], values: Values
) -> tuple[list[dict[str, Any]], list[str]]:
    """(values that are opened, `entry field` of those that cannot be) for every entry about these subjects.

    A value is opened only if its MAC under the field's key is the one in the entry: nothing is claimed, all is found.
    Raises UnknownName for a subject that no entry speaks of.
    """
    found: list[dict[str, Any]] = []
    closed: list[str] = []
    for subject in subjects:
        rows = [row for row in state.rows("entries_of_subject", subject=subject) if row["idx"] is not None]
        if not rows:
            raise UnknownName(f"no entry speaks of {subject}", hint="`colonnade why REF` shows what is recorded")
        for row in rows:
            leaf = parse_leaf(row["bytes"])
            for field, (who, mac) in leaf.mac.items():
                try:
                    key = keys.field_key(who, leaf.id, field)
                    value = next(
                        (one for one in values(leaf, field) if keys.mac(who, leaf.id, field, one) == mac), None
                    )
                except KeyError:
                    value = None
                if value is None:
                    closed.append(f"{leaf.id} {field}")
                    continue
                found.append({
                    "index": row["idx"], "entry": leaf.id, "field": field, "subject": who,
                    "value": base64.b64encode(value).decode(), "key": base64.b64encode(key).decode(),
                })  # fmt: skip
    return found, closed


def _stored(state: State, size: int) -> Iterator[Row]:
    first = 0
    while first < size:
        rows = state.rows("entries_by_index", first=first, limit=min(BATCH, size - first))
        for row in rows:
            if row["idx"] != first or len(row["hash"]) != HASH_BYTES:
                raise StateError(f"the entry of index {first} is missing", hint="`colonnade verify` says what is wrong")
            yield row
            first += 1
        if not rows:
            raise StateError(f"the entry of index {first} is missing", hint="`colonnade verify` says what is wrong")


def _empty(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        hint = "give a folder that is new or empty"
        raise UsageError(f"{folder} is there and not empty", hint=hint, code="not_empty")
    folder.mkdir(parents=True, exist_ok=True)


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        if path.name == "checkpoint":
            os.fsync(file.fileno())
