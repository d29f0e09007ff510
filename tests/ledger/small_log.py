# SPDX-License-Identifier: Apache-2.0
"""A small log on a real state file, for the tests of the ledger and of lineage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from colonnade.adapters.keys.file import FileKeys
from colonnade.adapters.state.sqlite.engine import SqliteState
from colonnade.core.leaf import Leaf
from colonnade.core.note import ORIGIN
from colonnade.govern.ledger.sequencer import Sequencer
from colonnade.testing.clock import VirtualClock


@dataclass
class Log:
    """A state file with keys and a sequencer, under a clock that stands."""

    path: Path
    clock: VirtualClock
    state: SqliteState
    keys: FileKeys
    sequencer: Sequencer

    @property
    def origin(self) -> str:
        return self.keys.note_key.name

    def append(self, subject: str, *refs: tuple[str, str], kind: str = "run.started") -> str:
        """One entry in one transaction; its id."""
        entry = self.state.new_id("evt")
        with self.state.transaction() as tx:
            tx.append(Leaf(kind, entry, self.state.now_ms(), "prj_1", "prn_1", subject, refs))
        return entry

    def fill(self, count: int) -> Sequence[str]:
        """Some entries, with refs to the one before."""
        ids = [self.state.new_id("run") for _ in range(count)]
        for number, subject in enumerate(ids):
            self.append(subject, *([("by", ids[number - 1])] if number else []))
        return ids


def open_log(folder: Path, clock: VirtualClock) -> Log:
    state = SqliteState(folder / "state.db", clock)
    keys = FileKeys(folder / "keys", "log1", state, create=True)
    return Log(folder / "state.db", clock, state, keys, Sequencer(state, keys, f"{ORIGIN}log1"))
