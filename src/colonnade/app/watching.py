# SPDX-License-Identifier: Apache-2.0
"""The watch over a house's served models: one `ServiceWatch` for each, fed by what the gateway tells, stepped by the
runtime. What is kept, measured and joined is `lifecycle.watching`'s business, when a detector rings `observe.drift`'s.
"""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colonnade.app.settings.declaration import Declaration, Service
from colonnade.app.settings.models import Model
from colonnade.app.settings.watch import Alarms, Capture, Labels
from colonnade.core.answers import Asker
from colonnade.core.errors import Refused, UnknownName
from colonnade.core.exchanges import Exchange, Outcome
from colonnade.lifecycle.artifacts import Artifacts
from colonnade.lifecycle.wanted import Wanted
from colonnade.lifecycle.watching.monitors import Desk, end_alarms, open_alarms
from colonnade.lifecycle.watching.rules import Watched
from colonnade.lifecycle.watching.service import ServiceWatch
from colonnade.lifecycle.watching.telling import write_told
from colonnade.lifecycle.watching.truths import Label, Told
from colonnade.observe.drift.monitor import Detecting
from colonnade.ports.outside.tables import Batch

if TYPE_CHECKING:
    from colonnade.app.house import House

MOST_UNKNOWN = 20
"""Refs that nothing is known of are named up to here."""
_log = logging.getLogger("colonnade.watching")


class Watches:
    """Implements `gateway.labels.LabelsBackend`, and a watcher of `app.exchanges`."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._desk = Desk(house.state, house.journal, Detecting(), house.system)
        self._artifacts = Artifacts(house.state, house.blobs, house.keys, house.project)
        self.watches: dict[str, ServiceWatch] = {}
        self.outcomes: list[Callable[[Sequence[Outcome]], None]] = []
        """Who is told of truths that arrive, each once, after they are kept. A kill -9 in between loses them here."""
        self._writers: dict[str, frozenset[str]] = {}
        self._look = threading.Event()

    def apply(self, declaration: Declaration) -> None:
        """Watch the services with a model that are declared now, and nothing else."""
        state, project = self._house.state, self._house.project
        services = {row["name"]: row["id"] for row in state.rows("services_of_project", project=project)}
        models = {row["name"]: row["id"] for row in state.rows("models_of_project", project=project)}
        declared = {name: service for name, service in declaration.services.items() if service.model is not None}
        for name, service in declared.items():
            model = str(service.model)
            watched = _watched(services[name], name, service, models[model], declaration.models[model])
            self._writers[name] = frozenset(service.labels.writers if service.labels else ())
            if name in self.watches and self.watches[name].watched.model_id == watched.model_id:
                self.watches[name].watched = watched
            else:
                self.watches[name] = ServiceWatch(
                    self._desk, self._house.keys, self._artifacts, watched, self._tell
                )  # fmt: skip
        for name in [name for name in self.watches if name not in declared]:
            gone = self.watches.pop(name).watched
            with state.transaction() as tx:
                end_alarms(tx, self._desk, open_alarms(tx, project, gone.id), "undeclared")

    def take(self, exchanges: Sequence[Exchange]) -> None:
        """From the thread of exchanges: only handed on."""
        by_service: dict[str, list[Exchange]] = defaultdict(list)
        for exchange in exchanges:
            by_service[exchange.service].append(exchange)
        for name, some in by_service.items():
            if (watch := self.watches.get(name)) is not None:
                watch.put(some)

    def step(self, name: str) -> bool:
        """One look at one service; whether more is to be done at once. Raises ColonnadeError."""
        watch = self.watches.get(name)
        return watch.step() if watch is not None else False

    def label(self, asker: Asker, service: str, labels: Sequence[tuple[str, int, Any]]) -> Mapping[str, Any]:
        """See `LabelsBackend.label`."""
        watch = self.watches.get(service)
        if watch is None:
            raise UnknownName(f"there is no service {service!r} with a model", code="model_not_found")
        if not (asker.owner or asker.groups & self._writers.get(service, frozenset())):
            raise Refused(
                f"this key may not tell truths about {service!r}", hint="`labels.writers` of the service names groups"
            )
        if self._house.serving is not None:
            self._house.serving.exchanges.flush()  # the answer may have been sent this very moment
        told = watch.label([Label(*one) for one in labels], asker.acting_for or asker.principal)
        return {"schema": "colonnade.labels/1", "service": service, **_told(told)}

    def told(self, wanted: Wanted, header: Sequence[str], batches: Sequence[Batch], to: Path) -> int:
        """See `lifecycle.watching.telling.Telling`."""
        mine = [watch for watch in self.watches.values() if watch.watched.model_id == wanted.id]
        told = [(one.truths, one.watched.labels.key) for one in mine if one.watched.labels.train]
        return write_told(wanted, header, batches, to, told) if told else 0

    def close(self) -> None:
        """Keep what still waits."""
        for watch in self.watches.values():
            while watch.flush():
                pass

    def _tell(self, outcomes: Sequence[Outcome]) -> None:
        for watcher in self.outcomes:
            try:
                watcher(outcomes)
            except Exception:  # one watcher's trouble is not the others'
                _log.exception("a watcher of truths failed on %d of them", len(outcomes))


def _told(told: Told) -> dict[str, Any]:
    return {
        "count": told.count, "corrected": told.corrected, "same": told.same, "unscored": told.unscored,
        "unknown": len(told.unknown), "unknown_refs": told.unknown[:MOST_UNKNOWN],
    }  # fmt: skip


def _watched(ident: str, name: str, service: Service, model_id: str, model: Model) -> Watched:
    capture = None if service.capture == "none" else (service.capture or Capture()).rule()
    return Watched(
        ident, name, str(service.model), model_id, capture, (service.labels or Labels()).rule(model.label),
        (service.alarms or Alarms()).rule(), model.retrain.rows,
    )  # fmt: skip
