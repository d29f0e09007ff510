# SPDX-License-Identifier: Apache-2.0
"""Models that runs gave, before anybody registers one: MLflow 3's logged models. Once one is ready its files are pinned
as an artifact, and the ledger says which run gave it.
"""

from __future__ import annotations

import json
import secrets
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from colonnade.core import tracking_entries
from colonnade.core.ids import is_id
from colonnade.lifecycle.tracking import checks, filters, pages, series
from colonnade.lifecycle.tracking.checks import missing, wrong
from colonnade.lifecycle.tracking.experiments import DEFAULT, Experiments, number_of
from colonnade.lifecycle.tracking.files import Files, Place, folder
from colonnade.lifecycle.tracking.things import ACTIVE, DELETED, MODEL, RUN, Thing, Things, told
from colonnade.ports.outside.state import Row

VERSIONS_TAG = "mlflow.modelVersions"
STATES = {"LOGGED_MODEL_PENDING": "pending", "LOGGED_MODEL_READY": "ready", "LOGGED_MODEL_UPLOAD_FAILED": "failed"}
STATUS = {state: status for status, state in STATES.items()}
_TEXTS = {name: name for name in ("name", "model_id", "model_type", "status", "source_run_id", "experiment_id")}
_TIMES = {
    "creation_time": "creation_timestamp_ms",
    "creation_timestamp": "creation_timestamp_ms",
    "last_updated_timestamp": "last_updated_timestamp_ms",
}
LANGUAGE = filters.Language(
    {"attributes": "attribute", "metrics": "metric", "params": "param", "tags": "tag"},
    _TEXTS,
    _TIMES | {name: name for name in _TIMES.values()},
    frozenset(_TEXTS),
    unread="Invalid filter string",
    unfit="Invalid comparison operator",
)
Found = tuple[Sequence[str], Row]


class Models:
    """The logged models of one project."""

    def __init__(self, things: Things, experiments: Experiments, files: Files) -> None:
        self._things, self._experiments, self._files = things, experiments, files
        self._state, self._journal = things.state, things.journal

    def create(
        self, *, experiment_id: str = "", name: str = "", model_type: str = "", source_run_id: str = "",
        params: Sequence[Mapping[str, str]] = (), tags: Sequence[Mapping[str, str]] = (),
    ) -> Any:  # fmt: skip
        """A new model, whose files are to come."""
        if any(c in name for c in "/:.%\"'"):
            raise wrong(f"Invalid model name ({name}) provided. It must not contain / : . % \" '")
        marked = checks.tags(tags, checks.EXPERIMENT_TAG_CHARS)
        ident = f"m-{secrets.token_hex(16)}"
        with self._state.transaction() as tx:
            group = self._experiments.active(experiment_id or str(DEFAULT))
            doc = {
                "name": checks.bounded(name, checks.EXPERIMENT_CHARS, "name") or f"model-{ident[-6:]}",
                "type": model_type, "run": source_run_id, "tags": marked, "params": _params(params), "series": [],
                "location": f"{group.location}/models/{ident}/artifacts",
            }  # fmt: skip
            self._things.add(tx, ident, MODEL, group.number, state="pending", began_ms=None, doc=doc)
        return self.get(model_id=ident)

    def get(self, *, model_id: str) -> Any:
        """One that is not deleted."""
        return {"model": self.view(self.one(model_id))}

    def finalize(self, actor: str, *, model_id: str, status: str = "LOGGED_MODEL_READY") -> Any:
        """Its files are there, or will not come."""
        if status not in STATES:
            raise wrong(f"Invalid model status: {status}. Expected one of {sorted(STATES)}")
        ready = STATES[status] == "ready"
        model = self.one(model_id)
        pinned = self._files.pin("model", Place(model, "", ""), {}) if ready else None
        with self._state.transaction() as tx:
            model = self.one(model_id)
            doc = {**model.doc, **({"digest": pinned.digest} if pinned else {})}
            self._things.put(tx, model, state=STATES[status], doc=doc)
            run = model.doc["run"]
            known = is_id(run) and self._things.find_in(tx, run, RUN) is not None
            if known and pinned is not None and pinned.digest != model.doc.get("digest"):
                stamp, count = self._journal.stamp(actor), len(pinned.files)
                tx.append(tracking_entries.model_logged(stamp, run=run, version=pinned.digest, files=count))
        return self.get(model_id=model_id)

    def delete(self, *, model_id: str) -> Any:
        """Out of sight."""
        with self._state.transaction() as tx:
            self._things.put(tx, self.one(model_id), stage=DELETED)
        return {}

    def set_tags(self, *, model_id: str, tags: Sequence[Mapping[str, str]] = ()) -> Any:
        """Set tags."""
        marked = checks.tags(tags, checks.EXPERIMENT_TAG_CHARS)
        with self._state.transaction() as tx:
            model = self.one(model_id)
            self._things.put(tx, model, doc={**model.doc, "tags": {**model.doc["tags"], **marked}})
        return self.get(model_id=model_id)

    def delete_tag(self, *, model_id: str, tag_key: str) -> Any:
        """Take a tag away."""
        with self._state.transaction() as tx:
            model = self.one(model_id)
            if tag_key not in model.doc["tags"]:
                raise missing(f"No tag with key {tag_key!r} found for model with ID {model_id!r}.")
            kept = {key: value for key, value in model.doc["tags"].items() if key != tag_key}
            self._things.put(tx, model, doc={**model.doc, "tags": kept})
        return {}

    def log_params(self, *, model_id: str, params: Sequence[Mapping[str, str]] = ()) -> Any:
        """More parameters."""
        fresh = _params(params)
        with self._state.transaction() as tx:
            model = self.one(model_id)
            self._things.put(tx, model, doc={**model.doc, "params": {**model.doc["params"], **fresh}})
        return {}

    def list_files(self, *, model_id: str, artifact_directory_path: str = "") -> Any:
        """What lies in a folder of its files."""
        model = self.one(model_id)
        inner = checks.inner_path(artifact_directory_path)
        return {"root_uri": model.doc["location"], "files": folder(self._files.of(model), inner)}

    def search(
        self, *, experiment_ids: Sequence[str] = (), filter: str = "",  # noqa: A002  (the client's word)
        datasets: Sequence[Mapping[str, str]] = (), max_results: int | None = None,
        order_by: Sequence[Mapping[str, Any]] = (), page_token: str = "",
    ) -> Any:  # fmt: skip
        """Models of these groups that fulfil a filter, newest first unless asked otherwise."""
        if not all(data.get("dataset_name") for data in datasets):
            raise wrong("`dataset_name` in the `datasets` clause must be specified.")
        clauses = filters.parse_filter(filter, LANGUAGE)
        place = filters.sort_key(_orders(order_by))
        found: list[tuple[Thing, list[Found]]] = []
        for number in dict.fromkeys(number_of(ident) for ident in experiment_ids):
            for model, newest in self._seen(number):
                within = [one for one in newest if not datasets or any(_on(one[0], data) for data in datasets)]
                if (within or not datasets) and filters.matches(clauses, _look(model, within)):
                    found.append((model, newest))
        found.sort(key=lambda one: place(_look(*one)))
        of = {"Experiment IDs": list(experiment_ids), "Filter string": filter, "Order by": list(order_by)}
        shown, token = pages.page(found, 50 if max_results is None else max_results, page_token, of=of)
        views = [self.view(model, newest) for model, newest in shown]
        return {"models": views, **({"next_page_token": token} if token else {})}

    def one(self, ident: str) -> Thing:
        """A model that is not deleted. Raises UnknownName."""
        found = self._things.find(ident, MODEL)
        if found is None or found.stage != ACTIVE:
            raise missing(f"Logged model with ID '{ident[:80]}' not found.")
        return found

    def note_version(self, ident: str, name: str, number: int) -> None:
        """Remember on a logged model that a version was registered from it, as MLflow's server does."""
        with self._state.transaction() as tx:
            model = self.one(ident)
            before = json.loads(model.doc["tags"].get(VERSIONS_TAG, "[]"))
            tag = json.dumps([*before, {"name": name, "version": number}])
            self._things.put(tx, model, doc={**model.doc, "tags": {**model.doc["tags"], VERSIONS_TAG: tag}})

    def view(self, model: Thing, newest: Sequence[Found] | None = None) -> dict[str, Any]:
        """All of a model, as clients read it."""
        if newest is None:
            rows = self._state.rows("tracked_latest_of", owner=model.number)
            newest = series.latest(rows, model.doc["series"])
        doc = model.doc
        info = {
            "model_id": model.id, "experiment_id": str(model.experiment), "name": doc["name"],
            "creation_timestamp_ms": model.made_ms, "last_updated_timestamp_ms": model.changed_ms,
            "artifact_uri": doc["location"], "status": STATUS[model.state], "tags": told(doc["tags"]),
            **{key: value for key, value in (("model_type", doc["type"]), ("source_run_id", doc["run"])) if value},
        }  # fmt: skip
        return {
            "info": info,
            "data": {"params": told(doc["params"]), "metrics": [_metric(model, *one) for one in newest]},
        }

    def _seen(self, experiment: int) -> list[tuple[Thing, list[Found]]]:
        newest = defaultdict[int, list[Row]](list)
        for row in self._state.rows("tracked_latest_of_experiment", project=self._things.project, experiment=experiment,
                                    kind=MODEL):  # fmt: skip
            newest[row["owner"]].append(row)
        models = [one for one in self._things.of_experiment(experiment, MODEL) if one.stage == ACTIVE]
        return [(model, series.latest(newest[model.number], model.doc["series"])) for model in models]


def _params(given: Sequence[Mapping[str, str]]) -> dict[str, str]:
    return dict(checks.param(one.get("key"), one.get("value")) for one in given)


def _metric(model: Thing, name: Sequence[str], row: Row) -> dict[str, Any]:
    key, run, data, digest = name
    about = {"dataset_name": data, "dataset_digest": digest}
    return {"key": key, **series.measured(row), "model_id": model.id, "run_id": run,
            **{what: value for what, value in about.items() if value}}  # fmt: skip


def _on(name: Sequence[str], data: Mapping[str, str]) -> bool:
    return name[2] == data["dataset_name"] and name[3] == (data.get("dataset_digest") or name[3])


def _orders(given: Sequence[Mapping[str, Any]]) -> list[filters.Order]:
    """`order_by` as objects: an attribute, or `metrics.KEY` (on a data set, if it names one)."""
    found: list[filters.Order] = []
    for one in given:
        field, up = str(one.get("field_name") or ""), one.get("ascending", True) is not False
        known = {**LANGUAGE.texts, **LANGUAGE.numbers}
        if field in known:
            found.append(filters.Order("attribute", known[field], up))
        elif field.startswith("metrics."):
            data = [str(one.get("dataset_name") or ""), str(one.get("dataset_digest") or "")]
            found.append(filters.Order("metric", "\0".join([field.removeprefix("metrics."), *data]), up))
        else:
            raise wrong(f"Invalid order by field name: {field}. Attributes, or metrics.NAME.")
    for key, up in (("creation_timestamp_ms", False), ("model_id", True)):
        if not any(order.key == key for order in found):
            found.append(filters.Order("attribute", key, up))
    return found


def _look(model: Thing, newest: Sequence[Found]) -> filters.Look:
    def look(entity: str, key: str) -> filters.Value:
        doc = model.doc
        if entity == "metric":
            name, _, data = key.partition("\0")
            wanted, _, digest = data.partition("\0")
            values = [(row["at_ms"], row["step"], None if row["nan"] else row["value"]) for parts, row in newest
                      if parts[0] == name and wanted in {"", parts[2]} and digest in {"", parts[3]}]  # fmt: skip
            if "\0" in key:  # to sort by: the newest
                return max(values, key=lambda one: one[:2])[2] if values else None
            return tuple(value for _, _, value in values if value is not None) or None
        if entity in {"param", "tag"}:
            kept: Mapping[str, str] = doc["params" if entity == "param" else "tags"]
            return kept.get(key)
        here: dict[str, filters.Value] = {
            "name": doc["name"], "model_id": model.id, "model_type": doc["type"], "status": STATUS[model.state],
            "source_run_id": doc["run"], "experiment_id": str(model.experiment),
            "creation_timestamp_ms": model.made_ms, "last_updated_timestamp_ms": model.changed_ms,
        }  # fmt: skip
        return here[key]

    return look
