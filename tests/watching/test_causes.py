# SPDX-License-Identifier: Apache-2.0
"""A model's loop with alarms, schedules and budgets: what begins, what waits, and what the ledger and `status` say."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from colonnade.app.models import model_status
from colonnade.core.leaf import parse_leaf
from colonnade.core.vocabulary import misfits
from colonnade.govern.lineage.walk import why
from colonnade.lifecycle.renewal import Renewal
from colonnade.lifecycle.watching.due import RetrainRule
from tests.lifecycle.model_room import MODEL, PROJECT, ModelRoom, at_least

ALARM = "alm_" + "0" * 36
SERVICE = "svc_" + "0" * 36


def made(folder: Path, *, flip_at: int = 0, **wanted: Any) -> ModelRoom:
    room = ModelRoom(folder, **wanted)
    room.batch("one.csv", 200)
    room.settle()
    if flip_at:
        room.batch("two.csv", flip_at, first=200, flip=True)
    return room


def ring(room: ModelRoom, rows: int, wanted: int = 100) -> None:
    """Wrong answers ring, and so many rows have come since."""
    told = {"at": 120, "since": 100, "observed": 0.4, "mean": 0.1, "level": 0, "version": room.live(), "request": ""}
    renewal = Renewal(100, 99 + rows, 0.1, 0.2, window=wanted)
    with room.state.transaction() as tx:
        if not tx.rows("alarms_open", project=PROJECT):
            tx.run("alarm_add", id=ALARM, project=PROJECT, model=MODEL, service=SERVICE, measure="wrong",
                   told=json.dumps(told), at_ms=1)  # fmt: skip
        tx.run("meta_put", key=f"watch/{SERVICE}", value=json.dumps({"renewal": renewal.state()}))


def entries(room: ModelRoom, *kinds: str) -> list[dict[str, Any]]:
    rows = room.state.rows("entries_newest", seq=1 << 60, limit=10_000)[::-1]
    assert all(misfits(parse_leaf(row["bytes"])) == [] for row in rows)
    return [json.loads(row["bytes"]) for row in rows if row["kind"] in kinds]


def status(room: ModelRoom) -> dict[str, Any]:
    return model_status(room.state, PROJECT, {"id": MODEL, "name": "credit"}, running=True)


def test_each_pipeline_says_why_it_began(tmp_path: Path) -> None:
    room = made(tmp_path)
    room.batch("two.csv", 60, first=200)
    room.settle()
    assert [one["is"]["cause"] for one in entries(room, "pipeline.caused")] == ["first", "data"]


def test_an_alarm_waits_for_rows_then_trains_on_the_time_since_the_change(tmp_path: Path) -> None:
    quiet = RetrainRule(on=frozenset({"alarm"}))
    room = made(tmp_path, flip_at=120, retrain=quiet)
    before = room.live()
    ring(room, 60)
    room.settle(5)
    held = status(room)["held"]
    assert (held["reason"], held["why"]) == ("rows", "60 of 100 rows with known truth since the change")
    assert held["alarm"] == f"alarm/{ALARM}"
    assert [one["is"]["reason"] for one in entries(room, "retraining.held")] == ["rows"]
    ring(room, 120)
    room.settle()
    assert room.history()[0] == ("alarm: wrong answers 0.4 against 0.1 since truth 100", "promoted")
    assert room.live() != before
    assert status(room)["held"] is None
    newest = status(room)["history"][0]
    assert newest["alarm"] == f"alarm/{ALARM}"
    caused = entries(room, "pipeline.caused")[-1]
    assert (caused["refs"], caused["n"]["recent"]) == ([["caused_by", ALARM]], 120)
    split = next(step for step in room.loop.pipelines.steps(newest["ref"][4:]) if step.step == "split")
    about = room.artifacts.get(split.artifact).about
    assert about["train"] + about["test"] == 120
    answered = entries(room, "alarm.answered")[0]
    assert (answered["subject"], answered["is"], answered["refs"]) == (
        newest["ref"][4:], {"outcome": "promoted"}, [["caused_by", ALARM]],
    )  # fmt: skip
    led_to = {node.id for node in why(room.state, f"alarm/{ALARM}").nodes}
    assert newest["ref"][4:] not in led_to, "what came of an alarm did not lead to it"


def test_retrained_and_it_did_not_help_is_recorded_and_the_next_try_is_later_and_on_everything(tmp_path: Path) -> None:
    rule = RetrainRule(on=frozenset({"alarm"}), cooldown_ms=20_000)
    room = made(tmp_path, flip_at=120, retrain=rule)
    room.loop.wanted = replace(room.wanted, gates=(at_least(1.01),))
    room.settle(5)
    ring(room, 120)
    room.settle(8)
    assert room.history()[0][1] == "refused"
    assert [one["is"]["outcome"] for one in entries(room, "alarm.answered")] == ["refused"]
    ring(room, 1000)
    room.settle(3)
    assert status(room)["held"]["reason"] == "cooldown"
    assert status(room)["held"]["until"] is not None
    room.settle(40)
    assert [outcome for _, outcome in room.history()].count("refused") == 2
    assert [one["n"]["recent"] for one in entries(room, "pipeline.caused")] == [0, 120, 1000]
    wanted = json.loads(room.loop.pipelines.of_model(MODEL, 1)[0]["wanted"])
    assert wanted["window"] == {"recent": 1000, "whole": True}


def test_a_schedule_begins_one_that_finds_everything_cached(tmp_path: Path) -> None:
    room = made(tmp_path, retrain=RetrainRule(every_ms=3_600_000))
    room.settle(10)
    assert len(room.history()) == 1
    room.clock.advance(3_600_000)
    room.settle(10)
    assert room.history()[0] == ("schedule", "unchanged")
    assert set(room.steps().values()) == {"cached"}
    room.settle(10)
    assert len(room.history()) == 2


def test_many_changes_within_the_settling_time_are_one_pipeline(tmp_path: Path) -> None:
    room = made(tmp_path, retrain=RetrainRule(settle_ms=10_000))
    for number in range(6):
        room.batch(f"more-{number}.csv", 60, first=300 + number)
        room.settle(3)
    room.settle(30)
    assert [cause for cause, _ in room.history()] == ["new data", "first"]


def test_a_count_that_is_used_up_makes_new_data_wait_and_by_hand_does_not(tmp_path: Path) -> None:
    room = made(tmp_path, retrain=RetrainRule(per_day=1))
    room.batch("two.csv", 60, first=300)
    room.settle(10)
    assert len(room.history()) == 1
    held = status(room)["held"]
    assert (held["trigger"], held["reason"], held["why"]) == ("new data", "count", "1 pipelines in 24 hours")
    assert len(entries(room, "retraining.held")) == 1
    room.loop.ask()
    room.settle(10)
    assert room.history()[0] == ("new data", "promoted")
    assert status(room)["held"] is None


def test_device_time_of_a_models_own_pipelines_counts(tmp_path: Path) -> None:
    room = made(tmp_path, retrain=RetrainRule(gpu_ms_per_day=3_600_000))
    pipeline, now = room.loop.pipelines.of_model(MODEL, 1)[0]["run"], room.state.now_ms()
    claim = {"gpus": 2, "gpu_milli": 1000, "gpu_mib": 0, "gpu_limit_mib": 0, "cpu_milli": 0, "memory_mib": 0,
             "models": [], "isolation_at_least": "none"}  # fmt: skip
    with room.state.transaction() as tx:
        tx.run(
            "run_add",
            id="run_x",
            project=PROJECT,
            kind="command",
            subject="run_x",
            state="running",
            why="",
            created_ms=now,
            total=1,
        )
        tx.run("run_parent", id="run_x", parent=pipeline)
        tx.run("lease_add", id="lse_x", project=PROJECT, run="run_x", principal="prn_1", queue="que_1",
               claim=json.dumps(claim), priority=0, gang="", gang_size=1, movable=0,
               attached=0, asked_ms=now, grace_ms=0)  # fmt: skip
        tx.run("lease_grant", id="lse_x", granted_ms=now, node="n", devices="[]", isolation="none", borrowed=0)
    room.clock.advance(1_800_000)
    room.batch("two.csv", 60, first=300)
    room.settle(10)
    assert status(room)["held"]["reason"] == "budget"
    with room.state.transaction() as tx:
        tx.run("lease_end", id="lse_x", ended_ms=room.state.now_ms(), outcome="succeeded", code=0, note="")
    room.settle(10)
    until = status(room)["held"]["until"]
    room.clock.advance(24 * 3_600_000)
    room.settle(10)
    assert until is not None
    assert room.history()[0] == ("new data", "promoted")


def test_a_restart_goes_on_waiting_and_says_it_once_more(tmp_path: Path) -> None:
    room = made(tmp_path, retrain=RetrainRule(per_day=1))
    room.batch("two.csv", 60, first=300)
    room.settle(5)
    room.restart()
    room.settle(5)
    assert len(room.history()) == 1
    assert status(room)["held"]["reason"] == "count"
