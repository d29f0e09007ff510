# SPDX-License-Identifier: Apache-2.0
"""Runs as OpenLineage events, read from the rows that they leave. The same run gives the same events, whenever asked.

Jobs and data sets have the names of the declaration (`knowledge.handbook.ingest`, `model.churn.train`); paths of files,
addresses of databases and messages of errors are never told.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from colonnade.core.ids import is_id
from colonnade.core.quantities import rfc3339
from colonnade.core.traces import PREFIX, id_moment
from colonnade.observe.openlineage import facets
from colonnade.observe.openlineage.facets import Facet
from colonnade.observe.traces.working import trace_of_run
from colonnade.ports.outside.state import Row, State

INGESTION = frozenset({"ingest", "embed"})
ENDS = {"done": "COMPLETE", "failed": "FAIL", "lost": "FAIL", "cancelled": "ABORT"}
END = (1 << 63) - 1
Event = dict[str, Any]


class Events:
    """Events of one project's runs.

    Args:
        sources: knowledge base -> names of its declared sources.
    """

    def __init__(self, state: State, project: str, name: str, sources: Mapping[str, Sequence[str]]) -> None:
        self._state, self._namespace, self._sources = state, name, sources
        self._names: dict[str, str] = {}
        for kind in ("knowledge", "models", "flows"):
            word = {"models": "model", "flows": "pipeline"}.get(kind, kind)
            rows = state.rows(f"{kind}_of_project", project=project)
            self._names |= {row["id"]: f"{word}.{row['name']}" for row in rows}

    def of(self, run: Row) -> tuple[Event | None, Event | None]:
        """(its start, its end) of a row of `runs`; None for what is no such run, and for an end that is not there."""
        job, kind = self._job(run)
        if not job:
            return None, None
        start = self._event(run, job, kind, "START", run["created_ms"])
        if run["finished_ms"] is None:
            return start, None
        return start, self._event(run, job, kind, ENDS.get(run["state"], "FAIL"), run["finished_ms"])

    def _job(self, run: Row) -> tuple[str, str]:
        if run["kind"] in INGESTION and run["subject"] in self._names:
            return f"{self._names[run['subject']]}.{run['kind']}", "INGESTION"
        if run["parent"] and (pipeline := self._pipeline(run["parent"])):
            steps = self._state.rows("steps_of_run", run=run["id"])
            return f"{pipeline}.{steps[0]['step'] if steps else run['kind']}", "STEP"
        pipeline = self._pipeline(run["id"])
        return (pipeline, "PIPELINE") if pipeline else ("", "")

    def _pipeline(self, run: str) -> str:
        rows = self._state.rows("pipeline_get", run=run)
        return self._names.get(rows[0]["model"], "") if rows else ""

    def _event(self, run: Row, job: str, kind: str, word: str, at_ms: int) -> Event:
        inputs, outputs = self._data(run, job, kind, over=word != "START")
        return {
            "eventType": word, "eventTime": rfc3339(at_ms), "producer": facets.PRODUCER,
            "schemaURL": facets.RUN_EVENT,
            "run": {"runId": run_uuid(run["id"]), "facets": self._run_facets(run, word)},
            "job": {"namespace": self._namespace, "name": job, "facets": {"jobType": facets.job_type(kind)}},
            "inputs": inputs, "outputs": outputs,
        }  # fmt: skip

    def _run_facets(self, run: Row, word: str) -> dict[str, Facet]:
        counts = json.loads(run["counts"])
        steps = self._state.rows("steps_of_run", run=run["id"])
        root = run["parent"] or run["id"]
        code = next((edge["ref"] for edge in self._edges(run["id"]) if edge["role"] == "step"), "")
        found = {
            "processing_engine": facets.processing_engine(),
            "colonnade": facets.run_ref(f"run/{run['id']}", PREFIX + trace_of_run(root), code, counts),
        }
        if run["parent"] and (pipeline := self._pipeline(run["parent"])):
            found["parent"] = facets.parent_run(self._namespace, pipeline, run_uuid(run["parent"]))
        if word == "FAIL":
            failed = f"{steps[0]['step']} {run['state']}" if steps else f"{run['kind']} {run['state']}"
            found["errorMessage"] = facets.error_message(failed)
        return found

    def _data(self, run: Row, job: str, kind: str, *, over: bool) -> tuple[list[Event], list[Event]]:
        if kind == "INGESTION":
            base = self._names[run["subject"]]
            read = [self._set(f"{base}/{source}") for source in self._sources.get(base.partition(".")[2], ())]
            counts = json.loads(run["counts"])
            files = sum(int(counts.get(word, 0)) for word in ("added", "changed"))
            written = facets.output_statistics(files=files) if over else None
            return read, [self._set(base, statistics=written)]
        pipeline = run["parent"] if kind == "STEP" else run["id"]
        steps = self._state.rows("pipeline_steps", pipeline=pipeline)
        name = job if kind == "PIPELINE" else job.rpartition(".")[0]
        if kind == "PIPELINE":
            done = [step for step in steps if over and step["artifact"]]
            return [self._set(f"{name}/data")], [self._output(name, step) for step in done[-1:]]
        mine = [step for step in steps if step["run"] == run["id"] and step["state"] != "cached"]
        given = {edge["ref"] for edge in self._edges(run["id"]) if edge["role"] in ("given", "model", "follows")}
        before = [s for s in steps if s["run"] != run["id"] and s["artifact"] and given & _names_of(s)]
        inputs = [self._output(name, step) for step in before]
        if not inputs and mine and mine[0]["step"] == "snapshot":
            inputs = [self._set(f"{name}/data")]
        return inputs, [self._output(name, step) for step in mine if over and step["artifact"]]

    def _output(self, name: str, step: Row) -> Event:
        """What a step gave, as a data set; a snapshot's has columns."""
        told = json.loads(step["told"])
        columns, rows = told.get("columns"), told.get("rows")
        made = self._set(f"{name}/{step['step']}", version=str(step["artifact"]))
        if isinstance(columns, dict) and isinstance(rows, int):
            made["facets"]["schema"] = facets.schema(columns)
            made["facets"]["dataQualityMetrics"] = facets.quality(columns, rows)
        return made

    def _set(self, name: str, *, version: str = "", statistics: Facet | None = None) -> Event:
        made: Event = {"namespace": self._namespace, "name": name, "facets": {}}
        if version:
            made["facets"]["version"] = facets.dataset_version(version)
        if statistics is not None:
            made["outputFacets"] = {"outputStatistics": statistics}
        return made

    def _edges(self, run: str) -> list[Row]:
        return self._state.rows("edges_of_subject", subject=run, seq=END)


def _names_of(step: Row) -> set[str]:
    """What an entry may call a step's result: the data set, the artifact, the run that gave it."""
    return {step["subject"], step["artifact"], step["run"]}


def run_uuid(run: str) -> str:
    """OpenLineage's id of a run, always the same: a UUID of version 7, with the run's own time.

    >>> run_uuid("run_00d0rh86r000000000000000000000000000")[:8]
    '01a0c450'
    """
    assert is_id(run)
    bits = int.from_bytes(hashlib.sha256(run.encode()).digest()[:10], "big")
    number = id_moment(run) << 80 | 7 << 76 | (bits >> 68) << 64 | 2 << 62 | bits & (1 << 62) - 1
    return str(uuid.UUID(int=number))
