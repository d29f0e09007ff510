# SPDX-License-Identifier: Apache-2.0
"""A house without a model: the data sheet of its knowledge bases; reports of a model say that there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from colonnade.testing.project import Project

pytestmark = pytest.mark.slow


def test_the_data_sheet_of_a_knowledge_base_counts_its_documents_and_reports_of_models_say_there_is_none(
    tmp_path: Path,
) -> None:
    project = Project.small(tmp_path / "small")
    for number in range(3):
        project.write(f"docs/{number}.txt", f"The office number {number} opens at eight.")
    project.up()
    project.down()
    sheet = project.run("report", "data-sheet", "--json").json
    told = {one["id"]: one["value"] for one in sheet["statements"]}
    assert told["knowledge-handbook.added"] == 3
    key = project.run("checkpoint", "--key").out.strip()
    (tmp_path / "sheet.json").write_text(project.run("report", "data-sheet", "--json").out)
    assert project.run("report", "--verify", str(tmp_path / "sheet.json"), "--key", key).code == 0
    assert project.run("report", "art-12").code == 0
    none = project.run("report", "annex-iv")
    assert none.code == 2
    assert "of which model?" in none.err
