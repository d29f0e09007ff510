# SPDX-License-Identifier: Apache-2.0
"""Experiments: groups of runs under a name. They are labels of runs and nothing more: no entry of the ledger names one.

Number 0 is `Default`, where runs land whose program names none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from colonnade.lifecycle.tracking import checks, filters, pages
from colonnade.lifecycle.tracking.checks import missing, taken, wrong
from colonnade.lifecycle.tracking.things import ACTIVE, DELETED, Things, told
from colonnade.ports.outside.state import Row, Transaction

DEFAULT, DEFAULT_NAME = 0, "Default"
STAGES = {"ACTIVE_ONLY": {ACTIVE}, "DELETED_ONLY": {DELETED}, "ALL": {ACTIVE, DELETED}}
ROOT = "mlflow-artifacts:/"
_TIMES = {"creation_time": "creation_time", "last_update_time": "last_update_time"}
LANGUAGE = filters.Language(
    {"attribute": "attribute", "attributes": "attribute", "tag": "tag", "tags": "tag"},
    {"name": "name", "experiment_id": "experiment_id"},
    _TIMES,
    frozenset({"experiment_id"}),
)


@dataclass(frozen=True, slots=True)
class Experiment:
    """A group of runs. `location`: where its files go, as a URI; ours unless somebody named another."""

    number: int
    name: str
    location: str
    stage: str
    made_ms: int
    changed_ms: int
    tags: Mapping[str, str]

    def view(self) -> dict[str, Any]:
        """As clients read it."""
        return {
            "experiment_id": str(self.number), "name": self.name, "artifact_location": self.location,
            "lifecycle_stage": self.stage, "creation_time": self.made_ms, "last_update_time": self.changed_ms,
            "tags": told(self.tags),
        }  # fmt: skip


class Experiments:
    """The groups of one project."""

    def __init__(self, things: Things) -> None:
        self._things = things
        self._state, self._keys, self._project = things.state, things.keys, things.project
        with self._state.transaction() as tx:
            self._add(tx, DEFAULT, DEFAULT_NAME, "", {})

    def create(self, *, name: str, artifact_location: str = "", tags: Sequence[Mapping[str, str]] = ()) -> Any:
        """A new group; its id. Raises UsageError `exists`."""
        name = checks.experiment_name(name)
        if artifact_location.startswith("runs:") or len(artifact_location) > 2048:
            raise wrong(f"Artifact location cannot be a runs:/ URI, or so long. Given: '{artifact_location[:200]}'")
        marked = checks.tags(tags, checks.EXPERIMENT_TAG_CHARS)
        with self._state.transaction() as tx:
            rows = tx.rows("experiments_of_project", project=self._project)
            number = max((row["number"] for row in rows), default=0) + 1
            if not self._add(tx, number, name, artifact_location.rstrip("/"), marked):
                raise taken(f"Experiment(name={name}) already exists.")
        return {"experiment_id": str(number)}

    def get(self, *, experiment_id: str) -> Any:
        """One, deleted or not."""
        return {"experiment": self.one(experiment_id).view()}

    def get_by_name(self, *, experiment_name: str) -> Any:
        """The one of that name, deleted or not."""
        rows = self._state.rows("experiment_by_name", project=self._project, name_mac=self._mac(experiment_name))
        if not rows:
            raise missing(f"Could not find experiment with name '{experiment_name}'")
        return {"experiment": self._read(rows[0]).view()}

    def search(
        self, *, max_results: int | None = None, page_token: str = "", filter: str = "",  # noqa: A002  (the client's word)
        order_by: Sequence[str] = (), view_type: str = "ACTIVE_ONLY",
    ) -> Any:  # fmt: skip
        """Groups that fulfil a filter, newest first unless asked otherwise."""
        clauses = filters.parse_filter(filter, LANGUAGE)
        orders = filters.parse_order(order_by, LANGUAGE)
        if not order_by:
            orders = [filters.Order("attribute", "creation_time", ascending=False),
                      filters.Order("attribute", "experiment_id", ascending=True)]  # fmt: skip
        elif not any(order.key == "experiment_id" for order in orders):
            orders.append(filters.Order("attribute", "experiment_id", ascending=False))
        place = filters.sort_key(orders)
        stages = STAGES.get(view_type, {ACTIVE})
        found = [one for one in self.all() if one.stage in stages and filters.matches(clauses, _look(one))]
        found.sort(key=lambda one: place(_look(one, sorting=True)))
        shown, token = pages.page(found, max_results if max_results is not None else 1000, page_token)
        return {"experiments": [one.view() for one in shown], **({"next_page_token": token} if token else {})}

    def update(self, *, experiment_id: str, new_name: str) -> Any:
        """Another name."""
        new_name = checks.experiment_name(new_name)
        with self._state.transaction() as tx:
            here = self.one(experiment_id)
            if here.stage != ACTIVE:
                raise wrong("Cannot rename a non-active experiment.")
            other = tx.rows("experiment_by_name", project=self._project, name_mac=self._mac(new_name))
            if other and other[0]["number"] != here.number:
                raise taken(f"Experiment(name={new_name}) already exists.")
            self._put(tx, here, name=new_name)
        return {}

    def delete(self, *, experiment_id: str) -> Any:
        """Out of sight with its runs, until it is restored."""
        self._move(experiment_id, ACTIVE, DELETED)
        return {}

    def restore(self, *, experiment_id: str) -> Any:
        """Back, with its runs."""
        self._move(experiment_id, DELETED, ACTIVE)
        return {}

    def set_tag(self, *, experiment_id: str, key: str, value: str = "") -> Any:
        """Set a tag."""
        marked = checks.tags([{"key": key, "value": value}], checks.EXPERIMENT_TAG_CHARS)
        with self._state.transaction() as tx:
            here = self.active(experiment_id)
            self._put(tx, here, tags={**here.tags, **marked})
        return {}

    def delete_tag(self, *, experiment_id: str, key: str) -> Any:
        """Take a tag away."""
        with self._state.transaction() as tx:
            here = self.active(experiment_id)
            if key not in here.tags:
                raise missing(f"No tag with name: {key} in experiment with id {experiment_id}")
            self._put(tx, here, tags={name: value for name, value in here.tags.items() if name != key})
        return {}

    def all(self) -> list[Experiment]:
        """Every group, by number."""
        return [self._read(row) for row in self._state.rows("experiments_of_project", project=self._project)]

    def one(self, ident: str) -> Experiment:
        """A group by the id that clients know. Raises UsageError, UnknownName."""
        rows = self._state.rows("experiment_get", project=self._project, number=number_of(ident))
        if not rows:
            raise missing(f"No Experiment with id={ident} exists")
        return self._read(rows[0])

    def active(self, ident: str) -> Experiment:
        """The same, if it is not deleted."""
        here = self.one(ident)
        if here.stage != ACTIVE:
            raise wrong(f"The experiment {ident} must be in the 'active' state. Current state is {here.stage}.")
        return here

    def _move(self, ident: str, was: str, stage: str) -> None:
        with self._state.transaction() as tx:
            here = self.one(ident)
            if here.stage != was:
                raise missing(f"No Experiment with id={ident} exists that is {was}")
            self._put(tx, here, stage=stage)
            tx.run("tracked_stage", project=self._project, experiment=here.number, stage=stage,
                   now_ms=self._things.wall_ms())  # fmt: skip

    def _add(self, tx: Transaction, number: int, name: str, location: str, tags: Mapping[str, str]) -> bool:
        sealed = self._seal(number, name, location or f"{ROOT}{number}", tags)
        return bool(tx.run("experiment_add", project=self._project, number=number, name_mac=self._mac(name),
                           now_ms=self._things.wall_ms(), sealed=sealed))  # fmt: skip

    def _put(self, tx: Transaction, here: Experiment, **changed: Any) -> None:
        now = {"name": here.name, "stage": here.stage, "tags": here.tags, **changed}
        tx.run(
            "experiment_put", project=self._project, number=here.number, name_mac=self._mac(now["name"]),
            stage=now["stage"], now_ms=self._things.wall_ms(),
            sealed=self._seal(here.number, now["name"], here.location, now["tags"]),
        )  # fmt: skip

    def _seal(self, number: int, name: str, location: str, tags: Mapping[str, str]) -> bytes:
        body = json.dumps({"name": name, "location": location, "tags": dict(tags)}, ensure_ascii=False).encode()
        return self._keys.seal((self._project,), body, f"experiment/{number}")

    def _read(self, row: Row) -> Experiment:
        body = json.loads(self._keys.open((self._project,), row["sealed"], f"experiment/{row['number']}"))
        return Experiment(
            row["number"], body["name"], body["location"], row["stage"], row["made_ms"], row["changed_ms"], body["tags"]
        )

    def _mac(self, name: str) -> bytes:
        return self._keys.project_mac(self._project, "experiment", name.encode())


def number_of(ident: str) -> int:
    """The number behind an experiment's id. Raises UsageError."""
    if not (ident.isdecimal() and ident.isascii() and len(ident) < 19):
        raise wrong(f"Invalid experiment ID '{ident[:80]}'. Experiment ID must be a valid integer.")
    return int(ident)


def _look(one: Experiment, *, sorting: bool = False) -> filters.Look:
    def look(entity: str, key: str) -> filters.Value:
        if entity == "tag":
            return one.tags.get(key)
        if key == "experiment_id":
            return one.number if sorting else str(one.number)
        here: dict[str, filters.Value] = {
            "name": one.name,
            "creation_time": one.made_ms,
            "last_update_time": one.changed_ms,
        }
        return here[key]

    return look
