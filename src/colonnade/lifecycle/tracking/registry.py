# SPDX-License-Identifier: Apache-2.0
"""Registered models: a name, what is said of it, its versions and aliases. The name is that of our Model, so that a
registered model and a declared one of the same name are one. Versions and aliases stand in `versions`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from colonnade.lifecycle.tracking import checks, filters, pages
from colonnade.lifecycle.tracking.aliases import Registered
from colonnade.lifecycle.tracking.checks import taken, wrong
from colonnade.lifecycle.tracking.things import Things, told
from colonnade.lifecycle.tracking.versions import PROMPT_TAG, Versions, asks_for_prompts
from colonnade.ports.outside.state import Transaction

LANGUAGE = filters.Language(
    {"attribute": "attribute", "attributes": "attribute", "tag": "tag", "tags": "tag"},
    {"name": "name"},
    {"timestamp": "changed", "last_updated_timestamp": "changed", "creation_timestamp": "made"},
    frozenset({"name"}),
)
MOST = 1000


class Registry:
    """The registered models of one project. `is_declared`: whether `colonnade.yaml` has a model of that name."""

    def __init__(self, things: Things, versions: Versions, is_declared: Callable[[str], bool]) -> None:
        self._things, self._versions, self._is_declared = things, versions, is_declared
        self._state, self._project = things.state, things.project

    def create(self, *, name: str, tags: Sequence[Mapping[str, str]] = (), description: str = "",
               deployment_job_id: str = "") -> Any:  # noqa: ARG002  (Databricks' own)  # fmt: skip
        """A new name. Raises UsageError `exists`."""
        name = checks.model_name(name)
        marked = checks.tags(tags, checks.MODEL_TAG_CHARS)
        with self._state.transaction() as tx:
            tx.run("model_add", id=self._state.new_id("mod"), project=self._project, name=name)
            model = str(tx.rows("model_by_name", project=self._project, name=name)[0]["id"])
            self._things.keys.create(tx, model, self._project)
            if not tx.run("registered_add", model=model, project=self._project, now_ms=self._things.wall_ms(),
                          sealed=self._seal(model, description, marked)):  # fmt: skip
                raise taken(f"Registered Model (name={name}) already exists.")
        return self.get(name=name)

    def get(self, *, name: str) -> Any:
        """One."""
        return {"registered_model": self._view(self._versions.registered(name))}

    def update(self, *, name: str, description: str = "", deployment_job_id: str = "") -> Any:  # noqa: ARG002
        """What it is for."""
        with self._state.transaction() as tx:
            here = self._versions.registered(name)
            self._put(tx, here, description=description)
        return self.get(name=name)

    def rename(self, *, name: str, new_name: str) -> Any:
        """Another name; a declared model keeps its own. Raises UsageError."""
        new_name = checks.model_name(new_name, "new_name")
        with self._state.transaction() as tx:
            here = self._versions.registered(name)
            if here.name != new_name:
                if tx.rows("model_by_name", project=self._project, name=new_name):
                    raise taken(f"Registered Model (name={new_name}) already exists.")
                if self._is_declared(here.name):
                    raise wrong(f"The model {name} is declared in colonnade.yaml: it is renamed there")
                self._versions.aliases.rename(tx, here, new_name)
                tx.run("model_rename", id=here.model, name=new_name)
                self._put(tx, here)
        return self.get(name=new_name)

    def delete(self, actor: str, *, name: str) -> Any:
        """Gone with its versions and aliases; runs and files stay."""
        with self._state.transaction() as tx:
            here = self._versions.registered(name)
            self._versions.drop_all(tx, actor, here)
            tx.run("registered_drop", model=here.model)
        return {}

    def search(
        self, *, filter: str = "", max_results: int | None = None, order_by: Sequence[str] = (),  # noqa: A002
        page_token: str = "",
    ) -> Any:  # fmt: skip
        """Registered models that fulfil a filter, by name unless asked otherwise; prompts if it asks for them."""
        clauses = filters.parse_filter(filter, LANGUAGE)
        orders = filters.parse_order(order_by, LANGUAGE)
        if not any(order.key == "name" for order in orders):
            orders.append(filters.Order("attribute", "name", ascending=True))
        prompts = asks_for_prompts(clauses)
        kept = [clause for clause in clauses if clause.key != PROMPT_TAG or prompts]
        place = filters.sort_key(orders)
        rows = self._state.rows("registered_of_project", project=self._project)
        found = [one for row in rows for one in [self._versions.opened(row)]
                 if (one.tags.get(PROMPT_TAG) == "true") == prompts and filters.matches(kept, _look(one))]  # fmt: skip
        found.sort(key=lambda one: place(_look(one)))
        shown, token = pages.page(found, 100 if max_results is None else max_results, page_token, limit=MOST)
        views = [self._view(one) for one in shown]
        return {"registered_models": views, **({"next_page_token": token} if token else {})}

    def set_tag(self, *, name: str, key: str, value: str = "") -> Any:
        """Set a tag."""
        marked = checks.tags([{"key": key, "value": value}], checks.MODEL_TAG_CHARS)
        with self._state.transaction() as tx:
            here = self._versions.registered(name)
            self._put(tx, here, tags={**here.tags, **marked})
        return {}

    def delete_tag(self, *, name: str, key: str) -> Any:
        """Take a tag away; one that is not there is no error."""
        checks.key(key)
        with self._state.transaction() as tx:
            here = self._versions.registered(name)
            self._put(tx, here, tags={one: value for one, value in here.tags.items() if one != key})
        return {}

    def latest(self, *, name: str, stages: Sequence[str] = ()) -> Any:
        """The newest version; there are no stages but `None`."""
        here = self._versions.registered(name)
        newest = self._versions.newest(here) if not stages or "none" in {stage.lower() for stage in stages} else None
        return {"model_versions": [] if newest is None else [self._versions.view(here, newest)]}

    def _view(self, here: Registered) -> dict[str, Any]:
        newest = self._versions.newest(here)
        aliases = [{"alias": row["alias"], "version": str(row["version"])} for row in self._versions.aliases.of(here)]
        return {
            "name": here.name, "creation_timestamp": here.made_ms, "last_updated_timestamp": here.changed_ms,
            "description": here.description, "tags": told(here.tags), "aliases": aliases,
            "latest_versions": [] if newest is None else [self._versions.view(here, newest)],
        }  # fmt: skip

    def _put(self, tx: Transaction, here: Registered, **changed: Any) -> None:
        now = {"description": here.description, "tags": here.tags, **changed}
        tx.run("registered_put", model=here.model, now_ms=self._things.wall_ms(),
               sealed=self._seal(here.model, now["description"], now["tags"]))  # fmt: skip

    def _seal(self, model: str, description: str, tags: Mapping[str, str]) -> bytes:
        body = json.dumps({"description": description, "tags": dict(tags)}, ensure_ascii=False).encode()
        return self._things.keys.seal((model,), body, f"{model}/registered")


def _look(one: Registered) -> filters.Look:
    def look(entity: str, key: str) -> filters.Value:
        if entity == "tag":
            return one.tags.get(key)
        here: dict[str, filters.Value] = {"name": one.name, "changed": one.changed_ms, "made": one.made_ms}
        return here[key]

    return look
