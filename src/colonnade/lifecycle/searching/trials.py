# SPDX-License-Identifier: Apache-2.0
"""The step `search` of a pipeline: trials on rows within the training side, each a cached training and evaluation under
a lease; the best parameters go on. What was tried stands in rows, which are all that a study is made of: killed
anywhere, the search goes on with what has finished, and asks for nothing twice.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from colonnade.core.errors import ColonnadeError, MissingExtra, UsageError
from colonnade.lifecycle.artifacts import Artifact, collect
from colonnade.lifecycle.data import divide_dataset, side
from colonnade.lifecycle.pipelines import Step, step_of
from colonnade.lifecycle.searching.space import PROGRESS, Search, falls_behind, read_progress
from colonnade.lifecycle.searching.told import PRUNED, told_of
from colonnade.lifecycle.wanted import Wanted, key_of
from colonnade.lifecycle.work import LOST, LOST_RETRIES, Place, clear, command, prepare, read_metrics
from colonnade.ports.outside.state import Transaction
from colonnade.ports.outside.tuner import Tried
from colonnade.ports.skills.leases import Wish

if TYPE_CHECKING:
    from colonnade.lifecycle.doing import Doing

_FIELDS = tuple(Step.__dataclass_fields__)


class Searching:
    """The trials of one pipeline. `doing` is the pipeline's work, of which this is a step."""

    def __init__(self, doing: Doing, search: Search) -> None:
        self._doing, self._search = doing, search
        self._tools, self._wanted, self._row = doing.tools, doing.wanted, doing.row

    def advance(self, step: Step, steps: Mapping[str, Step]) -> bool:
        """A bit further; whether the search is over. Raises UsageError when not one trial ended well."""
        try:
            return self._advance(step, steps)
        except MissingExtra as error:
            raise UsageError(error.message, hint=error.hint, code=error.code) from error

    def _advance(self, step: Step, steps: Mapping[str, Step]) -> bool:
        if step.state != "running":
            return self._begin(step, steps)
        told = json.loads(step.told)
        split = self._tools.artifacts.get(told["split"])
        trials = self._trials(step.run)
        for name, trial in sorted(trials.items()):
            if trial.state == "running":
                trials[name] = self._look(trial, trials)
        for number in range(self._search.trials):
            trials |= self._further(step.run, number, trials, split)
        if not _over(trials, self._search.trials):
            return False
        self._end(step, steps, trials)
        return True

    def _begin(self, step: Step, steps: Mapping[str, Step]) -> bool:
        """Find the search, or hold out rows of the training side and begin it."""
        if self._tools.tuner is None:
            raise MissingExtra("a search needs Optuna", hint="pip install 'colonnade[tune]'")
        training = side(self._tools.artifacts.get(steps["split"].artifact), "train")
        inputs = {"search": self._search.told(), "data": training.content, "code": self._doing.code,
                  "parameters": self._doing.parameters(), "python": self._tools.python,
                  "holdout": self._wanted.holdout}  # fmt: skip
        keyed = replace(step, key=key_of("search", inputs))
        rows = self._tools.state.rows("step_get", project=self._tools.journal.project, key=keyed.key)
        if rows:
            self._doing.pipelines.cached(keyed, rows[0])
            return True
        dataset = self._tools.artifacts.get(steps["snapshot"].artifact)
        rest = Artifact("", "dataset", (training,), dataset.about)
        within = self._within()
        split = self._doing.aside(step, lambda: divide_dataset(within, rest, self._doing.intake(step)))
        if split is None:
            return False
        self._doing.pipelines.begin_inline(replace(keyed, told=json.dumps({"split": split.digest})))
        return False

    def _within(self) -> Wanted:
        """The division of the training side. Without a time a hash of each row divides, and those below `holdout` are
        gone already: so many of the rest are those below the next bound.
        """
        wanted = self._wanted
        share = wanted.holdout
        return wanted if wanted.time else replace(wanted, holdout=share + (1 - share) * share)

    def _trials(self, run: str) -> dict[str, Step]:
        rows = self._tools.state.rows("pipeline_steps", pipeline=run)
        return {row["step"]: step_of(row) for row in rows}

    def _further(self, run: str, number: int, trials: Mapping[str, Step], split: Artifact) -> dict[str, Step]:
        """What a trial does next: begin if there is room, be evaluated if it was trained."""
        training, evaluation = trials.get(f"train-{number}"), trials.get(f"evaluate-{number}")
        if training is None:
            busy = sum(one.state in {"running", "waiting"} for one in trials.values())
            if busy >= self._search.parallel:
                return {}
            parameters = self._propose(trials)
            told = json.dumps({"parameters": parameters})
            return self._next(Step(run, f"train-{number}", 2 * number, "waiting", told=told), trials, split)
        if training.state == "waiting":
            return self._next(training, trials, split)
        if training.over and (evaluation is None or evaluation.state == "waiting"):
            fresh = Step(run, f"evaluate-{number}", 2 * number + 1, "waiting", told=training.told)
            return self._next(evaluation or fresh, trials, split)
        return {}

    def _propose(self, trials: Mapping[str, Step]) -> dict[str, Any]:
        tried = [
            Tried(one["parameters"], one["value"], one["state"] == "running")
            for one in told_of(trials, self._search.trials)
        ]
        assert self._tools.tuner is not None
        search = self._search
        return self._tools.tuner.propose(search.space, tried, maximize=search.maximize, seed=search.seed)

    def _next(self, trial: Step, trials: Mapping[str, Step], split: Artifact) -> dict[str, Step]:
        """Find a trial's step, or hand it to the fabric."""
        if trial.not_before_ms > self._tools.state.now_ms():
            return {}
        kind = trial.step.partition("-")[0]
        parameters = {**self._doing.parameters(), **json.loads(trial.told)["parameters"]}
        entry = side(split, "train" if kind == "train" else "test")
        inputs: dict[str, Any] = {"code": self._doing.code[kind], "parameters": parameters,
                                  "python": self._tools.python, "data": entry.content}  # fmt: skip
        model = trials[trial.step.replace("evaluate", "train")].artifact if kind == "evaluate" else ""
        if model:
            inputs["model"] = model
        keyed = replace(trial, key=key_of(kind, inputs))
        rows = self._tools.state.rows("step_get", project=self._tools.journal.project, key=keyed.key)
        if rows:
            return {trial.step: self._ended(replace(keyed, state="cached", run=rows[0]["run"]), rows[0]["artifact"])}
        attempt = replace(
            keyed, state="running", attempts=trial.attempts + 1, started_ms=self._tools.state.now_ms(), error=""
        )
        place = prepare(self._tools.bench, _try(attempt), self._doing.closure(kind), parameters)
        self._tools.artifacts.write(entry, place.input / entry.path)
        if model:
            self._tools.artifacts.lay_out(model, place.input / "model")
        argv, environment = command(self._tools.bench, place, kind, self._wanted.script(kind).name)
        wish = Wish(self._wanted.claim, argv, str(place.folder), self._tools.actor, self._wanted.queue, environment)
        run, lease = self._tools.leasing.ask(wish, functools.partial(self._asked, attempt))
        return {trial.step: replace(attempt, run=run, lease=lease)}

    def _asked(self, attempt: Step, tx: Transaction, run: str, lease: str) -> None:
        self._row.check(tx)
        self._put(tx, replace(attempt, run=run, lease=lease))
        tx.run("run_parent", id=run, parent=attempt.pipeline)

    def _look(self, trial: Step, trials: Mapping[str, Step]) -> Step:
        """A script of a trial: still there, behind the others, over, failed."""
        over = self._tools.leasing.look(trial.lease)
        place = Place(self._tools.bench.folder / _try(trial))
        late = self._tools.state.now_ms() - (trial.started_ms or 0) > self._wanted.timeout_ms
        progress = self._progress(place) if trial.step.startswith("train") else {}
        if over is None:
            others = [one["progress"] for one in told_of(trials, self._search.trials) if one["progress"]]
            if self._search.prune and falls_behind(progress, others, maximize=self._search.maximize):
                self._write(replace(trial, error=PRUNED, told=_with(trial, progress=progress)))
                self._tools.leasing.release(trial.lease)
                return replace(trial, error=PRUNED)
            if late:
                self._tools.leasing.release(trial.lease)
            return trial
        told = _with(trial, progress=progress)
        if trial.error == PRUNED:
            clear(place)
            return self._write(replace(trial, state="failed", told=told, finished_ms=self._tools.state.now_ms()))
        if over.outcome == "succeeded":
            try:
                artifact = self._collected(replace(trial, told=told), place)
            except ColonnadeError as error:
                clear(place)
                return self._write(replace(trial, state="failed", error=error.message, told=told))
            done = self._ended(replace(trial, state="done", told=told), artifact.digest)
            clear(place)
            return done
        clear(place)
        said = over.said.strip().splitlines()
        why = (
            "took too long" if late else f"{over.outcome} (exit {over.code})" + (f": {said[-1][:200]}" if said else "")
        )
        if trial.attempts <= self._wanted.retries + LOST_RETRIES * (over.outcome == LOST) and not late:
            again = replace(trial, state="waiting", lease="", run="", error=why,
                            not_before_ms=self._tools.state.now_ms() + 1000)  # fmt: skip
            return self._write(again)
        return self._write(replace(trial, state="failed", error=why, told=told))

    def _progress(self, place: Place) -> dict[int, float]:
        try:
            return read_progress((place.output / PROGRESS).read_text("utf-8"), self._search.metric)
        except OSError:
            return {}

    def _collected(self, trial: Step, place: Place) -> Artifact:
        files = collect(place.output)
        files.pop(PROGRESS, None)
        if trial.step.startswith("train"):
            told = json.loads(trial.told).get("progress")
            return self._tools.artifacts.put("model", files, {"progress": told} if told else {})
        return self._tools.artifacts.put("report", files, {"metrics": read_metrics(place)})

    def _ended(self, trial: Step, artifact: str) -> Step:
        """A trial's step has its result: kept under its key for every search to come."""
        now = self._tools.state.now_ms()
        value, about = None, self._tools.artifacts.get(artifact).about
        if trial.step.startswith("evaluate"):
            metrics = about["metrics"]
            if self._search.metric not in metrics:
                known = ", ".join(sorted(metrics))
                raise UsageError(f"the evaluation measures no {self._search.metric!r}; it has {known}",
                                 code="metrics_missing")  # fmt: skip
            value = metrics[self._search.metric]
        done = replace(
            trial, artifact=artifact, finished_ms=now, told=_with(trial, value=value, progress=about.get("progress"))
        )
        with self._tools.state.transaction() as tx:
            self._row.check(tx)
            tx.run("step_add", project=self._tools.journal.project, key=done.key, artifact=artifact, subject="",
                   run=done.run, finished_ms=now)  # fmt: skip
            self._put(tx, done)
        return done

    def _write(self, trial: Step) -> Step:
        with self._tools.state.transaction() as tx:
            self._row.check(tx)
            self._put(tx, trial)
        return trial

    def _put(self, tx: Transaction, trial: Step) -> None:
        tx.run("pipeline_step_put", **{name: getattr(trial, name) for name in _FIELDS})

    def _end(self, step: Step, steps: Mapping[str, Step], trials: Mapping[str, Step]) -> None:
        """The best parameters are the result."""
        told = told_of(trials, self._search.trials)
        well = [one for one in told if one["value"] is not None]
        if not well:
            reason = next((one["error"] for one in told if one["error"]), "none was measured")
            raise UsageError(f"not one of {len(told)} trials ended well: {reason}", code="search_failed")
        best = max(well, key=lambda one: one["value"] if self._search.maximize else -one["value"])
        shown = [{**one, "progress": len(one["progress"])} for one in told]
        for one in shown:  # equal searches give equal artifacts: which run did it stands in the rows
            del one["run"]
        about = {"parameters": best["parameters"], "value": best["value"], "metric": self._search.metric}
        artifact = self._tools.artifacts.put("search", {}, {**about, "trials": shown})
        best_runs = [one.run for one in trials.values() if one.step.endswith(f"-{told.index(best)}")]
        follows = list(dict.fromkeys([steps["split"].run, *best_runs]))
        self._doing.pipelines.finish(step, artifact.digest, follows=follows, told={
            **json.loads(step.told), "best": about, "trials": len(told), "pruned": sum(one["pruned"] for one in told),
        })  # fmt: skip


def _over(trials: Mapping[str, Step], count: int) -> bool:
    told = told_of(trials, count)
    return len(told) == count and all(one["state"] != "running" for one in told)


def _with(trial: Step, **more: Any) -> str:
    return json.dumps({**json.loads(trial.told), **{name: value for name, value in more.items() if value is not None}})


def _try(trial: Step) -> str:
    return f"{trial.pipeline}-{trial.step}-{trial.attempts}"
