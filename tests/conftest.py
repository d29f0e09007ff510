# SPDX-License-Identifier: Apache-2.0
"""What every test may rely on: no outside network, nothing of the user's touched, no deadlines, no skip hides in CI.

Fixtures of one room stay in that room's conftest; here is only what several need.
"""

from __future__ import annotations

import fcntl
import hashlib
import ipaddress
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from scripts.bootstrap import environment, find_uv

ROOT = Path(__file__).resolve().parents[1]
IN_CI = os.environ.get("CI", "") not in {"", "0", "false"}

# A busy machine must not fail a test, and the same tree must give the same result: no deadlines, no chance in CI.
hypothesis.settings.register_profile("house", deadline=None, database=None, derandomize=IN_CI)
hypothesis.settings.load_profile("house")


# How uv is called: with the user's cache and index, as they are before the tests get folders of their own.
INSTALLER = environment()


def pytest_configure(config: pytest.Config) -> None:
    """Keys, caches and settings of these tests and of what they start lie in a folder that goes away at the end."""
    home = Path(tempfile.mkdtemp(prefix="colonnade-tests-"))
    config.add_cleanup(lambda: shutil.rmtree(home, ignore_errors=True))
    for name in ("COLONNADE_HOME", "COLONNADE_KEYS"):
        os.environ.pop(name, None)
    for name in ("CONFIG", "CACHE", "DATA", "STATE"):
        os.environ[f"XDG_{name}_HOME"] = str(home / name.lower())


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Doctests are for the package: programs that tests start in other environments are not imported here."""
    name = collection_path.name
    return True if name.endswith(".py") and not name.startswith("test_") else None


# --- a skip for something missing is a failure where it must not be missing ---------------------------


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """In CI a test skipped with a reason that starts with "needs " fails: CI has what the tests need."""
    report = yield
    if IN_CI and report.skipped and isinstance(report.longrepr, tuple) and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2].removeprefix("Skipped: ")
        if reason.startswith("needs "):
            report.outcome = "failed"
            report.longrepr = f"{item.nodeid} {reason}; in CI it must be there (see .ci/run)"
    return report


# --- no test reaches another machine --------------------------------------------------------------------


@pytest.fixture(autouse=True, scope="session")
def only_loopback() -> Iterator[None]:
    """Refuse connections from the test process to anything but this machine."""
    real = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> None:
        if self.family in {socket.AF_INET, socket.AF_INET6} and not _is_local(address[0]):
            raise PermissionError(f"a test tried to reach {address[0]}; tests stay on this machine")
        real(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", connect)
        yield


def _is_local(host: str) -> bool:
    if host in {"localhost", ""}:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@pytest.fixture(scope="session")
def installer() -> dict[str, str]:
    """The environment in which uv finds the user's cache and index."""
    return dict(INSTALLER)


# --- official clients whose versions cannot live in one environment ---------------------------------------


@pytest.fixture(scope="session")
def client_python() -> Callable[[str], Path]:
    """`client_python(name)` gives an interpreter that has that client: openai1, openai3, mcp1 or mcp2.

    The environment is made once from `tests/clients/NAME.txt` (versions and hashes) under `.venv-clients/`
    and again when that file changes. It needs uv's cache or the network the first time.
    """
    return _client_python


def _client_python(name: str) -> Path:
    wanted = ROOT / "tests/clients" / f"{name}.txt"
    folder = ROOT / ".venv-clients" / name
    stamp = folder / "stamp"
    digest = hashlib.sha256(wanted.read_bytes()).hexdigest()
    folder.parent.mkdir(exist_ok=True)
    with (folder.parent / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (stamp.exists() and stamp.read_text() == digest):
            _make_environment(folder, wanted)
            stamp.write_text(digest)
    return folder / "bin/python"


def _make_environment(folder: Path, wanted: Path) -> None:
    uv = locked_uv_or_skip()
    shutil.rmtree(folder, ignore_errors=True)
    for command in (
        ["venv", "-q", str(folder)],
        ["pip", "sync", "-q", "--python", str(folder / "bin/python"), "--require-hashes", str(wanted)],
    ):
        done = subprocess.run([str(uv), *command], env=INSTALLER, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"needs the network once, to install {wanted.name}: {done.stderr.strip()[-300:]}")


def locked_uv_or_skip() -> Path:
    """The uv that `./dev setup` has fetched."""
    return find_uv() or pytest.skip("needs uv at the locked version: ./dev setup fetches it")
