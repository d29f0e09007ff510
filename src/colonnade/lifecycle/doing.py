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
from colonnade.lifecycle.packaging import repackaged, serving_of
from colonnade.lifecycle.pipelines import CHAMPION, Pipelines, Step
from colonnade.lifecycle.reports import PREDICTIONS, read_predictions
from colonnade.lifecycle.rollout.rolling import Rolling
from colonnade.lifecycle.searching.space import PROGRESS
from colonnade.lifecycle.searching.trials import Searching
from colonnade.lifecycle.seeded import OTHERS
from colonnade.lifecycle.wanted import Wanted, key_of
from colonnade.lifecycle.watching.due import Window
from colonnade.lifecycle.watching.telling import Telling, nothing_told
from colonnade.lifecycle.work import (
    LOST,
    LOST_RETRIES,
    METRICS,
    Bench,
    Place,
    clear,
    command,
    prepare,
    read_metrics,
)
from colonnade.ports.journal import Journal
from colonnade.ports.outside.sources import Sources
from colonnade.ports.outside.state import Row, State, Transaction
from colonnade.ports.outside.tables import Tables
from colonnade.ports.outside.tuner import Tuner
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
    tuner: Tuner | None = None


class Stopped(Exception):
    """The pipeline ends here: quarantined or failed."""

    def __init__(self, outcome: str, reason: str) -> None:
        super().__init__(reason)
        self.outcome, self.reason = outcome, reason


class Doing:
    """One pipeline's work."""

    def __init__(self, tools: Tools, wanted: Wanted, row: RowLease, pipelines: Pipelines, pipeline: Row) -> None:
        self.tools, self.wanted, self.row = tools, wanted, row
        self.pipelines, self._pipeline = pipelines, pipeline
        self.code: dict[str, str] = {step: json.loads(pipeline["wanted"])[step] for step in ("train", "evaluate")}
        begun: dict[str, Any] = json.loads(pipeline["wanted"])
        self.serving = serving_of(begun)
        self._base: str = begun.get("base", "")
        self._found: dict[str, Any] = {}

    @property
    def _window(self) -> dict[str, Any]:
        """The rows that the pipeline's alarm is about; {} for all."""
        told: dict[str, Any] = json.loads(self._pipeline["wanted"]).get("window", {})
        return told if told.get("recent") else {}

    def further(self, step: Step, steps: Mapping[str, Step]) -> bool:
        """One step a bit further; whether it is over. Raises Stopped when the pipeline ends with it."""
        if "search" in steps and steps["search"].over:
            self._found = self.tools.artifacts.get(steps["search"].artifact).about["parameters"]
        if step.state == "running" and step.lease:
            return self._leased(step, steps)
        if step.not_before_ms > self.tools.state.now_ms():
            return False
        if step.step == "snapshot":
            return self._snapshot(step)
        if step.step == "search" and self.wanted.search is not None:
            return Searching(self, self.wanted.search).advance(step, steps)
        if step.step == "compare":
            step = replace(step, told=json.dumps({"incumbent": self._incumbent(steps)}))
        inputs = self._inputs(step, steps)
        keyed = replace(step, key=key_of("evaluate" if step.step == "compare" else step.step, inputs))
        rows = self.tools.state.rows("step_get", project=self.tools.journal.project, key=keyed.key)
        if rows:
            self.pipelines.cached(keyed, rows[0])
            return True
        if step.step in SCRIPTS:
            self._ask(keyed, steps)
            return False
        began = self.tools.state.now_ms()
        artifact = self._split(step, steps) if step.step == "split" else self._package(steps)
        if artifact is None:
            return False
        begun = self.pipelines.at_once(keyed, began)
        before = steps.get("snapshot" if step.step == "split" else "evaluate")
        gave = artifact.digest if step.step == "package" else None
        given = [steps["snapshot"].subject] if step.step == "split" else []
        follows = before.run if before is not None else None
        self.pipelines.finish(begun, artifact.digest, gave=gave, given=given, follows=follows, begins=True)
        return True

    def _incumbent(self, steps: Mapping[str, Step]) -> str:
        """The version that the candidate is compared with: what is live; if nothing is, or no gate asks, itself."""
        here = self.tools.state.rows(
            "name_get", project=self.tools.journal.project, kind=CHAMPION, name=self.wanted.name
        )
        asked = any(gate.limit is None for gate in self.wanted.gates)
        return str(here[0]["digest"]) if here and asked else steps["package"].artifact

    def _model(self, step: Step, steps: Mapping[str, Step]) -> str:
        """The artifact of the model that a step evaluates."""
        if step.step == "evaluate":
            return steps["train"].artifact
        version = json.loads(step.told)["incumbent"]
        return str(self.tools.artifacts.get(version).about.get("model", version))

    def _inputs(self, doing: Step, steps: Mapping[str, Step]) -> dict[str, Any]:
        """Everything that a step's result depends on."""
        wanted, artifacts, step = self.wanted, self.tools.artifacts, doing.step
        if step == "split":
            return {"data": steps["snapshot"].artifact, "holdout": wanted.holdout, "time": wanted.time,
                    "delay": wanted.label_delay, "label": wanted.label, "known_at": dict(wanted.known_at),
                    "format": wanted.format, **({"window": self._window} if self._window else {})}  # fmt: skip
        if step == "package" and self._base:
            return {"base": self._base, "serving": self.serving}
        if step == "package":
            made_of: dict[str, Any] = {name: steps[name].artifact for name in ("snapshot", "train", "evaluate")}
            return {**made_of, "serving": self.serving} if self.serving else made_of
        part = side(artifacts.get(steps["split"].artifact), "train" if step == "train" else "test")
        inputs: dict[str, Any] = {
            "code": self.code["train" if step == "train" else "evaluate"],
            "parameters": self.parameters(),
            "python": self.tools.python,
            "data": part.content,
        }
        return inputs if step == "train" else {**inputs, "model": self._model(doing, steps)}

    def parameters(self) -> dict[str, Any]:
        """What scripts are told: as declared, and as a search found it."""
        return {**self.wanted.parameters, **self._found, "label": self.wanted.label, "time": self.wanted.time}

    def _snapshot(self, step: Step) -> bool:
        """Take the data in as it is; files that break the contract stay out, with the rows that break it."""
        began = self.tools.state.now_ms()
        found = self.aside(step, lambda: take_snapshot(self.wanted, self.intake(step)))
        if found is None:
            return False
        if found.artifact is None:
            self.pipelines.fail(replace(step, told=json.dumps(found.told())), found.why())
            raise Stopped("quarantined", found.said())
        keyed = replace(step, key=key_of("snapshot", {"dataset": found.artifact.digest}), told=json.dumps(found.told()))
        if found.quarantined and self._same_data(found):
            self.pipelines.fail(keyed, "nothing but quarantined files is new")
            raise Stopped("quarantined", found.said())
        rows = self.tools.state.rows("step_get", project=self.tools.journal.project, key=keyed.key)
        if rows:
            self.pipelines.cached(keyed, rows[0])
            return True
        begun = self.pipelines.at_once(keyed, began)
        dataset, tools = self.tools.state.new_id("dst"), self.tools
        self.pipelines.finish(
            begun,
            found.artifact.digest,
            subject=dataset,
            given=[dataset],
            told=found.told(),
            begins=True,
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
        before = [row for row in self.pipelines.of_model(self.wanted.id) if row["run"] < self._pipeline["run"]]
        last = next((row for row in before if row["version"] and "base" not in json.loads(row["wanted"])), None)
        if last is None or found.artifact is None:
            return False
        old, new = json.loads(last["wanted"]), json.loads(self._pipeline["wanted"])
        same = all(old[part] == new[part] for part in ("code", "specification"))
        steps = {step.step: step for step in self.pipelines.steps(last["run"])}
        return same and steps["snapshot"].artifact == found.artifact.digest

    def _split(self, step: Step, steps: Mapping[str, Step]) -> Artifact | None:
        dataset = self.tools.artifacts.get(steps["snapshot"].artifact)
        window = Window(**self._window)
        return self.aside(step, lambda: divide_dataset(self.wanted, dataset, self.intake(step), window))

    def intake(self, step: Step) -> Intake:
        """What data are taken in and divided with."""
        tools = self.tools
        folder = tools.bench.folder / _try(step)
        return Intake(tools.tables, tools.sources, tools.artifacts, folder, tools.state.now_ms(), tools.told)

    def aside(self, step: Step, work: Callable[[], T]) -> T | None:
        """The result of long work, once it is here. An upstream that is dead and a disk that is full are waited for."""
        try:
            return self.tools.aside.done(_try(step), work)
        except Lost:
            raise
        except MissingExtra as error:
            raise UsageError(error.message, hint=error.hint, code=error.code) from error
        except (Unavailable, StateError) as error:
            pause = UPSTREAM_BACK_OFF_MS[min(step.attempts, len(UPSTREAM_BACK_OFF_MS) - 1)]
            later = replace(
                step, attempts=step.attempts + 1, error=error.message, not_before_ms=self.tools.state.now_ms() + pause
            )
            with self.tools.state.transaction() as tx:
                self.row.check(tx)
                self.pipelines.set(tx, later)
            return None

    def _package(self, steps: Mapping[str, Step]) -> Artifact:
        """The version: what training wrote, what evaluation measured, and what it was made of."""
        artifacts = self.tools.artifacts
        if self._base:
            return repackaged(artifacts, self._base, self.serving)
        model, report = artifacts.get(steps["train"].artifact), artifacts.get(steps["evaluate"].artifact)
        about = {
            "metrics": report.about["metrics"],
            "model": steps["train"].artifact,
            "dataset": steps["snapshot"].artifact,
            "parameters": self.parameters(),
            "code": dict(self.code),
            "python": self.tools.python,
            **({"serving": self.serving} if self.serving else {}),
        }
        return artifacts.put("model", _served(model), about)

    # scripts
    def _ask(self, step: Step, steps: Mapping[str, Step]) -> None:
        """Hand a script to the fabric; the try and its lease are kept in one transaction."""
        tools = self.tools
        attempt = replace(step, state="running", attempts=step.attempts + 1, started_ms=tools.state.now_ms())
        place = prepare(tools.bench, _try(attempt), self.closure(_code_of(step)), self.parameters())
        entry = side(tools.artifacts.get(steps["split"].artifact), "train" if step.step == "train" else "test")
        tools.artifacts.write(entry, place.input / entry.path)
        if step.step != "train":
            tools.artifacts.lay_out(self._model(step, steps), place.input / "model")
        argv, environment = command(tools.bench, place, _code_of(step), self.wanted.script(step.step).name)
        claim = self.wanted.claim
        wish = Wish(claim, argv, str(place.folder), tools.actor, self.wanted.queue, environment)
        tools.leasing.ask(wish, functools.partial(self._asked, attempt))

    def closure(self, step: str) -> dict[str, bytes]:
        """The code that the pipeline began with."""
        artifacts = self.tools.artifacts
        return {entry.path: artifacts.read(entry) for entry in artifacts.get(self.code[step]).files}

    def _asked(self, attempt: Step, tx: Transaction, run: str, lease: str) -> None:
        self.row.check(tx)
        self.pipelines.set(tx, replace(attempt, run=run, lease=lease))
        tx.run("run_parent", id=run, parent=attempt.pipeline)

    def _leased(self, step: Step, steps: Mapping[str, Step]) -> bool:
        """A script under its lease: still there, over, too slow, failed."""
        tools, place = self.tools, Place(self.tools.bench.folder / _try(step))
        over = tools.leasing.look(step.lease)
        if over is None:
            if tools.state.now_ms() - (step.started_ms or 0) > self.wanted.timeout_ms:
                tools.leasing.release(step.lease)
            return False
        if over.outcome == "succeeded":
            follows = steps[SCRIPTS[step.step]].run
            artifact = self._collected(step, steps, place)
            gave = artifact.digest if step.step == "train" else None
            code, told = self.code[_code_of(step)], json.loads(step.told)
            self.pipelines.finish(step, artifact.digest, code=code, gave=gave, follows=follows, told=told)
            clear(place)
            return True
        late = tools.state.now_ms() - (step.started_ms or 0) > self.wanted.timeout_ms
        said = over.said.strip().splitlines()
        error = f"took longer than {self.wanted.timeout_ms // 1000} s" if late else f"{over.outcome} (exit {over.code})"
        error += f": {said[-1][:300]}" if said else ""
        clear(place)
        if step.attempts <= self.wanted.retries + LOST_RETRIES * (over.outcome == LOST):
            pause = BACK_OFF_MS[min(step.attempts - 1, len(BACK_OFF_MS) - 1)]
            self.pipelines.again(step, error, tools.state.now_ms() + pause)
        elif step.step == "compare":
            self._not_compared(step, error)
            return True
        else:
            self.pipelines.fail(step, error)
            raise Stopped("failed", f"{step.step}: {error}")
        return False

    def _not_compared(self, step: Step, error: str) -> None:
        """The incumbent cannot be read by today's evaluation: what was measured of it then has to do."""
        version = json.loads(step.told)["incumbent"]
        told = json.dumps({"incumbent": version, "as_measured_then": error}, ensure_ascii=False)
        self.pipelines.cached(replace(step, told=told, error=error), {"artifact": version, "subject": "", "run": ""})

    def _collected(self, step: Step, steps: Mapping[str, Step], place: Place) -> Artifact:
        files = collect(place.output)
        files.pop(PROGRESS, None)
        if step.step != "train":
            if PREDICTIONS in files:
                held_out = self.tools.artifacts.get(steps["split"].artifact).about["test"]
                read_predictions((place.output / PREDICTIONS).read_bytes(), held_out)
            return self.tools.artifacts.put("report", files, {"metrics": read_metrics(place)})
        if not files:
            raise UsageError("training wrote nothing into its output folder", code="model_missing")
        about: dict[str, Any] = {"reported": read_metrics(place)} if METRICS in files else {}
        return self.tools.artifacts.put("model", files, about)


def _try(step: Step) -> str:
    return f"{step.pipeline}-{step.step}-{step.attempts}"


def _code_of(step: Step) -> str:
    """Whose script a step runs."""
    return "train" if step.step == "train" else "evaluate"


def _served(model: Artifact) -> dict[str, Any]:
    """The files of a version: what the first seed gave."""
    return {entry.path: entry for entry in model.files if not entry.path.startswith(f"{OTHERS}/")}
