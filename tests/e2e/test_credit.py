# SPDX-License-Identifier: Apache-2.0
"""`examples/credit` through the real command line: it trains, judges and replaces its model by itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from colonnade.testing.project import Project, until
from scripts.make_credit import BATCHES, HOME, LOOKED_ON, batch, shuffled, with_negative_ages, write

pytestmark = pytest.mark.slow
STEPS = ["snapshot", "split", "train", "evaluate", "package", "compare"]


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = Project.copy_of(HOME.parent, tmp_path / "credit")
    declaration = made.folder / "colonnade.yaml"
    declaration.write_text(declaration.read_text() + "\ngateway: {port: 0}\n")
    yield made
    made.down()


def credit(project: Project) -> dict[str, Any]:
    found: dict[str, Any] = project.run("status", "--wait", "60", "--json").json["models"]["credit"]
    return found


def after(project: Project, pipelines: int) -> dict[str, Any]:
    """The model once so many pipelines are over."""
    until(lambda: sum(one["outcome"] != "running" for one in credit(project)["history"]) >= pipelines, 60)
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
    assert project.run("train", "credit", "--json").code == 3


def test_a_model_without_its_data_says_so_at_once(project: Project) -> None:
    for file in (project.folder / "data").iterdir():
        file.unlink()
    assert project.run("up", "--detach").code == 0
    ended = project.run("train", "credit")
    assert ended.code == 2
    assert "no file matches data/*.csv" in ended.err
