# SPDX-License-Identifier: Apache-2.0
"""One watched service in this process: a real store, artifacts and detectors; requests and truths by hand."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from colonnade.adapters.state.sqlite.engine import SqliteState
from colonnade.core.exchanges import Exchange, Outcome, Reply
from colonnade.core.predicting import ROWS
from colonnade.lifecycle.artifacts import Artifacts
from colonnade.lifecycle.watching.monitors import Desk
from colonnade.lifecycle.watching.rules import AlarmRule, CaptureRule, LabelRule, Watched
from colonnade.lifecycle.watching.service import ServiceWatch
from colonnade.lifecycle.watching.truths import Label, Told
from colonnade.observe.drift.monitor import Detecting
from colonnade.ports.journal import Journal
from colonnade.testing.blobs import MemoryBlobs
from colonnade.testing.clock import VirtualClock
from colonnade.testing.keys import MemoryKeys

PROJECT, ACTOR, MODEL, SERVICE = "prj_1", "prn_1", "mod_1", "svc_1"
DAY_MS = 86_400_000


class WatchRoom:
    """A service `credit` of the model `credit`."""

    def __init__(self, file: Path | str = ":memory:", **rules: Any) -> None:
        self.clock, self.keys, self.blobs = VirtualClock(), MemoryKeys(), MemoryBlobs()
        self.file, self.random = str(file), random.Random(7)
        self.state = SqliteState(self.file, self.clock)
        with self.state.transaction() as tx:
            tx.run("project_add", id=PROJECT, name="test", created_ms=0)
            tx.run("model_add", id=MODEL, project=PROJECT, name="credit")
            for subject in (PROJECT, ACTOR, MODEL):
                self.keys.create(tx, subject, PROJECT)
        labels = rules.get("labels", LabelRule("customer", "default"))
        self.watched = Watched(
            SERVICE, "credit", "credit", MODEL, rules.get("capture", CaptureRule(30 * DAY_MS, 1.0, 1 << 30)), labels,
            rules.get("alarms", AlarmRule(10_000, 0.01, 0.005)), rules.get("rows", 400),
        )  # fmt: skip
        self.outcomes: list[Outcome] = []
        self.at_ms, self.version = 1_790_000_000_000, ""
        self.open()

    def open(self) -> None:
        """A watch over the same rows, as a killed daemon's successor makes it."""
        journal = Journal(self.state, self.keys, PROJECT)
        self.artifacts = Artifacts(self.state, self.blobs, self.keys, PROJECT)
        desk = Desk(self.state, journal, Detecting(), ACTOR)
        self.watch = ServiceWatch(desk, self.keys, self.artifacts, self.watched, self.outcomes.extend)

    def promote(self, brier: Sequence[float] = (), *, name: str = "one") -> str:
        """A version whose held-out rows had these scores goes live."""
        rows = "\n".join(["row,prediction,brier", *(f"{n},0.5,{score}" for n, score in enumerate(brier))])
        files: dict[str, Any] = {"metrics.json": b"{}"} | ({"predictions.csv": rows.encode()} if brier else {})
        report = self.artifacts.put("report", files, {"metrics": {}})
        version = self.artifacts.put("model", {"model.json": name.encode()}, {"metrics": {}}).digest
        run, decision, now = self.state.new_id("run"), self.state.new_id("dec"), self.state.now_ms()
        here = self.state.rows("name_get", project=PROJECT, kind="model", name="credit")
        with self.state.transaction() as tx:
            tx.run("pipeline_add", run=run, project=PROJECT, model=MODEL, cause="first", wanted="{}", created_ms=now)
            tx.run("pipeline_step_add", pipeline=run, step="evaluate", place=3)
            tx.run(
                "pipeline_step_set", pipeline=run, step="evaluate", state="done", key="", run="", lease="",
                artifact=report.digest, subject="", attempts=1, not_before_ms=0, error="", told="{}", started_ms=now,
                finished_ms=now,
            )  # fmt: skip
            tx.run("pipeline_end", run=run, outcome="promoted", version=version, reason="", metrics="{}",
                   decision=decision, finished_ms=now)  # fmt: skip
            values = {"project": PROJECT, "kind": "model", "name": "credit", "digest": version}
            if here:
                tx.run("name_move", **values, generation=here[0]["generation"])
            else:
                tx.run("name_create", **values)
        self.version = version
        return version

    def asked(self, answer: Any = 0.2, *, ms: float = 5.0, error: bool = False, **row: Any) -> Exchange:
        """A request of one row."""
        return self.exchange([row], b"" if error else json.dumps([answer]).encode(), ms=ms, error=error)

    def exchange(
        self, rows: Sequence[dict[str, Any]], data: bytes, *, ms: float = 5.0, error: bool = False
    ) -> Exchange:
        """A request and the bytes of its answer."""
        self.at_ms += 3
        ref = f"request/{self.at_ms:012x}{self.random.getrandbits(48):012x}"
        reply = Reply(self.version, ms, error, data)
        body = json.dumps(list(rows)).encode()
        return Exchange(ref, "credit", "", ref, ROWS, 0, body, self.at_ms, "champion", reply, None)

    def serve(self, count: int, answer: Any = 0.2, **more: Any) -> list[Exchange]:
        """So many requests, kept."""
        made = [self.asked(answer, customer=f"c{self.random.getrandbits(40)}", **more) for _ in range(count)]
        self.watch.put(made)
        while self.watch.flush():
            pass
        return made

    def tell(self, exchanges: Sequence[Exchange], label: Any) -> Told:
        """The truth about the first row of each."""
        return self.watch.label([Label(one.ref, 0, label) for one in exchanges], ACTOR)

    def alarms(self, *, all_of_them: bool = False) -> list[tuple[str, bool]]:
        """(measure, whether it still rings), oldest first."""
        rows = self.state.rows("alarms_of_model", model=MODEL, limit=100)[::-1]
        found = [(row["measure"], row["ended_ms"] is None) for row in rows]
        return found if all_of_them else [one for one in found if one[1]]

    def entries(self, kind: str) -> list[dict[str, Any]]:
        """Leaves of a kind, oldest first."""
        rows = self.state.rows("entries_newest", seq=1 << 60, limit=100_000)[::-1]
        return [json.loads(row["bytes"]) for row in rows if row["kind"] == kind]
