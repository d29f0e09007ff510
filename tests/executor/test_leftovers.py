# SPDX-License-Identifier: Apache-2.0
"""What is left of runs: processes whose supervisor was killed while nobody looked, and folders of what is long over."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest

from colonnade.adapters.executor.folder import read
from colonnade.adapters.executor.local import LocalExecutor
from colonnade.adapters.executor.processes import since
from colonnade.adapters.executor.tidy import tidy
from colonnade.app.leftover import sweep_leftovers
from colonnade.app.settings.environment import places_of
from colonnade.ports.outside.executor import Work
from colonnade.testing.project import until

PATH = os.environ["PATH"]


def started(runs: Path, run: str, script: str) -> dict[str, str]:
    """A command that runs; its record. Whoever started it looks no more."""
    executor = LocalExecutor(runs)
    executor.start(Work(run, ["sh", "-c", script], str(runs), {"PATH": PATH}))
    until(lambda: (read(runs / run) or {}).get("state") == "running", 10)
    executor.close()
    found = read(runs / run)
    assert found is not None
    return found


def test_what_a_killed_supervisor_left_is_ended_by_down_although_no_daemon_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLONNADE_HOME", raising=False)
    places = places_of(tmp_path / "colonnade.yaml")
    lost = started(places.runs, "lse_a", "setsid sleep 600 & echo $! > orphan; exec sleep 600")
    kept = started(places.runs, "lse_b", "exec sleep 600")
    until(lambda: (places.runs / "orphan").exists() and (places.runs / "orphan").read_text().endswith("\n"), 10)
    orphan = int((places.runs / "orphan").read_text())
    os.kill(int(lost["supervisor"]), signal.SIGKILL)
    until(lambda: not since(int(lost["pid"])), 10)
    assert since(orphan), "it left the command's session, so nothing but a sweep finds it"
    assert sweep_leftovers(places) == 1
    assert not since(orphan)
    assert since(int(kept["pid"])), "what has a supervisor goes on"
    assert sweep_leftovers(places) == 0
    executor = LocalExecutor(places.runs)
    executor.stop("lse_b", 0)
    until(lambda: executor.seen()["lse_b"].state == "ended", 10)
    executor.close()


def test_a_run_whose_folder_was_removed_ends_with_all_that_it_started(tmp_path: Path) -> None:
    found = started(tmp_path / "runs", "lse_a", "setsid sleep 600 & echo $! > orphan; exec sleep 600")
    orphan = tmp_path / "runs" / "orphan"
    until(lambda: orphan.exists() and orphan.read_text().endswith("\n"), 10)
    beneath = int(orphan.read_text())
    shutil.rmtree(tmp_path / "runs")
    os.kill(int(found["supervisor"]), signal.SIGUSR1)  # it looks by itself every few seconds
    until(lambda: not any(since(pid) for pid in (int(found["pid"]), int(found["supervisor"]), beneath)), 30)


def test_where_nothing_ever_ran_nothing_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLONNADE_HOME", raising=False)
    places = places_of(tmp_path / "colonnade.yaml")
    assert sweep_leftovers(places) == 0
    assert not places.home.exists()


def over(folder: Path, run: str, ended_s: float, size: int = 0) -> None:
    (folder / run).mkdir(parents=True)
    (folder / run / "out").write_bytes(b"x" * size)
    (folder / run / "outcome").write_bytes(b"")
    os.utime(folder / run / "outcome", (ended_s, ended_s))


def test_what_ended_long_ago_is_removed_and_what_was_not_forgotten_never(tmp_path: Path) -> None:
    over(tmp_path, "lse_old", 1_000)
    over(tmp_path, "lse_new", 90_000)
    (tmp_path / "lse_running").mkdir()
    (tmp_path / "lse_running" / "state").write_bytes(b"")
    os.utime(tmp_path / "lse_running" / "state", (1, 1))
    (tmp_path / "changed").touch()
    assert tidy(tmp_path, 100_000, keep_s=50_000) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["changed", "lse_new", "lse_running"]


def test_of_too_much_the_newest_stay(tmp_path: Path) -> None:
    for number in range(5):
        over(tmp_path, f"lse_{number}", 10_000 * number, size=1 << 20)
    assert tidy(tmp_path, 100_000, keep_bytes=5 << 19) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lse_3", "lse_4"]
    assert tidy(tmp_path, 40_001, keep_bytes=1 << 19) == 1, "what ended within the hour stays, whatever its size"
    assert [path.name for path in tmp_path.iterdir()] == ["lse_4"]
    assert tidy(tmp_path / "nowhere", 1) == 0
