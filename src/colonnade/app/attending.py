# SPDX-License-Identifier: Apache-2.0
"""Wait for a run in a terminal: what it prints, how it ends, and, when it gave way and began again, its next lease.

The store is only read, so that the wait survives the daemon.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from colonnade.app import wiring
from colonnade.app.presence import find_daemon
from colonnade.app.settings.environment import Places
from colonnade.fabric.leases import lease_of
from colonnade.ports.outside.state import Row, State

LOST = 125
LOOK_S = 0.25
SETTLE_S = 2.0
"""After its end was seen, the daemon may take so long to say what became of the lease."""
WITH_DAEMON_S = 60.0
"""The same while a daemon runs: it may be busy, and only it knows whether the run goes on elsewhere."""
NOTICE_S = 1.0


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended: the code to exit with, and what to tell whoever waited ("" when nothing is to be said)."""

    code: int
    lease: str
    outcome: str
    isolation: str | None
    said: str = ""


def attend(
    places: Places, run: str, lease: str, *, out: int, err: int, say: Callable[[str], None], stopped: Callable[[], bool]
) -> Ended:
    """Show what the run prints until it is over.

    Args:
        out, err: descriptors for what it prints.
        say: one line to whoever waits.
        stopped: whether whoever waits wants it to end: asked a few times a second.
    """
    with _store(places) as state:
        while True:
            ended = _one(places, state, lease, out, err, say, stopped)
            rows = state.rows("leases_of_run", run=run)
            following = rows[-1]["id"] if rows else lease
            if ended.outcome != "moved" or following == lease or stopped():
                return ended
            say(f"it gave way ({ended.said}) and waits to begin again as lease/{following}")
            lease = following


def _one(
    places: Places,
    state: State,
    lease: str,
    out: int,
    err: int,
    say: Callable[[str], None],
    stopped: Callable[[], bool],
) -> Ended:
    waiter = wiring.wait_for(places, lease, out, err)
    began, told, released, unknown_s = time.monotonic(), False, False, 0.0
    try:
        while True:
            seen = waiter.pump(LOOK_S)
            if stopped() and not released:
                released = True
                waiter.release()
            if seen is not None and seen.state == "ended":
                return _settled(places, state, lease, seen.code)
            unknown_s = unknown_s + LOOK_S if seen is not None and seen.state == "unknown" else 0.0
            row = state.rows("lease_get_one", id=lease)[0]
            if row["state"] == "ended" and seen is None:
                return _ended(row, row["code"])
            if unknown_s > SETTLE_S:
                return Ended(LOST, lease, "lost", row["isolation"], "its supervisor was lost, and no daemon settles it")
            if row["state"] == "pending" and released:
                return Ended(130, lease, "cancelled", None)
            if row["state"] == "pending" and not told and time.monotonic() - began > NOTICE_S:
                say(f"waiting for a share; `colonnade why lease/{lease}` says for what")
                told = True
    finally:
        waiter.close()


def _settled(places: Places, state: State, lease: str, code: int | None) -> Ended:
    """What became of the lease, once the daemon has said so; what was seen, when none does."""
    began = time.monotonic()
    while (passed := time.monotonic() - began) < SETTLE_S or (passed < WITH_DAEMON_S and find_daemon(places)):
        row = state.rows("lease_get_one", id=lease)[0]
        if row["state"] == "ended":
            return _ended(row, code)
        time.sleep(0.01)
    outcome = "lost" if code is None else "failed" if code else "succeeded"
    return Ended(LOST if code is None else code, lease, outcome, row["isolation"])


def _ended(row: Row, code: int | None) -> Ended:
    lease = lease_of(row)
    said = {
        "reclaim": "its share was borrowed, and went back to the queue that it is guaranteed to",
        "preempt": "a claim of higher priority took its place",
        "evacuate": "its place was needed for a larger claim",
        "idle": "it was idle for longer than `compute.idle_after_s`",
        "exceeded": "it held more memory than its share",
        "cancelled": "it was cancelled",
        "left": "nobody waited for it any more",
    }.get(lease.reason, str(row["note"]))
    outcome = row["outcome"]
    if outcome == "succeeded" or (outcome == "failed" and not lease.reason):
        said = str(row["note"])
    exit_code = LOST if code is None else code
    if outcome == "refused":
        exit_code = 3
    return Ended(exit_code, lease.id, outcome, lease.isolation, said)


@contextlib.contextmanager
def _store(places: Places) -> Iterator[State]:
    state = wiring.open_state(places, wiring.open_clock(), readonly=True)
    try:
        yield state
    finally:
        state.close()
