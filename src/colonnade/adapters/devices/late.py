# SPDX-License-Identifier: Apache-2.0
"""Devices whose driver may not answer yet, or no longer, when a house comes up: it comes up without them.

Until the driver answers there are no devices, and work that asks for one waits. Nothing of any one driver stands here.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from colonnade.core.claims import Claim, Device
from colonnade.core.errors import ColonnadeError, Unavailable
from colonnade.ports.outside.devices import Devices, Enforcement, Overuse, Use

AGAIN_S = 15.0
"""How often a driver that did not answer is asked again."""
_log = logging.getLogger("colonnade.devices")


class LateDevices:
    """The `devices` port over whatever `open_driver` gives, once it gives it. Thread-safe.

    Args:
        open_driver: opens the driver; raises `Unavailable` (also `MissingExtra`) where it does not answer.
        now_s: a clock that only rises.

    Attributes:
        trouble: why there are no devices; None once the driver answers.
    """

    def __init__(self, open_driver: Callable[[], Devices], now_s: Callable[[], float] = time.monotonic) -> None:
        self._open, self._now_s = open_driver, now_s
        self._driver: Devices | None = None
        self._asked_s: float | None = None
        self._ended: set[str] = set()
        self._lock = threading.Lock()
        self.trouble: ColonnadeError | None = None
        self._get()

    def _get(self) -> Devices | None:
        """The driver, asked again when it is time."""
        with self._lock:
            due = self._asked_s is None or self._now_s() - self._asked_s >= AGAIN_S
            if self._driver is None and due:
                self._asked_s = self._now_s()
                try:
                    self._driver = self._open()
                except Unavailable as error:
                    if self.trouble is None:
                        _log.error("no devices: %s", error.message)
                    self.trouble = error
                else:
                    self.trouble = None
                    for lease in self._ended:
                        self._driver.release(lease)
            return self._driver

    def inventory(self) -> Sequence[Device]:
        """See `Devices.inventory`; none while the driver does not answer."""
        driver = self._get()
        return driver.inventory() if driver is not None else ()

    def use(self) -> Use:
        """See `Devices.use`."""
        driver = self._get()
        return driver.use() if driver is not None else Use()

    def overuse(self) -> Sequence[Overuse]:
        """See `Devices.overuse`."""
        driver = self._get()
        return driver.overuse() if driver is not None else ()

    def prepare(self, lease: str, claim: Claim, uuids: Sequence[str]) -> Enforcement:
        """See `Devices.prepare`. Raises what the driver was missed for, where a device is asked for."""
        driver = self._get()
        if driver is not None:
            return driver.prepare(lease, claim, uuids)
        if uuids and self.trouble is not None:
            raise self.trouble
        return Enforcement("none")

    def admit(self, lease: str, pid: int) -> str:
        """See `Devices.admit`."""
        driver = self._get()
        return driver.admit(lease, pid) if driver is not None else "none"

    def release(self, lease: str) -> None:
        """See `Devices.release`; made up for once the driver answers."""
        driver = self._get()
        if driver is not None:
            driver.release(lease)
        else:
            self._ended.add(lease)

    def close(self) -> None:
        """See `Devices.close`."""
        with self._lock:
            if self._driver is not None:
                self._driver.close()
