# SPDX-License-Identifier: Apache-2.0
"""`./dev` on a bare machine: it installs whole or not at all, once, and says what it lacks."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import http.server
import os
import platform
import random
import signal
import subprocess
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts import bootstrap

HOLES = """
from importlib.metadata import distributions
files = [f for d in distributions() for f in d.files or [] if not str(f).endswith(".pyc")]
print(len(files) > 1000, [str(f) for f in files if not f.locate().exists()])
"""


def dev(checkout: Path, env: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([checkout / "dev", *words], env=env, capture_output=True, text=True, check=False)


def test_dev_alone_lists_its_verbs_and_installs_nothing(checkout: Path) -> None:
    done = dev(checkout, {"PATH": "/usr/bin:/bin"})
    assert done.returncode == 0
    assert all(f"./dev {verb} " in done.stdout for verb in ("up", "setup", "test", "lint", "fmt", "bench", "lock"))
    assert not (checkout / ".venv").exists()


def test_without_a_python_dev_says_which_one_it_needs(checkout: Path, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("dirname", "readlink", "cksum", "cat"):
        (tools / name).symlink_to(f"/usr/bin/{name}")
    script = (checkout / "dev").read_text().replace("/usr/bin/python3", "/nowhere/python3")
    (checkout / "dev").write_text(script)
    done = dev(checkout, {"PATH": str(tools)}, "setup")
    assert done.returncode == 2
    assert "no Python 3.11 or newer" in done.stderr
    assert "hint:" in done.stderr


@pytest.mark.slow
def test_dev_installs_whole_after_being_killed_at_a_random_moment_and_then_does_nothing(
    checkout: Path, offline: dict[str, str]
) -> None:
    chance = random.Random(3)
    for _ in range(3):
        process = subprocess.Popen(
            [checkout / "dev", "setup"], env=offline, start_new_session=True, stderr=subprocess.DEVNULL
        )
        time.sleep(chance.uniform(0.02, 0.19))
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    done = dev(checkout, offline, "setup")
    assert done.returncode == 0, done.stderr
    python = checkout / ".venv/bin/python"
    assert subprocess.run([python, "-c", HOLES], capture_output=True, text=True).stdout == "True []\n"

    stamp = checkout / ".venv/stamp"
    before = stamp.stat().st_mtime_ns
    again = dev(checkout, offline, "setup")
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    assert stamp.stat().st_mtime_ns == before

    moved = checkout.rename(checkout.with_name("moved here"))
    assert dev(moved, offline, "setup").returncode == 0
    where = subprocess.run(
        [moved / ".venv/bin/python", "-c", "import colonnade; print(colonnade.__file__)"],
        capture_output=True,
        text=True,
    )
    assert where.stdout.startswith(str(moved))


@pytest.mark.slow
def test_two_at_once_do_the_work_once(checkout: Path, offline: dict[str, str]) -> None:
    both = [
        subprocess.Popen([checkout / "dev", "setup"], env=offline, stderr=subprocess.PIPE, text=True) for _ in range(2)
    ]
    said = [process.communicate()[1] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sum("packages in" in text for text in said) == 1


def test_a_lock_file_that_a_dead_process_held_is_free(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "DEV", checkout / ".dev")
    with bootstrap.alone():
        pass
    with bootstrap.alone():
        assert (checkout / ".dev/lock").exists()


# --- settings of pip, which uv does not read -----------------------------------------------------------


def test_the_index_of_pip_becomes_the_index_of_uv(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    config = tmp_path / "pip.conf"
    config.write_text("[global]\nindex-url = https://mirror.example/simple\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
    assert bootstrap.environment()["UV_DEFAULT_INDEX"] == "https://mirror.example/simple"
    monkeypatch.setenv("PIP_INDEX_URL", "https://other.example/simple")
    assert bootstrap.environment()["UV_DEFAULT_INDEX"] == "https://other.example/simple"
    monkeypatch.setenv("PIP_INDEX_URL", "https://pypi.org/simple/")
    assert "UV_DEFAULT_INDEX" not in bootstrap.environment()


def test_an_active_environment_is_not_the_one_installed_into(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIRTUAL_ENV", "/somewhere/else")
    env = bootstrap.environment()
    assert "VIRTUAL_ENV" not in env
    assert env["UV_PROJECT_ENVIRONMENT"] == str(bootstrap.ROOT / ".venv")
    assert env["UV_PYTHON_DOWNLOADS"] == "never"


def test_the_stamp_in_python_is_the_stamp_in_the_shell() -> None:
    shell = "cat uv.lock pyproject.toml | cksum"
    done = subprocess.run(["sh", "-c", shell], cwd=bootstrap.ROOT, capture_output=True, text=True, check=True)
    assert bootstrap.checksum() == done.stdout.strip()


# --- uv without pip ----------------------------------------------------------------------------------------


@pytest.fixture
def index(tmp_path: Path) -> Iterator[tuple[str, str, str]]:
    """A package index on this machine with one wheel: its URL, the wheel's name, the wheel's SHA-256."""
    name = next(n for n in bootstrap.locked_uv()[1] if platform.machine() in n and "manylinux" in n)
    folder = tmp_path / "simple" / "uv"
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / name, "w") as archive:
        archive.writestr("uv-1.data/scripts/uv", "#!/bin/sh\necho uv 1\n")
    (folder / "index.html").write_text(f'<a href="other.whl">no</a> <a href="{name}#sha256=0">yes</a>')

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=tmp_path)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield (
            f"http://127.0.0.1:{server.server_port}/simple",
            name,
            hashlib.sha256((folder / name).read_bytes()).hexdigest(),
        )
        server.shutdown()
        thread.join()


def test_without_pip_uv_comes_from_the_index_by_hand(
    index: tuple[str, str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "DEV", tmp_path)
    url, name, digest = index
    bootstrap._uv_by_hand("1", {name: digest}, tmp_path / "uv", {"UV_DEFAULT_INDEX": url})
    assert subprocess.run([tmp_path / "uv/bin/uv"], capture_output=True, text=True).stdout == "uv 1\n"


def test_a_wheel_with_another_hash_than_the_lock_is_refused(
    index: tuple[str, str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "DEV", tmp_path)
    url, name, _ = index
    with pytest.raises(SystemExit, match=r"uv\.lock wants"):
        bootstrap._uv_by_hand("1", {name: "0" * 64}, tmp_path / "uv", {"UV_DEFAULT_INDEX": url})
    assert not (tmp_path / "uv").exists()
