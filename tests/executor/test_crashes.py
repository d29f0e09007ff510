# SPDX-License-Identifier: Apache-2.0
"""Callers and supervisors that die at any step: a command is begun once, or can be. A full disk hides no end."""

from __future__ import annotations

import os
import random
import resource
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from colonnade.adapters.executor import local as local_module
from colonnade.adapters.executor import nursery as nursery_module
from colonnade.adapters.executor.folder import alive, read
from colonnade.adapters.executor.local import LocalExecutor
from colonnade.adapters.executor.processes import since
from colonnade.adapters.executor.record import FIELDS, RECORD_BYTES, pack, unpack
from colonnade.core.errors import StateError, StorageFull
from colonnade.ports.outside.executor import Work
from colonnade.testing.executor_conformance import until, wait_for
from tests.executor.runs import PATH, Runs, wait

ONCE = "echo begun >> begun; exec sleep 600"

START_AND_DIE = """
import os, signal, sys
from pathlib import Path
from colonnade.adapters.executor.local import LocalExecutor
from colonnade.ports.outside.executor import Work

steps = int(sys.argv[2])

def step(frame, event, argument):
    global steps
    if not frame.f_code.co_filename.endswith(("executor/local.py", "executor/folder.py", "executor/record.py")):
        return None
    if event == "line":
        steps -= 1
        if steps == 0:
            os.kill(os.getpid(), signal.SIGKILL)
    return step

executor = LocalExecutor(Path("runs"))
sys.settrace(step)
executor.start(Work("run_a", ["sh", "-c", sys.argv[3]], ".", {"PATH": sys.argv[1]}))
sys.settrace(None)
print("survived", 10**6 - steps)
"""


def start_and_die(runs: Runs, step: int) -> str:
    """Start a run in a process that is killed before its n-th line; what it said."""
    program = [sys.executable, "-c", textwrap.dedent(START_AND_DIE), PATH, str(step), ONCE]
    return subprocess.run(program, cwd=runs.folder, capture_output=True, text=True, check=False).stdout


def begun(runs: Runs) -> int:
    path = runs.folder / "begun"
    return len(path.read_text().splitlines()) if path.exists() else 0


def test_a_caller_killed_before_any_step_of_start_has_begun_it_once_or_not_at_all(tmp_path: Path) -> None:
    whole = Runs(tmp_path.resolve() / "whole")
    whole.folder.mkdir()
    lines = int(start_and_die(whole, 10**6).split()[1])
    whole.close()
    assert lines > 40
    for step in [*sorted(random.Random(4).sample(range(1, lines), 12)), lines]:
        runs = Runs(tmp_path.resolve() / str(step))
        runs.folder.mkdir()
        try:
            assert start_and_die(runs, step) == ""
            executor = runs.executor()
            executor.start(Work("run_a", ["sh", "-c", ONCE], str(runs.folder), {"PATH": PATH}))
            seen = until(executor, "run_a", "running")
            runs.wait_for_file("begun")
            executor.start(Work("run_a", ["sh", "-c", ONCE], str(runs.folder), {"PATH": PATH}))
            executor.stop("run_a", 0)
            until(executor, "run_a", "ended")
            assert begun(runs) == 1, step
            assert not since(seen.pid)
        finally:
            runs.close()


def test_a_supervisor_killed_at_any_moment_has_begun_it_once_or_not_at_all(runs: Runs) -> None:
    chance = random.Random(5)
    for turn in range(12):
        run = f"run_{turn}"
        executor = LocalExecutor(runs.folder / "runs")
        executor.start(
            Work(run, ["sh", "-c", f"echo begun >> {run}; exec sleep 600"], str(runs.folder), {"PATH": PATH})
        )
        supervisor = executor._children[run].pid
        time.sleep(chance.uniform(0, 0.04))
        runs.kill(supervisor)
        executor.close()
        os.waitpid(supervisor, 0)
        following = runs.executor()
        following.start(
            Work(run, ["sh", "-c", f"echo begun >> {run}; exec sleep 600"], str(runs.folder), {"PATH": PATH})
        )
        seen = wait_for(following, run, lambda seen: seen is not None and seen.state in ("running", "ended"))
        if seen.state == "running":
            following.stop(run, 0)
            until(following, run, "ended")
        path = runs.folder / run
        assert not path.exists() or path.read_text() in ("", "begun\n")
    wait(lambda: not runs.living(), "no process left")


def test_a_supervisor_that_cannot_begin_is_told_and_not_tried_for_ever(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    (runs.folder / "broken.py").write_text("raise SystemExit(3)")
    monkeypatch.setattr(local_module, "_PROGRAM", str(runs.folder / "broken.py"))
    monkeypatch.setattr(nursery_module, "_PROGRAM", str(runs.folder / "broken.py"))
    executor = runs.executor()
    executor.start(runs.shell("run_a", ONCE))
    seen = until(executor, "run_a", "ended")
    assert (seen.pid, seen.code, seen.message) == (0, None, "its supervisor ended before it began")


def ended(runs: Runs, executor: LocalExecutor) -> dict[str, str]:
    """The record of run_a once it is over and its supervisor is gone: nobody writes there but the test."""
    until(executor, "run_a", "ended")
    record = read(runs.place("run_a"))
    assert record is not None
    wait(lambda: not alive(record), "the supervisor goes")
    return record


def test_a_run_of_another_boot_is_lost_and_never_begun_again(runs: Runs) -> None:
    executor = runs.executor()
    executor.start(runs.shell("run_a", "true"))
    record = ended(runs, executor)
    for fields in ({"state": "running", "supervisor": "1"}, {"state": "starting", "supervisor": ""}):
        runs.place("run_a").joinpath("state").write_bytes(pack(record | fields | {"boot": "another", "code": ""}))
        following = runs.executor()
        following.start(runs.shell("run_a", ONCE))
        seen = following.seen()["run_a"]
        assert (seen.state, seen.code) == ("ended", None)
        assert "lost" in seen.message
    assert begun(runs) == 0


def test_a_number_that_another_process_has_now_is_not_taken_for_the_supervisor(runs: Runs) -> None:
    executor = runs.executor()
    executor.start(runs.shell("run_a", "true"))
    record = ended(runs, executor)
    us = record | {"state": "running", "code": "", "supervisor": str(os.getpid()), "since": record["since"]}
    runs.place("run_a").joinpath("state").write_bytes(pack(us))
    following = runs.executor()
    following.stop("run_a", 0)  # a signal to us would end the tests
    assert until(following, "run_a", "ended").code is None


def test_a_torn_record_is_not_read(runs: Runs) -> None:
    record = dict.fromkeys(FIELDS, "") | {"state": "running", "message": "two\nlines " + "x" * 9000}
    block = pack(record)
    assert len(block) == RECORD_BYTES
    assert unpack(block) == record | {"message": ("two lines " + "x" * 9000)[:600]}
    other = pack(record | {"state": "ended", "pid": "12345"})
    assert all(unpack(block[:cut] + other[cut:]) in (None, unpack(block), unpack(other)) for cut in range(len(block)))
    assert unpack(b"") is unpack(block[:20]) is None


def test_a_disk_that_is_full_before_anything_begins_is_an_error_and_it_can_be_tried_again(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, offset: int, length: int) -> None:
        raise OSError(28, os.strerror(28))

    executor = runs.executor()
    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", full)
        with pytest.raises(StorageFull):
            executor.start(runs.shell("run_a", ONCE))
    assert dict(executor.seen()) == {}
    executor.start(runs.shell("run_a", ONCE))
    until(executor, "run_a", "running")


def test_an_end_that_cannot_be_written_is_seen_by_the_status_of_the_supervisor(runs: Runs) -> None:
    runs.pipe("told")
    executor = runs.executor()
    executor.start(runs.shell("run_a", "read code <> told; exit $code"))
    pid = until(executor, "run_a", "running").pid
    limits = resource.prlimit(runs.supervisor("run_a"), resource.RLIMIT_FSIZE, (0, 0))
    assert limits[0] != 0
    with open(runs.folder / "told", "wb", buffering=0) as pipe:
        pipe.write(b"9\n")
    seen = until(executor, "run_a", "ended")
    assert (seen.code, seen.pid) == (9, pid)


@pytest.mark.parametrize("name", ["", ".", "..", "../run", "a/b", ".hidden", "changed"])
def test_a_name_that_is_no_name_of_a_run_is_refused(runs: Runs, name: str) -> None:
    executor = runs.executor()
    for call in (lambda: executor.start(runs.shell(name, "true")), lambda: executor.stop(name, 0)):
        with pytest.raises(ValueError):
            call()


def test_a_folder_that_cannot_be_written_is_an_error(runs: Runs) -> None:
    executor = runs.executor()
    runs.place("run_a").write_text("a file where a folder should be")
    with pytest.raises(StateError):
        executor.start(runs.shell("run_a", "true"))
    assert dict(executor.seen()) == {}
