# SPDX-License-Identifier: Apache-2.0
"""Real trees of processes that die hard: nothing of them is left when a run has ended, whoever was killed."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from colonnade.adapters.executor.local import LocalExecutor
from colonnade.adapters.executor.processes import since
from colonnade.ports.outside.executor import Seen, Work
from colonnade.testing.executor_conformance import until
from tests.executor.runs import PATH, Runs, wait

LASTING = "echo $$ > {name}; exec sleep 600"
STUBBORN = "trap '' TERM; echo $$ > {name}; while true; do sleep 600 & wait; done"
RELAY = """
import os, sys
open(sys.argv[1], "w").write("relay\\n")
while True:                      # each process lives for a moment and leaves its work to the next one
    if os.fork():
        os._exit(0)
    os.setsid()
"""


def daemon(name: str, script: str = STUBBORN) -> str:
    """A piece of shell that leaves a process of this name in a session of its own, with no parent."""
    return f"(setsid sh -c {quote(script.format(name=name))} &); "


def quote(script: str) -> str:
    return "'" + script.replace("'", "'\\''") + "'"


def nothing_left(runs: Runs, *pids: int) -> None:
    """Nothing lives of the tree; the supervisor, which has said so, goes within a moment."""
    assert [pid for pid in pids if since(pid)] == []
    wait(lambda: not runs.living(), "no process left")


@pytest.fixture
def executor(runs: Runs) -> LocalExecutor:
    return runs.executor()


def begin(runs: Runs, executor: LocalExecutor, script: str, *names: str, grace_ms: int = 10_000) -> list[int]:
    """Start a run of a script; the pids of the named processes, once they have said them."""
    executor.start(runs.shell("run_a", script, grace_ms))
    return [int(runs.wait_for_file(name)) for name in names]


def test_the_command_goes_on_when_its_caller_is_killed(runs: Runs) -> None:
    program = """
    import sys, time
    from pathlib import Path
    from colonnade.adapters.executor.local import LocalExecutor
    from colonnade.ports.outside.executor import Work
    executor = LocalExecutor(Path("runs"))
    executor.start(Work("run_a", ["sh", "-c", "echo $$ > main; exec sleep 600"], ".", {"PATH": sys.argv[1]}))
    time.sleep(600)
    """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(program), PATH], cwd=runs.folder) as caller:
        pid = int(runs.wait_for_file("main"))
        caller.kill()
    executor = runs.executor()
    seen = executor.seen()["run_a"]
    assert (seen.state, seen.pid) == ("running", pid)
    assert since(pid)
    executor.stop("run_a", 10_000)
    assert until(executor, "run_a", "ended").code == 143
    nothing_left(runs, pid)


def test_a_killed_command_takes_its_children_along(runs: Runs, executor: LocalExecutor) -> None:
    main, child = begin(
        runs, executor, f"sh -c '{LASTING.format(name='child')}' & echo $$ > main; wait", "main", "child"
    )
    assert main != child
    assert main == until(executor, "run_a", "running").pid
    runs.kill(main)
    assert until(executor, "run_a", "ended").code == 137
    nothing_left(runs, main, child)


def test_a_daemon_that_ignores_sigterm_keeps_the_run_from_being_ended(runs: Runs, executor: LocalExecutor) -> None:
    pid, main = begin(runs, executor, daemon("daemon") + LASTING.format(name="main"), "daemon", "main")
    executor.stop("run_a", 600_000)
    wait(lambda: not since(main), "the command obeyed")
    assert since(pid)
    assert executor.seen()["run_a"].state == "stopping"
    assert executor.seen()["run_a"].code is None
    executor.stop("run_a", 0)
    assert until(executor, "run_a", "ended").code == 143
    nothing_left(runs, pid, main)


def test_what_a_command_leaves_behind_is_ended_with_its_grace(runs: Runs, executor: LocalExecutor) -> None:
    script = daemon("one") + daemon("two", LASTING) + "while [ ! -s one ] || [ ! -s two ]; do sleep 0.01; done; exit 3"
    one, two = begin(runs, executor, script, "one", "two", grace_ms=100)
    ended = until(executor, "run_a", "ended")
    assert (ended.code, ended.message) == (3, "")
    nothing_left(runs, one, two)


def test_a_stopped_process_hears_that_it_has_to_end(runs: Runs, executor: LocalExecutor) -> None:
    begin(runs, executor, "trap 'exit 5' TERM; echo $$ > main; kill -STOP $$", "main")
    executor.stop("run_a", 600_000)
    assert until(executor, "run_a", "ended").code == 5


@pytest.mark.parametrize("lost", [False, True], ids=["stopped", "supervisor killed"])
def test_what_forks_while_it_is_killed_is_caught(runs: Runs, executor: LocalExecutor, lost: bool) -> None:
    (runs.folder / "relay.py").write_text(RELAY)
    relays = "".join(f"{sys.executable} -I -S relay.py relay{number} & " for number in range(3))
    executor.start(runs.shell("run_a", relays + "exec sleep 600"))
    for number in range(3):
        runs.wait_for_file(f"relay{number}")
    if lost:
        runs.kill(runs.supervisor("run_a"))
    else:
        executor.stop("run_a", 0)
    assert until(executor, "run_a", "ended").code in ([None] if lost else [143, 137])
    nothing_left(runs)


def test_a_lost_supervisor_leaves_nothing_and_the_run_is_unknown_until_then(
    runs: Runs, executor: LocalExecutor
) -> None:
    hidden = "(env -i setsid sh -c 'echo $$ > hidden; exec sleep 600' &); "  # without its mark, but it writes to out
    silent = "(setsid sh -c 'echo $$ > silent; exec sleep 600' > /dev/null 2>&1 &); "  # the other way round
    script = daemon("daemon") + hidden + silent + LASTING.format(name="main")
    pids = begin(runs, executor, script, "daemon", "hidden", "silent", "main")
    until(executor, "run_a", "running")
    runs.kill(runs.supervisor("run_a"))
    states: list[Seen] = []
    while not states or states[-1].state != "ended":
        states.append(executor.seen()["run_a"])
        executor.changed(0.01)
    assert [pid for pid in pids if since(pid)] == []
    assert {seen.state for seen in states} <= {"running", "unknown", "ended"}
    assert "unknown" in {seen.state for seen in states}
    assert (states[-1].code, states[-1].pid) == (None, pids[-1])
    assert "lost" in states[-1].message
    nothing_left(runs, *pids)


def test_the_next_caller_ends_what_a_lost_supervisor_left(runs: Runs, executor: LocalExecutor) -> None:
    (pid,) = begin(runs, executor, daemon("daemon") + LASTING.format(name="main"), "daemon")
    until(executor, "run_a", "running")
    supervisor = runs.supervisor("run_a")
    runs.kill(supervisor)
    with contextlib.suppress(ChildProcessError):  # a warm interpreter waits for what it forked
        os.waitpid(supervisor, 0)  # as init would have done, had the caller died
    assert until(runs.executor(), "run_a", "ended").code is None
    nothing_left(runs, pid)


def test_a_sweep_touches_nobody_else(runs: Runs, executor: LocalExecutor) -> None:
    executor.start(Work("run_b", ["sleep", "600"], str(runs.folder), {"PATH": PATH}))
    other = until(executor, "run_b", "running").pid
    begin(runs, executor, daemon("daemon") + LASTING.format(name="main"), "daemon")
    until(executor, "run_a", "running")
    runs.kill(runs.supervisor("run_a"))
    until(executor, "run_a", "ended")
    assert since(other)
    assert executor.seen()["run_b"].state == "running"


def test_the_command_has_its_environment_and_nothing_else(
    runs: Runs, executor: LocalExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAEMON_SECRET", "of the daemon")
    leak = os.open(runs.folder, os.O_RDONLY)
    os.set_inheritable(leak, True)
    script = "tr '\\0' '\\n' < /proc/self/environ; echo; ls -l /proc/self/fd; umask; grep Sig /proc/self/status; cat"
    work = Work("run_a", ["sh", "-c", script], str(runs.folder), {"PATH": PATH, "KEY": "of the run ü"})
    executor.start(work)
    assert until(executor, "run_a", "ended").code == 0, runs.place("run_a").joinpath("err").read_text()
    os.close(leak)
    environment, _, rest = runs.place("run_a").joinpath("out").read_text().partition("\n\n")
    assert set(environment.split("\n")) == {f"PATH={PATH}", "KEY=of the run ü", "COLONNADE_RUN=run_a"}
    assert rest.count("->") == 4  # input, output, error, and the folder that ls reads
    assert "0 -> /dev/null" in rest
    assert "\n0022\n" in rest
    signals = dict(line.split() for line in rest.splitlines() if line.startswith("Sig"))
    of_libc = 0b11 << 31  # 32 and 33: glibc's own, which its posix_spawn ignores
    assert int(signals["SigIgn:"], 16) & ~of_libc == int(signals["SigBlk:"], 16) == 0


def test_no_secret_is_on_disk_or_with_the_supervisor(
    runs: Runs, executor: LocalExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAEMON_SECRET", "s3cret")
    executor.start(Work("run_a", ["sleep", "600"], str(runs.folder), {"PATH": PATH, "KEY": "s3cret"}))
    until(executor, "run_a", "running")
    supervisor = Path(f"/proc/{runs.supervisor('run_a')}")
    assert b"s3cret" not in (supervisor / "environ").read_bytes()
    assert b"PATH" not in (supervisor / "environ").read_bytes()
    assert b"s3cret" not in (supervisor / "cmdline").read_bytes()
    assert not [path for path in runs.folder.rglob("*") if path.is_file() and b"s3cret" in path.read_bytes()]
    modes = {path.stat().st_mode & 0o077 for path in [runs.folder / "runs", *runs.place("run_a").rglob("*")]}
    assert modes == {0}


@pytest.mark.parametrize(
    ("argv", "folder", "code", "message"),
    [
        (["no-such-program"], "", 127, "no-such-program: No such file or directory"),
        (["./no-such-program"], "", 127, "./no-such-program: No such file or directory"),
        (["/etc/passwd"], "", 126, "/etc/passwd: Permission denied"),
        (["./text"], "", 126, "./text: Exec format error"),
        (["true"], "no-such-folder", 126, "no-such-folder: No such file or directory"),
        (["true", "a\0b"], "", 126, "embedded null byte"),
    ],
    ids=["not in PATH", "missing", "not executable", "no program", "no folder", "a null byte"],
)
def test_what_cannot_start_says_why(
    runs: Runs, executor: LocalExecutor, argv: list[str], folder: str, code: int, message: str
) -> None:
    (runs.folder / "text").write_bytes(b"neither script nor program")
    (runs.folder / "text").chmod(0o755)
    executor.start(Work("run_a", argv, str(runs.folder / folder), {"PATH": PATH}))
    seen = until(executor, "run_a", "ended")
    assert seen.code == code
    assert message in seen.message


def test_many_runs_cost_the_caller_no_descriptor(runs: Runs, executor: LocalExecutor) -> None:
    executor.stop("run_first", 0)
    executor.start(Work("run_first", ["true"], str(runs.folder)))
    before = len(os.listdir("/proc/self/fd"))
    for number in range(64):
        executor.stop(f"run_{number}", 0)
        executor.start(Work(f"run_{number}", ["true"], str(runs.folder)))
    assert len(os.listdir("/proc/self/fd")) == before
    for number in range(64):
        assert until(executor, f"run_{number}", "ended").code == 143
