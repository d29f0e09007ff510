# SPDX-License-Identifier: Apache-2.0
"""Tracked runs: begun, ended, deleted and shown. Each is a Run like any other (kind `tracked`), with its beginning and
end in the ledger. What is logged to one stands in `logging`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from colonnade.core import entries
from colonnade.lifecycle.tracking import checks, inputs, series
from colonnade.lifecycle.tracking.checks import missing, wrong
from colonnade.lifecycle.tracking.experiments import DEFAULT, Experiments
from colonnade.lifecycle.tracking.things import ACTIVE, DELETED, RUN, Thing, Things, told
from colonnade.ports.outside.state import Row, Transaction

STEP = "tracked"
NAME_TAG, PARENT_TAG = "mlflow.runName", "mlflow.parentRunId"
STATES = {
    "RUNNING": "running",
    "SCHEDULED": "pending",
    "FINISHED": "succeeded",
    "FAILED": "failed",
    "KILLED": "cancelled",
}
STATUS = {state: status for status, state in STATES.items()}
OVER = frozenset({"succeeded", "failed", "cancelled"})


class Runs:
    """The tracked runs of one project."""

    def __init__(self, things: Things, experiments: Experiments) -> None:
        self._things, self._experiments = things, experiments
        self._state, self._journal = things.state, things.journal

    def create(
        self, actor: str, *, experiment_id: str = "", user_id: str = "", run_name: str = "",
        start_time: int | None = None, tags: Sequence[Mapping[str, str]] = (),
    ) -> Any:  # fmt: skip
        """A new run, which is running."""
        marked = checks.tags(tags)
        named = marked.get(NAME_TAG, "")
        if run_name and named and run_name != named:
            raise wrong(
                "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values "
                f"(run_name='{run_name}', mlflow.runName='{named}')."
            )
        began = None if start_time is None else checks.number(start_time, "start_time")
        ident = self._state.new_id("run")
        name = checks.bounded(run_name or named, checks.TAG_CHARS, "run_name") or f"run-{ident[-6:]}"
        with self._state.transaction() as tx:
            group = self._experiments.active(experiment_id or str(DEFAULT))
            doc = {
                "name": name, "user": user_id[:256], "tags": {**marked, NAME_TAG: name}, "params": {}, "series": [],
                "location": f"{group.location}/{ident}/artifacts",
            }  # fmt: skip
            self._things.add(tx, ident, RUN, group.number, state="running", began_ms=began, doc=doc)
            tx.run("run_add", id=ident, project=self._things.project, kind=STEP, subject=self._things.project,
                   state="running", why="told by its program", created_ms=self._state.now_ms(), total=0)  # fmt: skip
            self._parent(tx, ident, marked)
            stamp = self._journal.stamp(actor)
            tx.append(entries.run_started(stamp, run=ident, step=STEP, on=None, person=actor))
        return {"run": self.view(self.one(ident))}

    def get(self, *, run_id: str = "", run_uuid: str = "") -> Any:
        """One, deleted or not."""
        return {"run": self.view(self.one(run_id or run_uuid))}

    def update(
        self, actor: str, *, run_id: str = "", run_uuid: str = "", status: str = "", end_time: int | None = None,
        run_name: str = "",
    ) -> Any:  # fmt: skip
        """How it goes, when it ended, what it is called."""
        if status and status not in STATES:
            raise wrong(f"Invalid value '{status}' for parameter 'status' supplied. One of {sorted(STATES)}")
        ended = None if end_time is None else checks.number(end_time, "end_time")
        checks.bounded(run_name, checks.TAG_CHARS, "run_name")
        with self._state.transaction() as tx:
            run = self.active_in(tx, run_id or run_uuid)
            state = STATES[status] if status else run.state
            doc = run.doc
            if run_name:
                doc = {**doc, "name": run_name, "tags": {**doc["tags"], NAME_TAG: run_name}}
            self._things.put(tx, run, state=state, ended_ms=run.ended_ms if ended is None else ended, doc=doc)
            if state != run.state:
                self._turn(tx, actor, run, state)
        return {"run_info": self.info(self.one(run.id))}

    def delete(self, *, run_id: str) -> Any:
        """Out of sight until it is restored."""
        return self._stage(run_id, DELETED)

    def restore(self, *, run_id: str) -> Any:
        """Back."""
        return self._stage(run_id, ACTIVE)

    def one(self, ident: str) -> Thing:
        """A run by its id. Raises UnknownName."""
        _named(ident)
        found = self._things.find(ident, RUN)
        if found is None:
            raise missing(f"Run with id={ident[:80]} not found")
        return found

    def active_in(self, tx: Transaction, ident: str) -> Thing:
        """A run that may be changed, within a transaction. Raises UnknownName, UsageError."""
        _named(ident)
        run = self._things.find_in(tx, ident, RUN)
        if run is None:
            raise missing(f"Run with id={ident[:80]} not found")
        if run.stage != ACTIVE:
            raise wrong(f"The run {run.id} must be in the 'active' state. Current state is {run.stage}.")
        return run

    def info(self, run: Thing) -> dict[str, Any]:
        """What a run is, as clients read it."""
        times = {"start_time": run.began_ms, "end_time": run.ended_ms}
        return {
            "run_id": run.id, "run_uuid": run.id, "run_name": run.doc["name"], "experiment_id": str(run.experiment),
            "user_id": run.doc["user"], "status": STATUS[run.state], "artifact_uri": run.doc["location"],
            "lifecycle_stage": run.stage, **{name: at for name, at in times.items() if at is not None},
        }  # fmt: skip

    def view(
        self, run: Thing, newest: Sequence[Row] | None = None, read: Sequence[Row] | None = None
    ) -> dict[str, Any]:
        """All of a run, as clients read it; rows of its newest measurements and inputs, where somebody has them."""
        if newest is None:
            newest = self._state.rows("tracked_latest_of", owner=run.number)
        if read is None:
            read = self._state.rows("tracked_inputs_of", owner=run.number)
        metrics = [{"key": name[0], **series.measured(row)} for name, row in series.latest(newest, run.doc["series"])]
        return {
            "info": self.info(run),
            "data": {"metrics": metrics, "params": told(run.doc["params"]), "tags": told(run.doc["tags"])},
            "inputs": {
                "dataset_inputs": inputs.opened(self._things, run.id, read),
                "model_inputs": [{"model_id": model} for model in run.doc.get("models_in", ())],
            },
            "outputs": {
                "model_outputs": [{"model_id": model, "step": step} for model, step in run.doc.get("models_out", ())]
            },
        }

    def _stage(self, ident: str, stage: str) -> Any:
        with self._state.transaction() as tx:
            run = self._things.find_in(tx, ident, RUN)
            if run is None:
                raise missing(f"Run with id={ident[:80]} not found")
            self._things.put(tx, run, stage=stage)
        return {}

    def _turn(self, tx: Transaction, actor: str, run: Thing, state: str) -> None:
        """The row of our Run and its entry follow what its program says; one that was over may go on."""
        now = self._state.now_ms()
        over = state in OVER
        parent = run.doc["tags"].get(PARENT_TAG)
        tx.run("run_told", id=run.id, state=_ours(state), finished_ms=now if over else None, parent=parent)
        stamp = self._journal.stamp(actor)
        if over:
            tx.append(entries.run_finished(stamp, run=run.id, step=STEP, outcome=state, done=0, failed=0,
                                           ms=max(0, self._things.wall_ms() - run.made_ms)))  # fmt: skip
        elif run.state in OVER:
            tx.append(entries.run_started(stamp, run=run.id, step=STEP, on=None, person=actor))

    def _parent(self, tx: Transaction, ident: str, tags: Mapping[str, str]) -> None:
        parent = tags.get(PARENT_TAG)
        if parent and self._things.find_in(tx, parent, RUN) is not None:
            tx.run("run_parent", id=ident, parent=parent)


def _named(ident: str) -> None:
    if not ident:
        raise wrong("Missing value for required parameter 'run_id'.")


def _ours(state: str) -> str:
    """The word of `runs` for a state."""
    return {"succeeded": "done", "pending": "pending", "running": "running"}.get(state, state)
