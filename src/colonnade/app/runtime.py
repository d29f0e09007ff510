# SPDX-License-Identifier: Apache-2.0
"""Drives the loops: one thread a knowledge base, one for the sequencer. A loop that fails is logged, told in `alarms`,
and tried again.
"""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections.abc import Callable

from colonnade.app.alarms import Alarms
from colonnade.app.house import House
from colonnade.app.writer import GroupWriter
from colonnade.core.errors import ColonnadeError
from colonnade.govern.ledger.sequencer import LEASE, Sequencer
from colonnade.knowledge.ingest.loop import IngestLoop
from colonnade.ports.rowlease import RowLease

LOOK_EVERY_S = 1.0
COST_SHARE = 0.05
"""A look at the files may take this share of one core: large sources are looked at less often."""
SEQUENCE_EVERY_S = 0.25
BACK_OFF_S = (1, 2, 5, 15)
_log = logging.getLogger("colonnade.runtime")


class Runtime:
    """The threads of a house."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.writer = GroupWriter(house.state)
        self.alarms = Alarms(house.places.alarms)
        self._lease = RowLease(house.state, LEASE, house.holder)
        self._sequencer: Sequencer | None = None
        self._threads: dict[str, threading.Thread] = {}
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start the threads that are not running yet; called again after each declaration."""
        with self._lock:
            for name, loop in self.house.loops.items():
                self._thread(f"ingest/{name}", functools.partial(self._ingest, name, loop))
            self._thread("sequencer", self._sequence)

    def stop(self) -> None:
        """Let every loop end after its current transaction, then index and sign what was written last."""
        self.house.stop.set()
        for loop in self.house.loops.values():
            loop.look()
        for thread in self._threads.values():
            thread.join()
        self.writer.close()
        if self._sequencer is not None:
            self._sequencer.drain()
        self._lease.release()
        self.alarms.close()

    def _thread(self, name: str, target: Callable[[], None]) -> None:
        if name not in self._threads:
            self._threads[name] = threading.Thread(target=target, name=name, daemon=True)
            self._threads[name].start()

    def _ingest(self, name: str, loop: IngestLoop) -> None:
        failures = 0
        while not self.house.stop.is_set():
            began = time.monotonic()
            try:
                busy = loop.step()
                failures = 0
                self.alarms.clear(f"ingest/{name}")
            except Exception as error:
                busy = False
                self._failed(f"ingest/{name}", error)
                loop.forget()
                self.house.stop.wait(BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)])
                failures += 1
            if not busy:
                took = time.monotonic() - began
                loop.wait(max(LOOK_EVERY_S, took / COST_SHARE))

    def _sequence(self) -> None:
        failures = 0
        while not self.house.stop.wait(SEQUENCE_EVERY_S):
            try:
                if not self._lease.take():
                    continue
                if self._sequencer is None:
                    origin = self.house.origin()
                    self._sequencer = Sequencer(self.house.state, self.house.keys, origin, self._lease.check)
                self._sequencer.step()
                failures = 0
                self.alarms.clear("sequencer")
            except Exception as error:
                self._failed("sequencer", error)
                self.house.stop.wait(BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)])
                failures += 1

    def _failed(self, room: str, error: Exception) -> None:
        if isinstance(error, ColonnadeError):
            _log.error("%s: %s", room, error.message)
            alarm = {"room": room, "code": error.code, "message": error.message, "hint": error.hint}
        else:
            _log.exception("%s failed", room)
            alarm = {
                "room": room,
                "code": "internal",
                "message": f"{type(error).__name__}",
                "hint": "`colonnade logs` has the details",
            }
        self.alarms.tell(room, alarm)
        self.house.on_change()
