# SPDX-License-Identifier: Apache-2.0
"""Let pods arrive one by one on an empty cluster, where nothing leaves, and see how full it gets. No I/O but the clock
that times decisions, which is given.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from colonnade.core.claims import WHOLE, Claim
from colonnade.fabric.placement.cluster import Cluster, NodeSpec, Placer, Slot
from colonnade.fabric.simulate.fragmentation import Fragmentation
from colonnade.fabric.simulate.partitions import Partitions
from colonnade.fabric.simulate.trace import KINDS, Pod, kind_of

POINTS = 240
"""So many points make up a curve over the arrivals."""

Build = Callable[[Cluster], Placer]
Clock = Callable[[], float]
Progress = Callable[[int, int], None]
Serve = Callable[[Claim], tuple[Claim, Slot] | None]
"""What a claim takes and where, or None: it then fits nowhere."""


@dataclass(frozen=True, slots=True)
class Curve:
    """How a replay went: at each point, milli asked for so far, milli in use, and free milli of no use."""

    asked_milli: tuple[int, ...]
    allocated_milli: tuple[int, ...]
    fragmented_milli: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Replay:
    """What came of one policy.

    Attributes:
        capacity_milli: of all devices.
        allocated_milli: in use at the end.
        allocated_at_capacity_milli: in use when as much had been asked for as there is; None if that was never so.
        first_refusal_milli: asked for until work for a device was refused for the first time; None if it never was.
        fragmented_milli: free at the end, and of no use to typical work.
        cpu_allocated_milli, cpu_capacity_milli: of all nodes.
        arrived, placed, refused: pods by kind; `over_quota` of the refused were refused by their quota alone.
        took_s: what each decision took, in order.
    """

    capacity_milli: int
    allocated_milli: int
    allocated_at_capacity_milli: int | None
    first_refusal_milli: int | None
    fragmented_milli: float
    cpu_allocated_milli: int
    cpu_capacity_milli: int
    arrived: Mapping[str, int]
    placed: Mapping[str, int]
    refused: Mapping[str, int]
    over_quota: int
    curve: Curve
    took_s: Sequence[float]


@dataclass(slots=True)
class _Tally:
    asked: int = 0
    used: int = 0
    at_capacity: int | None = None
    first: int | None = None
    over_quota: int = 0
    held: Counter[str] = field(default_factory=Counter)
    arrived: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    curve: list[tuple[int, int, float]] = field(default_factory=list)
    took_s: list[float] = field(default_factory=list)


def replay(
    nodes: Sequence[NodeSpec],
    coming: Sequence[Pod],
    history: Sequence[Claim],
    build: Build,
    *,
    clock: Clock,
    progress: Progress = lambda _done, _total: None,
    quotas: Mapping[str, int] | None = None,
    mig: bool = False,
) -> Replay:
    """Place what comes, in order, each at once or never.

    Args:
        nodes: empty.
        coming: what arrives.
        history: the trace, for what counts as fragmented.
        build: makes the policy over the cluster.
        clock: seconds, for the time that decisions take.
        progress: told of (done, of).
        quotas: the most milli of devices that pods of a class (`qos`) hold together.
        mig: whether devices that can be are cut for shares (`partitions`); what counts as in use is what was asked for.
    """
    cluster = Cluster(nodes)
    placer, measure, tally = build(cluster), Fragmentation(cluster, history), _Tally()
    serve = Partitions(cluster, placer).serve if mig else _plainly(placer)
    capacity = sum(len(node.devices) for node in nodes) * WHOLE
    cpu = int(cluster.cpu_milli.sum())
    every = max(1, len(coming) // POINTS)
    for number, pod in enumerate(coming):
        if number % every == 0:
            tally.curve.append((tally.asked, tally.used, float(measure.now(cluster).sum())))
            progress(number, len(coming))
        _arrive(cluster, serve, pod, tally, capacity, clock, quotas or {})
    fragmented = float(measure.now(cluster).sum())
    tally.curve.append((tally.asked, tally.used, fragmented))
    progress(len(coming), len(coming))
    asked, used, lost = zip(*tally.curve, strict=True)
    return Replay(
        capacity_milli=capacity,
        allocated_milli=tally.used,
        allocated_at_capacity_milli=tally.at_capacity,
        first_refusal_milli=tally.first,
        fragmented_milli=fragmented,
        cpu_allocated_milli=cpu - int(cluster.cpu_milli.sum()),
        cpu_capacity_milli=cpu,
        arrived={kind: tally.arrived[kind] for kind in KINDS},
        placed={kind: tally.arrived[kind] - tally.refused[kind] for kind in KINDS},
        refused={kind: tally.refused[kind] for kind in KINDS},
        over_quota=tally.over_quota,
        curve=Curve(asked, used, lost),
        took_s=tally.took_s,
    )


def _plainly(placer: Placer) -> Serve:
    """A policy's choice, taken as it was asked for."""

    def serve(claim: Claim) -> tuple[Claim, Slot] | None:
        slot = placer.choose(claim)
        return None if slot is None else (claim, slot)

    return serve


def _arrive(
    cluster: Cluster, serve: Serve, pod: Pod, tally: _Tally, capacity: int, clock: Clock, quotas: Mapping[str, int]
) -> None:
    claim, kind = pod.claim, kind_of(pod.claim)
    tally.arrived[kind] += 1
    tally.asked += claim.milli
    over = bool(claim.gpus) and pod.qos in quotas and tally.held[pod.qos] + claim.milli > quotas[pod.qos]
    served = None
    if not over:
        began = clock()
        served = serve(claim)
        if served is not None:
            cluster.take(*served)
        tally.took_s.append(clock() - began)
    if served is not None:
        tally.used += claim.milli
        tally.held[pod.qos] += claim.milli
    else:
        tally.refused[kind] += 1
        tally.over_quota += over
        if claim.gpus and tally.first is None:
            tally.first = tally.asked
    if tally.at_capacity is None and tally.asked >= capacity:
        tally.at_capacity = tally.used


def percentile_ms(took_s: Sequence[float], percent: float) -> float:
    """Of what decisions took, in milliseconds; 0 for none."""
    return float(np.percentile(np.asarray(took_s), percent)) * 1000 if took_s else 0.0
