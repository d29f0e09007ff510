# SPDX-License-Identifier: Apache-2.0
"""An auditor's day, through the real command line (issue Prove, Seen from outside 1 and 2)."""

from __future__ import annotations

import base64
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from colonnade.testing.project import Project, until


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    project = Project.small(tmp_path_factory.mktemp("small"))
    project.write("docs/office.md", "# Office\n\nThe office is in the old mill by the river.\n")
    project.up()
    yield project
    project.down()


def signed_size(project: Project) -> int:
    return int(project.run("checkpoint", "--json").json["size"])


@pytest.mark.slow
def test_an_auditor_without_us_finds_what_a_bit_changes(small: Project, tmp_path: Path) -> None:
    kept, evidence = tmp_path / "kept", tmp_path / "evidence"
    assert small.run("checkpoint", "publish", str(kept)).code == 0
    before = signed_size(small)
    answer = small.run("ask", "Where is the office?", "--json").json
    until(lambda: signed_size(small) > before, 30)
    done = small.run("verify", "--since", str(kept), "--export", str(evidence), "--open", answer["ref"], "--json")
    assert done.code == 0, done.err
    assert done.json["since"] == [before]
    opened = json.loads((evidence / "opened.json").read_text("utf-8"))["values"]
    question = next(value for value in opened if value["field"] == "question")
    assert base64.b64decode(question["value"]) == b"Where is the office?"
    key = small.run("checkpoint", "--key").out.strip()

    def audit(*more: str) -> tuple[int, str]:
        alone = [sys.executable, "-I", str(evidence / "verify.py"), "--key", key, *more]
        found = subprocess.run(alone, capture_output=True, text=True, env={}, check=False)
        return found.returncode, found.stdout + found.stderr

    assert audit("--since", str(kept))[0] == 0
    entries = next((evidence / "tile" / "entries").rglob("*.p/*"))
    data = entries.read_bytes()
    entries.write_bytes(data[:-9] + bytes([data[-9] ^ 4]) + data[-8:])
    code, said = audit()
    assert code == 1
    assert f"index {done.json['export']['entries'] - 1}" in said


@pytest.mark.slow
def test_a_log_that_was_cut_is_found_by_a_checkpoint_that_left_and_never_covered_up(
    small: Project, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    assert small.run("checkpoint", "publish", str(kept)).code == 0
    small.down()
    aside = tmp_path / "aside"
    shutil.copytree(small.home, aside)
    try:
        with sqlite3.connect(small.home / "state.db") as state:  # the last entries and their checkpoints never were
            last = state.execute("SELECT max(idx) FROM entries").fetchone()[0]
            gone = [row[0] for row in state.execute("SELECT seq FROM entries WHERE idx > ?", (last - 3,))]
            state.execute(f"DELETE FROM edges WHERE seq IN ({','.join(map(str, gone))})")
            state.execute("DELETE FROM entries WHERE idx > ?", (last - 3,))
            state.execute("DELETE FROM checkpoints WHERE size > ?", (last - 2,))
        (small.home / "state.db.seal").unlink()
        assert small.run("verify").code == 0  # consistent in itself
        done = small.run("verify", "--since", str(kept), "--json")
        assert done.code == 1
        assert "truncated" in done.json["findings"][0]["message"]
        refused = small.run("checkpoint", "publish", str(kept), "--json")
        assert refused.code == 3
    finally:
        shutil.rmtree(small.home)
        os.rename(aside, small.home)
    small.up()


@pytest.mark.slow
def test_checkpoints_go_into_a_git_repository(small: Project, tmp_path: Path) -> None:
    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(tmp_path), *words], capture_output=True, text=True, check=True)
        return done.stdout

    git("init", "--quiet")
    git("config", "user.email", "a@example.org")
    git("config", "user.name", "a")
    assert small.run("checkpoint", "publish", f"git:{tmp_path}").code == 0
    assert git("log", "--format=%s").startswith("Checkpoint of ")
    assert (tmp_path / "checkpoint").read_text().startswith("colonnade/")


def test_a_key_that_was_copied_wrongly_is_said_to_be(tmp_path: Path) -> None:
    from colonnade.govern.ledger import standalone

    alone = [sys.executable, "-I", standalone.__file__, "--key", "colonnade/x+00000000+AAAA", str(tmp_path)]
    found = subprocess.run(alone, capture_output=True, text=True, env={}, check=False)
    assert found.returncode == 1
    assert "verifier key" in found.stderr
