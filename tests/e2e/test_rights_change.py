# SPDX-License-Identifier: Apache-2.0
"""Rights that change while the daemon is stopped, through the real command line."""

from __future__ import annotations

from pathlib import Path

from colonnade.testing.project import Project

FACT = "The safe in the cellar opens with the number 4711.\n"
QUESTION = "With which number does the safe in the cellar open?"


def test_readers_taken_away_while_the_daemon_is_stopped_hold_at_its_next_start(tmp_path: Path) -> None:
    project = Project.small(tmp_path / "p")
    project.write("docs/safe.md", FACT)
    project.up()
    assert project.ask(QUESTION, "--as", "anna")["status"] == "answered"
    project.down()
    declared = (project.folder / "colonnade.yaml").read_text("utf-8")
    narrowed = declared.replace("{path: ./docs, readers: [everyone]}", "{path: ./docs, readers: [hr]}")
    project.write("colonnade.yaml", narrowed)
    project.up()
    try:
        assert project.ask(QUESTION, "--as", "anna")["citations"] == []
        assert project.ask(QUESTION, "--as", "heidi")["status"] == "answered"
    finally:
        project.down()
