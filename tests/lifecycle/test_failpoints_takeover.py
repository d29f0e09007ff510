# SPDX-License-Identifier: Apache-2.0
"""`up` right after a kill: the dead daemon's lock and address are still there, and nobody answers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from colonnade.app import presence
from colonnade.app.daemon import hand_over
from colonnade.app.settings.environment import Places, places_of
from colonnade.core.errors import NeedsDaemon

HOLDS = """
import fcntl, os, sys
lock = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.flock(lock, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    """A state directory as a killed daemon leaves it."""
    monkeypatch.delenv("COLONNADE_HOME", raising=False)
    found = places_of(tmp_path / "colonnade.yaml")
    found.declaration.write_text("version: 1\nproject: small\n")
    found.home.mkdir(mode=0o700)
    found.address.write_text("http://127.0.0.1:9\n")
    found.token.write_text("nobody reads this\n")
    return found


def dying(places: Places) -> subprocess.Popen[str]:
    """A process that still holds the lock, and answers nobody."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(places.lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    places.pid.write_text(f"{process.pid}\n")
    return process


def test_whoever_was_killed_just_now_is_not_asked_and_the_next_one_may_begin(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = dying(places)
    monkeypatch.setattr(presence, "pause", lambda _s: process.communicate("now\n") if process.poll() is None else None)
    assert hand_over(places) is None


def test_one_that_lives_and_does_not_answer_is_told_of(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "ENDING_S", 0.0)
    process = dying(places)
    with pytest.raises(NeedsDaemon):
        hand_over(places)
    process.communicate("now\n")
