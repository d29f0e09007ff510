# SPDX-License-Identifier: Apache-2.0
"""Several seeds of a candidate: trained and evaluated under one lease each, the first is served, all must hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from colonnade.lifecycle.judging import judge
from colonnade.lifecycle.pipelines import Step
from colonnade.lifecycle.reports import Report
from colonnade.lifecycle.wanted import Gate
from tests.lifecycle.model_room import MODEL, ModelRoom, at_least

LUCKY = """
seed = json.load(open(os.environ["COLONNADE_PARAMETERS"]))["seed"]
with open(os.environ["COLONNADE_OUTPUT"] + "/model.json", "w") as file:
    json.dump({"cut": CUTS[seed], "seed": seed}, file)
"""
ROWS = """
with open(os.environ["COLONNADE_OUTPUT"] + "/predictions.csv", "w") as file:
    file.write("correct\\n")
    for row in rows:
        file.write(f"{int((float(row['income']) < model['cut']) == (row['default'] == '1'))}\\n")
"""


def room_of(folder: Path, cuts: list[float], *gates: Gate) -> ModelRoom:
    """A model whose quality depends on its seed: it is right where the cut is 45."""
    room = ModelRoom(folder, gates=gates, parameters={"seeds": len(cuts)})
    train, evaluate = folder / "train.py", folder / "evaluate.py"
    train.write_text(train.read_text() + f"CUTS = {cuts}\n" + LUCKY)
    evaluate.write_text(evaluate.read_text() + ROWS)
    return room


def newest(room: ModelRoom) -> tuple[Any, dict[str, Step]]:
    pipeline = room.loop.pipelines.of_model(MODEL, 1)[0]
    return pipeline, {step.step: step for step in room.loop.pipelines.steps(pipeline["run"])}


def test_a_candidate_that_passes_by_the_luck_of_one_seed_is_refused(tmp_path: Path) -> None:
    room = room_of(tmp_path, [45, 25, 45], at_least(0.9))
    room.batch("a.csv", 400)
    room.settle()
    pipeline, _ = newest(room)
    assert pipeline["outcome"] == "refused"
    assert "with another seed, accuracy is 0." in pipeline["reason"]
    assert json.loads(pipeline["metrics"])["accuracy"] == 1
    found = json.loads(room.state.rows("meta_get", key=f"findings/{pipeline['decision']}")[0]["value"])[0]
    assert [found["seeds"][0], found["seeds"][2]] == [1, 1]
    assert found["seeds"][1] < 0.9


def test_seeds_that_all_hold_go_live_with_the_first_alone_and_are_compared_with_the_next_candidate(
    tmp_path: Path,
) -> None:
    room = room_of(tmp_path, [45, 44, 46], at_least(0.8), Gate("accuracy", "at_least", None, 0.03))
    room.batch("a.csv", 600)
    room.settle()
    pipeline, steps = newest(room)
    assert pipeline["outcome"] == "promoted", pipeline["reason"]
    assert room.leasing.ran == ["train", "evaluate"]
    version = room.artifacts.get(steps["package"].artifact)
    assert [entry.path for entry in version.files] == ["model.json"]
    assert json.loads(room.artifacts.read(version.files[0])) == {"cut": 45, "seed": 0}
    kept = {entry.path for entry in room.artifacts.get(steps["evaluate"].artifact).files}
    assert kept == {f"{place}{name}" for place in ("", ".seeds/1/", ".seeds/2/") for name in
                    ("metrics.json", "predictions.csv")}  # fmt: skip
    room.batch("b.csv", 600, first=700)
    room.settle()
    assert newest(room)[0]["outcome"] in {"promoted", "unchanged"}, newest(room)[0]["reason"]


def test_a_seed_whose_script_fails_fails_the_step(tmp_path: Path) -> None:
    room = room_of(tmp_path, [45, 45], at_least(0.5))
    script = tmp_path / "train.py"
    script.write_text(script.read_text() + "assert seed == 0, 'seed one'\n")
    room.batch("a.csv")
    room.settle(80)
    assert room.history()[0][1] == "failed"
    assert "seed one" in newest(room)[0]["reason"]


@pytest.mark.parametrize("other, passed", [(0.80, True), (0.70, False)])
def test_beside_the_incumbent_the_mean_over_the_seeds_decides(other: float, passed: bool) -> None:
    def report(right: float, *seeds: Report) -> Report:
        rows = [1.0] * round(1000 * right) + [0.0] * round(1000 * (1 - right))
        return Report({"accuracy": right}, {"accuracy": rows}, seeds)

    candidate = report(0.81, report(other), report(other))
    found = judge([Gate("accuracy", "at_least", None)], candidate, report(0.8))[0]
    assert (found.passed, found.seeds) == (passed, (0.81, other, other))
    assert passed or "with the mean of 3 seeds" in found.reason
