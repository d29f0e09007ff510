# SPDX-License-Identifier: Apache-2.0
"""What every executor must do.

An engine's test is a subclass with one fixture: `stage`, which gives an executor and ways to make commands do things.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

import pytest

from colonnade.core.errors import StateError
from colonnade.ports.outside.executor import Executor, Seen, Work


class Stage(Protocol):
    """An executor with commands that a test can direct."""

    executor: Executor

    def work(self, run: str, *, stubborn: bool = False, grace_ms: int = 10_000) -> Work:
        """A command that runs until it is told; a stubborn one ignores SIGTERM."""
        ...

    def ready(self, run: str) -> Seen:
        """Wait until the command runs and has heard all that its work says."""
        ...

    def finish(self, run: str, code: int) -> None:
        """Make the command end with a code."""
        ...

    def kill(self, run: str) -> None:
        """SIGKILL the command, as somebody else would."""
        ...

    def lose(self, run: str) -> None:
        """SIGKILL its supervisor, or what stands for it."""
        ...

    def again(self) -> Executor:
        """The caller died; the executor of the next one."""
        ...

    def begun(self, run: str) -> int:
        """How often the command was really begun."""
        ...


def until(executor: Executor, run: str, *states: str) -> Seen:
    """Wait until the run is in one of the states."""
    return wait_for(executor, run, lambda seen: seen is not None and seen.state in states)


def wait_for(executor: Executor, run: str, holds: Callable[[Seen | None], bool]) -> Seen:
    """Wait until something holds of what is seen of the run."""
    seen = None
    for _ in range(600):
        seen = executor.seen().get(run)
        if holds(seen):
            assert seen is not None
            return seen
        executor.changed(0.05)
    raise AssertionError(f"it did not come to pass: {seen}")


class ExecutorConformance:
    """Subclass it, and give the fixture."""

    def test_a_command_runs_and_its_code_is_seen(self, stage: Stage) -> None:
        stage.executor.start(stage.work("run_a"))
        seen = stage.ready("run_a")
        assert seen.pid > 0
        assert (seen.code, seen.ended_ms) == (None, 0)
        stage.finish("run_a", 7)
        ended = until(stage.executor, "run_a", "ended")
        assert (ended.code, ended.pid, ended.message) == (7, seen.pid, "")
        assert ended.ended_ms >= ended.started_ms == seen.started_ms

    def test_nothing_is_seen_of_what_was_never_begun(self, stage: Stage) -> None:
        assert dict(stage.executor.seen()) == {}
        stage.executor.stop("run_never", 0)
        stage.executor.forget("run_never")
        assert dict(stage.executor.seen()) == {}

    def test_it_is_seen_as_soon_as_start_has_returned(self, stage: Stage) -> None:
        stage.executor.start(stage.work("run_a"))
        assert stage.executor.seen()["run_a"].state in ("starting", "running")

    def test_starting_again_begins_nothing_not_even_after_its_end_or_when_forgotten(self, stage: Stage) -> None:
        stage.executor.start(stage.work("run_a"))
        seen = stage.ready("run_a")
        stage.executor.start(stage.work("run_a"))
        assert stage.executor.seen()["run_a"].pid == seen.pid
        stage.finish("run_a", 0)
        until(stage.executor, "run_a", "ended")
        stage.executor.start(stage.work("run_a"))
        assert stage.executor.seen()["run_a"].state == "ended"
        stage.executor.forget("run_a")
        stage.executor.start(stage.work("run_a"))
        assert dict(stage.executor.seen()) == {}
        assert stage.begun("run_a") == 1

    def test_two_who_start_at_once_begin_one(self, stage: Stage) -> None:
        every = [stage.executor, stage.again(), stage.again()]
        gate = threading.Barrier(len(every))

        def start(executor: Executor) -> None:
            gate.wait()
            executor.start(stage.work("run_a"))

        threads = [threading.Thread(target=start, args=(executor,)) for executor in every]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        stage.ready("run_a")
        assert {executor.seen()["run_a"].pid for executor in every} == {stage.executor.seen()["run_a"].pid}
        assert stage.begun("run_a") == 1

    def test_the_next_caller_sees_the_same_process(self, stage: Stage) -> None:
        stage.executor.start(stage.work("run_a"))
        seen = stage.ready("run_a")
        executor = stage.again()
        assert executor.seen()["run_a"] == seen
        executor.stop("run_a", 0)
        until(executor, "run_a", "ended")

    def test_a_stop_is_heard(self, stage: Stage) -> None:
        stage.executor.start(stage.work("run_a"))
        stage.ready("run_a")
        stage.executor.stop("run_a", 10_000)
        assert until(stage.executor, "run_a", "ended").code == 143

    def test_who_ignores_sigterm_is_stopping_until_the_grace_is_over(self, stage: Stage) -> None:
        stage.executor.start(stage.work("run_a", stubborn=True))
        pid = stage.ready("run_a").pid
        stage.executor.stop("run_a", 200)
        seen = stage.executor.seen()["run_a"]
        assert (seen.state, seen.pid, seen.code) == ("stopping", pid, None)
        assert until(stage.executor, "run_a", "ended").code == 137

    def test_a_shorter_grace_holds_and_a_longer_one_does_not(self, stage: Stage) -> None:
        stage.executor.start(stage.work("run_a", stubborn=True))
        stage.ready("run_a")
        stage.executor.stop("run_a", 600_000)
        stage.executor.stop("run_a", 100)
        stage.executor.stop("run_a", 600_000)
        assert until(stage.executor, "run_a", "ended").code == 137

    def test_what_was_stopped_before_its_start_never_starts(self, stage: Stage) -> None:
        stage.executor.stop("run_a", 10_000)
        stage.executor.start(stage.work("run_a"))
        seen = until(stage.executor, "run_a", "ended")
        assert (seen.pid, seen.code, seen.started_ms) == (0, 143, 0)
        assert "before it started" in seen.message
        assert stage.begun("run_a") == 0

    def test_a_killed_command_is_seen_as_killed(self, stage: Stage) -> None:
        stage.executor.start(stage.work("run_a"))
        stage.ready("run_a")
        stage.kill("run_a")
        assert until(stage.executor, "run_a", "ended").code == 137

    def test_a_run_whose_supervisor_was_lost_ends_without_a_code(self, stage: Stage) -> None:
        stage.executor.start(stage.work("run_a"))
        stage.ready("run_a")
        stage.lose("run_a")
        assert wait_for(stage.executor, "run_a", lambda seen: seen is not None and seen.state == "ended").code is None
        stage.executor.start(stage.work("run_a"))
        assert stage.begun("run_a") == 1

    def test_only_what_has_ended_is_forgotten(self, stage: Stage) -> None:
        stage.executor.start(stage.work("run_a"))
        stage.ready("run_a")
        with pytest.raises(StateError):
            stage.executor.forget("run_a")
        stage.finish("run_a", 0)
        until(stage.executor, "run_a", "ended")
        stage.executor.forget("run_a")
        stage.executor.forget("run_a")
        assert dict(stage.executor.seen()) == dict(stage.again().seen()) == {}

    def test_whoever_waits_is_woken_by_an_end(self, stage: Stage) -> None:
        stage.executor.start(stage.work("run_a"))
        stage.ready("run_a")
        while stage.executor.changed(0):
            pass
        stage.finish("run_a", 0)
        assert stage.executor.changed(60)
