# SPDX-License-Identifier: Apache-2.0
"""The rows of one pipeline of functions, written in stretches: small steps of ours, and the ends of others, become
durable together: begun, done, kept and entered in the log in one transaction for all of them.

Nothing outside the store is told of a step before its stretch is written. A stretch that is lost is done again: its
steps never finished.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from colonnade.core import model_entries
from colonnade.core.leaf import Leaf
from colonnade.lifecycle.artifacts import Write
from colonnade.lifecycle.flow.tools import Tools
from colonnade.lifecycle.pipelines import Step
from colonnade.ports.outside.state import Row, Transaction
from colonnade.ports.rowlease import RowLease

MOST_MS, MOST_WRITES = 20, 256
"""A stretch is written when it is so old, or so long; and whenever something is asked of the world."""
_FIELDS = tuple(Step.__dataclass_fields__)


class FlowRows:
    """One pipeline's rows. For one thread, which holds the row lease."""

    def __init__(self, tools: Tools, row: RowLease, pipeline: Row) -> None:
        self._tools, self._row, self.pipeline = tools, row, pipeline
        self._writes: list[Write] = []
        self._after: list[Callable[[], None]] = []
        self._new: dict[str, tuple[str, str, str]] = {}
        self._since_ms = 0

    def known(self, key: str) -> tuple[str, str, str] | None:
        """(artifact, data set or "", run) of a key: written already, or about to be."""
        found = self._new.get(key)
        if found is None and (rows := self._tools.state.rows("step_get", project=self._project, key=key)):
            found = rows[0]["artifact"], rows[0]["subject"], rows[0]["run"]
        return found

    # steps
    def inline(
        self, step: Step, kind: str, artifact: str, keep: Write, *,
        follows: Sequence[str] = (), given: Sequence[str] = (), subject: str = "",
        also: Callable[[str], Leaf] | None = None,
    ) -> Step:  # fmt: skip
        """A small step of ours has been done: its run, its result and its entry, all at once; with one more entry,
        which is told the run.
        """
        state = self._tools.state
        now, run = state.now_ms(), state.new_id("run")
        done = replace(
            step, state="done", run=run, artifact=artifact, subject=subject, attempts=1, started_ms=now, finished_ms=now
        )
        stamp = self._tools.journal.stamp(self._tools.actor)
        entry = model_entries.step_finished(
            stamp, run=run, step=kind, outcome="succeeded", ms=0, attempts=1, follows=follows, given=given
        )

        def write(tx: Transaction) -> None:
            keep(tx)
            tx.run(
                "run_add_over", id=run, project=self._project, kind=kind, subject=step.pipeline, why="a step",
                created_ms=now, finished_ms=now, parent=step.pipeline,
            )  # fmt: skip
            self._add(tx, done)
            if also is not None:
                tx.append(also(run))
            tx.append(entry)

        self._new[step.key] = artifact, subject, run
        self.write(write)
        return done

    def finished(
        self, step: Step, artifact: str, keep: Write, *, code: str, follows: Sequence[str], given: Sequence[str],
        after: Callable[[], None],
    ) -> Step:  # fmt: skip
        """A function under its lease has given its result. `after`: what is done once that is durable."""
        now = self._tools.state.now_ms()
        done = replace(step, state="done", artifact=artifact, error="", finished_ms=now)
        entry = model_entries.step_finished(
            self._tools.journal.stamp(self._tools.actor), run=step.run, step=kind_of(step.step), outcome="succeeded",
            ms=now - (step.started_ms or now), attempts=step.attempts, code=code, follows=follows, given=given,
        )  # fmt: skip

        def write(tx: Transaction) -> None:
            keep(tx)
            self._add(tx, done)
            tx.append(entry)

        self._new[step.key] = artifact, "", step.run
        self._after.append(after)
        self.write(write)
        return done

    def cached(self, step: Step, found: tuple[str, str, str]) -> Step:
        """Its result was here already."""
        now = self._tools.state.now_ms()
        artifact, subject, run = found
        kept = replace(step, state="cached", artifact=artifact, subject=subject, run=run, lease="",
                       started_ms=now, finished_ms=now)  # fmt: skip
        self.write(lambda tx: self._put(tx, kept))
        return kept

    def missed(self, step: Step, error: str, not_before_ms: int | None) -> Step:
        """A try failed: it is tried again from then on, or (None) never."""
        now = self._tools.state.now_ms()
        if not_before_ms is None:
            left = replace(step, state="failed", error=error, finished_ms=now)
        else:
            left = replace(step, state="waiting", run="", lease="", error=error, not_before_ms=not_before_ms)
        entry = model_entries.step_finished(
            self._tools.journal.stamp(self._tools.actor), run=step.run, step=kind_of(step.step), outcome="failed",
            ms=now - (step.started_ms or now), attempts=step.attempts,
        )  # fmt: skip

        def write(tx: Transaction) -> None:
            self._put(tx, left)
            if step.run:
                tx.append(entry)

        self.write(write)
        return left

    def asked(self, tx: Transaction, step: Step) -> None:
        """A function was handed over, in the transaction that asks; what waits is written with it."""
        self._flush(tx)
        self._put(tx, step)
        tx.run("run_parent", id=step.run, parent=step.pipeline)

    # writing
    def write(self, write: Write) -> None:
        """Have it written with the stretch."""
        now = self._tools.state.now_ms()
        if not self._writes:
            self._since_ms = now
        self._writes.append(write)
        if len(self._writes) >= MOST_WRITES or now - self._since_ms >= MOST_MS:
            self.flush()

    def flush(self, also: Write | None = None) -> None:
        """Everything that waits is durable when this returns, with `also`. Raises Lost when another goes on."""
        if not self._writes and also is None:
            return
        with self._tools.state.transaction() as tx:
            self._flush(tx)
            if also is not None:
                also(tx)
        self.written()

    def written(self) -> None:
        """The transaction that took what waited is durable."""
        self._writes.clear()
        self._new.clear()
        after, self._after = self._after, []
        for act in after:
            act()

    def _flush(self, tx: Transaction) -> None:
        self._row.check(tx)
        for write in self._writes:
            write(tx)

    def _add(self, tx: Transaction, done: Step) -> None:
        """A step that is over, and under its key for all pipelines to come."""
        tx.run("step_add", project=self._project, key=done.key, artifact=done.artifact, subject=done.subject,
               run=done.run, finished_ms=done.finished_ms)  # fmt: skip
        self._put(tx, done)

    def _put(self, tx: Transaction, step: Step) -> None:
        tx.run("pipeline_step_put", **{name: getattr(step, name) for name in _FIELDS})

    @property
    def _project(self) -> str:
        return self._tools.journal.project


def kind_of(step: str) -> str:
    """What the log calls a step: a function's name stays out of it."""
    return step.strip("()") if step.startswith("(") else "call"
