# SPDX-License-Identifier: Apache-2.0
"""What stands, read from the store alone: the same document with and without a daemon. Imports nothing heavy."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from colonnade.app.active import read_active
from colonnade.app.models import model_status
from colonnade.app.notified import notices_status
from colonnade.app.ringing import alarms_status
from colonnade.app.tracked import tracking_status
from colonnade.core.quantities import rfc3339
from colonnade.ports.outside.keys import Keys
from colonnade.ports.outside.state import Row, State

SCHEMA = "colonnade.status/1"


def read_status(state: State, keys: Keys, *, running: bool, url: str = "", pid: int | None = None) -> dict[str, Any]:
    """The document of `status --json`."""
    projects = state.rows("projects_all")
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "project": projects[0]["name"] if projects else None,
        "daemon": "running" if running else "stopped",
        "url": url if running else None,
        "pid": pid if running else None,
        "knowledge": {},
        "models": {},
        "services": {},
        "alarms": [],
    }
    if not projects:
        return document
    project = projects[0]["id"]
    declared = read_active(state, keys, project) or {"knowledge": {}, "services": {}}
    for row in state.rows("knowledge_of_project", project=project):
        if row["name"] in declared["knowledge"]:
            document["knowledge"][row["name"]] = knowledge_status(state, keys, row, running=running)
    ready = {name for name, base in document["knowledge"].items() if base["state"] == "ready"}
    for name, service in declared["services"].items():
        if service.get("model"):
            document["services"][name] = served_status(state, project, name, service["model"], running=running)
            continue
        needs = service.get("knowledge")
        state_of = "stopped" if not running else "ready" if needs is None or needs in ready else "waiting"
        document["services"][name] = {
            "state": state_of,
            "knowledge": needs,
            "answer_with": (service.get("answer_with") or {}).get("model"),
        }
    for row in state.rows("models_of_project", project=project):
        if row["name"] in declared.get("models", {}):
            document["models"][row["name"]] = model_status(state, project, row, running=running)
    document["pipelines"] = pipelines_status(state, project, declared.get("pipelines", {}))
    if declared.get("compute") is not None:
        document["compute"] = compute_status(state, project)
    document["alarms"] = alarms_status(state, project)
    document["tracking"] = tracking_status(state, keys, project)
    if declared.get("notify"):
        document["notices"] = notices_status(state, project, declared["notify"])
    counts = state.rows("entries_count")[0]
    document["ledger"] = {"entries": counts["count"], "sequenced": counts["sequenced"]}
    return document


def served_status(state: State, project: str, name: str, model: str, *, running: bool) -> dict[str, Any]:
    """A service with a model: ready, starting, waiting (nothing is live), refused, failed, stopped."""
    ident = next((row["id"] for row in state.rows("services_of_project", project=project) if row["name"] == name), "")
    rows = state.rows("meta_get", key=f"serving/{ident}")
    told = json.loads(rows[0]["value"]) if rows else {"state": "waiting", "reason": "", "version": ""}
    return {
        "state": told["state"] if running else "stopped",
        "knowledge": None,
        "answer_with": None,
        "model": model,
        "version": told["version"] or None,
        "reason": told["reason"] or None,
        "replicas": [
            {"ref": f"run/{row['run']}", "lease": f"lease/{row['lease']}", "version": row["version"],
             "state": "warm" if row["state"] == "ready" and row["idle_ms"] is not None else row["state"]}
            for row in state.rows("replicas_open", service=ident)
        ],
    }  # fmt: skip


def pipelines_status(state: State, project: str, declared: Mapping[str, Any]) -> dict[str, Any]:
    """Pipelines of functions: those that are declared, and any other that ever ran."""
    found: dict[str, Any] = {}
    for flow in state.rows("flows_of_project", project=project):
        runs = state.rows("pipelines_of_model", model=flow["id"], limit=20)
        if not runs and flow["name"] not in declared:
            continue
        newest = state.rows("pipeline_steps", pipeline=runs[0]["run"]) if runs else []
        found[flow["name"]] = {
            "ref": f"pipeline/{flow['id']}",
            "state": (runs[0]["outcome"] or "running") if runs else "waiting",
            "steps": {kind: sum(step["state"] == kind for step in newest)
                      for kind in ("done", "cached", "running", "waiting", "failed")},
            "history": [
                {"ref": f"run/{run['run']}", "trigger": run["cause"], "outcome": run["outcome"] or "running",
                 "reason": run["reason"] or None, "began": rfc3339(run["created_ms"]),
                 "ended": rfc3339(run["finished_ms"]) if run["finished_ms"] else None}
                for run in runs
            ],
        }  # fmt: skip
    return found


def compute_status(state: State, project: str) -> dict[str, Any]:
    """Devices and leases in a few numbers; `colonnade gpu` tells the rest."""
    devices = state.rows("devices_of_project", project=project)
    leases = state.rows("leases_open", project=project)
    return {
        "devices": sum(1 for device in devices if device["health"] != "gone"),
        "unhealthy": sum(1 for device in devices if device["health"] not in {"healthy", "gone"} or device["cordoned"]),
        "used_milli": sum(device["used_milli"] for device in devices),
        **{name: sum(1 for lease in leases if lease["state"] == name) for name in ("pending", "held", "releasing")},
    }


def knowledge_status(state: State, keys: Keys, row: Row, *, running: bool) -> dict[str, Any]:
    """One knowledge base."""
    mark = ready_mark(state, row["id"])
    embedder = row["embedder"]
    counts = state.rows("vectors_count", knowledge=row["id"], embedder=embedder or "")[0]
    files = state.rows("files_of_knowledge", knowledge=row["id"])
    unreadable = [
        {"path": path_of(keys, row["id"], file), "code": file["code"], "reason": file["reason"]}
        for file in files
        if file["code"]
    ]
    missing = mark.get("missing", {}) if mark else {}
    unreadable += [{"path": source, "code": "missing", "reason": reason} for source, reason in missing.items()]
    progress = next(
        (r for r in state.rows("runs_of_subject", subject=row["id"], limit=1) if r["state"] == "running"), None
    )
    now = (
        "stopped"
        if not running
        else "ready"
        if mark and progress is None
        else "embedding"
        if _embeds(progress)
        else "ingesting"
    )
    return {
        "ref": f"knowledge/{row['id']}",
        "state": now,
        "documents": sum(1 for file in files if file["document"]),
        "chunks": counts["chunks"],
        "embedded": counts["embedded"],
        "embedded_total": row["embedded_total"],
        "embedder": embedder,
        "unreadable": sorted(unreadable, key=lambda u: u["path"]),
        "content_digest": mark.get("content_digest") if mark else None,
        "progress": {"done": progress["done"], "total": progress["total"]} if progress else None,
    }


def ready_mark(state: State, knowledge: str) -> Mapping[str, Any] | None:
    """What the last finished look found; None while something is to be done."""
    rows = state.rows("meta_get", key=f"ready/{knowledge}")
    if not rows or not rows[0]["value"]:
        return None
    found: dict[str, Any] = json.loads(rows[0]["value"])
    return None if found.get("stale") else found


def _embeds(progress: Row | None) -> bool:
    return progress is not None and "embedded" in json.loads(progress["counts"])


def path_of(keys: Keys, knowledge: str, file: Row) -> str:
    """A file's declared path, opened."""
    try:
        return keys.open((file["document"] or knowledge,), file["path_sealed"], "file/path").decode("utf-8", "replace")
    except KeyError:
        return "(erased)"
