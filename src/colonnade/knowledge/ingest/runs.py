# SPDX-License-Identifier: Apache-2.0
"""An ingestion run: begun, advanced, ended, with its entries. A run left over by a killed daemon is closed as
`interrupted`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from types import TracebackType

from colonnade.core import entries
from colonnade.core.errors import ColonnadeError
from colonnade.ports.journal import Journal
from colonnade.ports.outside.state import State, Transaction
from colonnade.ports.rowlease import RowLease

OUTCOMES = {"done": "succeeded", "failed": "failed", "interrupted": "lost"}
"""State of a run's row -> outcome in its entry."""


class IngestRun:
    """A context: leaving it ends the run, as `done` or as `failed` with the error's message.

    Attributes:
        trouble: what part of it failed with, when the rest was done.
        cut: whether it was stopped before its end.
    """

    def __init__(self, state: State, journal: Journal, knowledge: str, actor: str, why: str, total: int) -> None:
        self._state, self._journal, self._knowledge, self._actor = state, journal, knowledge, actor
        self.counts: Counter[str] = Counter()
        self.done, self.total = 0, total
        self.trouble: ColonnadeError | None = None
        self.cut = False
        self.id = state.new_id("run")
        with state.transaction() as tx:
            tx.run(
                "run_add",
                id=self.id,
                project=journal.project,
                kind="ingest",
                subject=knowledge,
                state="running",
                why=why,
                created_ms=state.now_ms(),
                total=total,
            )
            tx.append(entries.run_started(journal.stamp(actor), run=self.id, step="ingest", on=knowledge))

    def __enter__(self) -> IngestRun:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        error = error or self.trouble
        outcome = "failed" if error is not None else "interrupted" if self.cut else "done"
        if error is not None and not isinstance(error, ColonnadeError | OSError):
            message = f"{type(error).__name__}"
        else:
            message = "" if error is None else (error.message if isinstance(error, ColonnadeError) else str(error))
        with self._state.transaction() as tx:
            finish(
                self._state,
                self._journal,
                tx,
                self.id,
                self._actor,
                outcome,
                self.counts,
                self.done,
                self.total,
                message,
            )

    def advance(self, tx: Transaction, count: int, counts: Mapping[str, int]) -> None:
        """So many more are done, in the transaction that did them."""
        self.done += count
        self.total = max(self.total, self.done)
        self.counts.update(counts)
        tx.run(
            "run_progress",
            id=self.id,
            done=self.done,
            total=self.total,
            counts=json.dumps(self.counts, sort_keys=True),
        )

    def expect(self, more: int) -> None:
        """So many more are to be done."""
        self.total += more

    @staticmethod
    def close_left(state: State, journal: Journal, knowledge: str, actor: str, lease: RowLease) -> None:
        """Close the runs of this knowledge base that nobody runs any more."""
        left = [row["id"] for row in state.rows("runs_running") if row["subject"] == knowledge]
        for run in left:
            row = state.rows("run_get", id=run)[0]
            counts = Counter(json.loads(row["counts"]))
            with state.transaction() as tx:
                lease.check(tx)
                message = "the daemon stopped; the next run goes on from here"
                finish(state, journal, tx, run, actor, "interrupted", counts, row["done"], row["total"], message)


def finish(
    state: State,
    journal: Journal,
    tx: Transaction,
    run: str,
    actor: str,
    outcome: str,
    counts: Mapping[str, int],
    done: int,
    total: int,
    error: str,
) -> None:
    """End a run, once, with its entry."""
    changed = tx.run(
        "run_finish",
        id=run,
        state=outcome,
        finished_ms=state.now_ms(),
        counts=json.dumps(dict(counts), sort_keys=True),
        done=done,
        total=total,
        error=error,
    )
    if changed:
        row = tx.rows("run_get", id=run)[0]
        tx.append(
            entries.run_finished(
                journal.stamp(actor),
                run=run,
                step="ingest",
                outcome=OUTCOMES[outcome],
                done=done,
                failed=counts.get("unreadable", 0),
                ms=row["finished_ms"] - row["created_ms"],
                on=row["subject"],
            )
        )
