# SPDX-License-Identifier: Apache-2.0
"""Gates: fixed limits, and the incumbent on the same rows with how sure that is."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from colonnade.core.errors import UsageError
from colonnade.lifecycle.judging import judge
from colonnade.lifecycle.reports import Report, read_predictions
from colonnade.lifecycle.wanted import Gate
from tests.lifecycle.model_room import MODEL, ModelRoom

NOT_BELOW = Gate("accuracy", "at_least", None)
WITH_ROWS = """
with open(os.environ["COLONNADE_OUTPUT"] + "/predictions.csv", "w") as file:
    file.write("row,correct\\n")
    for place, row in enumerate(rows):
        file.write(f"{place},{int((float(row['income']) < model['cut']) == (row['default'] == '1'))}\\n")
"""


def report(rows: list[float], metric: str = "accuracy") -> Report:
    return Report({metric: sum(rows) / len(rows)}, {metric: rows})


def drawn(rng: random.Random, n: int, right: float) -> list[float]:
    return [float(rng.random() < right) for _ in range(n)]


def test_a_candidate_that_is_worse_by_the_margin_passes_one_time_in_twenty_at_most() -> None:
    rng, passed = random.Random(5), 0
    for _ in range(400):
        its = drawn(rng, 600, 0.8)
        mine = [float(rng.random() < 0.02) if not score else float(rng.random() >= 0.0175) for score in its]
        passed += judge([NOT_BELOW], report(mine), report(its))[0].passed  # 0.8 x 0.0175 - 0.2 x 0.02 = 1 point worse
    assert passed <= 400 * 0.05 + 3 * (400 * 0.05 * 0.95) ** 0.5


def test_equal_models_are_not_kept_out_for_ever_and_the_more_rows_the_surer_they_pass() -> None:
    def share(n: int) -> float:
        rng, passed = random.Random(6), 0
        for _ in range(100):
            its = drawn(rng, n, 0.8)
            mine = [float(not score) if rng.random() < 0.01 * (1 if score else 4) else score for score in its]
            passed += judge([NOT_BELOW], report(mine), report(its))[0].passed
        return passed / 100

    few, many = share(400), share(4000)
    assert 0.1 < few < many
    assert many > 0.9


def test_a_finding_tells_the_difference_with_its_interval_in_the_metrics_own_unit() -> None:
    found = judge([NOT_BELOW], report([1.0] * 90 + [0.0] * 10), report([1.0] * 70 + [0.0] * 30))[0]
    assert found.passed
    assert found.difference == pytest.approx(0.2)
    assert found.low is not None
    assert found.high is not None
    assert 0.1 < found.low < 0.2 < found.high < 0.3
    assert "is better: +0.2000" in found.reason


def test_a_loss_is_turned_round_and_an_unbounded_one_has_a_margin_of_its_own_size() -> None:
    rng = random.Random(7)
    its = [rng.expovariate(1 / 1000) for _ in range(400)]
    gate = Gate("mae", "at_most", None)
    same = judge([gate], report(its, "mae"), report(its, "mae"))[0]
    worse = judge([gate], report([loss * 1.1 for loss in its], "mae"), report(its, "mae"))[0]
    better = judge([gate], report([loss * 0.9 for loss in its], "mae"), report(its, "mae"))[0]
    assert same.passed
    assert not worse.passed
    assert worse.low is not None
    assert worse.low > 0
    assert "is worse" in worse.reason
    assert "is better" in better.reason
    assert not judge([gate], report(its[:20], "mae"), report(its[:20], "mae"))[0].passed


def test_without_rows_two_values_are_compared_and_the_finding_says_so() -> None:
    gate = Gate("roc_auc", "at_least", None, 0.02)
    assert judge([gate], Report({"roc_auc": 0.79}), Report({"roc_auc": 0.8}))[0].passed
    found = judge([gate], Report({"roc_auc": 0.77}), Report({"roc_auc": 0.8}))[0]
    assert not found.passed
    assert found.low is None
    assert "by these two values alone" in found.reason


@pytest.mark.parametrize(
    "text", ["row,accuracy\n0,1\n", "row,accuracy\n0,1\n1,\n", "accuracy\n1\nnan\n", "accuracy\nx\n1\n"]
)
def test_predictions_that_do_not_fit_the_rows_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="one finite number for each row"):
        read_predictions(text.encode(), 2)


def test_the_incumbent_is_evaluated_on_the_candidates_rows_once(tmp_path: Path) -> None:
    room = ModelRoom(tmp_path, gates=(NOT_BELOW,))
    script = tmp_path / "evaluate.py"
    script.write_text(script.read_text() + WITH_ROWS)
    room.batch("a.csv", 400)
    room.settle()
    assert room.leasing.ran == ["train", "evaluate"]
    room.batch("b.csv", 1200, first=500, flip=True)
    room.settle()
    assert room.leasing.ran == ["train", "evaluate"] * 2 + ["evaluate"]
    newest = room.loop.pipelines.of_model(MODEL, 1)[0]
    assert "accuracy: the candidate" in newest["reason"]
    assert newest["outcome"] in {"promoted", "refused"}


def test_an_incumbent_that_todays_evaluation_cannot_read_is_compared_by_what_was_measured_then(tmp_path: Path) -> None:
    room = ModelRoom(tmp_path, gates=(NOT_BELOW,), retries=0)
    room.batch("a.csv", 400)
    room.settle()
    for name in ("train.py", "evaluate.py"):
        script = tmp_path / name
        script.write_text(script.read_text().replace('"cut"', '"limit"').replace("model.json", "other.json"))
    room.settle()
    assert room.history()[0] == ("changed code", "promoted")
    assert room.leasing.ran[-1] == "evaluate"
