# SPDX-License-Identifier: Apache-2.0
"""What a program logs to its run: measurements, parameters, tags, data sets read, models read and given. One request is
one transaction: it is kept whole, or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from colonnade.lifecycle.tracking import checks, inputs, pages, series
from colonnade.lifecycle.tracking.checks import FIRST, LAST, missing, wrong
from colonnade.lifecycle.tracking.runs import NAME_TAG, Runs
from colonnade.lifecycle.tracking.things import MODEL, Thing, Things
from colonnade.ports.outside.state import Transaction

HISTORY_TAG = "mlflow.log-model.history"
BULK_RUNS, BULK_POINTS = 100, 25_000
SAMPLE = 2500
ALL = 1 << 31


class Logging:
    """Writes to runs of one project, and reads series back."""

    def __init__(self, things: Things, runs: Runs) -> None:
        self._things, self._runs, self._state = things, runs, things.state

    def metric(
        self, *, run_id: str = "", run_uuid: str = "", key: str = "", value: float | None = None,
        timestamp: int | None = None, step: int = 0, model_id: str = "", dataset_name: str = "",
        dataset_digest: str = "",
    ) -> Any:  # fmt: skip
        """One measurement."""
        given = {"key": key, "value": value, "timestamp": timestamp, "step": step, "model_id": model_id,
                 "dataset_name": dataset_name, "dataset_digest": dataset_digest}  # fmt: skip
        return self._write(run_id or run_uuid, [(given, series.read_point(given))], [], [])

    def param(self, *, run_id: str = "", run_uuid: str = "", key: str = "", value: str = "") -> Any:
        """One parameter; a second value for it is refused."""
        return self._write(run_id or run_uuid, [], [checks.param(key, value)], [])

    def tag(self, *, run_id: str = "", run_uuid: str = "", key: str = "", value: str = "") -> Any:
        """One tag."""
        return self._write(run_id or run_uuid, [], [], [checks.tag(key, value)])

    def batch(
        self, *, run_id: str = "", metrics: Sequence[Mapping[str, Any]] = (), params: Sequence[Mapping[str, str]] = (),
        tags: Sequence[Mapping[str, str]] = (),
    ) -> Any:  # fmt: skip
        """Up to 1,000 things at once, of them up to 100 parameters and 100 tags."""
        for what, given, limit in (("metrics", metrics, checks.BATCH_METRICS), ("params", params, checks.BATCH_OTHERS),
                                   ("tags", tags, checks.BATCH_OTHERS)):  # fmt: skip
            _few(what, len(given), limit)
        _few("metrics, params, and tags", len(metrics) + len(params) + len(tags), checks.BATCH_ALL)
        if not all(one.keys() >= {"key", "value", "timestamp"} for one in metrics):
            shown = json.dumps(list(metrics), sort_keys=True, separators=(",", ":"))[:500]
            said = "each needs a key, a value and a timestamp"
            raise wrong(f"Invalid value {shown} for parameter 'metrics' supplied: {said}")
        read = [
            checks.param(one.get("key"), one.get("value"), path=f"params[{at}].key") for at, one in enumerate(params)
        ]
        if len({key for key, _ in read}) < len(read):
            twice = sorted({key for key, _ in read if sum(key == other for other, _ in read) > 1})
            raise wrong(f"Duplicate parameter keys have been submitted: {twice}. Give one value for each key.")
        return self._write(
            run_id,
            [(one, series.read_point(one, f"metrics[{at}]")) for at, one in enumerate(metrics)],
            read,
            [checks.tag(one.get("key"), one.get("value"), path=f"tags[{at}].key") for at, one in enumerate(tags)],
        )

    def delete_tag(self, *, run_id: str = "", key: str = "") -> Any:
        """Take a tag away."""
        with self._state.transaction() as tx:
            run = self._runs.active_in(tx, run_id)
            if key not in run.doc["tags"]:
                raise missing(f"No tag with name: {key} in run with id {run_id}")
            kept = {name: value for name, value in run.doc["tags"].items() if name != key}
            self._things.put(tx, run, doc={**run.doc, "tags": kept})
        return {}

    def read_by(
        self, *, run_id: str = "", datasets: Sequence[Mapping[str, Any]] = (), models: Sequence[Mapping[str, Any]] = ()
    ) -> Any:
        """Data sets and models that a run read."""
        given = inputs.read_inputs(datasets)
        with self._state.transaction() as tx:
            run = self._runs.active_in(tx, run_id)
            inputs.add(self._things, tx, run, given)
            known = list(run.doc.get("models_in", ()))
            fresh = [one["model_id"] for one in models if one.get("model_id") and one["model_id"] not in known]
            if fresh:
                self._things.put(tx, run, doc={**run.doc, "models_in": [*known, *dict.fromkeys(fresh)]})
        return {}

    def given_by(self, *, run_id: str = "", models: Sequence[Mapping[str, Any]] = ()) -> Any:
        """Models that a run gave, each at a step."""
        with self._state.transaction() as tx:
            run = self._runs.active_in(tx, run_id)
            known = [list(one) for one in run.doc.get("models_out", ())]
            fresh = [[one.get("model_id", ""), checks.number(one.get("step") or 0, "step")] for one in models]
            added = [one for one in fresh if one[0] and one not in known]
            if added:
                self._things.put(tx, run, doc={**run.doc, "models_out": known + added})
        return {}

    def model(self, *, run_id: str = "", model_json: str = "") -> Any:
        """A model's description, as MLflow 2 logs it: it becomes a tag."""
        try:
            told = json.loads(model_json)
        except ValueError as error:
            raise wrong(f"Malformed model info. \n {model_json[:200]} \n is not valid JSON.") from error
        absent = {"artifact_path", "flavors", "utc_time_created", "run_id"} - set(
            told if isinstance(told, dict) else ()
        )
        if absent:
            raise wrong(f"Model json is missing mandatory fields: {sorted(absent)}")
        with self._state.transaction() as tx:
            run = self._runs.active_in(tx, run_id)
            before = json.loads(run.doc["tags"].get(HISTORY_TAG, "[]"))
            tags = {**run.doc["tags"], HISTORY_TAG: json.dumps([*before, told])}
            self._things.put(tx, run, doc={**run.doc, "tags": tags})
        return {}

    def history(
        self, *, run_id: str = "", run_uuid: str = "", metric_key: str = "", page_token: str = "",
        max_results: int | None = None,
    ) -> Any:  # fmt: skip
        """A series of a run, in the order of its times."""
        if not metric_key:
            raise wrong("Missing value for required parameter 'metric_key'.")
        run = self._runs.one(run_id or run_uuid)
        start = pages.offset(page_token)
        size = ALL if max_results is None else pages.bounded(max_results, ALL) if max_results else 0
        found = self._series(run, metric_key, size + 1, start)
        token = {"next_page_token": pages.next_token(start + size)} if len(found) > size > 0 else {}
        return {"metrics": found[:size], **token}

    def histories(self, *, run_id: Sequence[str] = (), metric_key: str = "", max_results: int | None = None) -> Any:
        """The same series of several runs."""
        asked = "GetMetricHistoryBulk request"
        if not run_id:
            raise wrong(f"{asked} must specify at least one run_id.")
        if len(run_id) > BULK_RUNS:
            raise wrong(f"{asked} cannot specify more than {BULK_RUNS} run_ids. Received {len(run_id)} run_ids.")
        if not metric_key:
            raise wrong(f"{asked} must specify a metric_key.")
        size = min(pages.bounded(max_results, ALL), BULK_POINTS)
        found: list[dict[str, Any]] = []
        for ident in sorted(run_id):
            run = self._runs.one(ident)
            left = size - len(found)
            found += [{**one, "run_id": run.id} for one in self._series(run, metric_key, left, 0)] if left else []
        return {"metrics": found}

    def sampled(
        self, *, run_ids: Sequence[str] = (), metric_key: str = "", start_step: int | None = None,
        end_step: int | None = None, max_results: int | None = None,
    ) -> Any:  # fmt: skip
        """The same series of several runs between two steps, thinned out evenly; first and last points stay."""
        for name, value in (("run_ids", run_ids), ("metric_key", metric_key)):
            if not value:
                raise wrong(f"Missing value for required parameter '{name}'.")
        if len(run_ids) > BULK_RUNS:
            raise wrong(f"GetMetricHistoryBulkInterval request must specify at most {BULK_RUNS} run_ids.")
        size = SAMPLE if max_results is None else max_results
        if not 1 <= size <= SAMPLE:
            raise wrong(f"max_results must be between 1 and {SAMPLE}.")
        if (start_step is None) != (end_step is None):
            raise wrong("If either start step or end step are specified, both must be specified.")
        low, high = (start_step, end_step) if start_step is not None and end_step is not None else (FIRST, LAST)
        if low > high:
            raise wrong(f"end_step must be greater than start_step. Found start_step={low} and end_step={high}.")
        found: list[dict[str, Any]] = []
        for run in [self._runs.one(ident) for ident in run_ids]:
            points = [one for one in self._series(run, metric_key, ALL, 0) if low <= one["step"] <= high]
            points.sort(key=lambda one: (one["step"], one["timestamp"]))
            found += [{**one, "run_id": run.id} for one in _thinned(points, size)]
        return {"metrics": found}

    def _series(self, run: Thing, key: str, limit: int, offset: int) -> list[dict[str, Any]]:
        places = {tuple(name): place for place, name in enumerate(run.doc["series"])}
        place = places.get((key,))
        if place is None:
            return []
        found = series.history(self._state, run.number, place, limit=limit, offset=offset)
        return [{"key": key, **one} for one in found]

    def _write(
        self, ident: str, metrics: Sequence[tuple[Mapping[str, Any], series.Point]],
        params: Sequence[tuple[str, str]], tags: Sequence[tuple[str, str]],
    ) -> Any:  # fmt: skip
        with self._state.transaction() as tx:
            run = self._runs.active_in(tx, ident)
            points = [point for _, point in metrics]
            names, places = series.numbered(run.doc["series"], points)
            doc = dict(run.doc)
            if len(names) > len(doc["series"]):
                doc["series"] = names
            if params:
                doc["params"] = _with_params(run, params)
            if tags:
                doc["tags"] = {**doc["tags"], **dict(tags)}
                doc["name"] = doc["tags"].get(NAME_TAG) or doc["name"]
            if doc != run.doc:
                self._things.put(tx, run, doc=doc)
            if points:
                series.write(tx, run.number, places, points)
                self._of_models(tx, run, metrics)
        return {}

    def _of_models(
        self, tx: Transaction, run: Thing, metrics: Sequence[tuple[Mapping[str, Any], series.Point]]
    ) -> None:
        """Measurements that name a model are the model's as well, by run and data set."""
        models: dict[str, list[series.Point]] = {}
        for given, point in metrics:
            if ident := given.get("model_id"):
                data = (str(given.get("dataset_name") or ""), str(given.get("dataset_digest") or ""))
                name = (*point.name, run.id, *data)
                models.setdefault(ident, []).append(series.Point(name, point.step, point.at_ms, point.value))
        for ident, points in models.items():
            model = self._things.find_in(tx, ident, MODEL)
            if model is None:
                continue  # the measurement is kept with its run
            names, places = series.numbered(model.doc["series"], points)
            if len(names) > len(model.doc["series"]):
                self._things.put(tx, model, doc={**model.doc, "series": names})
            series.write(tx, model.number, places, points)


def _with_params(run: Thing, given: Sequence[tuple[str, str]]) -> dict[str, str]:
    """A run's parameters with new ones. Raises UsageError for another value of one that is there."""
    here: dict[str, str] = dict(run.doc["params"])
    for key, value in given:
        if here.setdefault(key, value) != value:
            said = f"Param with key='{key}' was already logged with value='{here[key]}' for run ID='{run.id}'."
            raise wrong(f"Changing param values is not allowed. {said} Attempted logging new value '{value}'.")
    return here


def _thinned(points: list[dict[str, Any]], size: int) -> list[dict[str, Any]]:
    """At most so many points, evenly, with the first and the last; the last alone where one is wanted."""
    if len(points) <= size:
        return points
    return points[-1:] if size == 1 else [points[place * (len(points) - 1) // (size - 1)] for place in range(size)]


def _few(what: str, count: int, limit: int) -> None:
    if count > limit:
        said = f"Got {count} {what}. Please split up {what} across multiple requests and try again."
        raise wrong(f"A batch logging request can contain at most {limit} {what}. {said}")
