# SPDX-License-Identifier: Apache-2.0
"""The models that a house serves: their loops, opened as the declaration says, and roll back as the gateway asks for
it. How a replica answers is `adapters.replicas`' business, when it is begun and asked `lifecycle.serving`'s.
"""

from __future__ import annotations

import json
import shutil
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from colonnade.app.exchanges import Exchanges
from colonnade.app.modelling import FabricLeasing
from colonnade.app.scanning import FolderScan
from colonnade.app.settings.compute import DEFAULT_QUEUE
from colonnade.app.settings.declaration import Declaration, Service
from colonnade.app.settings.environment import for_programs
from colonnade.core.answers import Asker
from colonnade.core.errors import Unavailable, UnknownName, UsageError
from colonnade.core.exchanges import Exchange
from colonnade.gateway.lanes import Lanes, Rival, Served
from colonnade.lifecycle.artifacts import Artifacts
from colonnade.lifecycle.pipelines import CHAMPION
from colonnade.lifecycle.serving.loop import Means, ServiceLoop
from colonnade.lifecycle.serving.rollback import find_back, roll_back
from colonnade.lifecycle.serving.safe import refuse, unsafe
from colonnade.lifecycle.serving.scaling import Bounds, Load
from colonnade.lifecycle.serving.served import Answering, Serve

if TYPE_CHECKING:
    from colonnade.app.house import House

PROGRAM = ("-P", "-m", "colonnade.app.wiring_replica")
WARM_S = 60.0
MOVED_S = 10.0
DRAIN_S = 8.0


class Serving:
    """Implements `gateway.inference.ServingBackend`."""

    def __init__(self, house: House) -> None:
        assert house.computing is not None
        self._house, self._computing = house, house.computing
        self._means = Means(
            house.state, house.project, Artifacts(house.state, house.blobs, house.keys, house.project),
            FabricLeasing(house.computing, house.places.runs, house.state), FolderScan(), house.places.work,
            (sys.executable, *PROGRAM), for_programs(), house.system,
        )  # fmt: skip
        self.loops: dict[str, ServiceLoop] = {}
        self.lanes = Lanes()
        """See `ServingBackend.lanes`."""
        self.exchanges = Exchanges()
        """What is asked and answered, for whoever watches."""
        self._gone: list[ServiceLoop] = []
        self._served: dict[str, Served] = {}
        self._seen: dict[str, Answering] = {}
        self._look = threading.Event()
        self._rolling = threading.Lock()
        self._closed = False

    def apply(self, declared: Mapping[str, Service]) -> None:
        """Serve what is declared now, and nothing else."""
        state, project = self._house.state, self._house.project
        ids = {row["name"]: row["id"] for row in state.rows("services_of_project", project=project)}
        models = {row["name"]: row["id"] for row in state.rows("models_of_project", project=project)}
        queues = {row["name"]: row["id"] for row in state.rows("queues_of_project", project=project)}
        full = self._computing.declared.queue_names()
        for name, service in declared.items():
            script = self._house.places.folder / service.serve if service.serve else None
            model, between = str(service.model), service.between
            waiting = max(1, min(between.waiting, service.limit // 4))  # more than `limit` never wait
            serve = Serve(
                ids[name], name, model, models[model], script, Bounds(between.min, between.max, waiting), service.limit,
                service.claim(), queues[full.get(service.queue or DEFAULT_QUEUE, DEFAULT_QUEUE)],
            )  # fmt: skip
            if name in self.loops and self.loops[name].serve.model_id == serve.model_id:
                self.loops[name].serve = serve
            else:
                if name in self.loops:
                    self.loops[name].close()
                self.loops[name] = ServiceLoop(self._means, serve)
        for name in [name for name in self.loops if name not in declared]:
            self.loops.pop(name).close()
        self._publish()
        self._sweep()
        self._look.set()

    @property
    def served(self) -> Mapping[str, Served]:
        """See `ServingBackend.served`."""
        return self._served

    def exchanged(self, exchange: Exchange) -> None:
        """See `ServingBackend.exchanged`."""
        self.exchanges.put(exchange)

    def step(self, name: str) -> bool:
        """One look at one service; whether something is under way. Raises ColonnadeError."""
        if self._closed or name not in self.loops:
            return False
        self.loops[name].load = Load(*self.lanes.loads().get(name, ()))
        busy = self.loops[name].step()
        self._publish()
        return busy

    def look(self) -> None:
        """Look at every service now."""
        self._look.set()

    def wait(self, seconds: float) -> None:
        """Until something is to be done, at most so long."""
        self._look.wait(seconds)
        self._look.clear()

    def rollback(self, asker: Asker, ref: str, to: str | None) -> Mapping[str, Any]:
        """See `ServingBackend.rollback`: the version is warm before the Name moves, so nobody waits for it."""
        state, journal = self._house.state, self._house.journal
        with self._rolling:
            model, ident = self._model_of(ref)
            loops = [loop for loop in self.loops.values() if loop.serve.model == model]
            trying = self._house.rollouts is not None and self._house.rollouts.under_way(ident)
            back = None
            try:
                back = find_back(state, self._house.project, ident, model, to) if to is not None or not trying else None
            except UsageError as error:
                if not trying or error.code != "nothing_to_do":
                    raise
            if trying and (stopped := self._stop(asker, model, ident, loops)) is not None and back is None:
                return stopped
            back = back or find_back(state, self._house.project, ident, model, to)
            try:
                self._warm(loops, back.version)
                began = time.monotonic()
                decision = roll_back(state, journal, asker.principal, back)
                self._look.set()
                self._until(lambda: all(one.answering.version == back.version for one in loops), MOVED_S)
                took_ms = round((time.monotonic() - began) * 1000)
            finally:
                for loop in loops:
                    loop.also = ""
        return {
            "schema": "colonnade.rollback/1", "ref": f"decision/{decision}", "model": f"model/{ident}", "name": model,
            "from": back.was, "version": back.version, "generation": back.generation + 1, "took_ms": took_ms,
            "services": sorted(loop.serve.name for loop in loops),
        }  # fmt: skip

    def _stop(self, asker: Asker, model: str, ident: str, loops: list[ServiceLoop]) -> Mapping[str, Any] | None:
        """End the rollout that is under way: the live version answers alone again. None: it was over just now."""
        began = time.monotonic()
        assert self._house.rollouts is not None
        ended = self._house.rollouts.stop(ident, asker.principal)
        if ended is None:
            return None
        self._until(lambda: all(one.answering.rival is None for one in loops), MOVED_S)
        here = self._house.state.rows("name_get", project=self._house.project, kind=CHAMPION, name=model)
        return {
            "schema": "colonnade.rollback/1", "ref": f"rollout/{ended.id}", "model": f"model/{ident}", "name": model,
            "from": ended.challenger, "version": ended.champion, "generation": here[0]["generation"] if here else 0,
            "took_ms": round((time.monotonic() - began) * 1000), "services": sorted(one.serve.name for one in loops),
        }  # fmt: skip

    def close(self) -> None:
        """The daemon stops: replicas answer what they were asked, and end. After a kill they go on, and are found."""
        self._closed = True
        self.exchanges.close()
        leases = {lease for loop in self.loops.values() for lease in loop.close()}
        self._until(lambda: all(self._means.leasing.look(lease) is not None for lease in leases), DRAIN_S, quiet=True)
        for loop in self.loops.values():
            loop.sweep()

    def _model_of(self, ref: str) -> tuple[str, str]:
        """(name, id) of the model that `service/NAME`, `model/NAME` or a bare name means. Raises UnknownName."""
        kind, slash, name = ref.partition("/")
        if not slash:
            kind, name = "", ref
        if kind in {"", "service"} and name in self.loops:
            name = self.loops[name].serve.model
        elif kind == "service":
            name = ""
        rows = self._house.state.rows("models_of_project", project=self._house.project)
        found = next((row for row in rows if name in {row["name"], row["id"]}), None)
        if found is None:
            raise UnknownName(f"there is no {ref!r} with a model", hint="`colonnade status` lists services and models")
        return found["name"], found["id"]

    def _warm(self, loops: list[ServiceLoop], version: str) -> None:
        for loop in loops:
            loop.also = version
        self._look.set()

        def warm() -> bool:
            for loop in loops:
                if (refusal := loop.refusal(version)) is not None:
                    raise refusal
            return all(loop.warm(version) for loop in loops)

        self._until(warm, WARM_S)

    def _until(self, holds: Callable[[], bool], seconds: float, *, quiet: bool = False) -> None:
        end = time.monotonic() + seconds
        pause = threading.Event()
        while not holds():
            if time.monotonic() > end:
                if quiet:
                    return
                raise Unavailable("no replica of that version answers", hint="`colonnade status` says why",
                                  code="service_unready")  # fmt: skip
            pause.wait(0.01)

    def _publish(self) -> None:
        """What the gateway and `status` are told, when it changes."""
        for name, loop in list(self.loops.items()):
            now = loop.answering
            if self._seen.get(name) == now:
                continue
            self._seen[name] = now
            told = {"state": now.state, "reason": now.reason, "version": now.version}
            with self._house.state.transaction() as tx:
                tx.run("meta_put", key=f"serving/{loop.serve.id}", value=json.dumps(told))
            self._house.on_change()
        self._seen = {name: seen for name, seen in self._seen.items() if name in self.loops}
        self._served = {
            name: self._served[name] if name in self._served and _same(self._served[name], now) else _served(now)
            for name, now in self._seen.items()
        }

    def _sweep(self) -> None:
        """Folders that no replica has: a killed daemon left them before it asked for a lease."""
        rows = self._house.state.rows("replicas_of_project", project=self._house.project)
        kept = {row["place"] for row in rows}
        for folder in self._means.folder.glob("serve-*"):
            if folder.name not in kept:
                shutil.rmtree(folder, ignore_errors=True)


def check_served(house: House, declaration: Declaration) -> None:
    """Raises Refused, `unsafe_pickle`, for a service whose model's live version may not be loaded."""
    artifacts = Artifacts(house.state, house.blobs, house.keys, house.project)
    loaded = {row["version"] for row in house.state.rows("replicas_of_project", project=house.project)}
    for model in {service.model for service in declaration.services.values() if service.model is not None}:
        here = house.state.rows("name_get", project=house.project, kind=CHAMPION, name=model)
        if here and here[0]["digest"] not in loaded:  # what runs was judged when it was loaded
            refuse(str(model), unsafe(FolderScan(), artifacts, here[0]["digest"]))


def _served(now: Answering) -> Served:
    rival = None
    if now.rival is not None:
        state = "ready" if now.rival.places else "starting"
        beside = Served(now.service, state, now.rival.version, now.rival.places, now.rival.most)
        rival = Rival(now.rival.rollout, now.rival.share, beside)
    return Served(now.service, now.state, now.version, now.places, now.most, now.reason, now.about, rival)


def _same(one: Served, now: Answering) -> bool:
    return one == _served(now)
