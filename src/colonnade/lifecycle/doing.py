# SPDX-License-Identifier: Apache-2.0
"""What the steps of a pipeline do: take data in, divide it, run a user's scripts under leases, put a version together.

Each step is done once for its key; what it depends on stands in `_inputs`. Why a pipeline begins, and what becomes of
its version, is the loop's business.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from colonnade.core import model_entries
from colonnade.core.errors import Lost, MissingExtra, StateError, Unavailable, UsageError
from colonnade.lifecycle.artifacts import Artifact, Artifacts, collect
from colonnade.lifecycle.aside import Aside
from colonnade.lifecycle.data import Intake, Snapshot, divide_dataset, side, take_snapshot
from colonnade.lifecycle.pipelines import CHAMPION, Pipelines, Step
from colonnade.lifecycle.reports import PREDICTIONS, read_predictions
from colonnade.lifecycle.rollout.rolling import Rolling
from colonnade.lifecycle.wanted import Wanted, key_of
from colonnade.lifecycle.watching.due import Window
from colonnade.lifecycle.watching.telling import Telling, nothing_told
from colonnade.lifecycle.work import METRICS, Bench, Place, clear, command, prepare, read_metrics
from colonnade.ports.journal import Journal
from colonnade.ports.outside.sources import Sources
from colonnade.ports.outside.state import Row, State, Transaction
from colonnade.ports.outside.tables import Tables
from colonnade.ports.rowlease import RowLease
from colonnade.ports.skills.leases import Leasing, Wish
from colonnade.ports.skills.scan import Scan

T = TypeVar("T")
SCRIPTS = {"train": "split", "evaluate": "train", "compare": "package"}
"""Steps that run a user's script, and the step that each follows."""
BACK_OFF_MS = (1_000, 5_000, 30_000)
UPSTREAM_BACK_OFF_MS = (1_000, 5_000, 30_000, 60_000, 300_000)
"""Between looks at a source that does not answer, or a disk that is full; the last one for as long as it lasts."""


@dataclass(frozen=True)
class Tools:
    """What the loop works with."""

    state: State
    journal: Journal
    artifacts: Artifacts
    leasing: Leasing
    bench: Bench
    actor: str
    python: str
    tables: Tables
    sources: Sources
    scan: Scan | None = None
    aside: Aside = field(default_factory=Aside)
    rolling: Rolling | None = None
    told: Telling = nothing_told


class Stopped(Exception):
    """The pipeline ends here: quarantined or failed."""

    def __init__(self, outcome: str, reason: str) -> None:
        super().__init__(reason)
        self.outcome, self.reason = outcome, reason


class Doing:
    """One pipeline's work."""

    def __init__(self, tools: Tools, wanted: Wanted, row: RowLease, pipelines: Pipelines, pipeline: Row) -> None:
        self._tools, self._wanted, self._row = tools, wanted, row
        self._pipelines, self._pipeline = pipelines, pipeline
        self._code: dict[str, str] = {step: json.loads(pipeline["wanted"])[step] for step in ("train", "evaluate")}

    @property
    def _window(self) -> dict[str, Any]:
        """The rows that the pipeline's alarm is about; {} for all."""
        told: dict[str, Any] = json.loads(self._pipeline["wanted"]).get("window", {})
        return told if told.get("recent") else {}

    def further(self, step: Step, steps: Mapping[str, Step]) -> bool:
        """One step a bit further; whether it is over. Raises Stopped when the pipeline ends with it."""
        if step.state == "running" and step.lease:
            return self._leased(step, steps)
        if step.not_before_ms > self._tools.state.now_ms():
            return False
        if step.step == "snapshot":
            return self._snapshot(step)
        if step.step == "compare":
            step = replace(step, told=json.dumps({"incumbent": self._incumbent(steps)}))
        inputs = self._inputs(step, steps)
        keyed = replace(step, key=key_of("evaluate" if step.step == "compare" else step.step, inputs))
        rows = self._tools.state.rows("step_get", project=self._tools.journal.project, key=keyed.key)
        if rows:
            self._pipelines.cached(keyed, rows[0])
            return True
        if step.step in SCRIPTS:
            self._ask(keyed, steps)
            return False
        began = self._tools.state.now_ms()
        artifact = self._split(step, steps) if step.step == "split" else self._package(steps)
        if artifact is None:
            return False
        begun = replace(self._pipelines.begin_inline(keyed), started_ms=began)
        before = steps["snapshot" if step.step == "split" else "evaluate"]
        gave = artifact.digest if step.step == "package" else None
        given = [steps["snapshot"].subject] if step.step == "split" else []
        self._pipelines.finish(begun, artifact.digest, gave=gave, given=given, follows=before.run)
        return True

    def _incumbent(self, steps: Mapping[str, Step]) -> str:
        """The version that the candidate is compared with: what is live; if nothing is, or no gate asks, itself."""
        here = self._tools.state.rows(
            "name_get", project=self._tools.journal.project, kind=CHAMPION, name=self._wanted.name
        )
        asked = any(gate.limit is None for gate in self._wanted.gates)
        return str(here[0]["digest"]) if here and asked else steps["package"].artifact

    def _model(self, step: Step, steps: Mapping[str, Step]) -> str:
        """The artifact of the model that a step evaluates."""
        if step.step == "evaluate":
            return steps["train"].artifact
        version = json.loads(step.told)["incumbent"]
        return str(self._tools.artifacts.get(version).about.get("model", version))

    def _inputs(self, doing: Step, steps: Mapping[str, Step]) -> dict[str, Any]:
        """Everything that a step's result depends on."""
        wanted, artifacts, step = self._wanted, self._tools.artifacts, doing.step
        if step == "split":
            return {"data": steps["snapshot"].artifact, "holdout": wanted.holdout, "time": wanted.time,
                    "delay": wanted.label_delay, "label": wanted.label, "known_at": dict(wanted.known_at),
                    "format": wanted.format, **({"window": self._window} if self._window else {})}  # fmt: skip
        if step == "package":
            return {name: steps[name].artifact for name in ("snapshot", "train", "evaluate")}
        part = side(artifacts.get(steps["split"].artifact), "train" if step == "train" else "test")
        inputs: dict[str, Any] = {
            "code": self._code["train" if step == "train" else "evaluate"],
            "parameters": self._parameters(),
            "python": self._tools.python,
            "data": part.content,
        }
        return inputs if step == "train" else {**inputs, "model": self._model(doing, steps)}

    def _parameters(self) -> dict[str, Any]:
        return {**self._wanted.parameters, "label": self._wanted.label, "time": self._wanted.time}

    def _snapshot(self, step: Step) -> bool:
        """Take the data in as it is; files that break the contract stay out, with the rows that break it."""
        began = self._tools.state.now_ms()
        found = self._aside(step, lambda: take_snapshot(self._wanted, self._intake(step)))
        if found is None:
            return False
        if found.artifact is None:
            self._pipelines.fail(replace(step, told=json.dumps(found.told())), found.why())
            raise Stopped("quarantined", found.said())
        keyed = replace(step, key=key_of("snapshot", {"dataset": found.artifact.digest}), told=json.dumps(found.told()))
        if found.quarantined and self._same_data(found):
            self._pipelines.fail(keyed, "nothing but quarantined files is new")
            raise Stopped("quarantined", found.said())
        rows = self._tools.state.rows("step_get", project=self._tools.journal.project, key=keyed.key)
        if rows:
            self._pipelines.cached(keyed, rows[0])
            return True
        begun = replace(self._pipelines.begin_inline(keyed), started_ms=began)
        dataset, tools = self._tools.state.new_id("dst"), self._tools
        self._pipelines.finish(
            begun,
            found.artifact.digest,
            subject=dataset,
            given=[dataset],
            told=found.told(),
            also=model_entries.dataset_snapshotted(
                tools.journal.stamp(tools.actor),
                tools.journal.mac,
                dataset=dataset,
                run=begun.run,
                content=found.artifact.digest.encode(),
                rows=found.rows,
                files=len(found.artifact.files),
                quarantined=len(found.quarantined),
            ),
        )
        return True

    def _same_data(self, found: Snapshot) -> bool:
        """Whether the last finished pipeline had this data already, and nothing but data changed since."""
        before = [row for row in self._pipelines.of_model(self._wanted.id) if row["run"] < self._pipeline["run"]]
        last = next((row for row in before if row["version"]), None)
        if last is None or found.artifact is None:
            return False
        old, new = json.loads(last["wanted"]), json.loads(self._pipeline["wanted"])
        same = all(old[part] == new[part] for part in ("code", "specification"))
        steps = {step.step: step for step in self._pipelines.steps(last["run"])}
        return same and steps["snapshot"].artifact == found.artifact.digest

    def _split(self, step: Step, steps: Mapping[str, Step]) -> Artifact | None:
        dataset = self._tools.artifacts.get(steps["snapshot"].artifact)
        window = Window(**self._window)
        return self._aside(step, lambda: divide_dataset(self._wanted, dataset, self._intake(step), window))

    def _intake(self, step: Step) -> Intake:
        tools = self._tools
        folder = tools.bench.folder / _try(step)
        return Intake(tools.tables, tools.sources, tools.artifacts, folder, tools.state.now_ms(), tools.told)

    def _aside(self, step: Step, work: Callable[[], T]) -> T | None:
        """The result of long work, once it is here. An upstream that is dead and a disk that is full are waited for."""
        try:
            return self._tools.aside.done(_try(step), work)
        except Lost:
            raise
        except MissingExtra as error:
            raise UsageError(error.message, hint=error.hint, code=error.code) from error
        except (Unavailable, StateError) as error:
            pause = UPSTREAM_BACK_OFF_MS[min(step.attempts, len(UPSTREAM_BACK_OFF_MS) - 1)]
            later = replace(
                step, attempts=step.attempts + 1, error=error.message, not_before_ms=self._tools.state.now_ms() + pause
            )
            with self._tools.state.transaction() as tx:
                self._row.check(tx)
                self._pipelines.set(tx, later)
            return None

    def _package(self, steps: Mapping[str, Step]) -> Artifact:
        """The version: what training wrote, what evaluation measured, and what it was made of."""
        artifacts = self._tools.artifacts
        model, report = artifacts.get(steps["train"].artifact), artifacts.get(steps["evaluate"].artifact)
        about = {
            "metrics": report.about["metrics"],
            "model": steps["train"].artifact,
            "dataset": steps["snapshot"].artifact,
            "parameters": self._parameters(),
            "code": dict(self._code),
            "python": self._tools.python,
        }
        return artifacts.put("model", {entry.path: entry for entry in model.files}, about)

    # scripts
    def _ask(self, step: Step, steps: Mapping[str, Step]) -> None:
        """Hand a script to the fabric; the try and its lease are kept in one transaction."""
        tools = self._tools
        attempt = replace(step, state="running", attempts=step.attempts + 1, started_ms=tools.state.now_ms())
        place = prepare(tools.bench, _try(attempt), self._closure(_code_of(step)), self._parameters())
        entry = side(tools.artifacts.get(steps["split"].artifact), "train" if step.step == "train" else "test")
        tools.artifacts.write(entry, place.input / entry.path)
        if step.step != "train":
            tools.artifacts.lay_out(self._model(step, steps), place.input / "model")
        argv, environment = command(tools.bench, place, _code_of(step), self._wanted.script(step.step).name)
        claim = self._wanted.claim
        wish = Wish(claim, argv, str(place.folder), tools.actor, self._wanted.queue, environment)
        tools.leasing.ask(wish, functools.partial(self._asked, attempt))

    def _closure(self, step: str) -> dict[str, bytes]:
        """The code that the pipeline began with."""
        artifacts = self._tools.artifacts
        return {entry.path: artifacts.read(entry) for entry in artifacts.get(self._code[step]).files}

    def _asked(self, attempt: Step, tx: Transaction, run: str, lease: str) -> None:
        self._row.check(tx)
        self._pipelines.set(tx, replace(attempt, run=run, lease=lease))
        tx.run("run_parent", id=run, parent=attempt.pipeline)

    def _leased(self, step: Step, steps: Mapping[str, Step]) -> bool:
        """A script under its lease: still there, over, too slow, failed."""
        tools, place = self._tools, Place(self._tools.bench.folder / _try(step))
        over = tools.leasing.look(step.lease)
        if over is None:
            if tools.state.now_ms() - (step.started_ms or 0) > self._wanted.timeout_ms:
                tools.leasing.release(step.lease)
            return False
        if over.outcome == "succeeded":
            follows = steps[SCRIPTS[step.step]].run
            artifact = self._collected(step, steps, place)
            gave = artifact.digest if step.step == "train" else None
            code, told = self._code[_code_of(step)], json.loads(step.told)
            self._pipelines.finish(step, artifact.digest, code=code, gave=gave, follows=follows, told=told)
            clear(place)
            return True
        late = tools.state.now_ms() - (step.started_ms or 0) > self._wanted.timeout_ms
        said = over.said.strip().splitlines()
        error = (
            f"took longer than {self._wanted.timeout_ms // 1000} s" if late else f"{over.outcome} (exit {over.code})"
        )
        error += f": {said[-1][:300]}" if said else ""
        clear(place)
        if step.attempts <= self._wanted.retries:
            pause = BACK_OFF_MS[min(step.attempts - 1, len(BACK_OFF_MS) - 1)]
            self._pipelines.again(step, error, tools.state.now_ms() + pause)
        elif step.step == "compare":
            self._not_compared(step, error)
            return True
        else:
            self._pipelines.fail(step, error)
            raise Stopped("failed", f"{step.step}: {error}")
        return False

    def _not_compared(self, step: Step, error: str) -> None:
        """The incumbent cannot be read by today's evaluation: what was measured of it then has to do."""
        version = json.loads(step.told)["incumbent"]
        told = json.dumps({"incumbent": version, "as_measured_then": error}, ensure_ascii=False)
        self._pipelines.cached(replace(step, told=told, error=error), {"artifact": version, "subject": "", "run": ""})

    def _collected(self, step: Step, steps: Mapping[str, Step], place: Place) -> Artifact:
        files = collect(place.output)
        if step.step != "train":
            if PREDICTIONS in files:
                held_out = self._tools.artifacts.get(steps["split"].artifact).about["test"]
                read_predictions((place.output / PREDICTIONS).read_bytes(), held_out)
            return self._tools.artifacts.put("report", files, {"metrics": read_metrics(place)})
        if not files:
            raise UsageError("training wrote nothing into its output folder", code="model_missing")
        about: dict[str, Any] = {"reported": read_metrics(place)} if METRICS in files else {}
        return self._tools.artifacts.put("model", files, about)


def _try(step: Step) -> str:
    return f"{step.pipeline}-{step.step}-{step.attempts}"


def _code_of(step: Step) -> str:
    """Whose script a step runs."""
    return "train" if step.step == "train" else "evaluate"
