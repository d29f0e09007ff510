# SPDX-License-Identifier: Apache-2.0
"""What stands of tracked runs and registered models, read from the store alone, for `status`. Imports nothing heavy."""

from __future__ import annotations

import json
import math
from typing import Any

from colonnade.core.quantities import rfc3339
from colonnade.ports.outside.keys import Erased, Keys
from colonnade.ports.outside.state import Row, State

SHOWN = 50
"""Newest runs told one by one; the counts tell of all."""


def tracking_status(state: State, keys: Keys, project: str) -> dict[str, Any]:
    """Experiments with their numbers of runs, the newest runs, registered models with their aliases."""
    counts = {row["experiment"]: row for row in state.rows("experiments_count", project=project)}
    experiments = []
    for row in state.rows("experiments_of_project", project=project):
        said = json.loads(keys.open((project,), row["sealed"], f"experiment/{row['number']}"))
        count = counts.get(row["number"])
        if row["stage"] == "active" and (row["number"] or count):
            experiments.append({
                "id": str(row["number"]), "name": said["name"], "runs": count["runs"] if count else 0,
                "running": count["running"] if count else 0,
            })  # fmt: skip
    newest = [_run(state, keys, row) for row in state.rows("tracked_newest", project=project, limit=SHOWN)]
    runs = [run for run in newest if run is not None]
    return {"experiments": experiments, "runs": runs, "models": _models(state, project)}


def tracked_name(state: State, keys: Keys, project: str, run: str) -> str:
    """What a tracked run is called by its program, or ""."""
    rows = state.rows("tracked_get", project=project, id=run)
    try:
        return str(json.loads(keys.open((run,), rows[0]["sealed"], f"{run}/told"))["name"]) if rows else ""
    except Erased:
        return ""


def _run(state: State, keys: Keys, row: Row) -> dict[str, Any] | None:
    try:
        doc = json.loads(keys.open((row["id"],), row["sealed"], f"{row['id']}/told"))
    except Erased:
        return None
    newest = state.rows("tracked_latest_of", owner=row["number"])
    metrics = {doc["series"][one["series"]][0]: _number(one) for one in newest if one["series"] < len(doc["series"])}
    return {
        "ref": f"run/{row['id']}",
        "experiment": str(row["experiment"]),
        "name": doc["name"],
        "state": row["state"],
        "began": rfc3339(row["began_ms"]) if row["began_ms"] else None,
        "ended": rfc3339(row["ended_ms"]) if row["ended_ms"] else None,
        "params": doc["params"],
        "metrics": metrics,
    }


def _number(row: Row) -> float | str:
    """A value; as a word where JSON has no number for it."""
    value = math.nan if row["nan"] else float(row["value"])
    return value if math.isfinite(value) else str(value)


def _models(state: State, project: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for row in state.rows("registered_of_project", project=project):
        aliases = state.rows("aliases_of", model=row["model"])
        found[row["name"]] = {
            "ref": f"model/{row['model']}",
            "versions": len(state.rows("model_versions_of", model=row["model"])),
            "aliases": {one["alias"]: str(one["version"]) for one in aliases},
        }
    return found
