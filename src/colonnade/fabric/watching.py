# SPDX-License-Identifier: Apache-2.0
"""Once a second: how busy devices and leases are, who holds more than its share, who holds a share and does nothing.

It says whose share should be taken back and why; the loop does it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from colonnade.fabric.idle import Mark, is_idle, measured, seen, started
from colonnade.fabric.leases import Lease, Leases
from colonnade.ports.outside.devices import Devices, Use

KEEP_EVERY_MS = 10_000
"""How much of what was measured a killed daemon may lose: that counts as not measured."""
_log = logging.getLogger("colonnade.fabric")


class Watching:
    """What was sampled last, and since when each lease does nothing.

    Attributes:
        use: the newest sample.
    """

    def __init__(self, leases: Leases, devices: Devices) -> None:
        self._leases, self._devices = leases, devices
        self._warned: set[tuple[str, str]] = set()
        self._marks: dict[str, Mark] = {}
        self._kept_ms = 0
        self.use = Use()

    def look(self, leases: Sequence[Lease], now_ms: int, idle_after_ms: int | None) -> list[tuple[Lease, str]]:
        """Take a sample; leases whose share should be taken back, with the reason."""
        held = {lease.id: lease for lease in leases if lease.state == "held" and lease.pid}
        self.use = self._devices.use()
        self._mark(held, now_ms)
        found = self._exceeding(held)
        if idle_after_ms is not None:
            found += [(held[lease], "idle") for lease, mark in self._marks.items() if is_idle(mark, idle_after_ms)]
        return found

    def close(self) -> None:
        """Let the driver go; leases stay as they are."""
        self._devices.close()

    def _mark(self, held: Mapping[str, Lease], now_ms: int) -> None:
        """One more sample of each lease; kept in the store every few seconds."""
        uuids = self._leases.all_uuids() if held else {}
        marks: dict[str, Mark] = {}
        for lease in held.values():
            pids = {process.pid for process in self.use.processes if process.lease == lease.id}
            busy_milli, used_mib = measured(self.use, [uuids[device] for device in lease.devices], pids)
            marks[lease.id] = seen(self._marks.get(lease.id) or _kept(lease, now_ms), now_ms, busy_milli, used_mib)
        self._marks = marks
        if marks and now_ms - self._kept_ms >= KEEP_EVERY_MS:
            self._leases.sampled(marks)
            self._kept_ms = now_ms

    def _exceeding(self, held: Mapping[str, Lease]) -> list[tuple[Lease, str]]:
        """Who holds more memory than its share where only watching keeps it: warned once, then stopped."""
        found: list[tuple[Lease, str]] = []
        over = self._devices.overuse()
        for one in over:
            if one.lease not in held:
                continue
            if one.stop:
                found.append((held[one.lease], "exceeded"))
            elif (one.lease, one.uuid) not in self._warned:
                _log.warning(
                    "lease/%s holds %d MiB of its device, its share is %d MiB: it is stopped unless it frees some",
                    one.lease,
                    one.used_mib,
                    one.limit_mib,
                )
        self._warned = {(one.lease, one.uuid) for one in over}
        return found


def _kept(lease: Lease, now_ms: int) -> Mark:
    """What was remembered of it when a daemon last looked; new leases count as busy now."""
    if lease.busy_ms is None or lease.sampled_ms is None:
        return started(now_ms)
    return Mark(lease.busy_ms, lease.sampled_ms, lease.busy_mib)
