# SPDX-License-Identifier: Apache-2.0
"""The document of `colonnade gpu`, from the store: the same with and without a daemon, but for how busy things are."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from colonnade.app.active import read_active
from colonnade.app.settings.compute import Compute
from colonnade.core.quantities import rfc3339
from colonnade.fabric.leases import Lease, lease_of
from colonnade.fabric.picture import model_of
from colonnade.ports.outside.devices import Use
from colonnade.ports.outside.keys import Keys
from colonnade.ports.outside.state import Row, State

SCHEMA = "colonnade.gpu/1"


def read_gpu(state: State, keys: Keys, *, running: bool, use: Use | None = None) -> dict[str, Any]:
    """`colonnade.gpu/1`: `devices`, `leases` (oldest first), `queues`."""
    projects = state.rows("projects_all")
    document: dict[str, Any] = {"schema": SCHEMA, "daemon": "running" if running else "stopped", "now_ms": None,
                                "devices": [], "leases": [], "queues": []}  # fmt: skip
    if not projects:
        return document
    project = projects[0]
    document["now_ms"] = state.now_ms()
    rows = state.rows("devices_of_project", project=project["id"])
    leases = [lease_of(row) for row in state.rows("leases_open", project=project["id"])]
    queues = {row["id"]: row for row in state.rows("queues_of_project", project=project["id"])}
    people = _people(state, keys, project["id"])
    busy = {one.uuid: one for one in use.devices} if use else {}
    names = {row["id"]: f"{row['model']}#{row['place']}" for row in rows}
    document["devices"] = [_device(row, busy) for row in rows if row["health"] != "gone" or row["used_milli"]]
    document["leases"] = [_lease(lease, keys, state, project["name"], queues, people, names, use) for lease in leases]
    declared = (read_active(state, keys, project["id"]) or {}).get("compute")
    document["queues"] = _queues(leases, queues, _declared(declared)) if declared else []
    document["guarantees"] = any(queue["guaranteed_milli"] for queue in document["queues"])
    return document


def _device(row: Row, busy: Mapping[str, Any]) -> dict[str, Any]:
    now = busy.get(row["uuid"])
    return {
        "ref": f"device/{row['id']}",
        "uuid": row["uuid"],
        "node": row["node"],
        "place": row["place"],
        "model": model_of(row),
        "memory_mib": row["memory_mib"],
        "isolation": row["isolation"],
        "used_milli": row["used_milli"],
        "used_mib": row["used_mib"],
        "busy_milli": now.busy_milli if now else None,
        "measured_mib": now.used_mib if now else None,
        "health": "cordoned" if row["cordoned"] and row["health"] == "healthy" else row["health"],
        "cordoned": bool(row["cordoned"]),
    }


def _lease(
    lease: Lease, keys: Keys, state: State, project: str, queues: Mapping[str, Row], people: Mapping[str, str],
    names: Mapping[str, str], use: Use | None,
) -> dict[str, Any]:  # fmt: skip
    devices = [f"device/{device}" for device in lease.devices]
    mine = [one for one in use.processes if one.lease == lease.id] if use else []
    told = [one.busy_milli for one in mine if one.busy_milli is not None]
    since = {"pending": lease.asked_ms, "held": lease.granted_ms, "releasing": lease.releasing_ms}[lease.state]
    return {
        "id": lease.id,
        "ref": f"lease/{lease.id}",
        "run": f"run/{lease.run}",
        "state": lease.state,
        "device": devices[0] if devices else None,
        "devices": devices,
        "on": [names.get(device, device) for device in lease.devices],
        "gpus": lease.claim.gpus,
        "gpu_milli": lease.claim.gpu_milli,
        "gpu_mib": lease.claim.gpu_mib,
        "isolation": lease.isolation,
        "pid": lease.pid,
        "project": project,
        "queue": queues[lease.queue]["name"] if lease.queue in queues else None,
        "borrowed": lease.borrowed,
        "person": people.get(lease.principal),
        "command": _command(state, keys, lease.run),
        "since_ms": since,
        "since": None if since is None else rfc3339(since),
        "busy_milli": max(told) if told else None,
        "measured_mib": sum(one.used_mib for one in mine) if mine else None,
        "reason": lease.reason or None,
        "note": lease.note or None,
        "gang": lease.gang or None,
    }


def _declared(compute: Mapping[str, Any]) -> set[str]:
    return set(Compute.model_validate(compute).queue_names().values())


def _queues(leases: list[Lease], queues: Mapping[str, Row], declared: set[str]) -> list[dict[str, Any]]:
    """The declared ones, and those that are declared no more while something is held or asked for in them."""
    used: dict[str, int] = defaultdict(int)
    pending: dict[str, int] = defaultdict(int)
    for lease in leases:
        name = queues[lease.queue]["name"] if lease.queue in queues else ""
        for level in {name, name.partition(".")[0]}:
            if lease.state == "pending":
                pending[level] += lease.claim.milli
            else:
                used[level] += lease.claim.milli
    return [
        {
            "ref": f"queue/{row['id']}",
            "name": row["name"],
            "guaranteed_milli": row["guaranteed_milli"] if row["name"] in declared else 0,
            "limit_milli": row["limit_milli"] if row["name"] in declared else None,
            "used_milli": used[row["name"]],
            "pending_milli": pending[row["name"]],
        }
        for row in sorted(queues.values(), key=lambda row: row["name"])
        if row["name"] in declared or row["name"] in used or row["name"] in pending
    ]


def _people(state: State, keys: Keys, project: str) -> dict[str, str]:
    from colonnade.govern.access.people import People
    from colonnade.ports.journal import Journal

    return People(state, keys, Journal(state, keys, project)).names()


def _command(state: State, keys: Keys, run: str) -> list[str] | None:
    rows = state.rows("run_work_get", run=run)
    try:
        argv, _folder = json.loads(keys.open((run,), rows[0]["command"], f"{run}/command")) if rows else (None, "")
    except KeyError:
        return None
    return argv
