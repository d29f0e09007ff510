# SPDX-License-Identifier: Apache-2.0
"""A program that a warm interpreter forks finds what a fresh interpreter would show it, and nothing of others."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from colonnade.adapters.executor import nursery as nursery_module
from colonnade.adapters.executor.local import LocalExecutor
from colonnade.adapters.executor.processes import above, since
from colonnade.ports.outside.executor import Seen, Work
from colonnade.testing.executor_conformance import until
from tests.executor.runs import PATH, Runs, wait

LOOK = """\
import json, os, sys, signal, threading
import beside
print(json.dumps({
    "argv": sys.argv, "name": __name__, "file": __file__, "path": sys.path[0], "environment": dict(os.environ),
    "here": os.getcwd(), "descriptors": sorted(os.listdir("/proc/self/fd"))[:3], "beside": beside.WORD,
    "cmdline": open("/proc/self/cmdline", "rb").read().rstrip(b"\\0").decode().split("\\0"),
    "mark": [e for e in open("/proc/self/environ").read().split("\\0") if e.startswith("COLONNADE_RUN")],
    "main": sys.modules["__main__"].__dict__ is globals(), "threads": threading.active_count(),
    "interrupt": signal.getsignal(signal.SIGINT) is signal.default_int_handler,
    "mask": len(signal.pthread_sigmask(0, [])),
    "umask": os.umask(0), "session": os.getsid(0) == os.getpid(), "hash": hash("a word"), "pid": os.getpid(),
    "main_pid_of_c": int(open("/proc/self/stat").read().split()[0]), "utf8": sys.stdout.encoding,
    "count": len(os.listdir("/proc/self/fd")),
}))
"""


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Runs]:
    """Runs of a warm interpreter."""
    found = Runs(tmp_path.resolve(), warm=True)
    yield found
    found.close()


def work(room: Runs, run: str, text: str, *argv: str, **environment: str) -> Work:
    """A Python program."""
    script = room.folder / f"{run}.py"
    script.write_text(text)
    (room.folder / "beside.py").write_text("WORD = 'found'")
    values = {"PATH": PATH, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1", **environment}
    return Work(run, [sys.executable, str(script), *argv], str(room.folder), values)


def ended(room: Runs, executor: LocalExecutor, asked: Work) -> tuple[Seen, str, str]:
    """How it ended, and what it printed."""
    executor.start(asked)
    seen = until(executor, asked.run, "ended")
    place = room.place(asked.run)
    return seen, (place / "out").read_text(), (place / "err").read_text()


def test_a_program_finds_the_same_in_a_warm_interpreter_as_in_its_own(room: Runs, tmp_path: Path) -> None:
    cold = Runs(tmp_path / "cold")
    cold.folder.mkdir()
    try:
        told = []
        for runs in (room, cold):
            asked = work(runs, "run_a", LOOK, "one", "two words")
            seen, out, err = ended(runs, runs.executor(), asked)
            assert (seen.code, err) == (0, "")
            found = json.loads(out.replace(str(runs.folder), "HERE"))
            assert found.pop("pid") == found.pop("main_pid_of_c") == seen.pid
            told.append(found)
    finally:
        cold.close()
    assert told[0] == told[1]
    assert told[0]["argv"] == ["HERE/run_a.py", "one", "two words"]
    assert told[0]["mark"] == ["COLONNADE_RUN=run_a"]


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        ("import sys; sys.exit(3)", 3, ""),
        ("import sys; sys.exit('no rows')", 1, "no rows"),
        ("1 / 0", 1, "ZeroDivisionError"),
        ("this is no Python", 1, "SyntaxError"),
        ("import os; os._exit(9)", 9, ""),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 137, ""),
        ("import atexit; atexit.register(print, 'bye'); f = open('left', 'w'); f.write('flushed')", 0, ""),
    ],
    ids=["exit", "a word", "an error", "no Python", "at once", "killed", "what is left open"],
)
def test_it_ends_as_a_program_does(room: Runs, text: str, code: int, says: str) -> None:
    seen, out, err = ended(room, room.executor(), work(room, "run_a", text))
    assert seen.code == code
    assert says in err
    if "atexit" in text:
        assert out == "bye\n"
        assert (room.folder / "left").read_text() == "flushed"


def test_it_was_forked_and_its_supervisor_too(room: Runs) -> None:
    executor = room.executor()
    executor.start(work(room, "run_a", "import time; time.sleep(600)"))
    pid = until(executor, "run_a", "running").pid
    supervisor = room.supervisor("run_a")
    warm = next(one for one in above(supervisor) if _is_warm(one))
    assert {supervisor, warm} < above(pid)
    os.kill(warm, signal.SIGKILL)
    wait(lambda: not since(warm), "the warm interpreter is gone")
    assert executor.seen()["run_a"].state == "running"
    seen, _, _ = ended(room, executor, work(room, "run_b", "print('another')"))
    assert seen.code == 0
    executor.stop("run_a", 0)
    assert until(executor, "run_a", "ended").code in {137, 143}


def test_another_environment_than_the_first_gets_an_interpreter_of_its_own(room: Runs) -> None:
    executor = room.executor()
    words = [
        ended(room, executor, work(room, f"run_{seed}", "print(hash('a word'))", PYTHONHASHSEED=seed))[1]
        for seed in ("0", "1", "2")
    ]
    assert len(set(words)) == 3


def test_siblings_draw_different_numbers_and_share_no_secret(room: Runs) -> None:
    executor = room.executor()
    text = "import random, uuid, os; print(random.random(), uuid.uuid4(), os.environ.get('SECRET'))"
    first = ended(room, executor, work(room, "run_a", text, SECRET="s3cret"))[1].split()
    second = ended(room, executor, work(room, "run_b", text))[1].split()
    assert not set(first) & set(second)
    assert (first[2], second[2]) == ("s3cret", "None")


def test_its_memory_never_held_an_order(room: Runs) -> None:
    executor = room.executor()
    ended(room, executor, work(room, "run_a", "pass", SECRET="s3cret-of-the-run"))
    executor.start(work(room, "run_b", "import time; time.sleep(600)"))
    until(executor, "run_b", "running")
    warm = next(one for one in above(room.supervisor("run_b")) if _is_warm(one))
    assert b"s3cret-of-the-run" not in _memory(warm)
    executor.stop("run_b", 0)
    until(executor, "run_b", "ended")


def test_an_idle_one_is_let_go_and_started_again_when_it_is_needed(room: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    executor = room.executor()
    ended(room, executor, work(room, "run_a", "pass"))
    monkeypatch.setattr(nursery_module, "IDLE_S", -1.0)
    executor.seen()
    assert executor._nursery is not None
    assert executor._nursery._socket is None
    assert ended(room, executor, work(room, "run_b", "pass"))[0].code == 0


def test_a_child_of_its_own_finds_the_program_again(room: Runs) -> None:
    text = (
        "import multiprocessing\n"
        "def double(x): return 2 * x\n"
        "if __name__ == '__main__':\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool: print(pool.map(double, [21]))\n"
    )
    seen, out, err = ended(room, room.executor(), work(room, "run_a", text))
    assert (seen.code, out) == (0, "[42]\n"), err


def test_a_module_is_run_as_well(room: Runs) -> None:
    values = {"PATH": PATH, "PYTHONHASHSEED": "0"}
    asked = Work("run_a", [sys.executable, "-P", "-m", "json.tool", "--help"], str(room.folder), values)
    seen, out, _ = ended(room, room.executor(), asked)
    assert seen.code == 0
    assert "usage: python -m json.tool" in out


def _is_warm(pid: int) -> bool:
    try:
        return b"executor/warm.py" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def _memory(pid: int) -> bytes:
    """What a process can write to: its heap and stack."""
    found = b""
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            bounds, rights, *_ = line.split()
            if rights.startswith("rw"):
                start, end = (int(bound, 16) for bound in bounds.split("-"))
                memory.seek(start)
                found += memory.read(end - start)
    return found
