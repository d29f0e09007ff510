# SPDX-License-Identifier: Apache-2.0
"""What killed supervisors left behind while no daemon looked: `down` has it swept, so that nothing of a house is left.

Commands that run under living supervisors go on; nothing is started here but sweepers.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time

from colonnade.app.settings.environment import Places

MOST_S = 15.0


def sweep_leftovers(places: Places) -> int:
    """Have everything killed whose supervisor is gone; how many runs had left something. Waits until it is done."""
    if not _unsettled(places):
        return 0
    from colonnade.app.wiring import open_executor

    executor, end = open_executor(places), time.monotonic() + MOST_S
    found: set[str] = set()
    try:
        while time.monotonic() < end:
            unknown = {run for run, seen in executor.seen().items() if seen.state == "unknown"}
            found |= unknown
            if not unknown:
                break
            threading.Event().wait(0.02)
    finally:
        executor.close()
    return len(found)


def _unsettled(places: Places) -> bool:
    """Whether any run is not over, as far as its folder tells. Cheap: `down` comes here each time."""
    with contextlib.suppress(FileNotFoundError), os.scandir(places.runs) as listing:
        return any(os.path.exists(os.path.join(entry.path, "state")) for entry in listing if entry.is_dir())
    return False
