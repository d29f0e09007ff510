# SPDX-License-Identifier: Apache-2.0
"""A pipeline of functions in this process: real store and artifacts; calls run when a test says so, in real children.
`restart` is what a killed daemon's successor sees.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from colonnade.adapters.state.sqlite.engine import SqliteState
from colonnade.lifecycle.artifacts import Artifacts
from colonnade.lifecycle.flow.flowing import Flow
from colonnade.lifecycle.flow.loop import FlowLoop
from colonnade.lifecycle.flow.results import given_of
from colonnade.lifecycle.flow.tools import Tools
from colonnade.lifecycle.work import Bench
from colonnade.ports.journal import Journal
from colonnade.ports.outside.state import Transaction
from colonnade.ports.rowlease import RowLease
from colonnade.ports.skills.leases import Over, Wish
from colonnade.testing.blobs import MemoryBlobs
from colonnade.testing.clock import VirtualClock
from colonnade.testing.keys import MemoryKeys

PROJECT, ACTOR, FLOW = "prj_1", "prn_1", "flw_1"


class Killed(BaseException):
    """The daemon dies here."""


class Hands:
    """Implements `Leasing`: calls wait until a test runs them."""

    def __init__(self, room: FlowRoom) -> None:
        self._room = room
        self.wishes: dict[str, Wish] = {}
        self.over: dict[str, Over] = {}
        self.ran: list[str] = []
        self.fail: set[str] = set()
        self.die_on_ask = False

    def ask(self, wish: Wish, also: Callable[[Transaction, str, str], None]) -> tuple[str, str]:
        """See the port."""
        state = self._room.state
        run, lease = state.new_id("run"), state.new_id("lse")
        with state.transaction() as tx:
            tx.run("run_add", id=run, project=PROJECT, kind="command", subject=run, state="running", why="asked for",
                   created_ms=state.now_ms(), total=1)  # fmt: skip
            also(tx, run, lease)
        self.wishes[lease] = wish
        if self.die_on_ask:
            self.die_on_ask = False
            raise Killed
        return run, lease

    def look(self, lease: str) -> Over | None:
        """See the port."""
        return self.over.get(lease)

    def waits(self, lease: str) -> bool:
        """See the port."""
        return False

    def release(self, lease: str) -> None:
        """See the port."""
        self.over.setdefault(lease, Over("cancelled", 143))

    def run_all(self) -> None:
        """Run every call that waits, to its end."""
        for lease, wish in list(self.wishes.items()):
            if lease in self.over:
                continue
            place = Path(wish.environment["COLONNADE_CALL"])
            call = json.loads((place / "call.json").read_text())
            name = "plan" if "plan" in call else call["function"]
            self.ran.append(name)
            if name in self.fail:
                self.over[lease] = Over("failed", 1, "Traceback\nValueError: asked to fail")
                continue
            done = subprocess.run(
                wish.command, env=dict(wish.environment), cwd=wish.folder, capture_output=True, text=True, check=False
            )
            outcome = "succeeded" if done.returncode == 0 else "failed"
            self.over[lease] = Over(outcome, done.returncode, done.stderr)


class FlowRoom:
    """A folder with a pipeline's file, and the loop that follows it."""

    def __init__(self, folder: Path, text: str, function: str = "main") -> None:
        self.folder, self.clock = folder, VirtualClock()
        self.keys, self.blobs = MemoryKeys(), MemoryBlobs()
        self.state = SqliteState(":memory:", self.clock)
        self.journal = Journal(self.state, self.keys, PROJECT)
        with self.state.transaction() as tx:
            tx.run("project_add", id=PROJECT, name="test", created_ms=0)
            tx.run("flow_add", id=FLOW, project=PROJECT, name="nightly")
            for subject in (PROJECT, ACTOR):
                self.keys.create(tx, subject, PROJECT)
        self.write(text)
        self.artifacts = Artifacts(self.state, self.blobs, self.keys, PROJECT)
        self.hands = Hands(self)
        self.flow = Flow(FLOW, "nightly", folder, folder / "flow.py", function, {}, "que_1")
        self.python = "python-1"
        self.restart()

    def write(self, text: str) -> None:
        """The user's file."""
        (self.folder / "flow.py").write_text(text)

    def restart(self) -> None:
        """A new loop over the same rows."""
        with self.state.transaction() as tx:
            tx.run("leases_break")
        bench = Bench(self.folder / "work", sys.executable, {"PATH": os.environ["PATH"]})
        tools = Tools(self.state, self.journal, self.artifacts, self.hands, bench, ACTOR, self.python)
        self.loop = FlowLoop(tools, self.flow, RowLease(self.state, "pipeline/1", "one"))

    def settle(self, cycles: int = 40) -> None:
        """Look, run what was asked for, and so on, until nothing is under way."""
        for _ in range(cycles):
            self.clock.advance(1000)
            if not self.loop.step():
                return
            self.hands.run_all()

    def run(self, **parameters: Any) -> Any:
        """A run to its end; what it gave. Raises AssertionError with the reason when it failed."""
        ref = self.loop.ask(parameters)
        self.settle()
        row = self.state.rows("pipeline_get", run=ref)[0]
        assert row["outcome"] == "done", row["reason"] or row["state"]
        return given_of(self.artifacts, row["version"]).value

    def ran(self) -> list[str]:
        """What was run since the last time that this was asked."""
        found, self.hands.ran = self.hands.ran, []
        return found

    def reason(self) -> str:
        """Why the newest run failed."""
        return str(self.loop.pipelines.of_model(FLOW, 1)[0]["reason"])

    def steps(self) -> dict[str, str]:
        """State of each step of the newest run."""
        newest = self.loop.pipelines.of_model(FLOW, 1)[0]
        return {step.step: step.state for step in self.loop.pipelines.steps(newest["run"])}
