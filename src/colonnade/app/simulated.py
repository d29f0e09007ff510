# SPDX-License-Identifier: Apache-2.0
"""What `colonnade simulate --json` prints, and the one sentence that it comes to. Nothing is computed or read here.

All of the document but `timing` follows from the files, the arguments and the seed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colonnade.core.claims import WHOLE, Claim
from colonnade.fabric.placement.cluster import NodeSpec
from colonnade.fabric.simulate.departures import Departures
from colonnade.fabric.simulate.replay import Replay, percentile_ms
from colonnade.fabric.simulate.trace import Pod

if TYPE_CHECKING:
    from colonnade.app.simulating import Wish

SCHEMA = "colonnade.simulate/1"


def document_of(
    wish: Wish,
    nodes: Sequence[NodeSpec],
    pods: Sequence[Pod],
    impossible: set[Claim],
    replays: Mapping[str, Replay],
    departures: Mapping[str, Departures],
) -> dict[str, Any]:
    """The document. `impossible` are claims that fit on none of the nodes, even empty."""
    models = Counter(device.model for node in nodes for device in node.devices)
    return {
        "schema": SCHEMA,
        "nodes": {
            "source": Path(wish.nodes).name if "://" not in wish.nodes else wish.nodes,
            "added": list(wish.add_nodes),
            "count": len(nodes),
            "gpus": sum(models.values()),
            "models": dict(sorted(models.items())),
            "capacity_milli": sum(models.values()) * WHOLE,
        },
        "pods": {
            "source": Path(wish.pods).name,
            "count": len(pods),
            "impossible": sum(pod.claim in impossible for pod in pods),
        },
        "seed": wish.seed,
        "ratio": wish.ratio,
        "mig": wish.mig,
        "quotas_milli": dict(wish.quotas),
        "departures": _settings(wish, next(iter(departures.values()))) if departures else None,
        "policies": [_policy(name, found, departures.get(name)) for name, found in replays.items()],
        "timing": {name: _timing(found, departures.get(name)) for name, found in replays.items()},
    }


def _settings(wish: Wish, left: Departures) -> dict[str, Any]:
    return {
        "load": wish.load,
        "jobs": wish.jobs,
        "move_cost_ms": round(wish.move_cost_s * 1000),
        "movable": wish.movable,
        "turnover": round(left.turnover, 2),
    }


def _policy(name: str, found: Replay, left: Departures | None) -> dict[str, Any]:
    capacity, curve = found.capacity_milli, found.curve
    at, first = found.allocated_at_capacity_milli, found.first_refusal_milli
    return {
        "policy": name,
        "allocated_milli": found.allocated_milli,
        "allocated_share": _share(found.allocated_milli, capacity),
        "idle_milli": capacity - found.allocated_milli,
        "allocated_share_at_capacity": None if at is None else _share(at, capacity),
        "first_rejection_at_share": None if first is None else _share(first, capacity),
        "fragmentation": {
            "milli": round(found.fragmented_milli),
            "share": _share(found.fragmented_milli, capacity),
        },
        "cpu_allocated_share": _share(found.cpu_allocated_milli, found.cpu_capacity_milli),
        "arrivals": dict(found.arrived),
        "placed": dict(found.placed),
        "rejected": dict(found.refused),
        "rejected_by_quota": found.over_quota,
        "curve": {
            "asked_share": [_share(x, capacity) for x in curve.asked_milli],
            "allocated_share": [_share(x, capacity) for x in curve.allocated_milli],
            "fragmentation_share": [_share(x, capacity) for x in curve.fragmented_milli],
        },
        "waits": None if left is None else _waits(left),
    }


def _waits(left: Departures) -> dict[str, Any]:
    return {
        "by_size": {
            kind: {
                "jobs": wait.jobs,
                "mean_ms": round(wait.mean_s * 1000),
                "p95_ms": round(wait.p95_s * 1000),
                "max_ms": round(wait.max_s * 1000),
            }
            for kind, wait in left.waits.items()
        },
        "slowdown_mean": round(left.slowdown_mean, 4),
        "allocated_share": round(left.allocated_share, 5),
        "moves": left.moves,
        "unfinished": left.unfinished,
    }


def _timing(found: Replay, left: Departures | None) -> dict[str, Any]:
    took = sum(found.took_s)
    said = {
        "decisions_per_s": round(len(found.took_s) / took) if took else 0,
        "decision_p50_ms": round(percentile_ms(found.took_s, 50), 4),
        "decision_p99_ms": round(percentile_ms(found.took_s, 99), 4),
    }
    if left is not None:
        said["departures_s"] = round(sum(left.took_s), 3)
    return said


def _share(milli: float, capacity: int) -> float:
    """Of the capacity, to a hundred-thousandth."""
    return round(milli / capacity, 5) if capacity else 0.0


# --- in words -----------------------------------------------------------------------------------------


def finding(document: Mapping[str, Any]) -> str:
    """What the first policy is worth against the best of the others."""
    first, *others = document["policies"]
    name = shown(first["policy"])
    if not others:
        return f"{name} keeps {first['allocated_share']:.1%} of {document['nodes']['gpus']:,} GPUs in use"
    best = max(others, key=lambda policy: int(policy["allocated_milli"]))
    more = round((first["allocated_milli"] - best["allocated_milli"]) / WHOLE)
    worth = f"{abs(more):,} {'more' if more > 0 else 'fewer'} GPU{'' if abs(more) == 1 else 's'} in use than"
    said = f"{name} keeps {worth if more else 'as many GPUs in use as'} {shown(best['policy'])}"
    mine, its = (((p["waits"] or {}).get("by_size", {}).get("multi") or {}).get("mean_ms") for p in (first, best))
    if mine is None or its is None:
        return said
    return f"{said}; work of several GPUs waits {span(mine / 1000)}, not {span(its / 1000)}"


def shown(policy: str) -> str:
    """A policy as sentences and pictures call it."""
    return "Colonnade" if policy == "ours" else policy


def span(seconds: float) -> str:
    """A time in few letters.

    >>> span(0), span(0.01), span(6.44), span(1700), span(6120)
    ('0 s', '< 0.1 s', '6.4 s', '28 min', '1.7 h')
    """
    for unit, size in (("h", 3600.0), ("min", 60.0)):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}" if seconds < 10 * size else f"{seconds / size:.0f} {unit}"
    if seconds >= 9.95 or not seconds:
        return f"{seconds:.0f} s"
    return f"{seconds:.1f} s" if seconds >= 0.05 else "< 0.1 s"
