# SPDX-License-Identifier: Apache-2.0
"""A house in one process and in virtual time: real store on disk, real fabric, model loop, rollouts, pipelines of
functions and sequencer; commands run as the machine's own, so that they outlive whoever started them.

`start` is what a daemon does, `cycle` what it does all day. What happens to it is `lifecycle`'s business.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from bench.soak.lifecycle_points import Killed, Mortal, MortalState, Points
from colonnade.adapters.devices.simulated import SimulatedDevices
from colonnade.adapters.devices.written import read_simulated
from colonnade.adapters.sources.outside import OutsideSources
from colonnade.adapters.state.sqlite.engine import SqliteState
from colonnade.adapters.tables.confined import ConfinedTables
from colonnade.app.modelling import FabricLeasing
from colonnade.core.arms import arm_of
from colonnade.core.claims import Claim
from colonnade.core.exchanges import Arm, Exchange, Reply
from colonnade.core.predicting import ROWS
from colonnade.core.tables import ColumnRule, Rules
from colonnade.fabric.inventory import take_stock
from colonnade.fabric.leases import Leases
from colonnade.fabric.loop import FabricLoop, Outside, Terms
from colonnade.fabric.picture import Capacity
from colonnade.fabric.placement.engine import Engine
from colonnade.fabric.queues.tree import DEFAULT, Tree
from colonnade.govern.ledger.sequencer import LEASE, Sequencer
from colonnade.lifecycle.artifacts import Artifacts
from colonnade.lifecycle.doing import Tools
from colonnade.lifecycle.flow.flowing import Flow
from colonnade.lifecycle.flow.loop import FlowLoop
from colonnade.lifecycle.flow.tools import Tools as FlowTools
from colonnade.lifecycle.loop import ModelLoop
from colonnade.lifecycle.rollout.canary import CanaryConfig
from colonnade.lifecycle.rollout.plan import Plan
from colonnade.lifecycle.rollout.rolling import Rolling
from colonnade.lifecycle.wanted import Gate, Wanted
from colonnade.lifecycle.work import Bench, sweep
from colonnade.ports.journal import Journal
from colonnade.ports.outside.executor import Work
from colonnade.ports.outside.tuner import Space, Tried
from colonnade.ports.rowlease import RowLease
from colonnade.testing.blobs import MemoryBlobs
from colonnade.testing.clock import VirtualClock
from colonnade.testing.executor import MemoryExecutor
from colonnade.testing.keys import MemoryKeys

PROJECT, ACTOR, MODEL, SERVICE, FLOW = "prj_1", "prn_1", "mod_1", "svc_1", "flw_1"
CYCLE_MS = 500
ASKED = 40
"""Requests a cycle while a version is being tried."""
PLAN = Plan(
    CanaryConfig(shadow_requests=120, stages=(25.0, 100.0), stage_requests=120, latency_reference=100, min_labels=0),
    services=(SERVICE,),
)
TRAIN = """\
import csv, json, os
told = json.load(open(os.environ["COLONNADE_PARAMETERS"]))
rows = list(csv.DictReader(open(os.environ["COLONNADE_INPUT"] + "/train.csv")))
mean = sum(float(row["income"]) for row in rows) / len(rows)
cut = told.get("cut", mean)
json.dump({"cut": cut, "rows": len(rows)}, open(os.environ["COLONNADE_OUTPUT"] + "/model.json", "w"))
"""
EVALUATE = """\
import csv, json, os
folder = os.environ["COLONNADE_INPUT"]
model = json.load(open(folder + "/model/model.json"))
rows = list(csv.DictReader(open(folder + "/test.csv")))
right = sum((float(row["income"]) < model["cut"]) == (row["default"] == "1") for row in rows)
json.dump({"accuracy": right / len(rows)}, open(os.environ["COLONNADE_OUTPUT"] + "/metrics.json", "w"))
"""
FUNCTIONS = """\
from pathlib import Path
from colonnade import each, pipeline, step

@step(retries=1)
def load(path: Path) -> list[int]:
    return [int(line) for line in path.read_text().split()]

@step(retries=1)
def double(value: int) -> int:
    return 2 * value

@step(retries=1)
def add(values: list[int]) -> int:
    return sum(values)

@pipeline
def main():
    return add(double(each(load(Path("rows.txt")))))
"""


class Steps:
    """Implements `Tuner`: the values of each parameter in turn. What proposes well is not the question here."""

    def propose(self, space: Space, tried: Sequence[Tried], *, maximize: bool, seed: int) -> dict[str, Any]:  # noqa: ARG002
        """See the port."""
        return {name: one[len(tried) % len(one)] for name, one in space.items() if isinstance(one, tuple)}


class Machine:
    """Runs commands to their end, whoever asked for them lives or not. Equal folders are run once for all houses: what
    a script writes depends on its folder alone, and it is the daemon that is being tried.
    """

    known: dict[str, tuple[int, dict[str, bytes]]] = {}  # noqa: RUF012  (shared on purpose)

    def __init__(self, executor: MemoryExecutor, chance: random.Random, kills: float) -> None:
        self._executor, self._chance, self._kills = executor, chance, kills
        self._begun = 0
        self._killed: set[str] = set()
        self._running: list[tuple[Work, int]] = []
        self.finished: Counter[str] = Counter()
        """How often each command ended well, by what lay in its folder."""
        self.step_kills = 0

    def turn(self) -> None:
        """Whatever was started since goes on; some of it ends, some of it is killed."""
        fresh = self._executor.started[self._begun :]
        self._begun += len(fresh)
        self._running += [(work, self._chance.randrange(3)) for work in fresh]
        still = []
        seen = self._executor.seen()
        for work, turns in self._running:
            if work.run not in seen or seen[work.run].state != "running":
                continue
            if turns:
                still.append((work, turns - 1))
            elif self._dies(work):
                self.step_kills += 1
            else:
                self._finish(work)
        self._running = still

    def _dies(self, work: Work) -> bool:
        step = Path(work.folder).name.rpartition("-")[0]
        if step in self._killed or self._chance.random() >= self._kills:
            return False
        self._killed.add(step)
        if self._chance.random() < 0.5:
            self._executor.vanish(work.run)
        else:
            self._executor.finish(work.run, 128 + 9)
        return True

    def _finish(self, work: Work) -> None:
        folder = Path(work.environment.get("COLONNADE_CALL", work.folder))
        key = _content(folder, work)
        if key not in self.known:
            done = subprocess.run(
                work.argv, env=dict(work.environment), cwd=work.folder, capture_output=True, check=False
            )
            output = folder / "output"
            files = {f.relative_to(output).as_posix(): f.read_bytes() for f in output.rglob("*") if f.is_file()}
            self.known[key] = done.returncode, files
        code, files = self.known[key]
        for name, data in files.items():
            (folder / "output" / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / "output" / name).write_bytes(data)
        self.finished[key] += code == 0
        self._executor.finish(work.run, code)


def _content(folder: Path, work: Work) -> str:
    """A digest of what a command is given."""
    whole = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "output" not in path.relative_to(folder).parts:
            whole.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes() + b"\0")
    step = work.environment.get("COLONNADE_STEP", "")
    return hashlib.sha256(whole.digest() + step.encode() + Path(work.argv[-1]).name.encode()).hexdigest()


class Fleet:
    """Implements `rolling.Fleet`: replicas are there at once."""

    def ready(self, model: str, version: str) -> bool:  # noqa: ARG002
        """See the port."""
        return True

    def trouble(self, model: str, version: str) -> str:  # noqa: ARG002
        """See the port."""
        return ""

    def line(self, model: str, version: str) -> Any:  # noqa: ARG002
        """See the port."""
        raise OSError("nobody asks twice here")

    def moved(self) -> None:
        """See the port."""


class SoakHouse:
    """One project's house. Everything but `daemon` outlives a kill."""

    def __init__(self, folder: Path, seed: int = 0, *, step_kills: float = 0.0) -> None:
        self.folder, self.clock, self.points = folder, VirtualClock(), Points()
        self.keys, self.blobs = MemoryKeys(), MemoryBlobs()
        self.executor = MemoryExecutor(self.clock)
        self.machine = Machine(self.executor, random.Random(seed), step_kills)
        written = read_simulated("simulated://1xH100-80GB", folder=Path(), node="local")
        self.devices = SimulatedDevices(written, now_ms=self.clock.monotonic_ms, look=dict)
        self.kills = self.asked = self.starts = 0
        self.faulty = False
        """Whether whatever is tried fails in every fourth answer."""
        for name, text in (
            ("train.py", TRAIN),
            ("evaluate.py", EVALUATE),
            ("flow.py", FUNCTIONS),
            ("rows.txt", "1 2 3"),
        ):
            (folder / name).write_text(text)
        (folder / "data").mkdir()
        self.wanted = Wanted(
            id=MODEL, name="credit", folder=folder, patterns=("data/*.csv",), label="default", time=None, holdout=0.2,
            rules=Rules({"age": ColumnRule("integer", 0, 120)}), train=folder / "train.py",
            evaluate=folder / "evaluate.py", parameters={}, gates=(Gate("accuracy", "at_least", 0.6),),
            claim=Claim(gpu_milli=500), queue="que_default", timeout_ms=600_000, retries=1, watch=True, rollout=PLAN,
        )  # fmt: skip
        with SqliteState(folder / "state.db", self.clock).transaction() as tx:
            tx.run("project_add", id=PROJECT, name="soak", created_ms=0)
            tx.run("model_add", id=MODEL, project=PROJECT, name="credit")
            tx.run("flow_add", id=FLOW, project=PROJECT, name="nightly")
            tx.run("queue_put", id="que_default", project=PROJECT, name=DEFAULT, guaranteed_milli=0, limit_milli=None)
            for subject in (PROJECT, ACTOR, MODEL):
                self.keys.create(tx, subject, PROJECT)
        self.state: MortalState | None = None

    def start(self) -> None:
        """What a new daemon does over the same rows. It may die of it."""
        self.starts += 1
        if self.state is not None:
            self.state.drop()
        points, holder = self.points, f"daemon-{self.starts}"
        state: Any = MortalState(SqliteState(self.folder / "state.db", self.clock), points)
        self.state = state
        with state.transaction() as tx:
            tx.run("leases_break")
        sweep(state, self.folder / "work")
        journal = self.journal = Journal(state, self.keys, PROJECT)
        blobs: Any = Mortal(self.blobs, points, "put", "put_many")
        executor: Any = Mortal(self.executor, points, "start", "stop", "forget")
        devices: Any = Mortal(self.devices, points, "prepare", "release")
        self.artifacts = Artifacts(state, blobs, self.keys, PROJECT)
        self.leases = Leases(state, self.keys, journal, ACTOR)
        outside = Outside(executor, devices, lambda _lease: False, {"": Capacity(1 << 40, 1 << 40)}, Engine)
        self.fabric = FabricLoop(state, self.leases, journal, ACTOR, RowLease(state, "fabric", holder), outside,
                                 Terms(Tree(())))  # fmt: skip
        computing: Any = SimpleNamespace(leases=self.leases, loop=self.fabric)
        leasing = FabricLeasing(computing, self.folder / "runs", state)
        self.rolling = Rolling(state, journal, self.artifacts, ACTOR, Fleet())
        bench = Bench(self.folder / "work", sys.executable, {"PATH": os.environ["PATH"], "PYTHONPATH": _source()})
        sources = OutsideSources(self.folder, lambda _name: "")
        tools = Tools(state, journal, self.artifacts, leasing, bench, ACTOR, "python-1", ConfinedTables(), sources,
                      rolling=self.rolling, tuner=Steps())  # fmt: skip
        self.model = ModelLoop(tools, self.wanted, RowLease(state, f"model/{MODEL}", holder))
        flow = Flow(FLOW, "nightly", self.folder, self.folder / "flow.py", "main", {}, "que_default")
        flow_tools = FlowTools(state, journal, self.artifacts, leasing, bench, ACTOR, "python-1")
        self.flow = FlowLoop(flow_tools, flow, RowLease(state, f"pipeline/{FLOW}", holder))
        self.sequencer_row = RowLease(state, LEASE, holder)
        self.sequencer = Sequencer(state, self.keys, self.keys.note_key.name, self.sequencer_row.check)
        take_stock(state, journal, ACTOR, self.devices.inventory())

    def cycle(self) -> bool:
        """A bit of everything; whether anything is under way. Dies where it was told to, and is started anew."""
        self.clock.advance(CYCLE_MS)
        try:
            if self.state is None:
                self.start()
            self._traffic()
            busy = self.model.step()
            busy = self.fabric.step() or busy
            busy = self.flow.step() or busy
            if self.clock.monotonic_ms() % 8_000 == 0 and self.sequencer_row.take():
                self.sequencer.step()
        except Killed:
            self.died()
            busy = True
        self.machine.turn()
        return busy

    def died(self) -> None:
        """The process is gone; the next cycle starts another."""
        self.kills += 1
        if self.state is not None:
            self.state.drop()
        self.state = None

    def close(self) -> None:
        """What `down` does: leases are given back, the log is indexed and signed."""
        self.points.dies_at = None
        if self.state is None:
            self.start()
        assert self.sequencer_row.take()
        self.sequencer.drain()
        for row in (self.sequencer_row, self.model._row, self.flow._row, self.fabric._row):
            row.release()

    # the world
    def declare(self, **changed: Any) -> None:
        """The declaration is changed."""
        self.wanted = replace(self.wanted, **changed)
        if self.state is not None:
            self.model.wanted = self.wanted

    def batch(self, name: str, rows: int, *, first: int = 0, flip: bool = False, age: int = 30) -> None:
        """A file of data: whoever earns less than 45 defaults (or, flipped, does not)."""
        lines = ["age,income,default"]
        for number in range(first, first + rows):
            income = 20 + number * 7 % 50
            lines.append(f"{age},{income},{int((income < 45) != flip)}")
        aside = self.folder / name
        aside.write_text("\n".join(lines) + "\n")
        aside.rename(self.folder / "data" / name)

    def live(self) -> str:
        """The live version, or ""."""
        assert self.state is not None
        rows = self.state.rows("name_get", project=PROJECT, kind="model", name="credit")
        return str(rows[0]["digest"]) if rows else ""

    def _traffic(self) -> None:
        """Requests, each answered by whom the rows name now; equal in every run, so that no verdict is luck."""
        rollout, live = self.rolling.rows.open(MODEL), self.live()
        if rollout is None:
            return
        tried = rollout if rollout.challenger != live else None
        share = tried.share if tried is not None else 0.0
        batch = []
        for _ in range(ASKED):
            self.asked += 1
            key = f"customer-{self.asked % 500}"
            arm: Arm = arm_of(key, share, tried.id) if tried is not None and share else "champion"
            paired = tried is not None and (not share or share >= 100)
            asked = tried is not None and (paired or arm == "challenger")
            sent: Arm = "challenger" if share and asked and arm == "challenger" else "champion"
            champion = self._reply(live, False) if paired or sent == "champion" else None
            challenger = self._reply(tried.challenger, self.faulty) if tried is not None and asked else None
            batch.append(
                Exchange(f"request/{self.asked}", "credit", tried.id if tried is not None else "", key, ROWS, 0,
                         b"[{}]", self.clock.wall_ms(), sent, champion, challenger, share, paired)
            )  # fmt: skip
        self.rolling.exchanges(batch)

    def _reply(self, version: str, faulty: bool) -> Reply:
        wrong = faulty and self.asked % 4 == 0
        return Reply(version, 10.0 + self.asked * 7 % 10, wrong, b"" if wrong else b"[0.5]")


def _source() -> str:
    return str(Path(__file__).resolve().parents[2] / "src")


def clear(house: SoakHouse) -> None:
    """Remove the folder."""
    if house.state is not None:
        house.state.drop()
    shutil.rmtree(house.folder, ignore_errors=True)


def told(counted: Mapping[str, int]) -> dict[str, int]:
    """A counter in order."""
    return dict(sorted(counted.items()))
