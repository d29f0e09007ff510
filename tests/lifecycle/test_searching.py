# SPDX-License-Identifier: Apache-2.0
"""A search over parameters: trials are cached steps on rows within the training side, and the best parameters go on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from colonnade.adapters.tuning.optuna_tuner import OptunaTuner
from colonnade.lifecycle.searching.space import Search, falls_behind, read_progress
from colonnade.ports.outside.tuner import Range, Space, Tried
from tests.lifecycle.model_room import MODEL, ModelRoom

pytest.importorskip("optuna")

TRAIN = """\
import csv, json, os
told = json.load(open(os.environ["COLONNADE_PARAMETERS"]))
rows = list(csv.DictReader(open(os.environ["COLONNADE_INPUT"] + "/train.csv")))
output = os.environ["COLONNADE_OUTPUT"]
with open(output + "/progress.jsonl", "w") as file:
    for step in range(3):
        print(json.dumps({"step": step, "accuracy": 1 - abs(told["cut"] - 45) / 100}), file=file)
if told.get("fail_above") and told["cut"] > told["fail_above"]:
    raise SystemExit("the cut is too high")
json.dump({"cut": told["cut"], "kind": told["kind"], "rows": len(rows)}, open(output + "/model.json", "w"))
"""
SPACE: Space = {"cut": Range(21, 69), "kind": ("plain", "odd")}


class SearchRoom(ModelRoom):
    """A model whose parameters are searched for."""

    def __init__(self, folder: Path, **search: Any) -> None:
        values: dict[str, Any] = {"trials": 6, "metric": "accuracy", "maximize": True, **search}
        super().__init__(folder, search=Search(SPACE, **values), parameters=values.pop("parameters", {}))
        (folder / "train.py").write_text(TRAIN)

    def restart(self) -> None:
        super().restart()
        self.loop._tools = replace(self.loop._tools, tuner=OptunaTuner())

    def found(self) -> dict[str, Any]:
        """What the newest search found."""
        newest = self.loop.pipelines.of_model(MODEL, 1)[0]["run"]
        step = next(one for one in self.loop.pipelines.steps(newest) if one.step == "search")
        return dict(self.artifacts.get(step.artifact).about)

    def trained(self) -> dict[str, Any]:
        """The live model's own file."""
        version = self.artifacts.get(str(self.live()))
        entry = next(one for one in version.files if one.path == "model.json")
        assert [one.path for one in version.files] == ["model.json"]
        told: dict[str, Any] = json.loads(self.artifacts.read(entry))
        return told


@pytest.fixture
def room(tmp_path: Path) -> SearchRoom:
    """Six trials, one at a time."""
    found = SearchRoom(tmp_path)
    found.batch("one.csv", 200)
    return found


def test_the_best_of_the_trials_is_trained_on_the_whole_side_and_goes_live(room: SearchRoom) -> None:
    room.settle(60)
    assert room.history() == [("first", "promoted")]
    found = room.found()
    best = max(found["trials"], key=lambda one: one["value"])
    assert found["parameters"] == best["parameters"]
    assert len(found["trials"]) == 6
    model = room.trained()
    assert model["cut"] == best["parameters"]["cut"]
    assert model["rows"] > 100, "all rows of the training side, not those of the trials"
    different = {json.dumps(one["parameters"]) for one in found["trials"]}
    assert room.leasing.ran.count("train") == len(different) + 1


def test_the_held_out_rows_are_never_seen_by_a_trial(room: SearchRoom) -> None:
    room.settle(60)
    seen = [
        json.loads(room.artifacts.read(room.artifacts.get(row["artifact"]).files[0]))["rows"]
        for row in room.state.rows("pipeline_steps", pipeline=_search_run(room))
        if row["step"].startswith("train")
    ]
    assert max(seen) < room.trained()["rows"]


def test_equal_inputs_are_searched_once_and_more_trials_cost_only_those(room: SearchRoom) -> None:
    room.settle(60)
    first = room.found()
    room.leasing.ran.clear()
    room.loop.ask()
    room.settle(60)
    assert room.leasing.ran == []
    assert room.found() == first
    room.loop.wanted = room.wanted = replace(room.wanted, search=Search(SPACE, 8, "accuracy", True))
    room.settle(60)
    assert room.found()["trials"][:6] == first["trials"]
    assert 2 <= room.leasing.ran.count("train") <= 3


@pytest.mark.parametrize("after", [1, 4, 7, 10])
def test_killed_it_goes_on_with_what_was_tried_and_finds_the_same(tmp_path: Path, after: int) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    found = []
    for folder in (whole, broken):
        folder.mkdir()
        room = SearchRoom(folder)
        room.batch("one.csv", 200)
        for cycle in range(60):
            room.clock.advance(1000)
            if folder is broken and cycle % after == 0:
                room.restart()
            room.loop.step()
            room.leasing.run_all()
        found.append((room.found()["parameters"], room.live(), room.leasing.ran.count("train")))
    assert found[0] == found[1]


def test_a_trial_that_fails_is_told_and_does_not_end_the_search(tmp_path: Path) -> None:
    room = SearchRoom(tmp_path)
    room.loop.wanted = room.wanted = replace(room.wanted, parameters={"fail_above": 50})
    room.batch("one.csv", 200)
    room.settle(80)
    trials = room.found()["trials"]
    failed = [one for one in trials if one["state"] == "failed"]
    assert failed
    assert all("the cut is too high" in one["error"] and one["value"] is None for one in failed)
    assert room.trained()["cut"] <= 50


def test_when_not_one_trial_ends_well_the_pipeline_says_why(tmp_path: Path) -> None:
    room = SearchRoom(tmp_path)
    room.loop.wanted = room.wanted = replace(room.wanted, parameters={"fail_above": 1})
    room.batch("one.csv", 200)
    room.settle(80)
    assert room.history() == [("first", "failed")]
    assert "not one of 6 trials ended well" in room.loop.pipelines.of_model(MODEL, 1)[0]["reason"]


def test_a_trial_that_falls_behind_is_given_up() -> None:
    others = [{0: 0.9, 1: 0.9}, {0: 0.8, 1: 0.8}, {0: 0.7, 1: 0.9}, {0: 0.9, 1: 0.95}]
    assert falls_behind({0: 0.5, 1: 0.5}, others, maximize=True)
    assert not falls_behind({0: 0.5, 1: 0.95}, others, maximize=True)
    assert not falls_behind({0: 0.5, 1: 0.5}, others, maximize=False)
    assert not falls_behind({0: 0.1}, others[:3], maximize=True), "too few have come so far"
    assert not falls_behind({}, others, maximize=True)
    assert read_progress('{"step": 1, "a": 2}\n{"step": 2, "a": "x"}\n{"st', "a") == {1: 2.0}


def test_proposals_depend_on_nothing_but_what_was_tried() -> None:
    tried = [Tried({"cut": 30 + n, "kind": "plain"}, 0.5 + n / 100) for n in range(9)]
    tuner = OptunaTuner()
    twice = [tuner.propose(SPACE, tried, maximize=True, seed=7) for _ in range(2)]
    assert twice[0] == twice[1]
    assert 21 <= twice[0]["cut"] <= 69
    assert twice[0]["kind"] in {"plain", "odd"}
    running = [*tried, Tried(twice[0], None, running=True)]
    assert tuner.propose(SPACE, running, maximize=True, seed=7) != twice[0]


def _search_run(room: SearchRoom) -> str:
    newest = room.loop.pipelines.of_model(MODEL, 1)[0]["run"]
    return next(one.run for one in room.loop.pipelines.steps(newest) if one.step == "search")
