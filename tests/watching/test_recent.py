# SPDX-License-Identifier: Apache-2.0
"""What an alarm's candidate is trained and judged on: rows of the time since the change, told truths among them."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from colonnade.adapters.tables.divide import divide
from colonnade.core.tables import Rules
from colonnade.lifecycle.watching.rules import LabelRule
from colonnade.lifecycle.watching.telling import write_told
from colonnade.lifecycle.watching.truths import Label
from colonnade.ports.outside.tables import Batch, Division
from tests.lifecycle.model_room import ModelRoom
from tests.watching.watch_room import ACTOR, WatchRoom


def side(folder: Path, name: str) -> list[dict[str, str]]:
    with open(folder / f"{name}.csv", newline="") as file:
        return list(csv.DictReader(file))


def divided(tmp_path: Path, lines: list[str], **division: Any) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    data, out = tmp_path / "data.csv", tmp_path / "out"
    data.write_text("\n".join(["day,x,y", *lines]) + "\n")
    out.mkdir()
    found = divide([Batch("data.csv", data, "csv")], Division(label="y", holdout=0.25, **division), out)
    train, test = side(out, "train"), side(out, "test")
    assert (found.train, found.test) == (len(train), len(test))
    return train, test


@pytest.mark.parametrize("time", ["day", None])
@pytest.mark.parametrize("whole", [False, True])
def test_rows_are_held_out_of_the_newest_alone(tmp_path: Path, time: str | None, whole: bool) -> None:
    lines = [f"{day},{day % 7},{day % 2}" for day in range(1000)] + [f"{day},1," for day in range(1000, 1010)]
    train, test = divided(tmp_path, lines, time=time, delay=30, recent=400, whole=whole)
    assert {int(row["day"]) for row in test} <= set(range(600, 1000))
    assert 60 < len(test) < 140
    days = {int(row["day"]) for row in train}
    assert days.isdisjoint({int(row["day"]) for row in test})
    assert len(days) + len(test) == (1000 if whole else 400)


def test_a_window_larger_than_the_data_is_all_of_them(tmp_path: Path) -> None:
    train, test = divided(tmp_path, [f"{day},1,{day % 2}" for day in range(100)], time="day", recent=10_000)
    assert len(train) + len(test) == 100


def test_told_truths_are_rows_with_the_columns_of_the_data(tmp_path: Path) -> None:
    watch = WatchRoom(labels=LabelRule("customer", "y"))
    watch.promote()
    room = ModelRoom(tmp_path, label="y", time="when", rules=Rules(unique=("customer",)))
    rows: list[dict[str, Any]] = [
        {"customer": "a", "x": 1, "extra": 1},
        {"customer": "b", "x": 2},
        {"customer": "c", "x": 3},
        {"customer": "d"},
        {"customer": "a", "x": 5},
    ]
    made = [watch.exchange([row], b"[0.5]") for row in rows]
    watch.watch.put(made)
    watch.watch.label(
        [Label(one.ref, 0, label) for one, label in zip(made, (0, True, 0.0, 1, False), strict=True)], ACTOR
    )
    data, out = tmp_path / "here.csv", tmp_path / "told.csv"
    data.write_text("when,customer,x,y\n2026-01-01,b,7,1\n2026-01-01,c,7,\n")
    header = ["when", "customer", "x", "y"]
    batches = [Batch("here.csv", data, "csv")]
    told = [(watch.watch.truths, "customer")]
    assert write_told(room.wanted, header, batches, out, told) == 2
    assert out.read_text().splitlines()[1:] == ["2026-09-21,c,3,0", "2026-09-21,a,5,0"]
    assert write_told(room.wanted, [*header, "z"], batches, tmp_path / "none.csv", told) == 0
    assert not (tmp_path / "none.csv").exists()
