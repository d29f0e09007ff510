# SPDX-License-Identifier: Apache-2.0
"""What we ask of whoever runs commands: start by name, tell what is seen, stop, forget. Work outlives the caller.

An outcome may be unknown until it is confirmed; `ended` means that the whole process tree is gone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class Work:
    """A command to run.

    Attributes:
        run: its name (`run_...`): starting it again is a no-op.
        argv: the command and its arguments.
        folder: where it runs.
        environment: all of its environment; nothing is inherited.
        grace_ms: between SIGTERM and SIGKILL when it is stopped and no other grace is said.
        cgroup: a folder under /sys/fs/cgroup in which it begins; "" for the caller's own. It does not begin elsewhere.
        attached: whether it ends when whoever waits for it (a lock on `runs/RUN/attached`) has gone.
    """

    run: str
    argv: Sequence[str]
    folder: str
    environment: Mapping[str, str] = field(default_factory=dict)
    grace_ms: int = 10_000
    attached: bool = False
    cgroup: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of a run.

    Attributes:
        state: starting; running; stopping (a stop was asked for, the tree lives); ended (the tree is gone); unknown
            (its supervisor was lost and something of the tree may live: it is being ended).
        pid: the command's own process; 0 before it starts.
        code: exit status, 0..255; 128 + signal for a signal; None while it is not known (`ended` without one: lost).
        started_ms, ended_ms: milliseconds since 1970 by the machine's clock; 0 when not known.
        message: why it did not start, or why its code is not known, one sentence; "" otherwise.
    """

    run: str
    state: Literal["starting", "running", "stopping", "ended", "unknown"]
    pid: int = 0
    code: int | None = None
    started_ms: int = 0
    ended_ms: int = 0
    message: str = ""


class Executor(Protocol):
    """Runs commands under supervisors that survive the caller. Thread-safe.

    A caller that died during `start` left a run that is `seen`, or one that can be started: so start again what should
    run and is not seen.
    """

    def start(self, work: Work) -> None:
        """Begin, unless a run of this name was ever begun: then never again, also when it was lost or forgotten.

        Its input is empty; what it prints is kept without a bound. A run that cannot start has begun, and ended with
        126 or 127 (no such program). Raises `StateError` when the machine refuses: nothing has begun, try again.
        """
        ...

    def seen(self) -> Mapping[str, Seen]:
        """Every run that was begun and not forgotten: also those that an earlier caller began."""
        ...

    def stop(self, run: str, grace_ms: int) -> None:
        """SIGTERM to the tree, SIGKILL after the grace. Again with a shorter grace: the shorter one holds.

        What was not begun yet ends with 143 when it is started, and never runs.
        """
        ...

    def forget(self, run: str) -> None:
        """Its outcome is recorded elsewhere: drop what is kept of it, but for what it printed. Only once ended."""
        ...

    def changed(self, timeout_s: float) -> bool:
        """Wait until `seen` may tell something new, at most so long; whether it may. For one thread at a time.

        A hint: the death of a supervisor itself wakes nobody, so look at least every second.
        """
        ...

    def close(self) -> None:
        """Let go of everything; runs go on."""
        ...
