# SPDX-License-Identifier: Apache-2.0
"""What each queue and person used, and what it cost: `colonnade gpu --usage`, from the store alone."""

from __future__ import annotations

from typing import Any

from colonnade.app.active import read_active
from colonnade.core.quantities import rfc3339
from colonnade.fabric.leases import Lease, lease_of
from colonnade.fabric.picture import model_of
from colonnade.fabric.queues.usage import HOUR_MS, Held, bills
from colonnade.govern.access.people import People
from colonnade.ports.journal import Journal
from colonnade.ports.outside.keys import Keys
from colonnade.ports.outside.state import Row, State

DAY_MS = 24 * HOUR_MS
MICRO = 1_000_000


def read_usage(state: State, keys: Keys, *, days: int) -> dict[str, Any]:
    """`colonnade.usage/1`: GPU-hours and cost by queue, person and model over the last days."""
    now = state.now_ms()
    document: dict[str, Any] = {"schema": "colonnade.usage/1", "from": rfc3339(now - days * DAY_MS), "to": rfc3339(now),
                                "rows": []}  # fmt: skip
    projects = state.rows("projects_all")
    if not projects:
        return document
    project = projects[0]["id"]
    declared = (read_active(state, keys, project) or {}).get("compute") or {}
    models = {row["id"]: model_of(row) for row in state.rows("devices_of_project", project=project)}
    prices = _prices(declared.get("price_per_gpu_hour", {}), set(models.values()))
    queues = {row["id"]: row["name"] for row in state.rows("queues_of_project", project=project)}
    people = People(state, keys, Journal(state, keys, project)).names()
    rows = [*state.rows("leases_ended_since", project=project, since_ms=now - days * DAY_MS),
            *state.rows("leases_open", project=project)]  # fmt: skip
    for person in sorted({row["principal"] for row in rows}):
        mine = [_held(row, queues, models) for row in rows if row["principal"] == person and row["devices"] != "[]"]
        for bill in bills(mine, now - days * DAY_MS, now, prices):
            cost = None if bill.cost_micro is None else bill.cost_micro / MICRO
            document["rows"].append(
                {
                    "queue": bill.queue,
                    "person": people.get(person),
                    "model": bill.model,
                    "gpu_ms": bill.gpu_ms,
                    "gpu_hours": bill.gpu_hours,
                    "cost": cost,
                    "leases": bill.leases,
                }
            )
    document["rows"].sort(key=lambda row: (row["queue"], row["person"] or "", row["model"]))
    return document


def _held(row: Row, queues: dict[str, str], models: dict[str, str]) -> Held:
    lease: Lease = lease_of(row)
    model = models.get(lease.devices[0], "") if lease.devices else ""
    return Held(
        project=row["project"],
        queue=queues.get(lease.queue, ""),
        model=model,
        milli=lease.claim.milli,
        from_ms=lease.granted_ms or 0,
        to_ms=row["ended_ms"],
    )


def _prices(declared: dict[str, float], models: set[str]) -> dict[str, int]:
    """Millionths of the currency an hour, of each model; `*` is the price of all others."""
    told = {model: declared.get(model, declared.get("*")) for model in models}
    return {model: round(price * MICRO) for model, price in told.items() if price is not None}
