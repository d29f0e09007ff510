# SPDX-License-Identifier: Apache-2.0
"""Runs in memory, under a clock that tests turn: the reference for executors, and a fast fake for tests of loops.

A command runs until the test says otherwise. It outlives its callers: give the same `MemoryExecutor` to the next one.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace

from colonnade.core.errors import StateError
from colonnade.ports.outside.clock import Clock
from colonnade.ports.outside.executor import Seen, Work

_FIRST_PID = 1000
_TERM, _KILL = 128 + 15, 128 + 9


@dataclass(slots=True)
class _Run:
    work: Work
    seen: Seen
    dies_ms: int | None = 0
    """How long it lives after SIGTERM; None: until SIGKILL."""
    asked_ms: int = 0
    kill_ms: int | None = None
    lost_ms: int | None = None


class MemoryExecutor:
    """Implements `Executor`, with no process at all.

    Args:
        clock: what time is; it is read, and in `changed` slept on.
        dies_ms: how long a command lives after SIGTERM; None: until SIGKILL. `obeys` sets it for one run.
    """

    def __init__(self, clock: Clock, *, dies_ms: int | None = 0) -> None:
        self._clock = clock
        self._dies_ms = dies_ms
        self._runs: dict[str, _Run] = {}
        self._stopped: set[str] = set()
        self._over: set[str] = set()
        self._pids = itertools.count(_FIRST_PID)
        self._refusals: list[str] = []
        self._new = False
        self.started: list[Work] = []
        """Every command that was really begun, in order."""

    # --- the port ------------------------------------------------------------------------------------------------

    def start(self, work: Work) -> None:
        """See `Executor.start`."""
        if work.run in self._runs or work.run in self._over:
            return
        if self._refusals:
            raise StateError(self._refusals.pop(0))
        now = self._clock.wall_ms()
        if work.run in self._stopped:
            why = "it was stopped before it started"
            self._runs[work.run] = _Run(work, Seen(work.run, "ended", 0, _TERM, 0, now, why))
        else:
            self.started.append(work)
            self._runs[work.run] = _Run(work, Seen(work.run, "running", next(self._pids), None, now), self._dies_ms)
        self._new = True

    def seen(self) -> Mapping[str, Seen]:
        """See `Executor.seen`."""
        for run in self._runs.values():
            self._settle(run)
        return {name: run.seen for name, run in self._runs.items()}

    def stop(self, run: str, grace_ms: int) -> None:
        """See `Executor.stop`."""
        self._stopped.add(run)
        found = self._runs.get(run)
        if found is None or found.seen.state in ("ended", "unknown"):
            return
        now = self._clock.monotonic_ms()
        if found.kill_ms is None:
            found.asked_ms, found.kill_ms = now, now + grace_ms
            found.seen = replace(found.seen, state="stopping")
        found.kill_ms = min(found.kill_ms, now + grace_ms)
        self._new = True

    def forget(self, run: str) -> None:
        """See `Executor.forget`."""
        found = self._runs.get(run)
        if found is None:
            return
        self._settle(found)
        if found.seen.state != "ended":
            raise StateError(f"{run} has not ended: it cannot be forgotten")
        del self._runs[run]
        self._over.add(run)

    def changed(self, timeout_s: float) -> bool:
        """See `Executor.changed`: tells at once when a test or a call did something, or else sleeps on the clock."""
        if not self._new:
            self._clock.sleep(round(timeout_s * 1000))
        new, self._new = self._new, False
        return new

    def close(self) -> None:
        """See `Executor.close`."""

    # --- what a test makes happen --------------------------------------------------------------------------------

    def finish(self, run: str, code: int = 0) -> None:
        """The command ends by itself (or by a signal: 128 + its number), and leaves nothing behind."""
        self._end(self._runs[run], code)

    def vanish(self, run: str, *, unknown_ms: int | None = 0) -> None:
        """Its supervisor is killed. The run is unknown for so long (None: until `swept`), then ended without a code."""
        found = self._runs[run]
        if found.seen.state != "ended":
            found.seen = replace(found.seen, state="unknown")
            found.lost_ms = None if unknown_ms is None else self._clock.monotonic_ms() + unknown_ms
            self._new = True

    def swept(self, run: str) -> None:
        """Nothing is left of a run that had vanished."""
        self._end(self._runs[run], None)

    def obeys(self, run: str, dies_ms: int | None) -> None:
        """How long this run's command lives after SIGTERM; None: until SIGKILL."""
        self._runs[run].dies_ms = dies_ms

    def refuse(self, message: str = "the machine refuses") -> None:
        """The next start that would begin something raises `StateError`."""
        self._refusals.append(message)

    def _settle(self, run: _Run) -> None:
        """What time alone has brought about."""
        now = self._clock.monotonic_ms()
        if run.seen.state == "unknown" and run.lost_ms is not None and now >= run.lost_ms:
            self._end(run, None)
        elif run.seen.state == "stopping" and run.kill_ms is not None:
            obeyed = None if run.dies_ms is None else run.asked_ms + run.dies_ms
            if obeyed is not None and now >= obeyed and obeyed <= run.kill_ms:
                self._end(run, _TERM)
            elif now >= run.kill_ms:
                self._end(run, _KILL)

    def _end(self, run: _Run, code: int | None) -> None:
        if run.seen.state != "ended":
            run.seen = replace(run.seen, state="ended", code=code, ended_ms=self._clock.wall_ms())
            self._new = True
