# SPDX-License-Identifier: Apache-2.0
"""What `up` and `down` must never do to others: close their folders, signal their processes."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from colonnade.app import presence
from colonnade.app.settings.environment import Places
from colonnade.core.errors import StateError
from colonnade.testing.project import Project, until


def places_in(folder: Path) -> Places:
    return Places(folder, folder / "colonnade.yaml", folder / "home", folder / "keys")


def test_a_shared_folder_is_not_closed_to_its_other_users(tmp_path: Path) -> None:
    (tmp_path / "theirs.txt").write_text("x")
    os.chmod(tmp_path, 0o755)
    with pytest.raises(StateError, match="other things"):
        presence.private_folder(tmp_path)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_a_state_directory_is_closed_to_others_again(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_text("x")
    os.chmod(tmp_path, 0o755)
    presence.private_folder(tmp_path)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700


def test_a_daemon_that_ends_before_it_listens_is_not_signalled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = places_in(tmp_path)
    presence.private_folder(places.home)
    signalled: list[int] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: signalled.append(pid))
    lock = os.open(places.lock, os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    ending = threading.Timer(0.1, os.close, (lock,))
    ending.start()
    assert presence.stop_daemon(places)
    ending.join()
    assert signalled == []


def test_down_comes_back_once_the_process_has_ended_not_when_its_lock_is_free(tmp_path: Path) -> None:
    places = places_in(tmp_path)
    presence.private_folder(places.home)
    script = (
        "import fcntl, os, signal, sys, time\n"
        "lock = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)\n"
        "fcntl.flock(lock, fcntl.LOCK_EX)\n"
        "def end(*_):\n"
        "    os.close(lock)\n"
        "    time.sleep(0.2)\n"
        "    os._exit(0)\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "print('up', flush=True)\n"
        "time.sleep(60)\n"
    )
    daemon = subprocess.Popen([sys.executable, "-c", script, str(places.lock)], stdout=subprocess.PIPE, text=True)
    assert daemon.stdout is not None
    assert daemon.stdout.readline() == "up\n"
    places.pid.write_text(f"{daemon.pid}\n")
    places.address.write_text("http://127.0.0.1:1\n")
    assert presence.stop_daemon(places)
    assert daemon.poll() == 0
    daemon.stdout.close()


@pytest.mark.slow
def test_a_daemon_whose_state_directory_was_removed_ends_and_leaves_the_next_one_alone(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write("colonnade.yaml", "version: 1\nproject: one\ncompute: {devices: none}\n")
    try:
        first = project.up()["pid"]
        assert project.run("run", "--detach", "--gpus", "0", "--", "sleep", "600").code == 0
        shutil.rmtree(project.home)
        second = project.up()["pid"]
        assert second != first
        until(lambda: not Path(f"/proc/{first}").exists(), 30)
        assert project.status()["daemon"] == "running"
        assert (project.pid, project.run("keys", "list").code) == (second, 0)
        until(lambda: not _processes_of(project.folder) - {second}, 30)
    finally:
        project.down()


def _processes_of(folder: Path) -> set[int]:
    found = set()
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if str(folder) in (place / "cmdline").read_text() or str(folder) in os.readlink(place / "cwd"):
                found.add(int(place.name))
    return found - {os.getpid()}
