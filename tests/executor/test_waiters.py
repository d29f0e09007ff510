# SPDX-License-Identifier: Apache-2.0
"""Somebody waits for a run in a terminal: sees all that it prints and its code, and an attached run ends with him."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from colonnade.adapters.executor import bell as bell_module
from colonnade.adapters.executor import processes as processes_module
from colonnade.adapters.executor.bell import Bell
from colonnade.adapters.executor.local import LocalExecutor
from colonnade.adapters.executor.processes import beneath, since
from colonnade.adapters.executor.waiting import Waiter
from colonnade.core.errors import StateError
from colonnade.testing.executor_conformance import until
from tests.executor.runs import Runs, wait

WAIT = """
import sys
from pathlib import Path
from colonnade.adapters.executor.waiting import Waiter
waiter = Waiter(Path("runs"), "run_a")
print("waits", flush=True)
sys.exit(waiter.follow().code)
"""


def waiting(runs: Runs) -> subprocess.Popen[bytes]:
    """A process that waits for run_a, and has said so."""
    program = [sys.executable, "-c", textwrap.dedent(WAIT)]
    process = subprocess.Popen(program, cwd=runs.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"waits\n"
    return process


@pytest.fixture
def executor(runs: Runs) -> LocalExecutor:
    return runs.executor()


def test_all_that_is_printed_is_shown_byte_for_byte_and_its_code_told(runs: Runs, executor: LocalExecutor) -> None:
    printed = os.urandom(3_000_000)
    (runs.folder / "printed").write_bytes(printed)
    with waiting(runs) as process:
        executor.start(runs.shell("run_a", "cat printed; printf 'no line' >&2; exit 6", attached=True))
        out, err = process.communicate(timeout=60)
    assert out == printed
    assert err == b"no line"
    assert process.returncode == 6


def test_it_is_shown_while_it_runs_and_after_the_executor_is_gone(runs: Runs, executor: LocalExecutor) -> None:
    runs.pipe("told")
    out, shown = os.pipe()
    waiter = Waiter(runs.folder / "runs", "run_a", out=shown)
    assert waiter.pump(0) is None
    executor.start(runs.shell("run_a", "printf half; read code <> told; echo ' a line'; exit $code", attached=True))
    executor.close()
    said = b""
    while said != b"half":
        waiter.pump(1)
        os.set_blocking(out, False)
        try:
            said += os.read(out, 100)
        except BlockingIOError:
            continue
    with open(runs.folder / "told", "wb", buffering=0) as pipe:
        pipe.write(b"4\n")
    assert waiter.follow().code == 4
    assert os.read(out, 100) == b" a line\n"
    waiter.close()
    for descriptor in (out, shown):
        os.close(descriptor)


def test_an_attached_run_is_stopped_when_its_waiter_is_killed(runs: Runs, executor: LocalExecutor) -> None:
    with waiting(runs) as process:
        executor.start(runs.shell("run_a", "echo $$ > main; exec sleep 600", attached=True))
        pid = int(runs.wait_for_file("main"))
        until(executor, "run_a", "running")
        process.kill()
    assert until(executor, "run_a", "ended").code == 143
    assert not since(pid)


def test_an_attached_run_whose_waiter_died_before_never_starts(runs: Runs, executor: LocalExecutor) -> None:
    with waiting(runs) as process:
        process.kill()
    executor.start(runs.shell("run_a", "echo begun > begun", attached=True))
    seen = until(executor, "run_a", "ended")
    assert (seen.pid, seen.code) == (0, 143)
    assert "waited" in seen.message
    assert not (runs.folder / "begun").exists()


def test_a_run_that_is_not_attached_goes_on_without_its_waiter(runs: Runs, executor: LocalExecutor) -> None:
    waiter = Waiter(runs.folder / "runs", "run_a")
    executor.start(runs.shell("run_a", "exec sleep 600"))
    until(executor, "run_a", "running")
    waiter.close()
    executor.changed(0.1)
    assert executor.seen()["run_a"].state == "running"


def test_who_lets_go_sees_the_end(runs: Runs, executor: LocalExecutor) -> None:
    waiter = Waiter(runs.folder / "runs", "run_a")
    work = runs.shell("run_a", "trap 'echo bye > bye; exit 5' TERM; echo begun > begun; while :; do sleep 0.01; done")
    executor.start(type(work)(work.run, work.argv, work.folder, work.environment, 10_000, attached=True))
    runs.wait_for_file("begun")
    waiter.release()
    waiter.release()
    assert waiter.follow().code == 5
    waiter.close()


def test_a_late_waiter_reads_the_outcome_of_a_forgotten_run(
    runs: Runs, executor: LocalExecutor, capfd: pytest.CaptureFixture[str]
) -> None:
    executor.start(runs.shell("run_a", "echo said; exit 3"))
    until(executor, "run_a", "ended")
    executor.forget("run_a")
    waiter = Waiter(runs.folder / "runs", "run_a")
    assert waiter.follow().code == 3
    waiter.close()
    assert capfd.readouterr().out == "said\n"


def test_only_one_waits(runs: Runs) -> None:
    waiter = Waiter(runs.folder / "runs", "run_a")
    with pytest.raises(StateError):
        Waiter(runs.folder / "runs", "run_a")
    waiter.close()
    Waiter(runs.folder / "runs", "run_a").close()


def test_a_waiter_is_told_that_a_supervisor_was_lost(runs: Runs, executor: LocalExecutor) -> None:
    waiter = Waiter(runs.folder / "runs", "run_a")
    executor.start(runs.shell("run_a", "exec sleep 600", attached=True))
    until(executor, "run_a", "running")
    supervisor = runs.supervisor("run_a")
    runs.kill(supervisor)
    wait(lambda: not since(supervisor))
    seen = waiter.pump(0)
    assert seen is not None
    assert seen.state == "unknown"
    until(executor, "run_a", "ended")
    assert waiter.follow().code is None
    waiter.close()


@pytest.mark.parametrize("has_inotify", [True, False], ids=["inotify", "looking"])
def test_a_bell_rings_when_a_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_inotify: bool) -> None:
    if not has_inotify:
        monkeypatch.setattr(bell_module, "_watch", lambda paths: -1)
    (tmp_path / "out").write_text("a")
    bell = Bell([tmp_path])
    assert not bell.wait(0.01)
    (tmp_path / "out").write_text("ab")
    assert bell.wait(60)
    assert not bell.wait(0)
    (tmp_path / "new").touch()
    assert bell.wait(60)
    bell.close()


def test_children_are_found_also_where_the_kernel_does_not_list_them(monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen(["sh", "-c", "sleep 600 & echo $!; wait"], stdout=subprocess.PIPE, text=True) as shell:
        assert shell.stdout is not None
        child = int(shell.stdout.readline())
        listed = list(beneath(os.getpid()))
        monkeypatch.setattr(processes_module, "_children", processes_module._children_by_search)
        assert {(shell.pid, since(shell.pid)), (child, since(child))} <= set(listed)
        assert set(listed) == set(beneath(os.getpid()))
        for pid in (child, shell.pid):
            os.kill(pid, 9)
