# SPDX-License-Identifier: Apache-2.0
"""`examples/credit` through the real command line: it trains, judges and replaces its model by itself."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from colonnade.testing.project import Project, until
from scripts.make_credit import BATCHES, HEADER, HOME, LOOKED_ON, batch, shuffled, with_negative_ages, write

pytestmark = pytest.mark.slow
STEPS = ["snapshot", "split", "train", "evaluate", "package", "compare"]


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = Project.copy_of(HOME.parent, tmp_path / "credit")
    declaration = made.folder / "colonnade.yaml"
    text = declaration.read_text().replace("quiet_s: 5 ", "quiet_s: 1 ")
    declaration.write_text(text + "\ngateway: {port: 0}\n")
    yield made
    made.down()


def credit(project: Project) -> dict[str, Any]:
    found: dict[str, Any] = project.run("status", "--wait", "60", "--json").json["models"]["credit"]
    return found


def now(project: Project) -> dict[str, Any]:
    """The model as it is, ready or not."""
    found: dict[str, Any] = project.now()["models"]["credit"]
    return found


def after(project: Project, pipelines: int) -> dict[str, Any]:
    """The model once so many pipelines are over."""
    until(lambda: sum(one["outcome"] != "running" for one in now(project)["history"]) >= pipelines, 60)
    return credit(project)


def test_the_committed_batches_are_what_the_script_writes(tmp_path: Path) -> None:
    for name, days in BATCHES.items():
        write(tmp_path / name, batch(days, known_on=LOOKED_ON))
        assert (tmp_path / name).read_bytes() == (HOME / name).read_bytes()


def test_it_goes_live_renews_itself_keeps_bad_data_out_and_refuses_a_worse_candidate(project: Project) -> None:
    assert project.run("up", "--detach").code == 0
    model = after(project, 1)
    assert model["live"]["metrics"]["roc_auc"] > 0.7
    kinds = {node["kind"] for node in project.run("why", "model/credit", "--json").json["nodes"]}
    assert {"dataset", "run", "step", "decision", "lease"} <= kinds

    trained = project.run("train", "credit", "--json")
    assert (trained.code, trained.json["outcome"]) == (0, "unchanged")
    model = credit(project)
    assert [step["step"] for step in model["steps"]] == STEPS
    assert {step["state"] for step in model["steps"]} == {"cached"}

    write(project.folder / "data" / "2025-q3.csv", batch(range(180, 270), known_on=300))
    model = after(project, 3)
    newest = model["history"][0]
    assert (newest["trigger"], newest["outcome"], model["live"]["generation"]) == ("new data", "promoted", 2)
    brier = next(gate for gate in newest["gates"] if gate["metric"] == "brier")
    assert brier["low"] <= brier["difference"] <= brier["high"] < 0.01
    assert brier["rows"] > 500

    write(project.folder / "data" / "bad.csv", with_negative_ages(batch(range(270, 280), known_on=310), 3))
    model = after(project, 4)
    assert model["history"][0]["outcome"] == "quarantined"
    breach = model["quarantined"][0]["breaches"][0]
    assert (breach["rule"], breach["count"], breach["rows"][0]["line"]) == ("age is below 18", 3, 2)
    run = project.run("logs", model["history"][0]["ref"], "--json").json
    assert (run["outcome"], run["exit_code"]) == ("quarantined", 3)

    (project.folder / "data" / "bad.csv").unlink()
    after(project, 5)
    write(project.folder / "data" / "2025-q4.csv", shuffled(batch(range(270, 340), known_on=400)))
    model = after(project, 6)
    newest = model["history"][0]
    assert (newest["outcome"], model["live"]["generation"]) == ("refused", 2)
    assert "roc_auc is 0." in newest["reason"]
    assert {gate["metric"]: gate["low"] is not None for gate in newest["gates"]}["brier"]
    assert project.run("logs", newest["ref"], "--json").json["exit_code"] == 3
    node = project.run("why", newest["decision"], "--json").json["nodes"][0]
    assert node["label"].startswith("refused: roc_auc is 0.")
    told = next(gate for gate in node["gates"] if gate["metric"] == "brier")
    assert told["low"] <= told["difference"] <= told["high"]
    assert project.run("train", "credit", "--json").code == 3


def steps(model: dict[str, Any]) -> dict[str, str]:
    return {step["step"]: step["state"] for step in model["steps"]}


def test_a_touched_line_trains_again_and_nothing_before_it_and_a_rollback_brings_the_first_version_back(
    project: Project,
) -> None:
    assert project.run("up", "--detach").code == 0
    first = after(project, 1)["live"]["version"]
    script = project.folder / "train.py"
    script.write_text(script.read_text() + "# touched\n")
    model = after(project, 2)
    assert steps(model) == {**dict.fromkeys(STEPS, "cached"), "train": "done"}
    assert (model["history"][0]["outcome"], model["live"]["version"]) == ("unchanged", first)

    script.write_text(script.read_text().replace('float(parameters()["ridge"])', '2 * float(parameters()["ridge"])'))
    model = after(project, 3)
    assert steps(model) == {
        **dict.fromkeys(STEPS, "done"),
        "snapshot": "cached",
        "split": "cached",
        "compare": "cached",
    }
    assert (model["history"][0]["outcome"], model["live"]["generation"]) == ("promoted", 2)
    told = {(line["part"], *line["slice"].items()): line for line in model["history"][0]["slices"]}
    north = told["held_out", ("region", "north")]
    assert north["rows"] > 100
    assert north["metrics"]["accuracy"]["low"] < north["metrics"]["accuracy"]["value"] < 1
    assert ("recent", ("age", "30..50")) in told

    back = project.run("rollback", "service/credit", "--json")
    assert (back.code, back.json["version"]) == (0, first)
    assert credit(project)["live"]["version"] == first


def test_labels_shuffled_in_a_file_that_was_good_are_refused_with_the_difference_and_its_interval(
    project: Project,
) -> None:
    assert project.run("up", "--detach").code == 0
    first = after(project, 1)["live"]["version"]
    for name, days in BATCHES.items():
        write(project.folder / "data" / name, shuffled(batch(days, known_on=LOOKED_ON)))
        model = after(project, 2 + list(BATCHES).index(name))
        newest = model["history"][0]
        assert (newest["outcome"], model["live"]["version"]) == ("refused", first)
        assert project.run("logs", newest["ref"], "--json").json["exit_code"] == 3
        brier = next(gate for gate in newest["gates"] if gate["metric"] == "brier")
        assert brier["low"] <= brier["difference"] <= brier["high"]


def cells(days: range) -> list[list[str]]:
    return [list(HEADER), *batch(days, known_on=999)]


def table(path: Path, rows: list[list[str]], encoding: str = "utf-8", **dialect: Any) -> None:
    with open(path, "w", encoding=encoding, newline="") as file:
        csv.writer(file, **dialect).writerows(rows)


def spoiled(rows: list[list[str]], line: int, column: str, value: str) -> list[list[str]]:
    return [
        [*row[: HEADER.index(column)], value, *row[HEADER.index(column) + 1 :]] if number == line else row
        for number, row in enumerate(rows)
    ]


def a_half_row(path: Path) -> None:
    table(path, cells(range(180, 190)))
    path.write_bytes(path.read_bytes()[:-9])


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "extra.csv": (lambda p: table(p, [[*row, "x"] for row in cells(range(180, 190))]), "its columns are not those"),
    "missing.csv": (lambda p: table(p, [row[:5] + row[6:] for row in cells(range(180, 190))]), "no column 'income'"),
    "half.csv": (a_half_row, "values in a table of 10 columns"),
    "empty.csv": (lambda p: p.write_bytes(b""), "the first line must name every column"),
    "latin.csv": (lambda p: table(p, [*cells(range(190)), ["é"] * 10], "latin-1"), "is not UTF-8"),
    "one in a thousand.csv": (lambda p: table(p, spoiled(cells(range(90)), 700, "age", "-4")), "age is below 18"),
    "words.csv": (lambda p: table(p, spoiled(cells(range(90)), 3, "income", "much")), "income is no number"),
    "nulls.parquet": (lambda p: write(p, spoiled(batch(range(90), known_on=999), 5, "age", "")), "age is empty"),
}


def test_files_that_break_the_contract_each_in_its_way_are_quarantined_with_the_reason(project: Project) -> None:
    assert project.run("up", "--detach").code == 0
    first = after(project, 1)["live"]["version"]
    for name, (make, _) in BAD.items():
        make(project.folder / name)
        (project.folder / name).rename(project.folder / "data" / name)
    until(lambda: len(now(project)["quarantined"]) == len(BAD), 60)
    model = credit(project)
    found = {one["path"].removeprefix("data/"): one["breaches"] for one in model["quarantined"]}
    for name, (_, rule) in BAD.items():
        assert any(rule in breach["rule"] for breach in found[name]), (name, found[name])
    shown = found["one in a thousand.csv"][0]
    assert (shown["count"], shown["rows"][0]["line"], shown["rows"][0]["age"]) == (1, 701, "-4")
    assert (model["history"][0]["outcome"], model["live"]["version"]) == ("quarantined", first)


def test_good_batches_come_as_parquet_or_as_csv_from_any_program(project: Project) -> None:
    assert project.run("up", "--detach").code == 0
    after(project, 1)
    write(project.folder / "data" / "july.parquet", batch(range(180, 195), known_on=999))
    table(project.folder / "data" / "aus Excel, August.csv", cells(range(195, 205)), "utf-8-sig", lineterminator="\r\n",
          quoting=csv.QUOTE_ALL)  # fmt: skip
    turned = [[f"{row[-1]}.0", *row[-2::-1]] for row in cells(range(205, 215))[1:]]
    table(project.folder / "data" / "pandas.csv", [list(HEADER[::-1]), *turned])
    until(lambda: now(project)["live"]["generation"] >= 2, 90)
    until(lambda: now(project)["history"][0]["outcome"] != "running", 60)
    model = credit(project)
    assert model["quarantined"] == []
    whole = next(line for line in model["history"][0]["slices"] if not line["slice"])
    known = [row for days in (range(90), range(90, 180)) for row in batch(days, known_on=LOOKED_ON) if row[-1]]
    assert whole["rows"] > 0.2 * (len(known) + len(batch(range(180, 215))))


def test_a_model_without_its_data_says_so_at_once(project: Project) -> None:
    for file in (project.folder / "data").iterdir():
        file.unlink()
    assert project.run("up", "--detach").code == 0
    ended = project.run("train", "credit")
    assert ended.code == 2
    assert "no file matches data/*.csv" in ended.err
