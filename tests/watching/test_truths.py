# SPDX-License-Identifier: Apache-2.0
"""Truths find their predictions, are scored once, ring, and begin afresh with each version; also over a kill -9."""

from __future__ import annotations

import json
import random
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from colonnade.core.errors import StorageFull
from colonnade.core.exchanges import Exchange, Reply
from colonnade.core.predicting import TENSORS
from colonnade.lifecycle.watching.rules import AlarmRule, LabelRule
from colonnade.lifecycle.watching.scoring import answers_of, rows_of, wrongness
from colonnade.lifecycle.watching.truths import Label
from tests.watching.watch_room import ACTOR, SERVICE, WatchRoom


@pytest.mark.parametrize(
    ("predicted", "truth", "score", "scale", "wrong"),
    [
        (0.8, 1, "auto", None, pytest.approx(0.04)),
        (0.8, "0", "auto", None, pytest.approx(0.64)),
        (1, True, "auto", None, 0.0),
        ("b", "a", "auto", None, 1.0),
        ("a", "a ", "auto", None, 0.0),
        ({"prediction": "a"}, "a", "auto", None, 0.0),
        ({"label": "1", "probabilities": {"0": 0.4, "1": 0.6}}, 1, "auto", None, 0.0),
        ({"label": "b", "probabilities": {"a": 0.2, "b": 0.8}}, "a", "brier", None, pytest.approx(0.64)),
        ({"label": "b", "probabilities": {"a": 0.0, "b": 1.0}}, "c", "brier", None, 1.0),
        ({"label": "b", "probabilities": {"a": None}}, "a", "brier", None, None),
        ([0.3], 1, "error", None, 1.0),
        (0.7, 1, "error", None, 0.0),
        (3, 4, "error", None, 1.0),
        (12.0, "10", "auto", 8.0, 0.25),
        (100.0, 1, "absolute", 8.0, 1.0),
        (100.0, 10, "auto", None, None),
        (float("nan"), 1, "brier", None, 1.0),
        (None, 1, "auto", None, None),
        ([0.1, 0.9], 1, "auto", None, None),
        (7.0, 1, "brier", None, None),
    ],
)
def test_how_wrong_an_answer_was(predicted: Any, truth: Any, score: str, scale: float | None, wrong: Any) -> None:
    assert wrongness(predicted, truth, score, scale) == wrong


def test_tensors_in_json_are_rows_too() -> None:
    body = {"inputs": [{"name": "x", "shape": [2, 2], "datatype": "FP32", "data": [[1, 2], [3, 4]]},
                       {"name": "customer", "shape": [2, 1], "datatype": "BYTES", "data": ["a", "b"]}]}  # fmt: skip
    answer = {"outputs": [{"name": "y", "shape": [2, 1], "datatype": "FP32", "data": [0.5, 0.25]}]}
    reply = Reply("v", 1.0, False, json.dumps(answer).encode())
    one = Exchange(
        "request/" + "0" * 24, "s", "", "", TENSORS, 0, json.dumps(body).encode(), 0, "champion", reply, None
    )
    assert rows_of(one) == [{"x": [1, 2], "customer": "a"}, {"x": [3, 4], "customer": "b"}]
    assert answers_of(one, reply) == [0.5, 0.25]
    assert rows_of(one._replace(body=b"\x00\x01")) == []
    assert answers_of(one, reply._replace(data=b"{}")) == []


def test_a_truth_is_taken_once_corrected_later_and_both_are_kept() -> None:
    room = WatchRoom(labels=LabelRule("", "default", "group"))
    room.promote([0.1] * 500)
    one = room.exchange([{"group": "a"}, {"group": "b"}], b"[0.2, 0.9]")
    room.watch.put([one])
    labels = [Label(one.ref, 0, 0), Label(one.ref, 1, 0), Label(one.ref, 2, 0), Label("request/" + "f" * 24, 0, 1)]
    told = room.watch.label(labels, ACTOR)
    assert (told.count, told.corrected, told.same, len(told.unknown)) == (2, 0, 0, 2)
    assert [(o.row, o.group, round(o.champion or 0, 4), o.challenger) for o in room.outcomes] == [
        (0, "a", 0.04, None), (1, "b", 0.81, None),
    ]  # fmt: skip
    assert room.watch.label(labels[:2], ACTOR).same == 2
    assert room.watch.label([Label(one.ref, 1, 1)], ACTOR).corrected == 1
    assert len(room.outcomes) == 2
    kept = room.watch.truths.of(one.ref)
    assert [label for _, label in kept[1].labels] == [0, 1]
    assert kept[1].champion == pytest.approx(0.01)
    assert kept[0].row == {"group": "a"}
    assert [entry["n"]["count"] for entry in room.entries("truths.told")] == [2, 1]


def test_wrong_answers_ring_once_say_since_when_and_a_new_version_ends_it() -> None:
    room = WatchRoom()
    room.promote([0.04] * 1500 + [0.3] * 500)
    good = room.serve(600, answer=0.25)
    room.tell(good, 0)
    assert room.alarms() == []
    bad = room.serve(600, answer=0.25)
    for place in range(0, 600, 20):
        room.tell(bad[place : place + 20], 1)
    assert room.alarms() == [("wrong", True)]
    entry = room.entries("alarm.raised")[0]
    assert entry["is"] == {"measure": "wrong"}
    assert 590 <= entry["n"]["since"] <= 610
    assert entry["n"]["at"] < 660
    told = json.loads(room.state.rows("alarms_of_model", model="mod_1", limit=1)[0]["told"])
    assert bad[0].at_ms - 40 <= int(told["request"][8:20], 16) <= bad[0].at_ms + 40
    room.promote([0.04] * 500, name="two")
    room.watch.step()
    assert room.alarms() == []
    assert [entry["is"]["reason"] for entry in room.entries("alarm.ended")] == ["replaced"]


def test_a_false_alarm_is_called_off_by_the_rows_after_it() -> None:
    room = WatchRoom()
    room.promote([0.04] * 1500 + [0.3] * 500)
    room.tell(room.serve(60, answer=0.25), 1)
    assert room.alarms() == [("wrong", True)]
    room.tell(room.serve(300, answer=0.25), 0)
    assert room.alarms() == []
    assert [entry["is"]["reason"] for entry in room.entries("alarm.ended")] == ["called_off"]
    room.tell(room.serve(200, answer=0.25), 1)
    assert room.alarms() == [("wrong", True)]


def test_answers_of_an_older_version_are_no_samples_of_the_new_one() -> None:
    room = WatchRoom()
    room.promote([0.04] * 2000)
    old = room.serve(400, answer=0.25)
    room.promote([0.04] * 2000, name="two")
    told = room.tell(old, 1)
    assert (told.count, len(room.outcomes), room.alarms()) == (400, 400, [])


def test_errors_empty_answers_and_slow_ones_ring_and_are_calm_again() -> None:
    room = WatchRoom()
    room.promote()
    for _ in range(30):
        room.serve(100)
    assert room.alarms() == []
    room.serve(300, error=True)
    room.serve(300, answer=None)
    room.serve(300, ms=50.0)
    assert sorted(room.alarms()) == [("errors", True), ("latency", True), ("missing", True)]
    for _ in range(40):
        room.serve(100)
    assert room.alarms() == []
    assert {entry["is"]["reason"] for entry in room.entries("alarm.ended")} == {"calm"}


def test_a_measure_that_is_off_does_not_ring() -> None:
    room = WatchRoom(alarms=AlarmRule(10_000, 0.01, 0.005, 100, frozenset({"errors"})))
    room.promote()
    room.serve(500, error=True)
    room.serve(100, ms=101.0)
    assert room.alarms() == [("latency", True)]


def test_a_version_without_held_out_scores_learns_what_is_normal_first() -> None:
    room = WatchRoom()
    room.promote()
    room.tell(room.serve(600, answer=0.5), 0)
    assert room.alarms() == []
    room.tell(room.serve(200, answer=0.99), 0)
    assert room.alarms() == [("wrong", True)]


def test_a_failed_transaction_is_as_if_nothing_had_come() -> None:
    room = WatchRoom()
    room.promote([0.04] * 500)
    one = room.serve(1)
    good = room.state.rows("meta_get", key=f"watch/{SERVICE}")[0]["value"]
    room.watch.put([room.asked()._replace(ref="request/zz")])
    with pytest.raises(ValueError, match="hex"):
        room.watch.flush()
    assert room.state.rows("meta_get", key=f"watch/{SERVICE}")[0]["value"] == good
    assert room.tell(one, 0).count == 1


@pytest.mark.parametrize("seed", range(5))
def test_killed_at_any_moment_each_sample_was_taken_once_or_not_at_all(tmp_path: Path, seed: int) -> None:
    """The monitors' state after restarts at random places is that of one watch which saw the kept samples only."""
    rng = random.Random(seed)
    room, calm = WatchRoom(tmp_path / "state.db"), WatchRoom()
    for one in (room, calm):
        one.promote([0.04] * 500)
    for _ in range(12):
        made = [
            room.asked(rng.random(), ms=rng.random() * 9, error=rng.random() < 0.01)
            for _ in range(rng.randrange(1, 60))
        ]
        room.watch.put(made)
        if rng.random() < 0.3:
            room.open()  # killed before they were kept
            continue
        room.watch.flush()
        calm.watch.put(made)
        calm.watch.flush()
        if rng.random() < 0.5:
            room.open()
        labels = [(one.ref, int(rng.random() < 0.3)) for one in made if rng.random() < 0.7]
        for watch in (room.watch, calm.watch):
            watch.label([Label(ref, 0, label) for ref, label in labels], ACTOR)
        if rng.random() < 0.5:
            room.open()
            room.watch.label([Label(ref, 0, label) for ref, label in labels], ACTOR)  # the sender did not hear of it
    states = [one.state.rows("meta_get", key=f"watch/{SERVICE}")[0]["value"] for one in (room, calm)]
    assert states[0] == states[1]
    room.state.close()


def test_exchanges_that_come_while_others_are_kept_are_kept_once_each(tmp_path: Path) -> None:
    room = WatchRoom(tmp_path / "state.db")
    room.promote()
    made = [room.asked(0.1, customer=str(n)) for n in range(4000)]
    parts = [made[place : place + 10] for place in range(0, 4000, 10)]

    def arrive() -> None:
        for part in parts:
            room.watch.put(part)

    thread = threading.Thread(target=arrive)
    thread.start()
    while thread.is_alive():
        room.watch.flush()
    thread.join()
    while room.watch.flush():
        pass
    pieces = list(room.watch.captures.pieces(0, 1 << 60))
    assert [one.ref for piece in pieces for one in piece] == [one.ref for one in made]
    room.state.close()


def test_what_could_not_be_kept_for_lack_of_space_is_kept_later(monkeypatch: pytest.MonkeyPatch) -> None:
    room = WatchRoom()
    room.promote()
    one = room.asked(0.1, customer="a")
    room.watch.put([one])

    def full(*_: object) -> None:
        raise StorageFull("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(room.watch.monitors, "save", full)
        with pytest.raises(StorageFull):
            room.watch.flush()
    room.watch.flush()
    assert room.watch.captures.find([one.ref]) == {one.ref: one}


def test_another_rule_begins_afresh_and_ends_what_rang_by_the_old_one() -> None:
    room = WatchRoom()
    room.promote()
    room.serve(500, error=True)
    assert room.alarms() == [("errors", True)]
    room.watch.watched = replace(room.watched, alarms=AlarmRule(10_000, 0.5, 0.005, None, frozenset({"missing"})))
    room.watch.step()
    assert room.alarms() == []
    assert [entry["is"]["reason"] for entry in room.entries("alarm.ended")] == ["undeclared"]
    for _ in range(20):
        room.serve(10, answer=None)
        room.serve(4, error=True)
    assert room.alarms() == []


def test_an_alarm_that_is_called_off_by_the_rest_of_its_own_batch_is_over() -> None:
    room = WatchRoom()
    room.promote([0.04] * 1500 + [0.3] * 500)
    asked = room.serve(2060, answer=0.25)
    labels = [Label(one.ref, 0, int(place < 60)) for place, one in enumerate(asked)]
    room.watch.label(labels, ACTOR)
    assert room.alarms(all_of_them=True) == [("wrong", False)]
    assert [entry["is"]["reason"] for entry in room.entries("alarm.ended")] == ["called_off"]
