# SPDX-License-Identifier: Apache-2.0
"""What a model's loop does with data of its own: labels that are late wait, too much is refused, a source that is dead
is asked again, large files lie in pieces."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from colonnade.core.tables import ColumnRule, Fresh, Rules
from colonnade.lifecycle import artifacts, data
from colonnade.ports.outside.sources import Source
from tests.lifecycle.model_room import MODEL, ModelRoom

READ_PARQUET = """
import json, os
import pyarrow.parquet as pq
table = pq.read_table(os.environ["COLONNADE_INPUT"] + "/SIDE.parquet").to_pydict()
"""
TRAIN = (
    READ_PARQUET.replace("SIDE", "train")
    + """
mean = sum(table["income"]) / len(table["income"])
json.dump({"cut": mean}, open(os.environ["COLONNADE_OUTPUT"] + "/model.json", "w"))
"""
)
EVALUATE = (
    READ_PARQUET.replace("SIDE", "test")
    + """
cut = json.load(open(os.environ["COLONNADE_INPUT"] + "/model/model.json"))["cut"]
right = sum((a < cut) == (b == 1) for a, b in zip(table["income"], table["default"]))
json.dump({"accuracy": right / len(table["income"])}, open(os.environ["COLONNADE_OUTPUT"] + "/metrics.json", "w"))
"""
)


def snapshot(room: ModelRoom) -> Any:
    """(the snapshot's step, what it told) of the newest pipeline."""
    newest = room.loop.pipelines.of_model(MODEL, 1)[0]
    step = next(step for step in room.loop.pipelines.steps(newest["run"]) if step.step == "snapshot")
    return step, json.loads(step.told)


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


def test_more_than_is_read_at_once_is_refused_with_the_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "MOST_BYTES", 100)
    room = ModelRoom(tmp_path)
    room.batch("a.csv")
    room.settle()
    assert room.history() == [("first", "failed")]
    assert "are read at once" in room.loop.pipelines.of_model(MODEL, 1)[0]["reason"]


def table(rows: int, seed: int = 1) -> pa.Table:
    income = np.random.default_rng(seed).integers(20, 70, rows)
    return pa.table({"age": np.full(rows, 30), "income": income, "default": (income < 45).astype(int)})


def test_parquet_trains_as_it_is_and_a_batch_cut_off_is_quarantined_until_it_is_whole(tmp_path: Path) -> None:
    room = ModelRoom(tmp_path, patterns=("data/*.parquet",))
    (tmp_path / "train.py").write_text(TRAIN)
    (tmp_path / "evaluate.py").write_text(EVALUATE)
    pq.write_table(table(200), tmp_path / "data" / "a.parquet")
    room.settle()
    assert room.history() == [("first", "promoted")]
    whole = tmp_path / "b"
    pq.write_table(table(200, 2), whole)
    (tmp_path / "data" / "b.parquet").write_bytes(whole.read_bytes()[:-100])
    room.settle()
    assert room.history()[0] == ("new data", "quarantined")
    _, told = snapshot(room)
    assert "is no whole Parquet file" in told["quarantined"][0]["breaches"][0]["rule"]
    whole.rename(tmp_path / "data" / "b.parquet")
    room.settle()
    assert room.history()[0] == ("new data", "promoted")
    step, told = snapshot(room)
    assert told["rows"] == 400
    about = room.artifacts.get(step.artifact).about
    assert about["columns"]["income"]["rows"] == 400
    assert [about["columns"][name]["type"] for name in ("age", "default")] == ["integer", "boolean"]


def test_large_files_lie_in_pieces_and_come_back_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifacts, "PIECE_BYTES", 100)
    room = ModelRoom(tmp_path)
    room.batch("a.csv", rows=200)
    room.settle()
    assert room.history() == [("first", "promoted")]
    step, _ = snapshot(room)
    dataset = room.artifacts.get(step.artifact)
    original = (tmp_path / "data" / "a.csv").read_bytes()
    assert room.artifacts.read(dataset.files[0]) == original
    room.artifacts.write(dataset.files[0], tmp_path / "again" / "a.csv")
    assert (tmp_path / "again" / "a.csv").read_bytes() == original
    assert max(len(room.blobs.get(digest)) for digest in room.blobs.digests()) < len(original)
    monkeypatch.setattr(artifacts, "PIECE_BYTES", 16 << 20)
    assert room.artifacts.put("dataset", {"data/a.csv": tmp_path / "data" / "a.csv"}, {}).files == dataset.files


def test_data_that_are_no_longer_fresh_train_nothing(tmp_path: Path) -> None:
    room = ModelRoom(tmp_path, rules=Rules(fresh=Fresh("day", 2 * 86_400_000)))
    day = datetime.fromtimestamp(room.state.now_ms() / 1000, UTC).date().isoformat()
    rows = "".join(f"{day},{20 + n},{int(n < 25)}\n" for n in range(50))
    (tmp_path / "data" / "a.csv").write_text("day,income,default\n" + rows)
    room.settle()
    assert room.history() == [("first", "promoted")]
    room.clock.advance(3 * 86_400_000)
    (tmp_path / "data" / "b.csv").write_text("day,income,default\n" + rows)
    room.settle()
    assert room.history()[0] == ("new data", "quarantined")
    reason = room.loop.pipelines.of_model(MODEL, 1)[0]["reason"]
    assert f"the newest day is of {day}T00:00:00Z, more than 48 hours ago" in reason


def fill(path: Path, first: int, rows: int) -> None:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE IF NOT EXISTS loans (id INTEGER, age INTEGER, income REAL, repaid INTEGER)")
        for number in range(first, first + rows):
            income = 20 + number * 7 % 50
            database.execute("INSERT INTO loans VALUES (?, 30, ?, ?)", (number, income, int(income >= 45)))
    database.close()


QUERY = Source("sqlite", 'SELECT id, age, income, 1 - repaid AS "default" FROM loans', url="sqlite:///loans.db")


def test_a_query_trains_and_new_rows_train_again(tmp_path: Path) -> None:
    fill(tmp_path / "loans.db", 0, 80)
    room = ModelRoom(tmp_path, patterns=(), sources=(QUERY,))
    room.settle()
    assert room.history() == [("first", "promoted")]
    fill(tmp_path / "loans.db", 80, 40)
    room.settle()
    assert room.history() == [("new data", "promoted"), ("first", "promoted")]
    _, told = snapshot(room)
    assert told["rows"] == 120


def test_a_commit_that_changes_no_row_of_the_query_trains_nothing(tmp_path: Path) -> None:
    fill(tmp_path / "loans.db", 0, 80)
    room = ModelRoom(tmp_path, patterns=(), sources=(QUERY,))
    room.settle()
    with sqlite3.connect(tmp_path / "loans.db") as database:
        database.execute("CREATE TABLE other (a)")
    database.close()
    room.settle()
    assert room.history() == [("first", "promoted")]


def test_a_source_that_went_away_is_told_and_training_goes_on_when_it_is_back(tmp_path: Path) -> None:
    fill(tmp_path / "loans.db", 0, 80)
    room = ModelRoom(tmp_path, patterns=(), sources=(QUERY,))
    (tmp_path / "loans.db").rename(tmp_path / "away")
    room.settle()
    assert room.history() == []
    assert room.loop.trouble is not None
    assert room.loop.trouble.code == "source_down"
    (tmp_path / "away").rename(tmp_path / "loans.db")
    room.settle()
    assert room.history() == [("first", "promoted")]
    assert room.loop.trouble is None


def test_a_source_that_dies_within_a_pipeline_is_waited_for(tmp_path: Path) -> None:
    fill(tmp_path / "loans.db", 0, 80)
    room = ModelRoom(tmp_path, patterns=(), sources=(QUERY,))
    room.loop.step()
    (tmp_path / "loans.db").rename(tmp_path / "away")
    for _ in range(8):
        room.clock.advance(1000)
        room.loop.step()
    step, _ = snapshot(room)
    assert "there is no database" in step.error
    assert step.attempts >= 2
    (tmp_path / "away").rename(tmp_path / "loans.db")
    room.settle()
    assert room.history() == [("first", "promoted")]


def test_rules_of_a_query_are_those_of_a_file(tmp_path: Path) -> None:
    fill(tmp_path / "loans.db", 0, 80)
    room = ModelRoom(tmp_path, patterns=(), sources=(QUERY,), rules=Rules({"income": ColumnRule(max=60)}))
    room.settle()
    assert room.history() == [("first", "quarantined")]
    _, told = snapshot(room)
    assert told["quarantined"][0]["path"].startswith("query-")
    assert told["quarantined"][0]["breaches"][0]["rule"] == "income is above 60"
