# SPDX-License-Identifier: Apache-2.0
"""What stands of a model, read from the store alone: live version, steps, history. Imports nothing heavy."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from colonnade.app.rolled import MOVES, exposure, rollout_status, rollouts_of
from colonnade.core.quantities import rfc3339
from colonnade.lifecycle.pipelines import step_of
from colonnade.lifecycle.rollout.rows import Rollout
from colonnade.lifecycle.searching.told import told_of
from colonnade.ports.outside.state import Row, State

SHOWN = 50


def model_status(state: State, project: str, row: Row, *, running: bool) -> dict[str, Any]:
    """One model: `state` is training, rollout (a version is being tried), ready (something is live), waiting (nothing
    is), failed (nothing, and the last pipeline failed), or stopped.
    """
    pipelines = state.rows("pipelines_of_model", model=row["id"], limit=SHOWN)
    here = state.rows("name_get", project=project, kind="model", name=row["name"])
    newest = pipelines[0] if pipelines else None
    steps = state.rows("pipeline_steps", pipeline=newest["run"]) if newest else []
    taken = next((one for one in pipelines if "base" not in json.loads(one["wanted"])), newest)
    data = steps if taken is newest else state.rows("pipeline_steps", pipeline=taken["run"]) if taken else []
    rollouts = rollouts_of(state, row["id"], SHOWN)
    busy = newest is not None and newest["state"] == "running"
    trial = rollouts.get(newest["run"]) if newest is not None and busy else None
    failed = newest is not None and newest["outcome"] in {"failed", "refused", "quarantined"}
    if trial is not None:  # one that waits for a person, or for labels, may wait long
        busy = trial.state in MOVES
    said = "rollout" if trial is not None else "training"
    now = said if busy else "ready" if here else "failed" if failed else "waiting"
    return {
        "ref": f"model/{row['id']}",
        "state": now if running else "stopped",
        "live": _live(state, row["id"], here[0], pipelines) if here else None,
        "held": _held(state, row["id"]),
        "steps": [_step(step) for step in steps],
        "quarantined": _quarantined(data),
        "search": _search(state, data),
        "data": _data(data),
        "history": [_pipeline(state, one, rollouts.get(one["run"])) for one in pipelines],
    }


def _live(state: State, model: str, name: Row, pipelines: list[Row]) -> dict[str, Any]:
    made = next((p for p in pipelines if p["version"] == name["digest"] and p["outcome"] == "promoted"), None)
    back = [row["at_ms"] for row in state.rows("rollbacks_of_model", model=model)
            if row["generation"] == name["generation"]]  # fmt: skip
    since_ms = back[0] if back else made["finished_ms"] if made else None
    return {
        "version": name["digest"],
        "generation": name["generation"],
        "metrics": json.loads(made["metrics"]) if made else {},
        "since": rfc3339(since_ms) if since_ms else None,
    }


def _held(state: State, model: str) -> dict[str, Any] | None:
    """A cause that waits: what, why, until when if that is known."""
    rows = state.rows("meta_get", key=f"held/{model}")
    if not rows or not rows[0]["value"]:
        return None
    told = json.loads(rows[0]["value"])
    return {
        "trigger": told["cause"],
        "reason": told["reason"],
        "why": told["why"],
        "until": rfc3339(told["until_ms"]) if told["until_ms"] else None,
        "alarm": f"alarm/{told['alarm']}" if told["alarm"] else None,
    }


def _step(step: Row) -> dict[str, Any]:
    return {
        "step": step["step"],
        "state": step["state"],
        "ref": f"run/{step['run']}" if step["run"] else None,
        "attempts": step["attempts"],
        "error": step["error"] or None,
        "artifact": step["artifact"] or None,
    }


def _pipeline(state: State, row: Row, rollout: Rollout | None) -> dict[str, Any]:
    outcome, reason = row["outcome"] or "running", row["reason"] or None
    if rollout is not None and rollout.outcome == "rolled_back":  # on probation, too: then it had been live
        outcome, reason = rollout.outcome, rollout.reason
    return {
        "ref": f"run/{row['run']}",
        "trigger": row["cause"],
        "alarm": f"alarm/{alarm}" if (alarm := json.loads(row["wanted"]).get("alarm")) else None,
        "outcome": outcome,
        "version": row["version"] or None,
        "reason": reason,
        "metrics": json.loads(row["metrics"]),
        "gates": _kept(state, "findings", row["decision"]),
        "slices": _kept(state, "slices", row["decision"]),
        "decision": f"decision/{row['decision']}" if row["decision"] else None,
        "began": rfc3339(row["created_ms"]),
        "ended": rfc3339(row["finished_ms"]) if row["finished_ms"] else None,
        "exposure": exposure(rollout) if rollout is not None else 0,
        "exposed": rollout.exposed if rollout is not None else 0,
        "rollout": rollout_status(rollout) if rollout is not None else None,
    }


def _kept(state: State, what: str, decision: str) -> list[Mapping[str, Any]]:
    """`findings`: what each gate found (value, limit, difference from the incumbent with its interval); `slices`: how
    good the candidate was in each slice.
    """
    rows = state.rows("meta_get", key=f"{what}/{decision}") if decision else []
    found: list[Mapping[str, Any]] = json.loads(rows[0]["value"]) if rows else []
    return found


def _data(steps: list[Row]) -> dict[str, Any] | None:
    """What the newest snapshot took in: the data set, its rows, and the profile of each column; None for none yet."""
    told: dict[str, Any] = next((json.loads(step["told"]) for step in steps if step["step"] == "snapshot"), {})
    if "dataset" not in told:
        return None
    return {name: told.get(name) for name in ("dataset", "rows", "unlabelled", "columns")}


def _search(state: State, steps: list[Row]) -> Mapping[str, Any] | None:
    """The newest pipeline's search over parameters: trials so far with their values, and what was found best."""
    step = next((step for step in steps if step["step"] == "search"), None)
    if step is None:
        return None
    count = len(state.rows("pipeline_steps", pipeline=step["run"])) if step["run"] else 0
    trials = told_of(
        {row["step"]: step_of(row) for row in state.rows("pipeline_steps", pipeline=step["run"])}, count
    )  # fmt: skip
    best = json.loads(step["told"]).get("best") or {}
    return {
        "state": step["state"],
        "parameters": best.get("parameters"),
        "value": best.get("value"),
        "trials": [{**one, "progress": len(one["progress"]), "run": f"run/{one['run']}" if one["run"] else None}
                   for one in trials],
    }  # fmt: skip


def _quarantined(steps: list[Row]) -> list[Mapping[str, Any]]:
    told: dict[str, Any] = next((json.loads(step["told"]) for step in steps if step["step"] == "snapshot"), {})
    found: list[Mapping[str, Any]] = told.get("quarantined", [])
    return found
