# SPDX-License-Identifier: Apache-2.0
"""How rows are divided: by time nothing newer trains, labels that are late wait, too much is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colonnade.core.errors import UsageError
from colonnade.lifecycle import data
from colonnade.lifecycle.table import Table, divide, labelled
from tests.lifecycle.model_room import MODEL, ModelRoom


def table(times: list[str]) -> Table:
    return Table(("time", "number"), tuple((place + 2, (time, str(place))) for place, time in enumerate(times)))


days = st.lists(st.integers(0, 40), min_size=2, max_size=60)


@given(days, st.floats(0.05, 0.9), st.integers(0, 20))
def test_training_is_older_than_every_held_out_row_by_the_delay_of_the_labels(
    times: list[int], holdout: float, delay: int
) -> None:
    train, test = divide(table([str(t) for t in times]), holdout, "time", delay)
    newest = max((int(value) for value in train.column("time")), default=-1)
    oldest = min(int(value) for value in test.column("time"))
    assert newest < oldest
    assert all(int(value) + delay <= oldest for value in train.column("time"))
    if not delay:
        assert len(train.rows) + len(test.rows) == len(times)
    if len(set(times)) > 1 and not delay:
        assert train.rows


@given(days, st.randoms())
def test_the_order_of_the_rows_does_not_matter(times: list[int], rng: object) -> None:
    rows = list(table([str(t) for t in times]).rows)
    mixed = list(rows)
    rng.shuffle(mixed)  # type: ignore[attr-defined]
    first, second = (divide(Table(("time", "number"), tuple(r)), 0.3, "time") for r in (rows, mixed))
    assert [part.rows for part in first] == [part.rows for part in second]


def test_dates_are_ordered_as_moments_and_a_delay_counts_days() -> None:
    times = ["2025-12-31", "2026-01-01T00:00:00+00:00", "2026-01-31", "2026-02-15", "2026-02-16"]
    train, test = divide(table(times), 0.4, "time", 30)
    assert test.column("time") == times[3:]
    assert train.column("time") == times[:2]


@pytest.mark.parametrize("times", [["31.12.2025", "01.01.2026"], ["1", ""], ["1", "2026-01-01"]])
def test_a_time_that_has_no_order_is_refused(times: list[str]) -> None:
    with pytest.raises(UsageError, match="neither a number nor a date"):
        divide(table(times), 0.5, "time")


def test_rows_without_a_label_are_left_out_and_counted(tmp_path: Path) -> None:
    room = ModelRoom(tmp_path)
    room.batch("a.csv")
    file = tmp_path / "data" / "a.csv"
    file.write_text(file.read_text() + "30,40,\n30,41, \n")
    room.settle()
    newest = room.loop.pipelines.of_model(MODEL, 1)[0]
    steps = {step.step: step for step in room.loop.pipelines.steps(newest["run"])}
    told = json.loads(steps["snapshot"].told)
    assert (told["rows"], told["unlabelled"]) == (62, 2)
    about = room.artifacts.get(steps["split"].artifact).about
    assert about["train"] + about["test"] == 60
    assert room.history() == [("first", "promoted")]


def test_a_label_that_arrives_later_trains_then(tmp_path: Path) -> None:
    room = ModelRoom(tmp_path)
    room.batch("a.csv")
    file = tmp_path / "data" / "a.csv"
    file.write_text(file.read_text() + "30,44,\n")
    room.settle()
    file.write_text(file.read_text().replace("30,44,\n", "30,44,1\n"))
    room.settle()
    assert room.history()[0][0] == "new data"
    assert labelled(table(["1", " "]), "time").column("time") == ["1"]


def test_more_than_is_read_at_once_is_refused_with_the_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "MOST_BYTES", 100)
    room = ModelRoom(tmp_path)
    room.batch("a.csv")
    room.settle()
    assert room.history() == [("first", "failed")]
    assert "are read at once" in room.loop.pipelines.of_model(MODEL, 1)[0]["reason"]
