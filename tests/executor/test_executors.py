# SPDX-License-Identifier: Apache-2.0
"""Both executors pass the conformance suite: one in memory under virtual time, the other with real processes."""

from __future__ import annotations

import pytest

from colonnade.adapters.executor.folder import read
from colonnade.core.errors import StateError
from colonnade.ports.outside.executor import Executor, Seen, Work
from colonnade.testing.clock import VirtualClock
from colonnade.testing.executor import MemoryExecutor
from colonnade.testing.executor_conformance import ExecutorConformance, Stage, until
from tests.executor.runs import Runs


class MemoryStage:
    """Commands in memory."""

    def __init__(self) -> None:
        self.memory = MemoryExecutor(VirtualClock())
        self.executor: Executor = self.memory
        self.stubborn: set[str] = set()

    def work(self, run: str, *, stubborn: bool = False, grace_ms: int = 10_000) -> Work:
        if stubborn:
            self.stubborn.add(run)
        return Work(run, ["work"], "/", grace_ms=grace_ms)

    def ready(self, run: str) -> Seen:
        if run in self.stubborn:
            self.memory.obeys(run, None)
        return self.executor.seen()[run]

    def finish(self, run: str, code: int) -> None:
        self.memory.finish(run, code)

    def kill(self, run: str) -> None:
        self.memory.finish(run, 137)

    def lose(self, run: str) -> None:
        self.memory.vanish(run, unknown_ms=100)

    def again(self) -> Executor:
        return self.memory

    def begun(self, run: str) -> int:
        return sum(work.run == run for work in self.memory.started)


class LocalStage:
    """Real commands: shells that read from a pipe what to end with."""

    def __init__(self, runs: Runs) -> None:
        self.runs = runs
        self.executor: Executor = runs.executor()

    def work(self, run: str, *, stubborn: bool = False, grace_ms: int = 10_000) -> Work:
        trap = "trap '' TERM; " if stubborn else ""
        # opening a pipe both ways never blocks; reading from it does
        return self.runs.shell(
            run, f"{trap}echo begun >> begun.$COLONNADE_RUN; read code <> told; exit $code", grace_ms
        )

    def ready(self, run: str) -> Seen:
        self.runs.wait_for_file(f"begun.{run}")
        return until(self.executor, run, "running")

    def finish(self, run: str, code: int) -> None:
        with open(self.runs.folder / "told", "wb", buffering=0) as pipe:
            pipe.write(b"%d\n" % code)

    def kill(self, run: str) -> None:
        self.runs.kill(self.executor.seen()[run].pid)

    def lose(self, run: str) -> None:
        self.runs.kill(self.runs.supervisor(run))

    def again(self) -> Executor:
        return self.runs.executor()

    def begun(self, run: str) -> int:
        path = self.runs.folder / f"begun.{run}"
        return len(path.read_text().splitlines()) if path.exists() else 0


class TestMemoryExecutor(ExecutorConformance):
    @pytest.fixture
    def stage(self) -> Stage:
        return MemoryStage()

    def test_it_is_unknown_until_it_is_swept(self) -> None:
        clock = VirtualClock()
        memory = MemoryExecutor(clock)
        memory.start(Work("run_a", ["work"], "/"))
        memory.vanish("run_a", unknown_ms=None)
        clock.advance(1_000_000)
        assert memory.seen()["run_a"].state == "unknown"
        memory.swept("run_a")
        assert memory.seen()["run_a"].state == "ended"

    def test_a_refused_start_has_begun_nothing_and_can_be_tried_again(self) -> None:
        memory = MemoryExecutor(VirtualClock())
        memory.refuse("no room")
        with pytest.raises(StateError, match="no room"):
            memory.start(Work("run_a", ["work"], "/"))
        assert dict(memory.seen()) == {}
        memory.start(Work("run_a", ["work"], "/"))
        assert memory.seen()["run_a"].state == "running"

    def test_one_that_needs_a_while_after_sigterm_takes_it_within_its_grace(self) -> None:
        for dies_ms, grace_ms, code in ((300, 1_000, 143), (300, 200, 137)):
            clock = VirtualClock()
            memory = MemoryExecutor(clock, dies_ms=dies_ms)
            memory.start(Work("run_a", ["work"], "/"))
            memory.stop("run_a", grace_ms)
            clock.advance(min(dies_ms, grace_ms) - 1)
            assert memory.seen()["run_a"].state == "stopping"
            clock.advance(1)
            assert memory.seen()["run_a"].code == code


class TestLocalExecutor(ExecutorConformance):
    @pytest.fixture
    def stage(self, runs: Runs) -> Stage:
        runs.pipe("told")
        return LocalStage(runs)

    def test_its_record_is_one_block_that_people_can_read(self, stage: Stage, runs: Runs) -> None:
        stage.executor.start(stage.work("run_a"))
        stage.ready("run_a")
        record = read(runs.place("run_a"))
        assert record is not None
        assert record["state"] == "running"
        assert (runs.place("run_a") / "state").stat().st_size == 4096
