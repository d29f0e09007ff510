# SPDX-License-Identifier: Apache-2.0
"""The pipelines of Python functions of a house: their loops, opened as the declaration says; asked by the gateway."""

from __future__ import annotations

import base64
import sys
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from colonnade.app.settings.compute import DEFAULT_QUEUE
from colonnade.app.settings.environment import for_programs
from colonnade.app.settings.flows import Flow as Declared
from colonnade.app.settings.flows import place
from colonnade.core.answers import Asker
from colonnade.core.errors import UnknownName, UsageError
from colonnade.core.quantities import ms_of
from colonnade.lifecycle.artifacts import Artifacts
from colonnade.lifecycle.flow.flowing import Flow
from colonnade.lifecycle.flow.loop import FlowLoop
from colonnade.lifecycle.flow.results import given_of
from colonnade.lifecycle.flow.tools import Tools
from colonnade.lifecycle.work import Bench
from colonnade.ports.rowlease import RowLease

if TYPE_CHECKING:
    from colonnade.app.computing import Computing
    from colonnade.app.house import House

MOST_BYTES = 32 << 20
"""Files that a run gave travel in one answer up to here."""


class Flows:
    """Implements `gateway.pipelines_admin.PipelinesBackend`."""

    def __init__(self, house: House, computing: Computing) -> None:
        self._house = house
        self._tools = tools_of(house, computing)
        self._declared: dict[str, Declared] = {}
        self.loops: dict[str, FlowLoop] = {}
        self._lock = threading.Lock()
        self._wake = threading.Event()

    def wake(self) -> None:
        """Something ended, or was asked for."""
        self._wake.set()

    def wait(self, seconds: float) -> None:
        """Until something happens, or so long."""
        self._wake.wait(seconds)
        self._wake.clear()

    def apply(self, declared: Mapping[str, Declared]) -> None:
        """Follow what is declared now; and what still runs of before, to its end."""
        self._declared = dict(declared)
        rows = self._house.state.rows("flows_of_project", project=self._house.project)
        for name in dict.fromkeys([*declared, *(row["name"] for row in rows)]):
            self._loop(name, only_running=name not in declared)
        self.wake()

    # asked by the gateway
    def run(self, asker: Asker, pipeline: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: ARG002
        """See `PipelinesBackend.run`. The run's entries are the daemon's own."""
        name = pipeline.removeprefix("pipeline/")
        if name not in self._declared:
            try:
                file = self._house.places.folder / place(name).partition(":")[0]
            except ValueError:
                known = ", ".join(sorted(self._declared)) or "none"
                hint = f"declared under `pipelines`: {known}; or give FILE.py:FUNCTION"
                raise UsageError(f"no pipeline {name!r} is declared", hint=hint, code="unknown_pipeline") from None
            if not file.is_file():
                raise UsageError(f"{name.partition(':')[0]} is no file", hint="it is relative to the declaration",
                                 code="script_missing")  # fmt: skip
        loop = self._loop(name)
        assert loop is not None
        run = loop.ask(parameters)
        self.wake()
        return {"schema": "colonnade.pipeline_asked/1", "ref": f"run/{run}", "pipeline": f"pipeline/{loop.flow.id}"}

    def look(self, ref: str, *, files: bool) -> Mapping[str, Any]:
        """See `PipelinesBackend.look`."""
        return run_status(self._house, self._tools, ref.removeprefix("run/"), files=files)

    def _loop(self, name: str, *, only_running: bool = False) -> FlowLoop | None:
        with self._lock:
            house = self._house
            with house.state.transaction() as tx:
                tx.run("flow_add", id=house.state.new_id("flw"), project=house.project, name=name)
            rows = house.state.rows("flows_of_project", project=house.project)
            ident = next(str(row["id"]) for row in rows if row["name"] == name)
            newest = house.state.rows("pipelines_of_model", model=ident, limit=50)
            if only_running and name not in self.loops and all(row["state"] != "running" for row in newest):
                return None
            flow = self._flow(ident, name)
            if name in self.loops:
                self.loops[name].flow = flow
            else:
                row = RowLease(house.state, f"pipeline/{ident}", house.holder)
                self.loops[name] = FlowLoop(self._tools, flow, row)
            return self.loops[name]

    def _flow(self, ident: str, name: str) -> Flow:
        declared = self._declared.get(name)
        run = declared.run if declared else name if ":" in name else f"{name}.py:{name}"
        file, _, function = run.partition(":")
        state, project, computing = self._house.state, self._house.project, self._house.computing
        assert computing is not None
        queues = {row["name"]: str(row["id"]) for row in state.rows("queues_of_project", project=project)}
        full = computing.declared.queue_names().get((declared and declared.queue) or DEFAULT_QUEUE, DEFAULT_QUEUE)
        return Flow(
            ident, name, self._house.places.folder, self._house.places.folder / file, function,
            declared.parameters if declared else {}, queues[full],
            ms_of(declared.every) if declared and declared.every else None,
        )  # fmt: skip


def tools_of(house: House, computing: Computing) -> Tools:
    """What loops of pipelines work with."""
    from colonnade.app.modelling import FabricLeasing, interpreter

    places = house.places
    return Tools(
        house.state, house.journal, Artifacts(house.state, house.blobs, house.keys, house.project),
        FabricLeasing(computing, places.runs, house.state), Bench(places.work, sys.executable, for_programs()),
        house.system, interpreter(),
    )  # fmt: skip


def run_status(house: House, tools: Tools, run: str, *, files: bool) -> dict[str, Any]:
    """One run, with what it gave."""
    rows = house.state.rows("pipeline_get", run=run)
    if not rows:
        raise UnknownName(f"there is no run of a pipeline {run!r}", hint="`colonnade status --json` lists them")
    row = rows[0]
    steps = house.state.rows("pipeline_steps", pipeline=run)
    found: dict[str, Any] = {
        "schema": "colonnade.pipeline_run/1",
        "ref": f"run/{run}",
        "state": row["outcome"] or "running",
        "reason": row["reason"] or None,
        "steps": [
            {"step": step["step"].strip("()"), "state": step["state"], "attempts": step["attempts"],
             "ref": f"run/{step['run']}" if step["run"] else None, "error": step["error"] or None}
            for step in steps
        ],
        "result": row["version"] or None,
    }  # fmt: skip
    if row["outcome"] == "done":
        given = given_of(tools.artifacts, row["version"])
        found["value"] = given.value
        if files:
            if sum(entry.size for entry in given.files.values()) > MOST_BYTES:
                raise UsageError("what it gave is too large for one answer", hint="`colonnade pipeline ... --out DIR`",
                                 code="too_large")  # fmt: skip
            found["files"] = {
                path: base64.b64encode(tools.artifacts.read(entry)).decode() for path, entry in given.files.items()
            }
    return found
