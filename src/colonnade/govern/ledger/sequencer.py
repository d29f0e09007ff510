# SPDX-License-Identifier: Apache-2.0
"""Give each appended leaf its index, and sign what the tree has become: load, plan, apply, about once a second.

Only the holder of the row lease `sequencer` runs this. Nothing here reads what a leaf says, and no key is held here.

    load    the leaves without an index, in the order of appending; the frontier of the last checkpoint
    plan    pure: indices, the next frontier, whether to sign
    apply   one transaction, given up if the lease is lost or somebody else was faster
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from colonnade.core.errors import Lost, Tampered
from colonnade.core.merkle import Frontier
from colonnade.core.note import Checkpoint, NoteKey, sign_note
from colonnade.ports.outside.keys import Keys
from colonnade.ports.outside.state import State, Transaction

LEASE = "sequencer"
BATCH = 5_000
"""Leaves taken in one transaction: some 50 ms of work, so that other writers wait little."""
SIGN_EVERY_MS = 1000
"""At most one checkpoint in this time: an entry waits no longer for its signature, and a busy log stays small."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was read.

    Attributes:
        size: leaves that have an index already.
        frontier: of those leaves, as bytes.
        waiting: (seq, leaf hash) without an index, in the order of appending.
        signed_size, signed_ms: of the last checkpoint; 0 and a time long ago if there is none.
    """

    size: int
    frontier: bytes
    waiting: Sequence[tuple[int, bytes]]
    signed_size: int
    signed_ms: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What to write: (seq, index) pairs, the frontier after them, and whether to sign it."""

    indices: tuple[tuple[int, int], ...]
    frontier: Frontier
    sign: bool


def plan(snapshot: Snapshot, now_ms: int, *, last: bool = False) -> Plan | None:
    """The next step, or None if there is nothing to do now. `last` signs at once: the house is closing."""
    frontier = Frontier.from_bytes(snapshot.frontier)
    indices = []
    for seq, leaf in snapshot.waiting:
        indices.append((seq, frontier.size))
        frontier.append(leaf)
    due = last or now_ms - snapshot.signed_ms >= SIGN_EVERY_MS
    sign = due and frontier.size > snapshot.signed_size
    return Plan(tuple(indices), frontier, sign) if indices or sign else None


class Sequencer:
    """The loop's reader and writer.

    Args:
        state: holds the log.
        keys: signs.
        origin: the log's name, `colonnade/LOG`.
        guard: called within the transaction; raises `Lost` unless the lease `sequencer` is ours (`RowLease.check`).
    """

    def __init__(
        self, state: State, keys: Keys, origin: str, guard: Callable[[Transaction], None] = lambda _tx: None
    ) -> None:
        self._state = state
        self._keys = keys
        self._key = NoteKey(origin, keys.public_key())
        self._guard = guard
        self._frontier: bytes | None = None

    def step(self, *, last: bool = False) -> int:
        """One round; how many leaves got an index.

        Raises `Lost` if the lease went, `Tampered` if the log contradicts itself.
        """
        found = plan(self.load(), self._state.now_ms(), last=last)
        if found is None:
            return 0
        self.apply(found)
        return len(found.indices)

    def drain(self) -> Checkpoint | None:
        """Everything indexed and signed; the last checkpoint, or None for an empty log."""
        while self.step():
            pass
        self.step(last=True)
        found = self._state.rows("checkpoint_last")
        return Checkpoint(self._key.name, found[0]["size"], found[0]["root"]) if found else None

    def load(self) -> Snapshot:
        """Read what waits, and where the tree stands."""
        signed = self._state.rows("checkpoint_last")
        size, at_ms = (signed[0]["size"], signed[0]["at_ms"]) if signed else (0, -SIGN_EVERY_MS)
        if self._frontier is None:
            self._frontier = self._resume(signed[0]["frontier"] if signed else Frontier().to_bytes())
        waiting = [(row["seq"], row["hash"]) for row in self._state.rows("entries_unsequenced", limit=BATCH)]
        return Snapshot(Frontier.from_bytes(self._frontier).size, self._frontier, waiting, size, at_ms)

    def apply(self, found: Plan) -> None:
        """Write the plan in one transaction."""
        size, root, at_ms = found.frontier.size, found.frontier.root(), self._state.now_ms()
        frontier = found.frontier.to_bytes()
        try:
            with self._state.transaction() as tx:
                self._guard(tx)
                for seq, index in found.indices:
                    if not tx.run("entry_sequence", seq=seq, idx=index):
                        raise Lost("somebody else gave this leaf its index")
                if found.sign:
                    note = sign_note(Checkpoint(self._key.name, size, root).text(), self._key, self._keys.sign)
                    tx.run("checkpoint_add", size=size, root=root, frontier=frontier, note=note, at_ms=at_ms)
        except BaseException:
            self._frontier = None
            raise
        self._frontier = frontier

    def _resume(self, frontier: bytes) -> bytes:
        """Continue the last checkpoint's frontier over the leaves that got an index after it."""
        tree = Frontier.from_bytes(frontier)
        while rows := self._state.rows("entries_hashes", first=tree.size, limit=BATCH):
            for row in rows:
                if row["idx"] != tree.size:
                    raise Tampered(f"index {tree.size} of the log is missing", hint="run `colonnade verify`")
                tree.append(row["hash"])
        return tree.to_bytes()
