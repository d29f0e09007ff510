# SPDX-License-Identifier: Apache-2.0
"""Hold a checkpoint that left the machine against the log as it is now: is what it covered still there, unchanged?

This is what finds a truncated or a rewritten log, however consistently it was done by whoever holds the signing key.
"""

from __future__ import annotations

from colonnade.core.errors import Tampered
from colonnade.core.merkle import Frontier
from colonnade.core.note import Checkpoint, NoteKey, Verify, open_note
from colonnade.govern.ledger.report import Finding
from colonnade.ports.outside.state import State

BATCH = 5_000


def read_checkpoint(note: str, key: NoteKey, check: Verify) -> Checkpoint:
    """The checkpoint of a note. Raises Tampered when the log's key did not sign it."""
    try:
        found = Checkpoint.parse(open_note(note, [key], check))
    except ValueError as error:
        raise Tampered(f"this is no checkpoint: {error}", code="checkpoint") from error
    if found.origin != key.name:
        raise Tampered(f"this is a checkpoint of {found.origin}, not of {key.name}", code="checkpoint")
    return found


def check_since(state: State, old: Checkpoint) -> Finding | None:
    """What happened to the first `old.size` entries; None when nothing did."""
    tree = Frontier()
    while tree.size < old.size:
        rows = state.rows("entries_hashes", first=tree.size, limit=min(BATCH, old.size - tree.size))
        if not rows or rows[0]["idx"] != tree.size:
            message = f"truncated: a checkpoint from before covered {old.size} entries, {tree.size} are there"
            return Finding("since", message, tree.size)
        for row in rows:
            tree.append(row["hash"])
    root = tree.root()
    if root == old.root:
        return None
    message = f"rewritten: the first {old.size} entries are not those that a checkpoint from before covered"
    return Finding("since", message, expected=old.root.hex(), found=root.hex())
