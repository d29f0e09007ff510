# SPDX-License-Identifier: Apache-2.0
"""Pipelines as rows: begun, their steps advanced, ended, each with its entries in the same transaction. It decides
nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from colonnade.core import entries, model_entries, watch_entries
from colonnade.core.leaf import Leaf
from colonnade.lifecycle.wanted import STEPS
from colonnade.ports.journal import Journal
from colonnade.ports.outside.state import Row, State, Transaction

CHAMPION = "model"
"""The kind of the Name that points to a model's live version."""
FINDINGS = "findings/"
"""Under this and a decision's id, `meta` keeps what each gate found."""
SLICES = "slices/"
"""The same for how good the candidate was in each slice."""


@dataclass(frozen=True, slots=True)
class Step:
    """A row of `pipeline_steps`. `subject`: the id of the data set that it gave, if it gave one."""

    pipeline: str
    step: str
    place: int
    state: str
    key: str = ""
    run: str = ""
    lease: str = ""
    artifact: str = ""
    subject: str = ""
    attempts: int = 0
    not_before_ms: int = 0
    error: str = ""
    told: str = "{}"
    started_ms: int | None = None
    finished_ms: int | None = None

    @property
    def over(self) -> bool:
        """Whether its result is here."""
        return self.state in {"done", "cached"}


def step_of(row: Row) -> Step:
    """A row as it is used."""
    return Step(**{name: row[name] for name in Step.__dataclass_fields__})


class Pipelines:
    """The pipelines of one project's models."""

    def __init__(self, state: State, journal: Journal, actor: str) -> None:
        self._state, self._journal, self._actor = state, journal, actor

    def of_model(self, model: str, limit: int = 50) -> list[Row]:
        """Newest first."""
        return self._state.rows("pipelines_of_model", model=model, limit=limit)

    def steps(self, pipeline: str) -> list[Step]:
        """In order."""
        rows = self._state.rows("pipeline_steps", pipeline=pipeline)
        return [step_of(row) for row in rows]

    def begin(
        self,
        model: str,
        cause: str,
        wanted: Mapping[str, Any],
        steps: Sequence[str] = STEPS,
        also: Callable[[Transaction, str], None] = lambda _tx, _run: None,
    ) -> str:
        """A pipeline whose steps are to be done; its run's id. `also` is called with it in the same transaction."""
        run, project, now = self._state.new_id("run"), self._journal.project, self._state.now_ms()
        with self._state.transaction() as tx:
            tx.run(
                "run_add",
                id=run,
                project=project,
                kind="pipeline",
                subject=model,
                state="running",
                why=cause,
                created_ms=now,
                total=len(steps),
            )
            tx.run(
                "pipeline_add",
                run=run,
                project=project,
                model=model,
                cause=cause,
                created_ms=now,
                wanted=json.dumps(dict(wanted), sort_keys=True),
            )
            for place, step in enumerate(steps):
                tx.run("pipeline_step_add", pipeline=run, step=step, place=place)
            tx.append(entries.run_started(self._journal.stamp(self._actor), run=run, step="pipeline", on=model))
            also(tx, run)
        return run

    def set(self, tx: Transaction, step: Step) -> None:
        """Write a step as it is now; a step that is over stays as it was."""
        values = {name: getattr(step, name) for name in Step.__dataclass_fields__ if name != "place"}
        tx.run("pipeline_step_set", **values)

    def begin_inline(self, step: Step) -> Step:
        """A step of ours begins that will go on for long: it gets a run of its own."""
        run, now = self._state.new_id("run"), self._state.now_ms()
        begun = replace(step, state="running", run=run, started_ms=now, attempts=step.attempts + 1)
        with self._state.transaction() as tx:
            tx.run(
                "run_add",
                id=run,
                project=self._journal.project,
                kind=step.step,
                subject=step.pipeline,
                state="running",
                why="a step",
                created_ms=now,
                total=1,
            )
            tx.run("run_parent", id=run, parent=step.pipeline)
            self.set(tx, begun)
        return begun

    def at_once(self, step: Step, started_ms: int) -> Step:
        """A step of ours that has been done: with a run of its own, which `finish(begins=True)` writes."""
        run = self._state.new_id("run")
        return replace(step, state="running", run=run, started_ms=started_ms, attempts=step.attempts + 1)

    def finish(
        self,
        step: Step,
        artifact: str,
        *,
        subject: str = "",
        code: str | None = None,
        gave: str | None = None,
        given: Sequence[str] = (),
        follows: str | Sequence[str] | None = None,
        told: Mapping[str, Any] | None = None,
        also: Leaf | None = None,
        begins: bool = False,
    ) -> Step:
        """A step has its result: it is kept under its key, and never done again for it. `begins`: it was done at once,
        and its run (`at_once`) is written with its result: killed before, there is no trace of it.
        """
        now = self._state.now_ms()
        done = replace(
            step,
            state="done",
            artifact=artifact,
            subject=subject,
            finished_ms=now,
            told=json.dumps(dict(told or {}), ensure_ascii=False),
        )
        with self._state.transaction() as tx:
            if begins:
                tx.run(
                    "run_add_over", id=step.run, project=self._journal.project, kind=step.step, subject=step.pipeline,
                    why="a step", created_ms=step.started_ms, finished_ms=now, parent=step.pipeline,
                )  # fmt: skip
            tx.run(
                "step_add",
                project=self._journal.project,
                key=step.key,
                artifact=artifact,
                subject=subject,
                run=step.run,
                finished_ms=now,
            )
            self.set(tx, done)
            if not begins:
                self._end_run(tx, step, "done", "", now)
            if also is not None:
                tx.append(also)
            tx.append(self._entry(done, "succeeded", now, code, gave, given, follows))
        return done

    def cached(self, step: Step, row: Row) -> Step:
        """The result was here already."""
        now = self._state.now_ms()
        found = replace(
            step,
            state="cached",
            artifact=row["artifact"],
            subject=row["subject"],
            run=row["run"],
            started_ms=now,
            finished_ms=now,
        )
        with self._state.transaction() as tx:
            self.set(tx, found)
        return found

    def again(self, step: Step, error: str, not_before_ms: int) -> None:
        """A step failed, and is tried again later."""
        now = self._state.now_ms()
        with self._state.transaction() as tx:
            self.set(tx, replace(step, state="waiting", lease="", run="", error=error, not_before_ms=not_before_ms))
            self._end_run(tx, step, "failed", error, now)
            tx.append(self._entry(step, "failed", now, None, None, (), None))

    def fail(self, step: Step, error: str) -> None:
        """A step failed for good."""
        now = self._state.now_ms()
        with self._state.transaction() as tx:
            self.set(tx, replace(step, state="failed", error=error, finished_ms=now))
            self._end_run(tx, step, "failed", error, now)
            if step.run:
                tx.append(self._entry(step, "failed", now, None, None, (), None))

    def judged(
        self, tx: Transaction, pipeline: Row, *, version: str, reason: str, metrics: Mapping[str, float], decision: str
    ) -> None:  # fmt: skip
        """A pipeline's version may go live, and is being rolled out: the pipeline goes on until that is over."""
        told = json.dumps(dict(metrics))
        tx.run("pipeline_judged", run=pipeline["run"], version=version, reason=reason, metrics=told, decision=decision)

    def end(
        self,
        tx: Transaction,
        pipeline: Row,
        outcome: str,
        *,
        version: str = "",
        reason: str = "",
        metrics: Mapping[str, float] | None = None,
        decision: str = "",
        steps: int = len(STEPS),
        follows: Sequence[str] = (),
    ) -> None:
        """A pipeline is over: promoted, unchanged, refused, quarantined, failed; of functions: done, failed."""
        now = self._state.now_ms()
        if not tx.run(
            "pipeline_end",
            run=pipeline["run"],
            outcome=outcome,
            version=version,
            reason=reason,
            metrics=json.dumps(dict(metrics or {})),
            decision=decision,
            finished_ms=now,
        ):
            return
        failed = int(outcome == "failed")
        tx.run(
            "run_end",
            id=pipeline["run"],
            state="failed" if failed else "done",
            finished_ms=now,
            error=reason,
            done=steps * (1 - failed),
        )
        tx.append(
            entries.run_finished(
                self._journal.stamp(self._actor),
                run=pipeline["run"],
                step="pipeline",
                outcome="failed" if failed else "succeeded",
                done=steps,
                failed=failed,
                ms=now - pipeline["created_ms"],
                on=pipeline["model"],
                follows=follows,
            )
        )
        if alarm := json.loads(pipeline["wanted"]).get("alarm"):
            stamp = self._journal.stamp(self._actor)
            tx.append(watch_entries.alarm_answered(stamp, alarm=alarm, run=pipeline["run"], outcome=outcome))

    def _end_run(self, tx: Transaction, step: Step, state: str, error: str, now: int) -> None:
        """Runs under a lease are ended by the fabric; ours by us."""
        if step.run and not step.lease:
            tx.run("run_end", id=step.run, state=state, finished_ms=now, error=error, done=int(state == "done"))

    def _entry(
        self,
        step: Step,
        outcome: str,
        now: int,
        code: str | None,
        gave: str | None,
        given: Sequence[str],
        follows: str | Sequence[str] | None,
    ) -> Any:
        return model_entries.step_finished(
            self._journal.stamp(self._actor),
            run=step.run,
            step=step.step,
            outcome=outcome,
            ms=now - (step.started_ms or now),
            attempts=step.attempts,
            code=code,
            gave=gave,
            given=given,
            follows=follows,
            mac=self._journal.mac if step.artifact else None,
            content=step.artifact,
        )
