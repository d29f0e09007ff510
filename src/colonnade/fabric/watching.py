# SPDX-License-Identifier: Apache-2.0
"""Once a second: how busy devices and leases are, who holds more than its share, who holds a share and does nothing.

It says whose share should be taken back and why; the loop does it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from colonnade.fabric.leases import Lease, Leases
from colonnade.ports.outside.devices import Devices, Use

_log = logging.getLogger("colonnade.fabric")


class Watching:
    """What was sampled last.

    Attributes:
        use: the newest sample.
    """

    def __init__(self, leases: Leases, devices: Devices) -> None:
        self._leases, self._devices = leases, devices
        self._warned: set[tuple[str, str]] = set()
        self.use = Use()

    def look(self, leases: Sequence[Lease], now_ms: int, idle_after_ms: int | None) -> list[tuple[Lease, str]]:
        """Take a sample; leases whose share should be taken back, with the reason."""
        self.use = self._devices.use()
        held = {lease.id: lease for lease in leases if lease.state == "held"}
        return self._exceeding(held)

    def close(self) -> None:
        """Let the driver go; leases stay as they are."""
        self._devices.close()

    def _exceeding(self, held: dict[str, Lease]) -> list[tuple[Lease, str]]:
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
                    one.lease, one.used_mib, one.limit_mib,
                )  # fmt: skip
        self._warned = {(one.lease, one.uuid) for one in over}
        return found
