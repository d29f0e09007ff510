# SPDX-License-Identifier: Apache-2.0
"""What a lost supervisor left behind: found by its mark or its output, and killed. Nothing here starts anything.

A supervisor that is killed takes the command with it (PR_SET_PDEATHSIG); what the command had started stays. It carries
COLONNADE_RUN in its environment, or still writes to the run's `out` or `err`, or descends from what does. Who cleared
the one and closed the other is not found.
"""

from __future__ import annotations

import os
import time

from .processes import Process, above, beneath, kill_all, processes, since
from .record import LOST, MARK, RECORD_BYTES, ring, unpack, write_record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def left_behind(run: str, folder: str) -> Iterator[Process]:
    """What belongs to the run by its mark or its output, and what descends from that; never ourselves or above us."""
    ours = above(os.getpid())
    for pid in processes():
        start = since(pid)
        if start and pid not in ours and (_marked(pid, run) or _writes(pid, folder)):
            yield pid, start
            yield from beneath(pid)


def _marked(pid: int, run: str) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return os.fsencode(f"{MARK}={run}") in file.read().split(b"\0")
    except OSError:
        return False


def _writes(pid: int, folder: str) -> bool:
    """Whether its standard output or error is the run's: also known when it cleared or overwrote its environment."""
    for number in (1, 2):
        try:
            if os.readlink(f"/proc/{pid}/fd/{number}") in (f"{folder}/out", f"{folder}/err"):
                return True
        except OSError:
            return False
    return False


def sweep() -> None:
    """Kill what was left behind until nothing is, then record the loss."""
    folder = os.getcwd()
    pause_s, before = 0.001, set[Process]()
    while found := kill_all(lambda: left_behind(os.path.basename(folder), folder)):
        pause_s = 0.001 if found - before else min(pause_s * 2, 0.5)
        before = found
        time.sleep(pause_s)
    descriptor = os.open("state", os.O_RDWR)
    record = unpack(os.pread(descriptor, RECORD_BYTES, 0))
    if record and record["state"] != "ended":
        record |= {"state": "ended", "code": "", "ended_ms": str(time.time_ns() // 1_000_000), "message": LOST}
        write_record(descriptor, record)
    ring()
