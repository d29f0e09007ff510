# SPDX-License-Identifier: Apache-2.0
"""The rollouts of a house: as they are declared, what its services' replicas say of them, and what its owner may do.

How a rollout goes on is `lifecycle.rollout`'s business; who answers meanwhile follows from its row, which each
service's loop reads.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from colonnade.app.settings.declaration import Declaration, Service
from colonnade.app.settings.rollout import Rollout as Declared
from colonnade.core.predicting import Item
from colonnade.lifecycle.artifacts import Artifacts
from colonnade.lifecycle.rollout.plan import Plan
from colonnade.lifecycle.rollout.rehearsal import Line
from colonnade.lifecycle.rollout.rolling import Rolling
from colonnade.lifecycle.rollout.rows import Rollout
from colonnade.lifecycle.serving.loop import ServiceLoop
from colonnade.lifecycle.serving.probe import ReplicaLine
from colonnade.lifecycle.watching.captures import Captures

if TYPE_CHECKING:
    from colonnade.app.house import House


PIECES = 500
"""At most so many pieces of what is kept are opened for a replay."""


class Rollouts:
    """Implements `lifecycle.rollout.rolling.Fleet` over the services of a house."""

    def __init__(self, house: House) -> None:
        self._house = house
        artifacts = Artifacts(house.state, house.blobs, house.keys, house.project)
        self.rolling = Rolling(house.state, house.journal, artifacts, house.system, self)
        self.rolling.recent = self.recent
        self.outcomes = self.rolling.outcomes
        """Truths that have arrived; whoever joins them calls it."""
        self.exchanges = self.rolling.exchanges
        """A watcher of `app.exchanges`."""

    def plans(self, declaration: Declaration) -> Mapping[str, Plan | None]:
        """Model -> how its versions are rolled out; None: at once. Only models that a service answers with."""
        house = self._house
        ids = {row["name"]: row["id"] for row in house.state.rows("services_of_project", project=house.project)}
        serving: dict[str, list[str]] = {}
        for name, service in declaration.services.items():
            if service.model is not None:
                serving.setdefault(service.model, []).append(name)
        return {
            model: self._plan(declaration, model, declaration.services[names[0]], tuple(ids[name] for name in names))
            for model, names in serving.items()
        }

    def under_way(self, model: str) -> bool:
        """Whether a version of the model is being tried, and not live yet."""
        rollout = self.rolling.rows.open(model)
        return rollout is not None and rollout.state != "probation"

    def stop(self, model: str, actor: str) -> Rollout | None:
        """End a model's rollout by hand, if one is under way: new requests are answered by the live version alone."""
        return self.rolling.stop(model, actor, "rolled back by hand")

    def decide(self, rollout: str, person: str, *, allow: bool) -> Rollout:
        """A person (by id) says whether a rollout that asks may go on. Where `approve` names nobody, whose word
        counts is the caller's to say. Raises UnknownName, UsageError (`not_asked`), Refused (`may_not_approve`).
        """
        return self.rolling.decide(rollout.removeprefix("rollout/"), person, allow=allow)

    def recent(self, model: str, most: int) -> Sequence[Item]:
        """What was asked of a model last and is still kept, oldest first; at most so many requests."""
        house, found = self._house, deque[Item](maxlen=most)
        for loop in self._loops(model):
            service = (loop.serve.id, loop.serve.name)
            captures = Captures(house.state, house.keys, house.journal, house.system, service, model)
            enough, pieces = 0, list[str]()
            for row in house.state.rows("captures_newest", service=loop.serve.id, limit=PIECES):
                pieces.append(row["id"])
                enough += row["count"]
                if enough >= most:
                    break
            for piece in reversed(pieces):
                found.extend(Item(one.kind, one.mark, one.body) for one in captures.opened(piece, keep=False))
        return list(found)

    # Fleet
    def ready(self, model: str, version: str) -> bool:
        """See `Fleet.ready`."""
        loops = self._loops(model)
        return bool(loops) and all(loop.warm(version) for loop in loops)

    def trouble(self, model: str, version: str) -> str:
        """See `Fleet.trouble`."""
        return next((said for loop in self._loops(model) if (said := loop.troubles(version))), "")

    def line(self, model: str, version: str) -> Line:
        """See `Fleet.line`."""
        serving = self._house.serving
        for loop in self._loops(model):
            for one in loop.replicas():
                if serving is not None and one.version == version and one.state == "ready":
                    return ReplicaLine(self._house.places.work / one.place)
        raise ConnectionRefusedError("no replica of that version answers")

    def moved(self) -> None:
        """See `Fleet.moved`."""
        if self._house.serving is not None:
            self._house.serving.look()
        self._house.on_change()

    def _loops(self, model: str) -> list[ServiceLoop]:
        serving = self._house.serving
        loops = list(serving.loops.values()) if serving is not None else []
        return [loop for loop in loops if loop.serve.model_id == model]

    def _plan(self, declaration: Declaration, model: str, service: Service, services: tuple[str, ...]) -> Plan | None:
        declared: Declared | Literal["none"] = service.rollout if service.rollout is not None else Declared()
        if declared == "none":
            return None
        column = service.labels.group if service.labels is not None else None
        rule = declaration.models[model].contract.columns.get(column) if column else None
        values = tuple(declared.groups or (rule.values if rule is not None else ())) if column else ()
        persons = [self._house.people.find(name) for name in declared.approve]
        approve = tuple(person for person in persons if person is not None)
        return declared.plan(services, values, approve)
