# SPDX-License-Identifier: Apache-2.0
"""Traces on their way to a collector: batched, bounded, never waited for. A collector that is dead costs the newest
traces there, which are counted; here they are kept all the same.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence

from colonnade import __version__
from colonnade.core.errors import Refused, Unavailable
from colonnade.core.traces import Record
from colonnade.observe.traces.otlp_write import export_request
from colonnade.ports.outside.telemetry import Telemetry

MOST = 20_000
"""Records that wait for a collector."""
BATCH = 512
BACK_OFF_S = (1.0, 2.0, 5.0, 15.0, 30.0)
PROTOBUF = "application/x-protobuf"
_log = logging.getLogger("colonnade.telemetry")


class Exporting:
    """One collector. `put` from any thread, `step` from one."""

    def __init__(
        self, to: Telemetry, service: str, instance: str, clock: Callable[[], float] = time.monotonic
    ) -> None:  # fmt: skip
        self._to, self._service, self._instance, self._clock = to, service, instance, clock
        self._held: deque[Record] = deque()
        self._failures, self._not_before = 0, 0.0
        self.sent = self.dropped = 0

    def put(self, records: Sequence[Record]) -> None:
        """Hand them over; never waits. What finds no room is dropped and counted."""
        room = max(0, MOST - len(self._held))
        self._held.extend(records[:room])
        self.dropped += max(0, len(records) - room)

    def step(self) -> bool:
        """Send one batch; whether more may be sent at once."""
        if not self._held or self._clock() < self._not_before:
            return False
        batch = [self._held[place] for place in range(min(BATCH, len(self._held)))]
        body = export_request(batch, service=self._service, instance=self._instance, version=__version__)
        try:
            self._to.send(body, PROTOBUF)
        except Unavailable as error:
            if not self._failures:
                _log.warning("traces wait: %s", error.message)
            self._not_before = self._clock() + BACK_OFF_S[min(self._failures, len(BACK_OFF_S) - 1)]
            self._failures += 1
            return False
        except Refused as error:
            _log.warning("%d traces are not sent: %s", len(batch), error.message)
            self.dropped += len(batch)
        else:
            self.sent += len(batch)
        self._failures = 0
        for _ in batch:
            self._held.popleft()
        return bool(self._held)

    @property
    def waiting(self) -> int:
        """Records that were not sent yet."""
        return len(self._held)
