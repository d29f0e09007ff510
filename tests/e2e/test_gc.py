# SPDX-License-Identifier: Apache-2.0
"""`gc` on `examples/credit`: what a refused candidate left goes, and everything that answers, or could, stays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from colonnade.testing.project import Project, until
from scripts.make_credit import HOME, batch, write

pytestmark = pytest.mark.slow


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = Project.copy_of(HOME.parent, tmp_path / "credit")
    declaration = made.folder / "colonnade.yaml"
    kept = "retention: {artifacts: 1s, runs: 1s, captures: 1s}"
    declaration.write_text(f"{declaration.read_text()}\ngateway: {{port: 0}}\n{kept}\n")
    yield made
    made.down()


def over(project: Project) -> list[dict[str, Any]]:
    history: list[dict[str, Any]] = project.now()["models"]["credit"]["history"]
    return [one for one in history if one["outcome"] != "running"]


def test_a_sweep_frees_what_nothing_needs_and_the_model_answers_goes_back_and_trains_on(project: Project) -> None:
    assert project.run("up", "--detach").code == 0
    until(lambda: len(over(project)) >= 1, 90)
    write(project.folder / "data" / "2025-q3.csv", batch(range(180, 270), known_on=300))
    until(lambda: len(over(project)) >= 2, 120)
    until(lambda: project.now()["models"]["credit"]["live"]["generation"] == 2, 120)
    told = project.run("gc", "--dry-run", "--json")
    assert told.code == 0, told.err
    done = project.run("gc", "--json")
    assert done.code == 0, done.err
    assert done.json["counts"]["runs"] >= 1
    again = project.run("gc", "--json").json["counts"]
    assert (again["runs"], again["artifacts"], again["blobs"]) == (0, 0, 0)
    trained = project.run("train", "credit", "--json")
    assert trained.json["outcome"] == "unchanged", trained.out
    back = project.run("rollback", "service/credit", "--json")
    assert back.code == 0, back.err
    assert project.now()["models"]["credit"]["live"]["generation"] == 3
    assert project.run("status", "--wait", "60").code == 0
    assert project.run("verify").code == 0
