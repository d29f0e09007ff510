# SPDX-License-Identifier: Apache-2.0
"""One model's rollout in this process: a real store, virtual time, replicas that a test answers for. `restart` is what
a killed daemon's successor sees; `ask` does what the gateway does, by the rows as they stand."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from colonnade.adapters.state.sqlite.engine import SqliteState
from colonnade.core.arms import arm_of
from colonnade.core.claims import Claim
from colonnade.core.exchanges import Arm, Exchange, Outcome, Reply
from colonnade.core.predicting import ANSWERED, ROWS, Item
from colonnade.core.tables import Rules
from colonnade.lifecycle.artifacts import Artifacts
from colonnade.lifecycle.pipelines import Pipelines
from colonnade.lifecycle.promotion import promote
from colonnade.lifecycle.rollout.canary import CanaryConfig
from colonnade.lifecycle.rollout.plan import Plan
from colonnade.lifecycle.rollout.rolling import Rolling
from colonnade.lifecycle.rollout.rows import Rollout
from colonnade.lifecycle.wanted import Wanted
from colonnade.ports.journal import Journal
from colonnade.ports.rowlease import RowLease
from colonnade.testing.blobs import MemoryBlobs
from colonnade.testing.clock import VirtualClock
from colonnade.testing.keys import MemoryKeys

PROJECT, ACTOR, MODEL, SERVICE, PERSON = "prj_1", "prn_1", "mod_1", "svc_1", "prn_2"
OLD, NEW, NEWER = (f"sha256:{digit * 64}" for digit in "abc")
SMALL = CanaryConfig(
    shadow_requests=400, stages=(5.0, 25.0, 100.0), stage_requests=300, latency_reference=100, min_labels=0
)


@dataclass
class Model:
    """How a version answers: how often it fails or gives NaN, and how long it takes."""

    errors: float = 0.0
    nan: float = 0.0
    median_ms: float = 10.0

    def reply(self, version: str, rng: random.Random) -> Reply:
        ms = self.median_ms * rng.lognormvariate(0, 0.3)
        if rng.random() < self.errors:
            return Reply(version, ms, True, b"")
        return Reply(version, ms, False, b"[null]" if rng.random() < self.nan else b"[0.5]")


class HandLine:
    """A replica that answers as its model does."""

    def __init__(self, room: RolloutRoom, version: str) -> None:
        self._room, self._version = room, version

    def ask(self, item: Item) -> Item:
        reply = self._room.models[self._version].reply(self._version, self._room.rng)
        if reply.error:
            raise ConnectionResetError("gone")
        return Item(ANSWERED, 0, reply.data)

    def close(self) -> None:
        """Nothing."""


@dataclass
class HandFleet:
    """Implements `Fleet`."""

    room: RolloutRoom
    up: bool = True
    said: str = ""
    moves: int = 0

    def ready(self, model: str, version: str) -> bool:
        return self.up

    def trouble(self, model: str, version: str) -> str:
        return self.said

    def line(self, model: str, version: str) -> HandLine:
        return HandLine(self.room, version)

    def moved(self) -> None:
        self.moves += 1


class Killed(BaseException):
    """kill -9."""


class MortalState:
    """A store whose process dies at a transaction: before it is committed, or right after."""

    def __init__(self, state: SqliteState) -> None:
        self._state = state
        self.dies_in: int | None = None
        self.committed = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._state, name)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Any]:
        dies = self.dies_in == 0
        if self.dies_in is not None:
            self.dies_in -= 1
        with self._state.transaction() as tx:
            yield tx
            if dies and not self.committed:
                raise Killed
        if dies:
            raise Killed


@dataclass
class RolloutRoom:
    """A live version, and candidates for its place."""

    plan: Plan = field(default_factory=lambda: Plan(SMALL, services=(SERVICE,)))
    seed: int = 1

    def __post_init__(self) -> None:
        self.clock, self.rng = VirtualClock(), random.Random(self.seed)
        self.keys = MemoryKeys()
        self.state = SqliteState(":memory:", self.clock)
        self.journal = Journal(self.state, self.keys, PROJECT)
        with self.state.transaction() as tx:
            tx.run("project_add", id=PROJECT, name="test", created_ms=0)
            tx.run("model_add", id=MODEL, project=PROJECT, name="credit")
            for subject in (PROJECT, ACTOR, MODEL):
                self.keys.create(tx, subject, PROJECT)
        self.artifacts = Artifacts(self.state, MemoryBlobs(), self.keys, PROJECT)
        self.pipelines = Pipelines(self.state, self.journal, ACTOR)
        self.models = {OLD: Model(), NEW: Model(), NEWER: Model()}
        self.fleet = HandFleet(self)
        self.asked = 0
        self.answers: list[tuple[str, str]] = []
        """(key, version) of every answer that was sent."""
        self.wanted = Wanted(
            id=MODEL, name="credit", folder=Path(), patterns=(), label="y", time=None, holdout=0.2, rules=Rules({}),
            train=Path(), evaluate=Path(), parameters={}, gates=(), claim=Claim(gpus=0), queue="que_1",
            timeout_ms=1, retries=0, watch=True, rollout=self.plan,
        )  # fmt: skip
        self._live(OLD)
        self.restart()

    def _live(self, version: str) -> None:
        run = self.pipelines.begin(MODEL, "first", {})
        with self.state.transaction() as tx:
            decision = self.state.new_id("dec")
            promote(
                tx, self.journal, ACTOR, model=MODEL, name="credit", run=run, version=version, decision=decision,
                here=(),
            )  # fmt: skip
            row = tx.rows("pipeline_get", run=run)[0]
            self.pipelines.end(tx, row, "promoted", version=version, decision=decision)

    def restart(self) -> None:
        """Another process over the same rows."""
        with self.state.transaction() as tx:
            tx.run("leases_break")
        self.mortal = MortalState(self.state)
        self.rolling = Rolling(self.mortal, self.journal, self.artifacts, ACTOR, self.fleet)  # type: ignore[arg-type]
        self.rolling.recent = lambda _model, most: [Item(ROWS, 0, b"[{}]")] * min(most, 300)
        self.row = RowLease(self.state, "model/1", "one")
        self.row.take()

    def begin(self, version: str = NEW) -> Rollout:
        """A candidate has passed its gates: its rollout begins, as the verdict begins it."""
        self.clock.advance(1)
        run, decision = self.pipelines.begin(MODEL, "new data", {}), self.state.new_id("dec")
        before = self.rolling.rows.open(MODEL)
        supersede = self.rolling.supersede(before) if before is not None else None
        with self.state.transaction() as tx:
            if supersede is not None:
                supersede(tx)
            begun = self.rolling.rows.begin(
                tx, model=MODEL, pipeline=run, decision=decision, champion=self.live(), challenger=version,
                plan=self.plan,
            )  # fmt: skip
            row = tx.rows("pipeline_get", run=run)[0]
            self.pipelines.judged(
                tx, row, version=version, reason="as good", metrics={"accuracy": 0.9}, decision=decision
            )
        self.step(1)
        return begun

    def ask(self, requests: int = 1, *, labels: Callable[[str], float] | None = None) -> None:
        """Requests, each answered by whom the rows name now."""
        batch, truths = [], []
        for _ in range(requests):
            self.asked += 1
            ref, key = f"request/{self.asked}", f"customer-{self.asked % 500}"
            rollout, live = self.rolling.rows.open(MODEL), self.live()
            tried = rollout if rollout is not None and rollout.challenger != live else None
            share = tried.share if tried is not None else 0.0
            arm = arm_of(key, share, tried.id) if tried is not None and share else "champion"
            champion: Reply | None = self.models[live].reply(live, self.rng)
            challenger: Reply | None = None
            if tried is not None and (not share or arm == "challenger"):
                model = self.models[tried.challenger] if self.fleet.up else Model(errors=1.0)
                challenger = model.reply(tried.challenger, self.rng) if self.fleet.up or share else None
            sent: Arm = "challenger" if share and challenger is not None and not challenger.error else "champion"
            paired = challenger is not None and (not share or share >= 100)
            self.answers.append((key, tried.challenger if sent == "challenger" and tried is not None else live))
            if sent == "challenger" and not paired:
                champion = None
            batch.append(
                Exchange(ref, "credit", tried.id if tried is not None else "", key, ROWS, 0, b"[{}]",
                         self.state.now_ms(), sent, champion, challenger, share, paired)
            )  # fmt: skip
            if labels is not None and tried is not None:
                wrong = [labels(one.version) if one is not None else None for one in (champion, challenger)]
                truths.append(Outcome(ref, 0, "credit", tried.id, self.state.now_ms(), "", wrong[0], wrong[1]))
        self.rolling.exchanges(batch)
        self.rolling.outcomes(truths)

    def step(self, ms: int = 100) -> str:
        """Some time passes, and the loop looks."""
        self.clock.advance(ms)
        self.row.take()
        return self.rolling.step(self.wanted, self.row)

    def run(self, requests: int, *, each: int = 20, **options: Any) -> None:
        """Traffic, and looks at it."""
        for _ in range(requests // each):
            self.ask(each, **options)
            self.step()

    def live(self) -> str:
        """The live version."""
        return str(self.state.rows("name_get", project=PROJECT, kind="model", name="credit")[0]["digest"])

    def rollout(self) -> Rollout:
        """The newest."""
        return self.rolling.rows.of_model(MODEL, 1)[0]

    def pipeline(self) -> Any:
        """The newest."""
        return self.pipelines.of_model(MODEL, 1)[0]

    def agree(self) -> None:
        """What must hold whatever happened: the rows, the Name and the pipelines tell one story."""
        open_ones = self.state.rows("rollout_open", model=MODEL)
        assert len(open_ones) <= 1
        live = self.live()
        for one in self.rolling.rows.of_model(MODEL):
            pipeline = self.state.rows("pipeline_get", run=one.pipeline)[0]
            assert one.exposed <= one.requests
            if one.outcome == "promoted":
                assert (pipeline["outcome"], pipeline["version"]) == ("promoted", one.challenger)
            elif one.outcome:
                assert one.state == "ended"
                assert pipeline["outcome"] in {one.outcome, "promoted"}  # promoted, and rolled back on probation
            else:
                assert pipeline["state"] == "running"
                assert one.champion == live
        for row in open_ones:
            assert (row["challenger"] == live) == (row["state"] == "probation")


def with_plan(**changed: Any) -> RolloutRoom:
    """A room whose rollouts go otherwise; names of `CanaryConfig` or of `Plan`."""
    canary = {name: value for name, value in changed.items() if name in CanaryConfig.__dataclass_fields__}
    rest = {name: value for name, value in changed.items() if name not in canary}
    return RolloutRoom(Plan(replace(SMALL, **canary), services=(SERVICE,), **rest))
