# SPDX-License-Identifier: Apache-2.0
"""Every line of `examples/credit/README.md`, one after the other, as a stranger types them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from colonnade.testing.project import Project, until
from scripts.make_credit import HOME

pytestmark = pytest.mark.slow
ROOT = HOME.parents[2]
LINES = re.findall(r"^    (.+?)(?: +# ([\w ,]+))?$", (HOME.parent / "README.md").read_text(), re.M)
OUTCOMES = {"promoted", "quarantined", "refused", "unchanged"}


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """The example and its script, as they lie in the repository, with `./dev` and `python3`."""
    made = Project.copy_of(HOME.parent, tmp_path / "examples" / "credit")
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "make_credit.py", tmp_path / "scripts")
    for name, words in {"dev": '-m colonnade.cli.main "$@"', "bin/python3": '"$@"'}.items():
        program = tmp_path / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\nexec {sys.executable} {words}\n")
        program.chmod(0o755)
    declaration = made.folder / "colonnade.yaml"
    declaration.write_text(declaration.read_text().replace("quiet_s: 5 ", "quiet_s: 1 ") + "\ngateway: {port: 0}\n")
    yield made
    made.down()


def test_every_line_of_the_readme_does_what_it_says(project: Project) -> None:
    root, seen = project.folder.parents[1], 1  # version 1's pipeline is over once `--wait` returns
    environment = {**project.env(), "PATH": f"{root / 'bin'}:{os.environ['PATH']}"}
    assert len(LINES) > 10
    for line, said in LINES:
        done = subprocess.run(
            ["sh", "-c", line], cwd=root, env=environment, capture_output=True, text=True, timeout=200, check=False
        )
        assert done.returncode == 0, (line, done.stdout, done.stderr)
        if line.startswith("head"):
            assert len(done.stdout.split()) == 3
            assert all(0 < float(chance) < 1 for chance in done.stdout.split())
        if said in OUTCOMES:
            until(lambda: len(over(project)) == seen + 1, 90)  # noqa: B023  (called at once)
            seen += 1
            assert over(project)[0] == said, line


def over(project: Project) -> list[str]:
    """How each pipeline that is over ended, newest first."""
    history = project.status()["models"]["credit"]["history"]
    return [one["outcome"] for one in history if one["outcome"] not in {"running", "rolling_out"}]
