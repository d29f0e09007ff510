# SPDX-License-Identifier: Apache-2.0
"""Pages about GPUs: who holds which share, what waits and why, and the forms that take a share back or close a device.

What is drawn is worked out in `gpustrips`; who gets a share is the fabric's business. Owners only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from colonnade.core.errors import UnknownName
from colonnade.gateway.compute import ComputeBackend
from colonnade.gateway.console import gpustrips, present, render
from colonnade.gateway.console.links import lineage_url
from colonnade.gateway.console.visit import Reply, Visit, redirect

DEVICES = 64
"""Strips on one page."""
EXPLAINED = 12
"""Waiting leases whose reason is worked out while one looks; the page of each of the others says its own."""
Waits = dict[str, Mapping[str, Any]]


def gpus(visit: Visit) -> Reply | None:
    """Devices, what waits, leases and queues. None for all but owners, and where nothing is declared."""
    compute = _compute(visit)
    if compute is None:
        return None
    document = compute.gpu()
    return render.page("gpus.html", visit, section="gpus", cli=present.command("colonnade", "gpu", "--watch"),
                       **_values(visit, document, _waits(compute, document)))  # fmt: skip


def gpus_live(visit: Visit) -> Callable[[], tuple[str, bool]] | None:
    """Draws the moving part of the page again; it goes on as long as somebody looks."""
    if _compute(visit) is None:
        return None
    known: tuple[object, Waits] = (None, {})

    def draw() -> tuple[str, bool]:
        nonlocal known
        compute = _compute(visit)
        if compute is None:
            return "<p>GPUs are no longer declared.</p>", True
        document = compute.gpu()
        changed = _standing(document)
        if changed != known[0]:
            known = (changed, _waits(compute, document))
        return render.text("gpus_live.html", visit, **_values(visit, document, known[1])), False

    return draw


def lease_page(visit: Visit, lease: str) -> Reply | None:
    """One lease: what it holds or waits for, and the form that takes it back. One that has ended has its lineage."""
    compute = _compute(visit)
    if compute is None:
        return redirect(lineage_url(f"lease/{lease}", visit.acting))
    document = compute.gpu()
    drawn = gpustrips.Drawing(document, visit.now_ms)
    row = next((one for one in document["leases"] if one["id"] == lease), None)
    if row is None:
        return redirect(lineage_url(f"lease/{lease}", visit.acting))
    wait = compute.wait(row["ref"]) if row["state"] == "pending" else None
    cli = ("colonnade", "why", row["ref"]) if wait else ("colonnade", "gpu", "--release", row["ref"])
    return render.page("lease.html", visit, section="gpus", lease=drawn.lease(row), now_ms=drawn.now_ms,
                       wait=drawn.wait(row, wait), cli=present.command(*cli))  # fmt: skip


def release(visit: Visit, lease: str) -> Reply | None:
    """Take a share back, or withdraw the wish for one; one that has ended meanwhile is as good."""
    compute = _compute(visit)
    if compute is None:
        return None
    try:
        compute.release(visit.asker, f"lease/{lease}")
    except UnknownName:
        return redirect(visit.url("/gpus"))
    return redirect(visit.url("/gpus") + f"#{lease}")


def cordon(visit: Visit, device: str, verb: str) -> Reply | None:
    """Close a device to new work, or open it again."""
    compute = _compute(visit)
    if compute is None:
        return None
    compute.cordon(visit.asker, f"device/{device}", verb == "cordon")
    return redirect(visit.url("/gpus", page=visit.form.get("page", "")) + f"#{device}")


def _compute(visit: Visit) -> ComputeBackend | None:
    return visit.backend.compute if visit.asker.owner else None


def _values(visit: Visit, document: Mapping[str, Any], waits: Waits) -> dict[str, Any]:
    drawn = gpustrips.Drawing(document, visit.now_ms)
    typed = visit.query.get("page", "")
    pages = max(1, -(-len(document["devices"]) // DEVICES))
    number = min(max(1, int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 9 else 1), pages)
    shown = document["devices"][(number - 1) * DEVICES : number * DEVICES]
    return {
        "head": drawn.headline(),
        "nodes": drawn.nodes(shown),
        "waiting": drawn.waiting(waits),
        "leases": drawn.leases(),
        "queues": drawn.queues(),
        "legend": drawn.legend(),
        "now_ms": drawn.now_ms,
        "page": number,
        "pages": pages,
    }


def _waits(compute: ComputeBackend, document: Mapping[str, Any]) -> Waits:
    """Why the first ones wait, by lease; those that stopped waiting meanwhile are left out."""
    pending = [lease for lease in document["leases"] if lease["state"] == "pending"]
    told = {lease["id"]: compute.wait(lease["ref"]) for lease in pending[:EXPLAINED]}
    return {lease: wait for lease, wait in told.items() if wait is not None}


def _standing(document: Mapping[str, Any]) -> object:
    """What a reason to wait rests on: it is worked out again only when this has changed."""
    return (
        tuple((lease["id"], lease["state"], lease["reason"]) for lease in document["leases"]),
        tuple(
            (device["ref"], device["health"], device["cordoned"], device["used_milli"])
            for device in document["devices"]
        ),
    )
