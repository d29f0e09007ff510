# SPDX-License-Identifier: Apache-2.0
"""Something changes, a pipeline follows, a version goes live or does not: each step once, whoever is killed when."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from colonnade.lifecycle.wanted import STEPS
from tests.lifecycle.model_room import MODEL, ModelRoom, at_least

DONE = dict.fromkeys(STEPS, "done")
CACHED = dict.fromkeys(STEPS, "cached")


@pytest.fixture
def room(tmp_path: Path) -> ModelRoom:
    made = ModelRoom(tmp_path)
    made.batch("a.csv")
    return made


def test_the_first_data_give_the_first_live_version(room: ModelRoom) -> None:
    room.settle()
    assert room.history() == [("first", "promoted")]
    assert room.steps() == {**DONE, "compare": "cached"}
    version = room.artifacts.get(room.live() or "")
    assert [entry.path for entry in version.files] == ["model.json"]
    assert version.about["metrics"]["accuracy"] > 0.5


def test_nothing_changed_means_nothing_is_done(room: ModelRoom) -> None:
    room.settle()
    room.restart()
    room.settle()
    assert room.history() == [("first", "promoted")]
    assert room.leasing.ran == ["train", "evaluate"]


def test_asked_for_by_hand_every_step_is_found_again(room: ModelRoom) -> None:
    room.settle()
    room.loop.by_hand = True
    room.settle()
    assert room.history()[0] == ("by hand", "unchanged")
    assert room.steps() == CACHED


def test_a_comment_in_the_training_script_trains_anew_and_what_comes_out_equal_is_not_judged_again(
    room: ModelRoom,
) -> None:
    room.settle()
    script = room.folder / "train.py"
    script.write_text(script.read_text() + "# touched\n")
    room.settle()
    assert room.history()[0] == ("changed code", "unchanged")
    assert room.steps() == {**CACHED, "train": "done"}
    assert room.leasing.ran == ["train", "evaluate", "train"]


def test_a_module_that_the_script_imports_is_part_of_its_code(room: ModelRoom) -> None:
    (room.folder / "shared.py").write_text("LIMIT = 1\n")
    script = room.folder / "train.py"
    script.write_text("import shared\n" + script.read_text())
    room.settle()
    (room.folder / "shared.py").write_text("LIMIT = 2\n")
    (room.folder / "unrelated.py").write_text("x = 1\n")
    room.loop.by_hand = True
    room.settle()
    assert room.history()[0][0] in {"changed code", "by hand"}
    assert room.steps()["train"] == "done"


def test_new_data_are_taken_in_by_themselves(room: ModelRoom) -> None:
    room.settle()
    first = room.live()
    room.batch("b.csv", first=200)
    room.settle()
    assert room.history()[0] == ("new data", "promoted")
    assert room.live() != first


def test_a_batch_that_breaks_the_contract_is_quarantined_with_its_rows_and_trains_nothing(room: ModelRoom) -> None:
    room.settle()
    first = room.live()
    room.batch("bad.csv", 3, age=-7)
    room.settle()
    assert room.history()[0] == ("new data", "quarantined")
    assert room.live() == first
    assert room.leasing.ran == ["train", "evaluate"]
    newest = room.loop.pipelines.of_model(MODEL, 1)[0]
    told = json.loads(room.loop.pipelines.steps(newest["run"])[0].told)
    breach = told["quarantined"][0]["breaches"][0]
    assert (breach["rule"], breach["count"], breach["rows"][0]["line"]) == ("age is below 0", 3, 2)
    assert breach["rows"][0]["age"] == "-7"


def test_a_good_batch_beside_a_bad_one_is_taken_in(room: ModelRoom) -> None:
    room.settle()
    room.batch("bad.csv", 3, age=-7)
    room.batch("good.csv", first=500)
    room.settle()
    assert room.history()[0] == ("new data", "promoted")


def test_a_candidate_below_its_gate_is_refused_and_the_live_version_stays(tmp_path: Path) -> None:
    room = ModelRoom(tmp_path, gates=(at_least(0.8), at_least(None)))
    room.batch("a.csv")
    room.settle()
    first = room.live()
    assert first
    room.batch("flipped.csv", 600, first=1000, flip=True)
    room.settle()
    newest = room.loop.pipelines.of_model(MODEL, 1)[0]
    assert newest["outcome"] == "refused"
    assert "at least 0.8 is wanted" in newest["reason"]
    assert room.live() == first


def test_a_script_that_fails_is_tried_again_and_then_the_pipeline_says_why(room: ModelRoom) -> None:
    (room.folder / "train.py").write_text("raise SystemExit('out of luck')\n")
    room.settle()
    assert room.leasing.ran == ["train", "train"]
    newest = room.loop.pipelines.of_model(MODEL, 1)[0]
    assert (newest["outcome"], newest["reason"]) == ("failed", "train: failed (exit 1): out of luck")
    assert not (room.folder / "work").exists() or not list((room.folder / "work").iterdir())


def test_what_hangs_is_ended_after_its_time(tmp_path: Path) -> None:
    room = ModelRoom(tmp_path, timeout_ms=5000, retries=0)
    room.batch("a.csv")
    for _ in range(12):
        room.clock.advance(1000)
        room.loop.step()
    assert room.history() == [("first", "failed")]
    assert "took longer than 5 s" in room.loop.pipelines.of_model(MODEL, 1)[0]["reason"]


def test_metrics_must_be_finite_numbers(room: ModelRoom) -> None:
    (room.folder / "evaluate.py").write_text(
        "import os\nopen(os.environ['COLONNADE_OUTPUT'] + '/metrics.json', 'w').write('{\"accuracy\": NaN}')\n"
    )
    room.settle()
    assert room.history() == [("first", "failed")]
    assert "not a finite number" in room.loop.pipelines.of_model(MODEL, 1)[0]["reason"]


@pytest.mark.parametrize("cut", range(0, 12, 2))
def test_killed_after_any_cycle_the_successor_goes_on_and_does_nothing_twice(tmp_path: Path, cut: int) -> None:
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    whole, killed = ModelRoom(tmp_path / "whole"), ModelRoom(tmp_path / "killed")
    for room in (whole, killed):
        room.batch("a.csv")
    whole.settle()
    killed.settle(cut)
    killed.restart()
    killed.settle()
    assert killed.live() == whole.live()
    assert killed.leasing.ran == ["train", "evaluate"]
    assert killed.history() == [("first", "promoted")]


def test_no_value_of_the_data_stands_in_the_log(room: ModelRoom) -> None:
    room.batch("b.csv", age=77)
    room.settle()
    for row in room.state.rows("entries_after", seq=0, limit=1000):
        assert b"income" not in row["bytes"]
        assert b"credit" not in row["bytes"]
