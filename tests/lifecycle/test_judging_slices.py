# SPDX-License-Identifier: Apache-2.0
"""Slices: which rows they hold, what is told of them, and gates that look at them."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colonnade.app.settings.declaration import parse_declaration
from colonnade.core.errors import DeclarationError
from colonnade.lifecycle.intervals import interval
from colonnade.lifecycle.judging import judge
from colonnade.lifecycle.reports import Report
from colonnade.lifecycle.slices import Parts, cut, told
from colonnade.lifecycle.wanted import Gate, Slicing
from tests.lifecycle.model_room import MODEL, ModelRoom

REGIONS = ("north", "south", "east", "west")


def columns(rows: list[dict[str, object]]) -> tuple[dict[str, list[str]], int]:
    return {name: [str(row[name]) for row in rows] for name in rows[0]}, len(rows)


def report(rows: list[float], metric: str = "accuracy") -> Report:
    return Report({metric: sum(rows) / len(rows)}, {metric: rows})


def even(groups: int, size: int) -> Parts:
    """So many groups of a column `g`, one after the other."""
    held = {("g", str(group)): range(group * size, (group + 1) * size) for group in range(groups)}
    return Parts(groups * size, held)


def test_rows_lie_in_the_group_of_their_value_or_interval() -> None:
    ages = ["29", "30", "49.5", "50", "", "old", "nan"]
    parts = cut(*columns([{"age": age, "region": "north"} for age in ages]), [Slicing("age", (30, 50))], None, 0.25)
    groups = {group: list(rows) for group, rows in parts.of_column("age").items()}
    assert groups == {"<30": [0], "30..50": [1, 2], ">=50": [3], "(empty)": [4, 5, 6]}
    assert parts.of_column("region") == {}
    assert parts.recent == ()


@given(st.lists(st.sampled_from([*"abcdefgh", ""]), min_size=1, max_size=60), st.floats(0.05, 0.95))
def test_the_groups_of_a_column_part_its_rows_and_the_recent_end_at_a_moment(values: list[str], recent: float) -> None:
    rows = [{"g": value, "day": place // 3} for place, value in enumerate(values)]
    parts = cut(*columns([dict(row) for row in rows]), [Slicing("g")], "day", recent)
    assert sorted(row for places in parts.of_column("g").values() for row in places) == list(range(len(rows)))
    first = min(parts.recent)
    assert list(parts.recent) == list(range(first, len(rows)))
    assert len(parts.recent) >= round(recent * len(rows))
    assert first % 3 == 0


def test_of_a_column_with_many_values_the_rarest_are_told_together() -> None:
    names = [f"n{number}" for number in range(60) for _ in range(2)] + ["n59"]
    parts = cut(*columns([{"name": name} for name in names]), [Slicing("name")], None, 0.25)
    assert len(parts.of_column("name")) == 51
    assert len(parts.of_column("name")["(others)"]) == 20
    assert "n59" in parts.of_column("name")


def test_every_slice_is_told_with_its_count_and_interval_and_a_small_one_with_its_count_alone() -> None:
    parts = Parts(140, {("g", "a"): range(120), ("g", "b"): range(120, 140)}, range(100, 140))
    lines = told({"accuracy": [1.0] * 90 + [0.0] * 50}, {"accuracy": [1.0] * 140}, parts)
    found = {(line["part"], line["slice"].get("g")): line for line in lines}
    assert found["held_out", "a"]["metrics"]["accuracy"] == {
        "value": 0.75, "low": 0.662731, "high": 0.824535, "incumbent": 1.0
    }  # fmt: skip
    assert found["held_out", "b"] == {
        "part": "held_out", "slice": {"g": "b"}, "rows": 20, "metrics": {}, "masked": "fewer than 30 rows"
    }  # fmt: skip
    assert (found["recent", None]["rows"], found["recent", None]["metrics"]["accuracy"]["value"]) == (40, 0)
    assert found["recent", "a"]["rows"] == 20


@pytest.mark.parametrize("hits, rows", [(0, 30), (30, 30), (7, 30), (150, 200), (9_990, 10_000), (40_000, 100_000)])
@pytest.mark.parametrize("confidence", [0.9, 0.9975])
def test_a_share_has_the_exact_interval(hits: int, rows: int, confidence: float) -> None:
    stats = pytest.importorskip("scipy.stats")
    exact = stats.binomtest(hits, rows).proportion_ci(confidence, method="exact")
    found = interval([1.0] * hits + [0.0] * (rows - hits), confidence, bounded=True)
    assert found == pytest.approx((exact.low, exact.high), abs=1e-9)


def test_a_gate_on_a_slice_sees_its_rows_alone_and_says_so() -> None:
    parts = Parts(200, {("region", "north"): range(60), ("region", "east"): range(60, 70)}, range(150, 200))
    mine = report([0.0] * 30 + [1.0] * 170)
    north = Gate("accuracy", "at_least", 0.8, slice=("region", "north"))
    failed = judge([north], mine, None, parts)[0]
    assert (failed.passed, failed.value, failed.rows) == (False, 0.5, 60)
    assert failed.reason == "accuracy where region is north is 0.5, at least 0.8 is wanted"
    assert judge([Gate("accuracy", "at_least", 0.8)], mine, None, parts)[0].passed
    newest = judge([Gate("accuracy", "at_least", 0.9, recent=True)], mine, None, parts)[0]
    assert (newest.passed, newest.where) == (True, "in the newest rows")
    beside = judge([Gate("accuracy", "at_least", None, slice=("region", "north"))], mine, report([1.0] * 200), parts)[0]
    assert not beside.passed
    assert "the candidate is worse: -0.5000" in beside.reason


def test_a_slice_with_too_few_rows_or_a_metric_without_rows_does_not_pass() -> None:
    parts = Parts(200, {("region", "east"): range(60, 70)})
    few = judge([Gate("accuracy", "at_least", 0.1, slice=("region", "east"))], report([1.0] * 200), None, parts)[0]
    assert (few.passed, few.value) == (False, None)
    assert "10 rows are held out, 30 are needed" in few.reason
    auc = judge([Gate("roc_auc", "at_least", 0.1, each="region")], Report({"roc_auc": 0.9}), None, parts)[0]
    assert not auc.passed
    assert "has no value a row" in auc.reason


def test_a_candidate_that_fails_in_no_group_is_refused_one_time_in_twenty_at_most_however_many_groups() -> None:
    rng, parts, refused, tries = random.Random(11), even(20, 50), {"incumbent": 0, "limit": 0}, 100
    for _ in range(tries):
        its = [float(rng.random() < 0.8) for _ in range(parts.rows)]
        mine = [float(rng.random() < 0.8) if rng.random() < 0.1 else score for score in its]
        gates = [Gate("accuracy", "at_least", None, 0.0, each="g"), Gate("accuracy", "at_least", 0.8, each="g")]
        beside, limit = judge(gates, report(mine), report(its), parts)
        refused["incumbent"] += not beside.passed
        refused["limit"] += not limit.passed
    most = tries * 0.05 + 3 * (tries * 0.05 * 0.95) ** 0.5
    assert max(refused.values()) <= most


def test_a_group_that_is_harmed_is_found_among_many_and_named() -> None:
    rng, parts = random.Random(12), even(8, 150)
    its = [float(rng.random() < 0.85) for _ in range(parts.rows)]
    mine = [0.0 if 300 <= row < 450 and rng.random() < 0.25 else score for row, score in enumerate(its)]
    found = judge([Gate("accuracy", "at_least", None, each="g")], report(mine), report(its), parts)[0]
    assert not found.passed
    assert found.where == "where g is 2"
    assert found.high is not None
    assert found.high < -0.05
    assert judge([Gate("accuracy", "at_least", None)], report(its), report(its), parts)[0].passed


def test_a_loss_is_turned_round_in_groups_too_and_small_groups_are_named_as_not_judged() -> None:
    parts = Parts(210, {("g", "a"): range(100), ("g", "b"): range(100, 200), ("g", "c"): range(200, 210)})
    rng = random.Random(13)
    its = [rng.expovariate(1) for _ in range(210)]
    worse = [loss * (1.5 if 100 <= row < 200 else 1) for row, loss in enumerate(its)]
    gate = Gate("mae", "at_most", None, each="g")
    found = judge([gate], report(worse, "mae"), report(its, "mae"), parts)[0]
    assert (found.passed, found.where) == (False, "where g is b")
    assert found.reason.endswith("too few rows to judge c")
    assert judge([gate], report(its, "mae"), report(its, "mae"), parts)[0].passed
    assert judge([gate], report(its, "mae"), None, parts)[0].passed


def test_a_pipeline_keeps_how_good_its_candidate_was_in_each_slice(tmp_path: Path) -> None:
    gates = (Gate("accuracy", "at_least", 0.5, each="income"),)
    room = ModelRoom(tmp_path, gates=gates, slices=(Slicing("income", (20, 30)),))
    script = tmp_path / "evaluate.py"
    script.write_text(script.read_text() + (
        'with open(os.environ["COLONNADE_OUTPUT"] + "/predictions.csv", "w") as file:\n'
        '    file.write("correct\\n" + "1\\n" * len(rows))\n'
    ))  # fmt: skip
    room.batch("a.csv", 400)
    room.settle()
    decision = room.loop.pipelines.of_model(MODEL, 1)[0]["decision"]
    kept = json.loads(room.state.rows("meta_get", key=f"slices/{decision}")[0]["value"])
    assert [line["slice"] for line in kept][:2] == [{}, {"income": "20..30"}]
    assert kept[0]["metrics"]["accuracy"]["value"] == 1
    assert room.loop.pipelines.of_model(MODEL, 1)[0]["outcome"] == "promoted"


@pytest.mark.parametrize(
    "lines, said",
    [
        ("gates: [{metric: a, at_least: 1, each: region}]", "'region', which is not under `slices`"),
        ("gates: [{metric: a, at_least: 1, slice: {r: x}, each: r}], slices: [r]", "one `slice` or at `each`"),
        ("gates: [{metric: a, at_least: 1, part: recent}]", "needs `time`"),
        ("slices: [r, {column: r}]", "names a column twice"),
        ("slices: [{column: r, bins: [3, 1]}]", "bins ascend"),
    ],
)
def test_slices_that_do_not_fit_are_refused_with_a_sentence(lines: str, said: str) -> None:
    text = f"version: 1\nproject: p\nmodels:\n  m: {{data: d, label: y, train: t.py, evaluate: e.py, {lines}}}\n"
    with pytest.raises(DeclarationError) as raised:
        parse_declaration(text, "colonnade.yaml")
    assert said in raised.value.message
