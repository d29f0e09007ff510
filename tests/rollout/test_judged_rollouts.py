# SPDX-License-Identifier: Apache-2.0
"""From the gates into a rollout and out of it: what the model's loop does while one is under way, and after it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from colonnade.core.exchanges import Exchange, Reply
from colonnade.core.predicting import ANSWERED, ROWS, Item
from colonnade.lifecycle.loop import ModelLoop
from colonnade.lifecycle.rollout.canary import CanaryConfig
from colonnade.lifecycle.rollout.plan import Plan
from colonnade.lifecycle.rollout.rolling import Rolling
from colonnade.lifecycle.rollout.rows import Rollout
from colonnade.ports.rowlease import RowLease
from tests.lifecycle.model_room import ACTOR, MODEL, TRAIN, ModelRoom

CANARY = CanaryConfig(
    shadow_requests=100, stages=(50.0, 100.0), stage_requests=100, latency_reference=100, min_labels=0
)
PERSON = "prn_2"


class Line:
    """A replica that answers everything, and remembers what it was asked."""

    def __init__(self, asked: list[Any]) -> None:
        self._asked = asked

    def ask(self, item: Item) -> Item:
        self._asked.append(json.loads(item.data))
        return Item(ANSWERED, 0, b"[1]")

    def close(self) -> None:
        """Nothing."""


class Room(ModelRoom):
    """A model's loop whose candidates are rolled out."""

    def __init__(self, folder: Path, **plan: Any) -> None:
        self.asked: list[Any] = []
        super().__init__(folder, rollout=Plan(CANARY, **plan))

    def restart(self) -> None:
        super().restart()
        self.rolling = Rolling(self.state, self.journal, self.artifacts, ACTOR, self)
        tools = replace(self.loop._tools, rolling=self.rolling)
        self.loop = ModelLoop(tools, self.wanted, RowLease(self.state, "model/1", "one"))

    # Fleet
    def ready(self, model: str, version: str) -> bool:
        return True

    def trouble(self, model: str, version: str) -> str:
        return ""

    def line(self, model: str, version: str) -> Line:
        return Line(self.asked)

    def moved(self) -> None:
        """Nothing."""

    def trial(self) -> Rollout:
        return self.rolling.rows.of_model(MODEL, 1)[0]

    def variant(self, number: int) -> None:
        """A training script that gives another model."""
        (self.folder / "train.py").write_text(TRAIN.replace('"cut": mean', f'"cut": mean, "variant": {number}'))

    def until(self, state: str) -> None:
        for _ in range(60):
            self.settle(1)
            if state in {one.state for one in self.rolling.rows.of_model(MODEL, 1)}:
                return
        raise AssertionError(f"it never came to be {state}")

    def shadow(self, requests: int, *, fails: bool = False) -> None:
        """Requests that both versions answer."""
        trial = self.trial()
        replies = (Reply(trial.champion, 1.0, False, b"[1]"), Reply(trial.challenger, 1.0, fails, b"[1]"))
        one = Exchange("request/1", "credit", trial.id, "k", ROWS, 0, b"[{}]", 1, "champion", *replies)
        self.rolling.exchanges([one] * requests)
        self.settle(1)


def test_the_first_version_goes_live_at_once_and_the_next_one_by_its_rollout(tmp_path: Path) -> None:
    room = Room(tmp_path)
    room.batch("a.csv")
    room.settle()
    first = room.live()
    assert first is not None
    assert room.rolling.rows.of_model(MODEL) == []
    room.batch("b.csv", first=60)
    room.until("shadow")
    pipeline = room.loop.pipelines.of_model(MODEL, 1)[0]
    assert (pipeline["state"], pipeline["version"]) == ("running", room.trial().challenger)
    assert json.loads(pipeline["metrics"])["accuracy"] > 0
    assert room.live() == first
    room.settle(30)
    assert room.history() == [("new data", "promoted"), ("first", "promoted")]
    assert room.live() == room.trial().challenger
    held_out = room.asked[0][0]
    assert set(held_out) == {"age", "income"}, "held-out rows are replayed, without the label"
    assert held_out["age"] == 30


def test_new_data_waits_for_a_rollouts_end_and_then_begins(tmp_path: Path) -> None:
    room = Room(tmp_path, quiet_ms=60_000)
    room.batch("a.csv")
    room.settle()
    room.batch("b.csv", first=60)
    room.until("shadow")
    room.batch("c.csv", first=120)
    room.settle(20)
    assert [cause for cause, _ in room.history()] == ["new data", "first"]
    room.settle(60)
    assert [outcome for _, outcome in room.history()][1] == "promoted"
    assert len(room.history()) == 3


def test_while_it_waits_for_a_person_a_newer_candidate_takes_its_place_and_the_same_one_does_not(
    tmp_path: Path,
) -> None:
    room = Room(tmp_path, approve=(PERSON,))
    room.batch("a.csv")
    room.settle()
    room.variant(1)
    room.until("asked")
    first = room.trial()
    room.loop.ask()
    room.settle(10)
    assert [outcome for _, outcome in room.history()] == ["unchanged", "", "promoted"]
    assert room.trial().id == first.id
    room.variant(2)
    room.settle(30)
    assert [outcome for _, outcome in room.history()] == ["", "unchanged", "superseded", "promoted"]
    assert room.trial().challenger != first.challenger
    room.restart()
    room.rolling.decide(room.trial().id, PERSON, allow=True)
    room.settle(30)
    assert room.live() == room.trial().challenger


def test_what_a_rollout_rolled_back_is_not_tried_again_by_itself_but_by_hand(tmp_path: Path) -> None:
    room = Room(tmp_path)
    room.batch("a.csv")
    room.settle()
    live = room.live()
    room.variant(1)
    room.until("shadow")
    room.settle(1)
    room.shadow(60, fails=True)
    room.settle(2)
    bad = room.trial()
    assert (bad.outcome, room.live()) == ("rolled_back", live)
    assert room.history()[0] == ("changed code", "rolled_back")
    (tmp_path / "train.py").write_text(TRAIN)
    room.settle(20)
    room.variant(1)
    room.settle(20)
    refused = room.loop.pipelines.of_model(MODEL, 1)[0]
    assert (refused["outcome"], refused["version"]) == ("refused", bad.challenger)
    assert refused["reason"].startswith("its rollout was rolled back (errors")
    room.loop.ask()
    room.until("shadow")
    assert room.trial().challenger == bad.challenger
