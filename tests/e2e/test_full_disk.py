# SPDX-License-Identifier: Apache-2.0
"""A disk that is full while a model is renewed: it is said, predictions go on, and so does everything else by itself
once there is space again.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.soak.lifecycle_processes import ROW, made
from colonnade.testing.project import Project, until
from scripts.make_credit import batch, write

pytestmark = pytest.mark.slow


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk of 24 MB."""
    disk = tmp_path / "small"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(disk)], check=False).returncode:
        pytest.skip("this machine does not let us mount a tmpfs")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def fill(disk: Path) -> Path:
    """Not a byte is left."""
    filler = disk / "filler"
    with open(filler, "wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while file.write(b"x" * size) == size:
                    pass
            except OSError:
                continue
    return filler


def predicts(project: Project, home: Path) -> bool:
    line = http.client.HTTPConnection((home / "daemon.url").read_text().strip().removeprefix("http://"), timeout=10)
    try:
        line.request("POST", "/v1/predict", json.dumps({"rows": [ROW]}),
                     {"authorization": f"Bearer {(home / 'owner.token').read_text().strip()}"})  # fmt: skip
        return line.getresponse().status == 200
    finally:
        line.close()


def test_a_full_disk_is_told_and_new_data_that_came_meanwhile_are_trained_on_once_there_is_space(
    tmp_path: Path, small: Path
) -> None:
    project = made(tmp_path / "credit")
    home = small / "home"
    project.environment["COLONNADE_HOME"] = str(home)
    project.up()

    def outcomes() -> list[str]:
        return [one["outcome"] for one in project.status()["models"]["credit"]["history"]]

    try:
        until(lambda: predicts(project, home), 60)
        filler = fill(small)
        write(project.folder / "new.csv", batch(range(180, 270), known_on=300))
        (project.folder / "new.csv").rename(project.folder / "data" / "new.csv")
        until(lambda: any(one["room"] == "model/credit" for one in project.status()["alarms"]), 60)
        assert {one["code"] for one in project.status()["alarms"]} == {"storage_full"}
        assert outcomes() == ["promoted"]
        assert predicts(project, home), "what is live answers"
        os.unlink(filler)
        until(lambda: outcomes() == ["promoted", "promoted"], 90, 0.2)
        until(lambda: project.status()["alarms"] == [], 30)
    finally:
        project.down()
    assert project.run("verify").code == 0
