# SPDX-License-Identifier: Apache-2.0
"""Drives the loops: one thread a knowledge base, one for the sequencer. A loop that fails is logged, told in `alarms`,
and tried again.
"""

from __future__ import annotations

import errno
import functools
import json
import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from colonnade.app import wiring
from colonnade.app.alarms import Alarms
from colonnade.app.house import House
from colonnade.app.notifying import Notifying
from colonnade.app.presence import tell_looked
from colonnade.app.sweeping import Sweeping
from colonnade.app.writer import GroupWriter
from colonnade.core.errors import ColonnadeError, StorageFull
from colonnade.govern.ledger.sequencer import LEASE, Sequencer
from colonnade.knowledge.ingest.loop import IngestLoop
from colonnade.ports.outside.hints import Hints
from colonnade.ports.outside.state import Transaction
from colonnade.ports.rowlease import RowLease

if TYPE_CHECKING:
    from colonnade.app.computing import Computing
    from colonnade.app.flows import Flows
    from colonnade.app.modelling import Modelling
    from colonnade.app.serving import Serving
    from colonnade.app.tracing import Tracing
    from colonnade.app.watching import Watches

LOOK_EVERY_S = 1.0
COST_SHARE = 0.05
"""A look at the files may take this share of one core: large sources are looked at less often."""
HINTED_EVERY_S = 5.0
HINTED_SHARE = 0.004
"""The same where the operating system tells of every change."""
WATCH_EVERY_S = 30.0
"""Folders that could not be watched are tried again."""
CYCLE_S = 1.0
"""A cycle of the fabric while something is held, pending or watched; without, as seldom as folders are looked at."""
FOLLOW_S = 0.1
"""How often a model's loop looks while a pipeline is under way."""
SERVE_S, SERVING_S = 0.03, 0.25
"""How often a service's replicas are looked at while one starts, and while all is as it should be."""
WATCH_S = 0.5
"""How often what was asked of served models is kept: so much a kill -9 may lose, and what the gateway still holds."""
WATCH_AGAIN_S = 0.02
"""Between slices of longer work there: predictions go first."""
TRACE_S = 1.0
"""How often traces are kept and sent."""
SEQUENCE_EVERY_S = 0.25
SWEEP_LOOK_S = 60.0
"""How often it is asked whether a day has gone by."""
BACK_OFF_S = (1, 2, 5, 15)
_log = logging.getLogger("colonnade.runtime")


class Runtime:
    """The threads of a house."""

    def __init__(self, house: House) -> None:
        self.house = house
        house.on_open = self.start
        self.alarms = Alarms(house.places.alarms)
        self.notifying: Notifying | None = None
        self._unrecorded = False
        self.writer = GroupWriter(house.state, lambda: house.recording.forget(), self._recorded)
        self._lease = RowLease(house.state, LEASE, house.holder)
        self._sequencer: Sequencer | None = None
        self._threads: dict[str, threading.Thread] = {}
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start the threads that are not running yet; called again after each declaration."""
        with self._lock:
            self._open_notices()  # first: what happens from now on is told
            for name, loop in self.house.loops.items():
                self._thread(f"ingest/{name}", functools.partial(self._ingest, name, loop))
            self._thread("sequencer", self._sequence)
            self._thread("sweeping", self._sweep)
            if (computing := self.house.computing) is not None:
                self._thread("fabric", functools.partial(self._fabric, computing))
                self._thread("executor", functools.partial(self._listen, computing))
            if (modelling := self.house.modelling) is not None:
                tell_looked(self.house.places, 0)
                self._thread("lifecycle", functools.partial(self._follow, modelling))
            if (flows := self.house.flowing) is not None:
                self._thread("pipelines", functools.partial(self._flow, flows))
            if (serving := self.house.serving) is not None:
                self._thread("serving", functools.partial(self._serve, serving))
            if (watching := self.house.watching) is not None:
                self._thread("watching", functools.partial(self._watch, watching))
            if (tracing := self.house.tracing) is not None:
                self._thread("traces", functools.partial(self._trace, tracing))
                self._thread("telemetry", functools.partial(self._send, tracing))

    def stop(self) -> None:
        """Let every loop end after its current transaction, then index and sign what was written last."""
        if self.house.serving is not None:
            self.house.serving.close()
        if self.house.watching is not None:
            self.house.watching.close()
        self.house.stop.set()
        for loop in self.house.loops.values():
            loop.look()
        if self.house.computing is not None:
            self.house.computing.loop.look()
        if self.house.flowing is not None:
            self.house.flowing.wake()
        for thread in self._threads.values():
            thread.join()
        if self.house.tracing is not None:
            self.house.tracing.close()
        self.writer.close()
        if self._sequencer is not None:
            self._sequencer.drain()
        self._lease.release()
        self.alarms.close()

    def _open_notices(self) -> None:
        declared = self.house.declaration.notify if self.house.declaration is not None else []
        if self.notifying is None:
            self.notifying = Notifying(self.house, self.alarms)
        self.notifying.apply(declared)
        if declared:
            self._thread("notices", functools.partial(self._notify, self.notifying))

    def _thread(self, name: str, target: Callable[[], None]) -> None:
        if name not in self._threads:
            self._threads[name] = threading.Thread(target=target, name=name, daemon=True)
            self._threads[name].start()

    def _ingest(self, name: str, loop: IngestLoop) -> None:
        failures = 0
        hints = wiring.open_hints(loop.look)
        watching = Watching(hints, loop)
        while not self.house.stop.is_set():
            began = time.thread_time()
            try:
                watching.renew()
                busy = loop.step()
                failures = 0
                if busy:
                    self._log_run(name, loop)
                self.alarms.clear(f"ingest/{name}")
                self._tell_trouble(f"embed/{name}", loop.trouble)
            except Exception as error:
                busy = False
                self._failed(f"ingest/{name}", error)
                loop.forget()
                self.house.stop.wait(BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)])
                failures += 1
            if not busy:
                loop.wait(watching.pause(time.thread_time() - began))
        if hints is not None:
            hints.close()

    def _fabric(self, computing: Computing) -> None:
        failures = 0
        computing.warm()
        while not self.house.stop.is_set():
            busy = False
            try:
                busy = computing.step()
                failures = 0
                self._tell_trouble("fabric", computing.trouble)
            except Exception as error:
                self._failed("fabric", error)
                self.house.stop.wait(BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)])
                failures += 1
                continue
            computing.loop.wait(CYCLE_S if busy else HINTED_EVERY_S)

    def _listen(self, computing: Computing) -> None:
        """Step at once when a command began or ended."""
        while not self.house.stop.is_set():
            if computing.executor.changed(CYCLE_S):
                computing.loop.look()

    def _follow(self, modelling: Modelling) -> None:
        """Every model's loop, one after the other: each look is short, scripts run elsewhere."""
        while not self.house.stop.is_set():
            busy, began = False, time.monotonic_ns()
            for name, loop in list(modelling.loops.items()):
                try:
                    busy = loop.step() or busy
                    self._tell_trouble(f"model/{name}", loop.trouble)
                    if loop.trouble is None:
                        self.alarms.clear(f"model/{name}")
                except Exception as error:
                    self._failed(f"model/{name}", error)
            if not any(loop.settling for loop in modelling.loops.values()):
                tell_looked(self.house.places, began)
            self.house.stop.wait(FOLLOW_S if busy else LOOK_EVERY_S)

    def _flow(self, flows: Flows) -> None:
        """Every pipeline of functions; woken when a step's command ends."""
        while not self.house.stop.is_set():
            busy = False
            for name, loop in list(flows.loops.items()):
                try:
                    busy = loop.step() or busy
                    self._tell_trouble(f"pipeline/{name}", loop.trouble)
                except Exception as error:
                    self._failed(f"pipeline/{name}", error)
                    self.house.stop.wait(FOLLOW_S)
            flows.wait(LOOK_EVERY_S if busy else HINTED_EVERY_S)

    def _serve(self, serving: Serving) -> None:
        """Every service that answers with a model."""
        while not self.house.stop.is_set():
            busy = False
            for name, loop in list(serving.loops.items()):
                try:
                    busy = serving.step(name) or busy
                    self._tell_trouble(f"service/{name}", loop.trouble)
                except Exception as error:
                    self._failed(f"service/{name}", error)
            serving.wait(SERVE_S if busy else SERVING_S)

    def _watch(self, watching: Watches) -> None:
        """What is asked of served models, kept and measured."""
        while not self.house.stop.is_set():
            busy = False
            for name in list(watching.watches):
                try:
                    busy = watching.step(name) or busy
                    self.alarms.clear(f"watching/{name}")
                except Exception as error:
                    self._failed(f"watching/{name}", error)
            self.house.stop.wait(WATCH_AGAIN_S if busy else WATCH_S)

    def _notify(self, notifying: Notifying) -> None:
        """What happened to models, for who is told of it."""
        while not self.house.stop.wait(LOOK_EVERY_S):
            try:
                notifying.step()
                self.alarms.clear("notices")
            except Exception as error:
                self._failed("notices", error)

    def _trace(self, tracing: Tracing) -> None:
        """What requests and runs took, kept once a second."""
        while not self.house.stop.is_set():
            busy = False
            try:
                busy = tracing.step()
                self.alarms.clear("traces")
            except Exception as error:
                self._failed("traces", error)
            self.house.stop.wait(WATCH_AGAIN_S if busy else TRACE_S)

    def _send(self, tracing: Tracing) -> None:
        """Traces and lineage events, to where they are declared to go; a place that is down is asked again later."""
        while not self.house.stop.is_set():
            busy = False
            try:
                busy = tracing.send()
            except Exception as error:
                self._failed("telemetry", error)
            self.house.stop.wait(WATCH_AGAIN_S if busy else TRACE_S)

    def _log_run(self, name: str, loop: IngestLoop) -> None:
        """One line for the run that just ended: no path, no text."""
        run = self.house.state.rows("runs_of_subject", subject=loop.base.id, limit=1)[0]
        counts = ", ".join(f"{count} {what}" for what, count in json.loads(run["counts"]).items())
        seconds = ((run["finished_ms"] or run["created_ms"]) - run["created_ms"]) / 1000
        _log.info("ingest %s: %s (%s), %.1f s, run/%s", name, run["state"], counts or "nothing new", seconds, run["id"])

    def _tell_trouble(self, room: str, trouble: ColonnadeError | None) -> None:
        """The declared embedder cannot be used; everything else goes on."""
        if trouble is None:
            self.alarms.clear(room)
        else:
            self.alarms.tell(room, _alarm(room, trouble))

    def _sequence(self) -> None:
        failures = 0
        while not self.house.stop.wait(SEQUENCE_EVERY_S):
            try:
                if not self._lease.take():
                    continue
                if self._unrecorded:
                    self.writer.submit(_nothing)
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

    def _sweep(self) -> None:
        """Once a day what `retention:` keeps no longer."""
        sweeping = Sweeping(self.house)
        while not self.house.stop.wait(SWEEP_LOOK_S):
            try:
                if sweeping.is_due():
                    done = sweeping.sweep(self.house.system, dry_run=False)
                    _log.info("swept: %s", ", ".join(done["words"]) or "nothing")
                self.alarms.clear("sweeping")
            except Exception as error:
                self._failed("sweeping", error)

    def _recorded(self, error: Exception | None) -> None:
        """An answer's entry could not be written, or one was written again."""
        self._unrecorded = error is not None
        if error is not None:
            self._failed("recording", error)
        else:
            self.alarms.clear("recording")

    def _failed(self, room: str, error: Exception) -> None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            hint = "free some space; what was under way goes on by itself"
            error = StorageFull("no space left where files are worked on", hint=hint)
        if isinstance(error, ColonnadeError):
            _log.error("%s: %s", room, error.message)
            alarm = _alarm(room, error)
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


class Watching:
    """How often one loop looks: seldom while the operating system tells of every change, else by what a look costs."""

    def __init__(self, hints: Hints | None, loop: IngestLoop) -> None:
        self._hints, self._loop = hints, loop
        self._told = False
        self._next = 0.0

    def renew(self) -> None:
        """Watch the loop's folders as they are now, before it looks."""
        if self._hints is None or not self._loop.watch:
            return
        if self._told or time.monotonic() >= self._next:
            self._told = self._hints.watch([source.root for source in self._loop.sources])
            self._next = time.monotonic() + WATCH_EVERY_S

    def pause(self, cost_s: float) -> float:
        """Seconds until the next look, after one that took so much CPU."""
        if self._told:
            return max(HINTED_EVERY_S, cost_s / HINTED_SHARE)
        return max(LOOK_EVERY_S, cost_s / COST_SHARE)


def _alarm(room: str, error: ColonnadeError) -> dict[str, str]:
    return {"room": room, "code": error.code, "message": error.message, "hint": error.hint}


def _nothing(_: Transaction) -> None:
    """A write that shows whether writing works again: the store's clock goes with it."""
