# SPDX-License-Identifier: Apache-2.0
"""One run of a pipeline of functions: plan it in a child, take its files in, call what is ready, collect, give the
result. It remembers what stands in the rows; whoever starts anew reads them.
"""

from __future__ import annotations

import functools
import json
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from colonnade.core.claims import Claim
from colonnade.core.errors import ColonnadeError
from colonnade.lifecycle.flow.graph import Graph, Node, needs_of, read_graph
from colonnade.lifecycle.flow.inputs import take_in
from colonnade.lifecycle.flow.results import Results
from colonnade.lifecycle.flow.rows import FlowRows
from colonnade.lifecycle.flow.script import collected, laid_out
from colonnade.lifecycle.flow.tools import BACK_OFF_MS, Failed, Tools
from colonnade.lifecycle.pipelines import Step
from colonnade.lifecycle.wanted import key_of
from colonnade.lifecycle.work import LOST, LOST_RETRIES, Place, clear
from colonnade.ports.outside.state import Row, Transaction
from colonnade.ports.rowlease import RowLease
from colonnade.ports.skills.leases import Over, Wish

PLAN, INPUTS, RESULT = "(plan)", "(inputs)", "(result)"
PLAN_RETRIES, PLAN_TIMEOUT_MS = 1, 300_000
AT_ONCE = 64
"""So many calls of one run are asked for at a time; the queue decides how many of them run."""


@dataclass(frozen=True)
class Flow:
    """A pipeline as it is declared. `file` is absolute; `queue` an id."""

    id: str
    name: str
    folder: Path
    file: Path
    function: str
    parameters: Mapping[str, Any]
    queue: str
    every_ms: int | None = None


class Flowing:
    """The work of one run. `advance` is called by one thread, which holds the row lease."""

    def __init__(self, tools: Tools, flow: Flow, row: RowLease, pipeline: Row, steps: Iterable[Step]) -> None:
        self._tools, self._flow = tools, flow
        self.rows = FlowRows(tools, row, pipeline)
        self._run = str(pipeline["run"])
        wanted = json.loads(pipeline["wanted"])
        self._code, self._file, self._function = wanted["code"], wanted["file"], wanted["function"]
        self._parameters: dict[str, Any] = wanted["parameters"]
        self.steps = {step.step: step for step in steps}
        self._files: dict[str, bytes] = {}
        self._results = Results(tools.artifacts)
        self._graph: Graph | None = None
        self._nodes: dict[str, Node] = {}
        self._calls: dict[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {}
        self._lacks: dict[str, int] = {}
        self._next: dict[str, list[str]] = {}
        self._left: dict[str, set[str]] = {}
        self._ready: deque[str] = deque()
        self._later: list[str] = []
        self._asked: set[str] = {name for name, step in self.steps.items() if step.state == "running"}

    def advance(self) -> bool:
        """Do what can be done now; whether the run is over. Raises Failed when it has failed."""
        if self._graph is None and not self._plan():
            self.rows.flush()
            return False
        self._ready.extend(self._later)
        self._later.clear()
        self._begin_all()
        for name in sorted(self._asked):
            self._look(name)
        self._begin_all()
        if RESULT in self.steps and self.steps[RESULT].over:
            return True
        self.rows.flush()
        return False

    @property
    def result(self) -> str:
        """The artifact that the pipeline gives, or ""."""
        step = self.steps.get(RESULT)
        return step.artifact if step else ""

    def stop(self) -> dict[Place, str]:
        """End what still runs of it, which has failed elsewhere; folder -> lease of each."""
        steps = [self.steps[name] for name in sorted(self._asked)]
        for step in steps:
            self._tools.leasing.release(step.lease)
        return {Place(self._tools.bench.folder / _try(step)): step.lease for step in steps}

    @property
    def last_runs(self) -> list[str]:
        """The runs that gave the result."""
        return [self.steps[RESULT].run]

    # the plan
    def _plan(self) -> bool:
        """Have the pipeline's function say what it calls; whether that is known."""
        step = self._step(PLAN)
        if not step.over:
            call = {"file": self._file, "function": self._function, "parameters": self._parameters}
            if not self._called(PLAN, {"plan": call}, {}):
                return False
        self._results.take(PLAN, self.steps[PLAN].artifact)
        self._later.clear()
        self._graph = read_graph(self._results.value(PLAN))
        self._nodes = {node.id: node for node in self._graph.nodes}
        self._inputs()
        for node in self._graph.nodes:
            self._lacks[node.id] = len(node.needs)
            for needed in node.needs:
                self._next.setdefault(needed, []).append(node.id)
        waiting = needs_of(self._graph.result)
        self._lacks[RESULT] = len(waiting)
        for needed in waiting:
            self._next.setdefault(needed, []).append(RESULT)
        self._ready = deque(name for name, lacks in self._lacks.items() if not lacks)
        return True

    def _inputs(self) -> None:
        """Take in the project's files that are given to steps, as they are now; once for a run."""
        assert self._graph is not None
        if self._graph.inputs and not self._step(INPUTS).over:
            self.steps[INPUTS], artifact = take_in(
                self._tools, self.rows, self._step(INPUTS), self._flow.folder, self._graph.inputs,
                follows=self.steps[PLAN].run,
            )  # fmt: skip
            self._results.put(INPUTS, artifact)
        if self._graph.inputs:
            self._results.take(INPUTS, self.steps[INPUTS].artifact)

    # calls
    def _begin_all(self) -> None:
        while self._ready:
            self._begin(self._ready.popleft())

    def _begin(self, name: str) -> None:
        """A node of which all is known that it needs; or one call of it."""
        if name == RESULT:
            self._give(name, self._graph.result if self._graph else None)
            return
        if name in self._calls:
            self._called(name, *self._calls[name])
            return
        node = self._nodes[name]
        if node.inline:
            self._give(name, node.call["args"][0])
            self._has(name)
            return
        template, files = self._results.resolved(node.call)
        if not node.each:
            self._call(name, node, template, files)
            return
        calls = self._results.one_by_one(template)
        self._left[name] = {f"{name}.{place}" for place in range(len(calls))}
        self._results.group(name, [f"{name}.{place}" for place in range(len(calls))])
        for place, call in enumerate(calls):
            self._call(f"{name}.{place}", node, call, self._results.used_by(call, files))
        if not calls:
            self._over(name)

    def _call(self, name: str, node: Node, call: Any, files: Mapping[str, Any]) -> None:
        step = self._step(name)
        if step.over:
            self._has(name)
            return
        self._calls[name] = {"file": self._file, "function": node.function, "call": call}, files
        if step.state != "running":
            self._called(name, *self._calls[name])

    def _called(self, name: str, call: Mapping[str, Any], files: Mapping[str, Any]) -> bool:
        """Find a call's result, or ask for it; whether it is here."""
        step = self._step(name)
        if step.state == "running" and step.lease:
            self._look(name)
            return self.steps[name].over
        if step.state == "failed":
            raise Failed(f"{name}: {step.error}")
        if step.not_before_ms > self._tools.state.now_ms() or len(self._asked) >= AT_ONCE:
            self._later.append(name)
            return False
        key = key_of("call", {"call": call, "code": self._code, "python": self._tools.python})
        found = self.rows.known(key)
        if found is not None:
            self.steps[name] = self.rows.cached(replace(step, key=key), found)
            self._has(name)
            return True
        self._ask(replace(step, key=key), call, files)
        return False

    def _ask(self, step: Step, call: Mapping[str, Any], files: Mapping[str, Any]) -> None:
        """Hand a call to the fabric, in one transaction with everything that finished before it."""
        tools = self._tools
        attempt = replace(step, state="running", attempts=step.attempts + 1, started_ms=tools.state.now_ms())
        if files:
            self.rows.flush()  # what lies in them may have been given a moment ago
        place, argv, environment = laid_out(tools, _try(attempt), self._closure(), call, files)
        node = self._nodes.get(_node_of(step.step))
        claim = node.claim if node else Claim(gpus=0)
        wish = Wish(claim, argv, str(place.folder / "here"), tools.actor, self._flow.queue, environment)
        run, lease = tools.leasing.ask(wish, functools.partial(self._was_asked, attempt))
        self.rows.written()
        self.steps[step.step] = replace(attempt, run=run, lease=lease)
        self._asked.add(step.step)

    def _closure(self) -> Mapping[str, bytes]:
        """The code that the run began with, by path; read once."""
        if not self._files:
            artifacts = self._tools.artifacts
            self._files = {entry.path: artifacts.read(entry) for entry in artifacts.get(self._code).files}
        return self._files

    def _was_asked(self, attempt: Step, tx: Transaction, run: str, lease: str) -> None:
        self.rows.asked(tx, replace(attempt, run=run, lease=lease))

    def _look(self, name: str) -> None:
        """A call under its lease: still there, over, too slow, failed."""
        step, tools = self.steps[name], self._tools
        over = tools.leasing.look(step.lease)
        node = self._nodes.get(_node_of(name))
        late = tools.state.now_ms() - (step.started_ms or 0) > (node.timeout_ms if node else PLAN_TIMEOUT_MS)
        if over is None:
            if late:
                tools.leasing.release(step.lease)
            return
        self._asked.discard(name)
        place = Place(tools.bench.folder / _try(step))
        if over.outcome != "succeeded":
            self._missed(step, _said(over, late, node), place, node, LOST_RETRIES * (over.outcome == LOST))
            return
        try:
            artifact, keep = collected(tools, place)
        except ColonnadeError as error:
            self._missed(step, error.message, place, node)
            return
        runs, given = self._before(node)
        self.steps[name] = self.rows.finished(
            step, artifact.digest, keep, code=self._code, follows=runs, given=given, after=lambda: clear(place)
        )
        if artifact.files:
            self.rows.flush()
        self._results.put(name, artifact)
        self._has(name)

    def _missed(self, step: Step, error: str, place: Place, node: Node | None, more: int = 0) -> None:
        clear(place)
        if step.attempts <= (node.retries if node else PLAN_RETRIES) + more:
            pause = BACK_OFF_MS[min(step.attempts - 1, len(BACK_OFF_MS) - 1)]
            self.steps[step.step] = self.rows.missed(step, error, self._tools.state.now_ms() + pause)
            self._later.append(step.step)
            return
        self.steps[step.step] = self.rows.missed(step, error, None)
        raise Failed(f"{step.step}: {error}")

    # results
    def _has(self, name: str) -> None:
        """A call's result is here; so may be its node's."""
        if name == PLAN:
            return
        self._results.take(name, self.steps[name].artifact)
        self._calls.pop(name, None)
        node = _node_of(name)
        if node == name:
            self._over(name)
            return
        left = self._left[node]
        left.discard(name)
        if not left:
            self._over(node)

    def _over(self, node: str) -> None:
        for name in self._next.get(node, ()):
            self._lacks[name] -= 1
            if not self._lacks[name]:
                self._ready.append(name)

    def _give(self, name: str, template: Any) -> None:
        """A value put together from those of steps: a small step of ours, done at once."""
        step = self._step(name)
        if step.over:
            return
        value, files = self._results.resolved(template)
        key = key_of("result", {"value": value})
        found = self.rows.known(key)
        if found is not None:
            self.steps[name] = self.rows.cached(replace(step, key=key), found)
            return
        artifact, keep = self._results.artifact(value, files)
        runs = self._runs_of(needs_of(template))
        self.steps[name] = self.rows.inline(replace(step, key=key), "result", artifact.digest, keep, follows=runs)
        self._results.put(name, artifact)

    def _runs_of(self, nodes: Iterable[str]) -> list[str]:
        """The runs that gave some nodes' results, each once."""
        return list(dict.fromkeys(self.steps[name].run for node in nodes for name in self._results.members(node)))

    def _before(self, node: Node | None) -> tuple[list[str], list[str]]:
        """(runs of the steps before it, data sets that it was given)."""
        if node is None:
            return [], []
        runs = self._runs_of(node.needs)
        inputs = self.steps.get(INPUTS)
        given = [inputs.subject] if inputs and inputs.subject and self._results.takes_files(node.call) else []
        return runs or [self.steps[PLAN].run], given

    def _step(self, name: str) -> Step:
        if name not in self.steps:
            self.steps[name] = Step(self._run, name, len(self.steps), "waiting")
        return self.steps[name]


def _try(step: Step) -> str:
    return f"{step.pipeline}-{step.step.strip('()')}-{step.attempts}"


def _node_of(name: str) -> str:
    return name.partition(".")[0]


def _said(over: Over, late: bool, node: Node | None) -> str:
    """Why a call failed, in one line: the last that it said."""
    if late:
        return f"took longer than {(node.timeout_ms if node else PLAN_TIMEOUT_MS) / 1000:g} s"
    lines = over.said.strip().splitlines()
    return f"{over.outcome} (exit {over.code})" + (f": {lines[-1][:300]}" if lines else "")
