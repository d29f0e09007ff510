# SPDX-License-Identifier: Apache-2.0
"""Versions of registered models, and which of them an alias means.

A version whose files lie with us is an artifact that never changes: it is pinned when it is registered.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from colonnade.core import tracking_entries
from colonnade.core.errors import UnknownName
from colonnade.core.ids import is_id
from colonnade.lifecycle.tracking import checks, filters, pages
from colonnade.lifecycle.tracking.aliases import Aliases, Registered, Version
from colonnade.lifecycle.tracking.checks import missing, wrong
from colonnade.lifecycle.tracking.files import Files, Place, pinned_uri
from colonnade.lifecycle.tracking.models import Models
from colonnade.lifecycle.tracking.things import RUN, Things, told
from colonnade.ports.outside.state import Row, Transaction

PROMPT_TAG = "mlflow.prompt.is_prompt"
LANGUAGE = filters.Language(
    {"attribute": "attribute", "attributes": "attribute", "tag": "tag", "tags": "tag"},
    {"name": "name", "run_id": "run_id", "source_path": "source_path"},
    {"version_number": "version_number", "creation_timestamp": "made", "last_updated_timestamp": "changed"},
    frozenset({"name", "run_id"}),
    frozenset({"name", "version_number", "made", "changed"}),
)
MOST = 200_000


@dataclass(frozen=True, slots=True)
class _Source:
    """What a version is made of: our own files, or (`digest` "") a place that we do not read; `place` "" is its own."""

    digest: str
    run: str
    model_id: str
    place: str = ""


class Versions:
    """Versions and aliases of one project's registered models."""

    def __init__(self, things: Things, files: Files, models: Models) -> None:
        self._things, self._files, self._models, self.aliases = things, files, models, Aliases(things)
        self._state, self._journal, self._project = things.state, things.journal, things.project

    def create(
        self, actor: str, *, name: str, source: str = "", run_id: str = "", tags: Sequence[Mapping[str, str]] = (),
        run_link: str = "", description: str = "", model_id: str = "",
    ) -> Any:  # fmt: skip
        """The next version."""
        name = checks.model_name(name)
        marked = checks.tags(tags, checks.MODEL_TAG_CHARS)
        made = self._source(source, run_id, model_id, prompt=marked.get(PROMPT_TAG) == "true")
        place = made.place or source
        digest = made.digest or self._elsewhere(place)
        run = run_id or made.run
        doc = {"source": source, "run_id": run, "run_link": run_link, "description": description, "tags": marked,
               "model_id": made.model_id, "here": bool(made.digest), "place": place}  # fmt: skip
        with self._state.transaction() as tx:
            here = self.registered(name)
            number = tx.rows("model_version_last", model=here.model)[0]["version"] + 1
            known = run if is_id(run) and self._things.find_in(tx, run, RUN) is not None else ""
            tx.run(
                "model_version_add", model=here.model, version=number, project=self._project, digest=digest, run=known,
                now_ms=self._things.wall_ms(), sealed=self._seal(here.model, number, doc),
            )  # fmt: skip
            self._touch(tx, here)
            tx.append(tracking_entries.model_registered(self._journal.stamp(actor), model=here.model, number=number,
                                                        version=digest, run=known or None))  # fmt: skip
        if made.model_id:
            self._models.note_version(made.model_id, name, number)
        return self.get(name=name, version=str(number))

    def get(self, *, name: str, version: str) -> Any:
        """One."""
        here, found = self._find(name, version)
        return {"model_version": self.view(here, found)}

    def update(self, *, name: str, version: str, description: str = "") -> Any:
        """What it is."""
        with self._state.transaction() as tx:
            here, found = self._find(name, version)
            self._put(tx, here, found, description=description)
        return self.get(name=name, version=version)

    def delete(self, actor: str, *, name: str, version: str) -> Any:
        """Gone, with the aliases that point to it."""
        with self._state.transaction() as tx:
            here, found = self._find(name, version)
            for row in self.aliases.of(here):
                if row["version"] == found.number:
                    self.aliases.unset(tx, actor, here, row["alias"])
            tx.run("model_version_put", model=here.model, version=found.number, gone=1, now_ms=self._things.wall_ms(),
                   sealed=self._seal(here.model, found.number, {}))  # fmt: skip
            self._touch(tx, here)
        return {}

    def search(
        self, *, filter: str = "", max_results: int | None = None, order_by: Sequence[str] = (),  # noqa: A002
        page_token: str = "",
    ) -> Any:  # fmt: skip
        """Versions that fulfil a filter, last changed first unless asked otherwise."""
        clauses = filters.parse_filter(filter, LANGUAGE)
        orders = filters.parse_order(order_by or ["last_updated_timestamp DESC"], LANGUAGE)
        for key, up in (("name", True), ("version_number", False)):
            if not any(order.key == key for order in orders):
                orders.append(filters.Order("attribute", key, up))
        prompts = asks_for_prompts(clauses)
        kept = [clause for clause in clauses if clause.key != PROMPT_TAG]
        models = {row["model"]: self.opened(row)
                  for row in self._state.rows("registered_of_project", project=self._project)}  # fmt: skip
        found: list[tuple[Registered, Version]] = []
        for row in self._state.rows("model_versions_of_project", project=self._project):
            here, one = models.get(row["model"]), self._version(row)
            fits = here is not None and (here.tags.get(PROMPT_TAG) == "true") == prompts
            if here is not None and fits and filters.matches(kept, _look(here, one)):
                found.append((here, one))
        place = filters.sort_key(orders)
        found.sort(key=lambda pair: place(_look(*pair)))
        shown, token = pages.page(found, 10_000 if max_results is None else max_results, page_token, limit=MOST)
        views = [self.view(here, one) for here, one in shown]
        return {"model_versions": views, **({"next_page_token": token} if token else {})}

    def download_uri(self, *, name: str, version: str) -> Any:
        """Where its files are read: what is pinned here, or the place that was named."""
        _, found = self._find(name, version)
        return {"artifact_uri": pinned_uri(found.digest) if found.doc["here"] else found.doc["place"]}

    def set_tag(self, *, name: str, version: str, key: str, value: str = "") -> Any:
        """Set a tag."""
        marked = checks.tags([{"key": key, "value": value}], checks.MODEL_TAG_CHARS)
        with self._state.transaction() as tx:
            here, found = self._find(name, version)
            self._put(tx, here, found, tags={**found.doc["tags"], **marked})
        return {}

    def delete_tag(self, *, name: str, version: str, key: str) -> Any:
        """Take a tag away; one that is not there is no error."""
        checks.key(key)
        with self._state.transaction() as tx:
            here, found = self._find(name, version)
            tags = {one: value for one, value in found.doc["tags"].items() if one != key}
            self._put(tx, here, found, tags=tags)
        return {}

    def set_alias(self, actor: str, *, name: str, alias: str, version: str) -> Any:
        """Point an alias to a version."""
        alias = checks.alias(alias, new=True)
        with self._state.transaction() as tx:
            here, found = self._find(name, version)
            self.aliases.point(tx, actor, here, alias, found)
        return {}

    def delete_alias(self, actor: str, *, name: str, alias: str) -> Any:
        """An alias points to nothing; one that is not there is no error."""
        alias = checks.alias(alias)
        with self._state.transaction() as tx:
            self.aliases.unset(tx, actor, self.registered(name), alias)
        return {}

    def by_alias(self, *, name: str, alias: str) -> Any:
        """The version that an alias points to; `latest` is the newest."""
        alias = checks.alias(alias)
        here = self.registered(name)
        if alias.lower() == "latest":
            newest = self.newest(here)
            if newest is None:
                raise missing(f"Latest version not found for model {name}.")
            return {"model_version": self.view(here, newest)}
        number = self.aliases.version_of(here, alias)
        if number is None:
            raise wrong(f"Registered model alias {alias} not found.")
        return self.get(name=name, version=str(number))

    def registered(self, name: str) -> Registered:
        """A registered model by its name. Raises UnknownName."""
        rows = self._state.rows("registered_by_name", project=self._project, name=checks.model_name(name))
        if not rows:
            raise missing(f"Registered Model with name={name} not found")
        return self.opened(rows[0])

    def opened(self, row: Row) -> Registered:
        """A registered model from its row."""
        body = json.loads(self._things.keys.open((row["model"],), row["sealed"], f"{row['model']}/registered"))
        return Registered(
            row["model"], row["name"], row["made_ms"], row["changed_ms"], body["description"], body["tags"]
        )

    def newest(self, here: Registered) -> Version | None:
        """The version of the highest number."""
        rows = self._state.rows("model_versions_of", model=here.model)
        return self._version(rows[-1]) if rows else None

    def drop_all(self, tx: Transaction, actor: str, here: Registered) -> None:
        """Versions and aliases of a model that is registered no more."""
        for row in self.aliases.of(here):
            self.aliases.unset(tx, actor, here, row["alias"])
        tx.run("model_versions_drop", model=here.model, now_ms=self._things.wall_ms())

    def view(self, here: Registered, found: Version) -> dict[str, Any]:
        """A version as clients read it."""
        doc = found.doc
        told_of = {"run_id": doc["run_id"], "run_link": doc["run_link"], "model_id": doc["model_id"]}
        return {
            "name": here.name, "version": str(found.number), "creation_timestamp": found.made_ms,
            "last_updated_timestamp": found.changed_ms, "current_stage": "None", "description": doc["description"],
            "source": doc["source"], "status": "READY", "tags": told(doc["tags"]),
            "aliases": [row["alias"] for row in self.aliases.of(here) if row["version"] == found.number],
            **{key: value for key, value in told_of.items() if value},
        }  # fmt: skip

    def _source(self, source: str, run_id: str, model_id: str, *, prompt: bool) -> _Source:
        """What a version is made of. Raises UsageError for a path of this machine, and for files that nobody logged."""
        if not source:
            raise wrong("Missing value for required parameter 'source'.")
        checks.absolute(source)
        scheme, colon, rest = source.partition(":")
        if scheme == "models":
            return self._of_model(rest.strip("/"))
        if scheme == "runs":
            run, _, path = rest.strip("/").partition("/")
            found = self._things.find(run, RUN)
            return self._pinned(Place(found, "", path), model_id) if found else _Source("", run_id, model_id)
        if scheme == "mlflow-artifacts":
            return self._pinned(self._place(source), model_id)
        if not prompt and (not colon or scheme.lower() == "file" or rest[:2] != "//"):
            said = "To use a local path as a model version source, log it to a run first: others cannot read it"
            raise wrong(f"Invalid model version source: '{source}'. {said}.")
        return _Source("", run_id, model_id)

    def _place(self, source: str) -> Place:
        """Where `mlflow-artifacts:/PATH` leads. Raises UsageError."""
        try:
            place = self._files.resolve(source)
        except UnknownName:
            place = None
        if place is None:
            raise wrong(f"Invalid model version source: '{source}'. It lies in no run or model of this server.")
        return place

    def _of_model(self, text: str) -> _Source:
        """`models:/m-ID`, `models:/NAME/NUMBER` or `models:/NAME@ALIAS`."""
        if text.startswith("m-") and "/" not in text:
            model = self._models.one(text)
            pinned = self._pinned(Place(model, "", ""), model.id)
            return _Source(pinned.digest, str(model.doc["run"]), model.id)
        name, _, version = text.rpartition("/") if "/" in text else text.rpartition("@")
        if not version.isdecimal():
            version = self.by_alias(name=name, alias=version)["model_version"]["version"]
        _, found = self._find(name, version)
        doc = found.doc
        return _Source(found.digest if doc["here"] else "", doc["run_id"], doc["model_id"], doc["place"])

    def _pinned(self, place: Place, model_id: str) -> _Source:
        artifact = self._files.pin("model", place, {})
        thing = place.thing
        run = "" if thing is None else thing.id if thing.kind == RUN else str(thing.doc["run"])
        return _Source(artifact.digest if artifact else "", run, model_id)

    def _elsewhere(self, source: str) -> str:
        """A digest for a place that we do not read; nobody can find the place by trying."""
        about = {"source": source, "salt": secrets.token_hex(16)}
        return self._things.artifacts.put("reference", {}, about).digest

    def _find(self, name: str, version: str) -> tuple[Registered, Version]:
        number = checks.model_version(version)
        rows = self._state.rows("registered_by_name", project=self._project, name=checks.model_name(name))
        found = self._state.rows("model_version_get", model=rows[0]["model"], version=number) if rows else []
        if not found:
            raise missing(f"Model Version (name={name}, version={version}) not found")
        return self.opened(rows[0]), self._version(found[0])

    def _version(self, row: Row) -> Version:
        context = f"{row['model']}/version/{row['version']}"
        doc = json.loads(self._things.keys.open((row["model"],), row["sealed"], context))
        return Version(row["model"], row["version"], row["digest"], row["run"], row["made_ms"], row["changed_ms"], doc)

    def _put(self, tx: Transaction, here: Registered, found: Version, **changed: Any) -> None:
        tx.run("model_version_put", model=here.model, version=found.number, gone=0, now_ms=self._things.wall_ms(),
               sealed=self._seal(here.model, found.number, {**found.doc, **changed}))  # fmt: skip

    def _seal(self, model: str, number: int, doc: Mapping[str, Any]) -> bytes:
        return self._things.keys.seal(
            (model,), json.dumps(doc, ensure_ascii=False).encode(), f"{model}/version/{number}"
        )

    def _touch(self, tx: Transaction, here: Registered) -> None:
        body = json.dumps({"description": here.description, "tags": dict(here.tags)}, ensure_ascii=False).encode()
        sealed = self._things.keys.seal((here.model,), body, f"{here.model}/registered")
        tx.run("registered_put", model=here.model, now_ms=self._things.wall_ms(), sealed=sealed)


def asks_for_prompts(clauses: Sequence[filters.Clause]) -> bool:
    """Whether a filter is about prompts, which MLflow keeps among the registered models."""
    for clause in clauses:
        if clause.entity == "tag" and clause.key == PROMPT_TAG:
            value = str(clause.value).lower()
            return (clause.op == "=" and value == "true") or (clause.op == "!=" and value == "false")
    return False


def _look(here: Registered, one: Version) -> filters.Look:
    def look(entity: str, key: str) -> filters.Value:
        if entity == "tag":
            tags: Mapping[str, str] = one.doc["tags"]
            return tags.get(key)
        kept: dict[str, filters.Value] = {
            "name": here.name, "run_id": one.doc["run_id"], "source_path": one.doc["source"],
            "version_number": one.number, "made": one.made_ms, "changed": one.changed_ms,
        }  # fmt: skip
        return kept[key]

    return look
