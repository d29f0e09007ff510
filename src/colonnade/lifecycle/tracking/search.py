# SPDX-License-Identifier: Apache-2.0
"""Search over tracked runs: filter, order, pages. Everything is judged in memory over opened documents, because what is
searched is sealed where it lies.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from colonnade.lifecycle.tracking import filters, inputs, pages
from colonnade.lifecycle.tracking.checks import wrong
from colonnade.lifecycle.tracking.experiments import STAGES, number_of
from colonnade.lifecycle.tracking.runs import STATUS, Runs
from colonnade.lifecycle.tracking.things import ACTIVE, RUN, Thing, Things
from colonnade.ports.outside.state import Row

MOST_EXPERIMENTS = 20
CONTEXT_TAG = "mlflow.data.context"
_ENTITIES = {
    **dict.fromkeys(("attribute", "attributes", "attr", "run"), "attribute"),
    **dict.fromkeys(("metric", "metrics"), "metric"),
    **dict.fromkeys(("parameter", "parameters", "param", "params"), "param"),
    **dict.fromkeys(("tag", "tags"), "tag"),
    **dict.fromkeys(("dataset", "datasets"), "dataset"),
}
LANGUAGE = filters.Language(
    _ENTITIES,
    {name: name for name in ("run_id", "run_name", "user_id", "status", "artifact_uri")}
    | {"run name": "run_name", "Run name": "run_name", "Run Name": "run_name"},
    {"start_time": "start_time", "end_time": "end_time", "created": "start_time", "Created": "start_time"},
    frozenset({"run_id"}),
)  # fmt: skip
_NEWEST = filters.Order("attribute", "start_time", ascending=False)
_BY_ID = filters.Order("attribute", "run_id", ascending=True)


class RunSearch:
    """Finds runs of one project."""

    def __init__(self, things: Things, runs: Runs) -> None:
        self._things, self._runs, self._state = things, runs, things.state

    def search(
        self, *, experiment_ids: Sequence[str] = (), filter: str = "",  # noqa: A002  (the client's word)
        run_view_type: str = "ACTIVE_ONLY", max_results: int | None = None, order_by: Sequence[str] = (),
        page_token: str = "",
    ) -> Any:  # fmt: skip
        """Runs of these groups that fulfil a filter, newest first unless asked otherwise."""
        clauses = filters.parse_filter(filter, LANGUAGE)
        orders = filters.parse_order(order_by, LANGUAGE)
        for more in (_NEWEST, _BY_ID):
            if not any((one.entity, one.key) == (more.entity, more.key) for one in orders):
                orders.append(more)
        stages = STAGES.get(run_view_type, {ACTIVE})
        found: list[_Seen] = []
        for number in dict.fromkeys(number_of(ident) for ident in experiment_ids):
            found += [
                one for one in self._seen(number) if one.run.stage in stages and filters.matches(clauses, one.look)
            ]
        place = filters.sort_key(orders)
        found.sort(key=lambda one: place(one.look))
        shown, token = pages.page(found, 1000 if max_results is None else max_results, page_token)
        views = [self._runs.view(one.run, one.newest, one.read) for one in shown]
        return {"runs": views, **({"next_page_token": token} if token else {})}

    def datasets(self, *, experiment_ids: Sequence[str] = ()) -> Any:
        """Names, digests and contexts of the data sets that runs of these groups read."""
        if not experiment_ids:
            raise wrong("SearchDatasets request must specify at least one experiment_id.")
        if len(experiment_ids) > MOST_EXPERIMENTS:
            said = f"more than {MOST_EXPERIMENTS} experiment_ids. Received {len(experiment_ids)} experiment_ids."
            raise wrong(f"SearchDatasets request cannot specify {said}")
        found: dict[tuple[str, ...], dict[str, str]] = {}
        for ident in experiment_ids:
            for one in self._seen(number_of(ident)):
                for read in one.inputs() if one.run.stage == ACTIVE else ():
                    data, context = read["dataset"], _context(read)
                    told = {"experiment_id": ident, "name": data["name"], "digest": data["digest"]}
                    found[*told.values(), context] = told | ({"context": context} if context else {})
        return {"dataset_summaries": list(found.values())[:1000]}

    def _seen(self, experiment: int) -> list[_Seen]:
        asked: dict[str, Any] = {"project": self._things.project, "experiment": experiment}
        newest, read = defaultdict[int, list[Row]](list), defaultdict[int, list[Row]](list)
        for row in self._state.rows("tracked_latest_of_experiment", kind=RUN, **asked):
            newest[row["owner"]].append(row)
        for row in self._state.rows("tracked_inputs_of_experiment", **asked):
            read[row["owner"]].append(row)
        runs = self._things.of_experiment(experiment, RUN)
        return [_Seen(self._things, run, newest[run.number], read[run.number]) for run in runs]


class _Seen:
    """A run as the search looks at it."""

    __slots__ = ("_inputs", "_metrics", "_things", "newest", "read", "run")

    def __init__(self, things: Things, run: Thing, newest: Sequence[Row], read: Sequence[Row]) -> None:
        self._things, self.run, self.newest, self.read = things, run, newest, read
        self._metrics: dict[str, float] | None = None
        self._inputs: list[dict[str, Any]] | None = None

    def look(self, entity: str, key: str) -> filters.Value:
        """What stands under a key, or None."""
        run, doc = self.run, self.run.doc
        if entity == "metric":
            return self._metric(key)
        if entity in {"param", "tag"}:
            told: Mapping[str, str] = doc["params" if entity == "param" else "tags"]
            return told.get(key)
        if entity == "dataset":
            found = [_context(one) if key == "context" else str(one["dataset"].get(key, "")) for one in self.inputs()]
            return tuple(found) or None
        here: dict[str, filters.Value] = {
            "run_id": run.id, "run_name": doc["name"], "user_id": doc["user"], "status": STATUS[run.state],
            "artifact_uri": doc["location"], "start_time": run.began_ms, "end_time": run.ended_ms,
        }  # fmt: skip
        return here[key]

    def inputs(self) -> list[dict[str, Any]]:
        """The data sets that it read; opened when a filter asks for them."""
        if self._inputs is None:
            self._inputs = inputs.opened(self._things, self.run.id, self.read)
        return self._inputs

    def _metric(self, key: str) -> float | None:
        if self._metrics is None:
            names = self.run.doc["series"]
            self._metrics = {
                names[row["series"]][0]: math.nan if row["nan"] else row["value"]
                for row in self.newest
                if row["series"] < len(names)
            }
        return self._metrics.get(key)


def _context(read: Mapping[str, Any]) -> str:
    return next((str(tag["value"]) for tag in read["tags"] if tag["key"] == CONTEXT_TAG), "")
