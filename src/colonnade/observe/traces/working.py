# SPDX-License-Identifier: Apache-2.0
"""Runs and their steps as records, read from the rows that they leave: nothing is added to what does the work.

A run and the runs under it share one trace, which its id gives; a pipeline's steps are stages of it, and those that had
a run of their own are spans as well.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from colonnade.core.traces import Record, Stage, id_moment, span_of, trace_of
from colonnade.ports.outside.state import Row, State

DEEPEST = 8
OUTCOMES = {"done": "succeeded"}
MOST_STAGES = 64


def run_records(state: State, rows: Sequence[Row]) -> Iterator[Record]:
    """The records of runs that are over (rows of `runs_ended_after`)."""
    for row in rows:
        root = _root(state, row)
        leases = state.rows("leases_of_run", run=row["id"])
        steps = state.rows("steps_of_run", run=row["id"]) if row["parent"] else []
        name = f"{row['kind']} {steps[0]['step']}" if steps else str(row["kind"])
        held = [one for one in leases if one["granted_ms"] is not None]
        yield Record(
            trace_of_run(root), span_of(f"run/{row['id']}"), span_of(f"run/{row['parent']}") if row["parent"] else "",
            f"run/{row['id']}", "step" if row["parent"] else "run", name, str(row["subject"]),
            str(leases[-1]["principal"]) if leases else "", OUTCOMES.get(row["state"], str(row["state"])), 0,
            row["created_ms"] * 1000, max(0, row["finished_ms"] - row["created_ms"]) * 1000,
            _stages(state, row, leases), lease=str(held[-1]["id"]) if held else "",
            device_us=sum(_device_us(one) for one in held),
        )  # fmt: skip


def trace_of_run(run: str) -> str:
    """The trace of a run that is under no other."""
    return trace_of(f"run/{run}", id_moment(run))


def share_milli(claim: str) -> int:
    """Thousandths of a device that a claim (JSON, as leases have it) holds."""
    told = json.loads(claim)
    return int(told.get("gpus", 0)) * int(told.get("gpu_milli", 0))


def _root(state: State, row: Row) -> str:
    ident, parent = str(row["id"]), row["parent"]
    for _ in range(DEEPEST):
        above = state.rows("run_get", id=parent) if parent else []
        if not above:
            break
        ident, parent = above[0]["id"], above[0]["parent"]
    return ident


def _stages(state: State, row: Row, leases: Sequence[Row]) -> tuple[Stage, ...]:
    """A pipeline's steps; of other runs how long their leases waited and held."""
    began, parts = row["created_ms"], []
    for step in state.rows("pipeline_steps", pipeline=row["id"]):
        if step["started_ms"] is not None and step["finished_ms"] is not None:
            parts.append((str(step["step"]), step["started_ms"], step["finished_ms"]))
    for lease in () if parts else leases:
        if lease["granted_ms"] is not None:
            parts.append(("wait", lease["asked_ms"], lease["granted_ms"]))
            parts.append(("hold", lease["granted_ms"], lease["ended_ms"] or row["finished_ms"]))
    return tuple(
        Stage(name, max(0, start - began) * 1000, max(0, end - start) * 1000)
        for name, start, end in parts[:MOST_STAGES]
    )


def _device_us(lease: Row) -> int:
    ended = lease["ended_ms"]
    return max(0, ended - lease["granted_ms"]) * share_milli(lease["claim"]) if ended is not None else 0
