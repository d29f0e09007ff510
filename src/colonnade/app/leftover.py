# SPDX-License-Identifier: Apache-2.0
"""What a killed house left behind while no daemon looked: `down` has it ended, so that nothing of a house is left.

That is whatever killed supervisors left, and replicas: they answer for a daemon, and end with it. Commands that run
under living supervisors go on; nothing is started here but sweepers.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time

from colonnade.app.settings.environment import Places
from colonnade.app.stored import reading
from colonnade.core.errors import ColonnadeError

MOST_S = 15.0
GRACE_MS = 8_000


def sweep_leftovers(places: Places) -> int:
    """Have everything killed whose supervisor is gone, and replicas ended; how many runs that were. Waits for it."""
    if not _unsettled(places):
        return 0
    from colonnade.app.wiring import open_executor

    executor, end = open_executor(places), time.monotonic() + MOST_S
    found: set[str] = set()
    try:
        replicas = _replicas(places)
        while time.monotonic() < end:
            seen = executor.seen()
            left = {run for run, one in seen.items() if one.state == "unknown"}
            answering = {run for run in replicas & seen.keys() if seen[run].state != "ended"}
            for run in answering - found:
                executor.stop(run, GRACE_MS)
            found |= left | answering
            if not left and not answering:
                break
            threading.Event().wait(0.02)
    finally:
        executor.close()
    return len(found)


def _replicas(places: Places) -> set[str]:
    """Leases of replicas, as the state tells; none where it cannot be read."""
    try:
        with reading(places) as (state, _keys):
            return {
                row["lease"]
                for project in state.rows("projects_all")
                for row in state.rows("replicas_of_project", project=project["id"])
            }
    except ColonnadeError:
        return set()


def _unsettled(places: Places) -> bool:
    """Whether any run is not over, as far as its folder tells. Cheap: `down` comes here each time."""
    with contextlib.suppress(FileNotFoundError), os.scandir(places.runs) as listing:
        return any(os.path.exists(os.path.join(entry.path, "state")) for entry in listing if entry.is_dir())
    return False
