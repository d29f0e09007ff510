# SPDX-License-Identifier: Apache-2.0
"""One model's loop in this process: real store and artifacts; scripts run in this process when a test says so, as the
fabric would run them. `restart` is what a killed daemon's successor sees."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from colonnade.adapters.sources.outside import OutsideSources
from colonnade.adapters.state.sqlite.engine import SqliteState
from colonnade.adapters.tables.confined import ConfinedTables
from colonnade.core.claims import Claim
from colonnade.core.tables import ColumnRule, Rules
from colonnade.lifecycle.artifacts import Artifacts
from colonnade.lifecycle.doing import Tools
from colonnade.lifecycle.loop import ModelLoop
from colonnade.lifecycle.wanted import Gate, Wanted
from colonnade.lifecycle.work import Bench
from colonnade.ports.journal import Journal
from colonnade.ports.outside.state import Transaction
from colonnade.ports.rowlease import RowLease
from colonnade.ports.skills.leases import Over, Wish
from colonnade.testing.blobs import MemoryBlobs
from colonnade.testing.clock import VirtualClock
from colonnade.testing.keys import MemoryKeys

PROJECT, ACTOR, MODEL = "prj_1", "prn_1", "mod_1"
TRAIN = """\
import csv, json, os
rows = list(csv.DictReader(open(os.environ["COLONNADE_INPUT"] + "/train.csv")))
mean = sum(float(row["income"]) for row in rows) / len(rows)
json.dump({"cut": mean, "rows": len(rows)}, open(os.environ["COLONNADE_OUTPUT"] + "/model.json", "w"))
"""
EVALUATE = """\
import csv, json, os
folder = os.environ["COLONNADE_INPUT"]
model = json.load(open(folder + "/model/model.json"))
rows = list(csv.DictReader(open(folder + "/test.csv")))
right = sum((float(row["income"]) < model["cut"]) == (row["default"] == "1") for row in rows)
json.dump({"accuracy": right / len(rows)}, open(os.environ["COLONNADE_OUTPUT"] + "/metrics.json", "w"))
"""


class HandLeasing:
    """Implements `Leasing`: commands wait until a test runs them."""

    def __init__(self, room: ModelRoom) -> None:
        self._room = room
        self.wishes: dict[str, Wish] = {}
        self.over: dict[str, Over] = {}
        self.ran: list[str] = []

    def ask(self, wish: Wish, also: Callable[[Transaction, str, str], None]) -> tuple[str, str]:
        """See the port."""
        state = self._room.state
        run, lease = state.new_id("run"), state.new_id("lse")
        with state.transaction() as tx:
            tx.run("run_add", id=run, project=PROJECT, kind="command", subject=run, state="running", why="asked for",
                   created_ms=state.now_ms(), total=1)  # fmt: skip
            also(tx, run, lease)
        self.wishes[lease] = wish
        return run, lease

    def look(self, lease: str) -> Over | None:
        """See the port."""
        return self.over.get(lease)

    def waits(self, lease: str) -> bool:
        """See the port."""
        return lease in self.wishes and lease not in self.over

    def release(self, lease: str) -> None:
        """See the port."""
        self.over.setdefault(lease, Over("cancelled", 143))

    def run_all(self) -> None:
        """Run every command that waits, to its end."""
        for lease, wish in list(self.wishes.items()):
            if lease not in self.over:
                step = wish.environment["COLONNADE_STEP"]
                self.ran.append(step)
                done = subprocess.run(
                    wish.command, env=dict(wish.environment), capture_output=True, text=True, check=False
                )
                outcome = "succeeded" if done.returncode == 0 else "failed"
                self.over[lease] = Over(outcome, done.returncode, done.stderr)


class ModelRoom:
    """A folder with data and scripts, and the loop that follows it."""

    def __init__(self, folder: Path, **wanted: Any) -> None:
        self.folder, self.clock = folder, VirtualClock()
        self.keys, self.blobs = MemoryKeys(), MemoryBlobs()
        self.state = SqliteState(":memory:", self.clock)
        self.journal = Journal(self.state, self.keys, PROJECT)
        with self.state.transaction() as tx:
            tx.run("project_add", id=PROJECT, name="test", created_ms=0)
            tx.run("model_add", id=MODEL, project=PROJECT, name="credit")
            for subject in (PROJECT, ACTOR, MODEL):
                self.keys.create(tx, subject, PROJECT)
        (folder / "data").mkdir()
        (folder / "train.py").write_text(TRAIN)
        (folder / "evaluate.py").write_text(EVALUATE)
        self.artifacts = Artifacts(self.state, self.blobs, self.keys, PROJECT)
        self.leasing = HandLeasing(self)
        self.environment: dict[str, str] = {}
        values: dict[str, Any] = {
            "id": MODEL, "name": "credit", "folder": folder, "patterns": ("data/*.csv",), "label": "default",
            "time": None, "holdout": 0.2, "rules": Rules({"age": ColumnRule("integer", 0, 120)}),
            "train": folder / "train.py", "evaluate": folder / "evaluate.py", "parameters": {}, "gates": (),
            "claim": Claim(gpus=0), "queue": "que_1", "timeout_ms": 60_000, "retries": 1, "watch": True,
        }  # fmt: skip
        self.wanted = Wanted(**{**values, **wanted})
        self.restart()

    def restart(self) -> None:
        """A new loop over the same rows."""
        with self.state.transaction() as tx:
            tx.run("leases_break")
        bench = Bench(self.folder / "work", sys.executable, {"PATH": os.environ["PATH"]})
        sources = OutsideSources(self.folder, lambda name: self.environment.get(name, ""))
        tools = Tools(
            self.state, self.journal, self.artifacts, self.leasing, bench, ACTOR, "python-1", ConfinedTables(), sources
        )
        self.loop = ModelLoop(tools, self.wanted, RowLease(self.state, "model/1", "one"))

    def batch(self, name: str, rows: int = 60, *, first: int = 0, flip: bool = False, age: int = 30) -> None:
        """A file of data: whoever earns less than 45 defaults (or, flipped, does not)."""
        lines = ["age,income,default"]
        for number in range(first, first + rows):
            income = 20 + number * 7 % 50
            lines.append(f"{age},{income},{int((income < 45) != flip)}")
        (self.folder / "data" / name).write_text("\n".join(lines) + "\n")

    def settle(self, cycles: int = 40) -> None:
        """Look, run what was asked for, and so on, until nothing is to be done."""
        for _ in range(cycles):
            self.clock.advance(1000)
            self.loop.step()
            self.leasing.run_all()

    def history(self) -> list[tuple[str, str]]:
        """(cause, outcome), newest first."""
        return [(row["cause"], row["outcome"]) for row in self.loop.pipelines.of_model(MODEL)]

    def steps(self) -> dict[str, str]:
        """State of each step of the newest pipeline."""
        newest = self.loop.pipelines.of_model(MODEL, 1)[0]
        return {step.step: step.state for step in self.loop.pipelines.steps(newest["run"])}

    def live(self) -> str | None:
        """The live version."""
        rows = self.state.rows("name_get", project=PROJECT, kind="model", name="credit")
        return str(rows[0]["digest"]) if rows else None


def at_least(limit: float | None) -> Gate:
    """A gate on accuracy; None: not below the incumbent's."""
    return Gate("accuracy", "at_least", limit)
