# SPDX-License-Identifier: Apache-2.0
"""Rights that change while the daemon is stopped, or while it reads, through the real command line."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

from colonnade.testing.project import Project, until

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


def test_documents_written_while_readers_are_taken_away_get_the_new_readers(tmp_path: Path) -> None:
    project = Project.small(tmp_path / "p")
    for number in range(1500):
        file = project.write(f"docs/{number}.txt", f"The number of locker {number} is {number * 7 + 1}.\n")
        os.utime(file, (1_700_000_000, 1_700_000_000))
    declared = (project.folder / "colonnade.yaml").read_text("utf-8")
    narrowed = declared.replace("docs, readers: [everyone]", "docs, readers: [hr]")
    project.up(ready=0)
    try:
        until(lambda: project.now()["knowledge"]["handbook"]["documents"] > 0, 30)
        project.write("colonnade.yaml", narrowed)
        assert project.run("up").code == 0
        until(lambda: project.now()["knowledge"]["handbook"]["documents"] == 1500, 60)
        with contextlib.closing(sqlite3.connect(f"file:{project.home / 'state.db'}?mode=ro", uri=True)) as state:
            held = state.execute("SELECT names FROM reader_sets WHERE id IN (SELECT readers FROM documents)").fetchall()
        assert held == [('["hr"]',)]
    finally:
        project.down()
