# SPDX-License-Identifier: Apache-2.0
"""Tracked things as rows: what a program told of a run or a model, sealed as one JSON document under its own key.

Opened documents are kept in memory beside the sealed bytes that they came from, so that a measurement costs no
cryptography and a row that was rolled back is never taken for another. A document is never changed in place. What a
field means is not known here.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from colonnade.core.errors import Lost
from colonnade.lifecycle.artifacts import Artifacts
from colonnade.ports.journal import Journal
from colonnade.ports.outside.keys import Erased, Keys
from colonnade.ports.outside.state import Row, State, Transaction

CACHED = 4096
"""Documents kept open, some kB each."""
RUN, MODEL = "run", "model"
ACTIVE, DELETED = "active", "deleted"


@dataclass(frozen=True, slots=True)
class Thing:
    """A run or a model.

    Attributes:
        number: its key in series and files.
        id: `run_...`, or `m-` and 32 hexadecimal digits.
        state: running, pending, succeeded, failed, cancelled for a run; pending, ready, failed for a model.
        stage: active or deleted.
        began_ms, ended_ms: as its program says.
        made_ms, changed_ms: by the machine's clock.
        doc: what its program wrote; read only.
    """

    number: int
    id: str
    kind: str
    experiment: int
    state: str
    stage: str
    began_ms: int | None
    ended_ms: int | None
    made_ms: int
    changed_ms: int
    revision: int
    doc: Mapping[str, Any]


class Things:
    """The tracked things of one project. `wall_ms`: the machine's clock, which clients compare with their own."""

    def __init__(
        self, state: State, keys: Keys, journal: Journal, artifacts: Artifacts, wall_ms: Callable[[], int]
    ) -> None:
        self.state, self.keys, self.journal, self.artifacts, self.wall_ms = state, keys, journal, artifacts, wall_ms
        self.project = journal.project
        self._open: OrderedDict[int, tuple[bytes, Mapping[str, Any]]] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, ident: str, kind: str) -> Thing | None:
        """The thing with that id, deleted or not."""
        return self._first(self.state.rows("tracked_get", project=self.project, id=ident), kind)

    def find_in(self, tx: Transaction, ident: str, kind: str) -> Thing | None:
        """The same within a transaction, to change it."""
        return self._first(tx.rows("tracked_get", project=self.project, id=ident), kind)

    def of_experiment(self, experiment: int, kind: str) -> list[Thing]:
        """All of a group, oldest first; what was erased is left out."""
        rows = self.state.rows("tracked_of_experiment", project=self.project, experiment=experiment, kind=kind)
        return [thing for row in rows if (thing := self._thing(row)) is not None]

    def newest(self, limit: int) -> list[Thing]:
        """The newest runs, newest first."""
        rows = self.state.rows("tracked_newest", project=self.project, limit=limit)
        return [thing for row in rows if (thing := self._thing(row)) is not None]

    def add(self, tx: Transaction, ident: str, kind: str, experiment: int, *, state: str, began_ms: int | None,
            doc: Mapping[str, Any]) -> None:  # fmt: skip
        """A new thing, with a key of its own."""
        self.keys.create(tx, ident, self.project)
        tx.run(
            "tracked_add", id=ident, project=self.project, kind=kind, experiment=experiment, state=state,
            began_ms=began_ms, now_ms=self.wall_ms(), sealed=self._seal(ident, doc),
        )  # fmt: skip

    def put(self, tx: Transaction, thing: Thing, **changed: Any) -> None:
        """What is told of it now. Raises Lost if somebody else changed it in this very moment."""
        now = {"state": thing.state, "stage": thing.stage, "began_ms": thing.began_ms, "ended_ms": thing.ended_ms,
               "doc": thing.doc, **changed}  # fmt: skip
        sealed = self._seal(thing.id, now.pop("doc"))
        if not tx.run("tracked_put", number=thing.number, revision=thing.revision, now_ms=self.wall_ms(),
                      sealed=sealed, **now):  # fmt: skip
            raise Lost("the run was changed at the same time", hint="try again")

    def _first(self, rows: list[Row], kind: str) -> Thing | None:
        return self._thing(rows[0]) if rows and rows[0]["kind"] == kind else None

    def _thing(self, row: Row) -> Thing | None:
        try:
            doc = self._doc(row)
        except Erased:
            return None
        return Thing(
            row["number"], row["id"], row["kind"], row["experiment"], row["state"], row["stage"], row["began_ms"],
            row["ended_ms"], row["made_ms"], row["changed_ms"], row["revision"], doc,
        )  # fmt: skip

    def _doc(self, row: Row) -> Mapping[str, Any]:
        number, sealed = row["number"], row["sealed"]
        with self._lock:
            known = self._open.get(number)
            if known is not None and known[0] == sealed:
                self._open.move_to_end(number)
                return known[1]
        doc: Mapping[str, Any] = json.loads(self.keys.open((row["id"],), sealed, f"{row['id']}/told"))
        with self._lock:
            self._open[number] = (sealed, doc)
            if len(self._open) > CACHED:
                self._open.popitem(last=False)
        return doc

    def _seal(self, ident: str, doc: Mapping[str, Any]) -> bytes:
        return self.keys.seal((ident,), json.dumps(doc, ensure_ascii=False).encode(), f"{ident}/told")


def told(pairs: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags or parameters as clients read them."""
    return [{"key": key, "value": value} for key, value in pairs.items()]
