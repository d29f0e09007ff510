# SPDX-License-Identifier: Apache-2.0
"""The work of a trace: its pods as claims, and the arrivals that are drawn from them. Opens no file.

"Arrivals" is the protocol of FGD (Weng et al., "Beware of Fragmentation", USENIX ATC 2023, section 6): the pods in a
seeded random order, then single pods drawn with replacement, until one more would ask for more than a ratio of all
GPUs. Nothing leaves. "Jobs" are drawn with replacement too, arrive as a Poisson process and run their own time.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from colonnade.core.claims import WHOLE, Claim
from colonnade.core.errors import UsageError
from colonnade.fabric.simulate.rows import Row

POD_COLUMNS = ("name", "cpu_milli", "memory_mib", "num_gpu", "gpu_milli")
"""What a pod file must have. It may also have `gpu_spec`, `gpu_mib`, `qos`, `scheduled_time` and `deletion_time`."""
SHORTEST_S, LONGEST_S = 10.0, 7200.0
"""Run times are cut to this range, so that a simulation of hours is not ruled by the few jobs that ran for months."""


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod: its claim, its class ("LS", "BE", ...; "" when not said) and how long it ran, where that is known."""

    claim: Claim
    qos: str = ""
    run_s: float | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A pod that arrives at a time, runs and leaves."""

    arrives_s: float
    claim: Claim
    qos: str
    run_s: float


def pods_of(rows: Iterable[Row]) -> list[Pod]:
    """One pod for each row, sorted by name, so that the file's order does not matter.

    Raises:
        UsageError: a cell that is no such number; a share of several devices that is out of range.
    """
    named = sorted(((row.text("name"), row) for row in rows), key=lambda pair: pair[0])
    shapes: dict[Claim, Claim] = {}
    pods: list[Pod] = []
    for _, row in named:
        claim = _claim(row)
        pods.append(Pod(shapes.setdefault(claim, claim), row.text("qos"), _run_s(row)))
    return pods


def _claim(row: Row) -> Claim:
    gpus = row.whole("num_gpu")
    milli = min(WHOLE, row.whole("gpu_milli", least=1 if gpus else 0, default=None if gpus else 0)) if gpus else 0
    models = tuple(word for word in row.text("gpu_spec").split("|") if word) if gpus else ()
    return Claim(
        gpus=gpus,
        gpu_milli=milli,
        gpu_mib=row.whole("gpu_mib", default=0),
        cpu_milli=row.whole("cpu_milli"),
        memory_mib=row.whole("memory_mib"),
        models=models,
    )


def _run_s(row: Row) -> float | None:
    started, ended = row.seconds("scheduled_time"), row.seconds("deletion_time")
    if started is None or ended is None:
        return None
    return min(LONGEST_S, max(SHORTEST_S, ended - started))


def kind_of(claim: Claim) -> str:
    """Which kind of work a claim is: "cpu", "share" (of one device), "whole" (one device) or "multi".

    >>> kind_of(Claim(gpus=1, gpu_milli=300)), kind_of(Claim(gpus=8)), kind_of(Claim(gpus=0))
    ('share', 'multi', 'cpu')
    """
    if not claim.gpus:
        return "cpu"
    if claim.gpus > 1:
        return "multi"
    return "share" if claim.gpu_milli < WHOLE else "whole"


KINDS = ("share", "whole", "multi", "cpu")


def arrivals(pods: Sequence[Pod], capacity_milli: int, seed: int, ratio: float) -> list[Pod]:
    """The order in which pods come (see the head of this file).

    Args:
        pods: the trace, sorted by name.
        capacity_milli: of all devices.
        seed: of the order and of the draws.
        ratio: how much is asked for, of the capacity.

    Raises:
        UsageError: no pod asks for a device, or there is no device.
    """
    if not capacity_milli:
        raise UsageError("these nodes have no GPU", hint="a node's `gpu` column counts its GPUs")
    if not any(pod.claim.gpus for pod in pods):
        raise UsageError("no pod asks for a GPU", hint="a pod's `num_gpu` column counts its GPUs")
    draw, out, most = random.Random(seed), list(pods), ratio * capacity_milli  # noqa: S311
    draw.shuffle(out)
    asked = sum(pod.claim.milli for pod in out)
    while asked > most:
        asked -= out.pop(draw.randrange(len(out))).claim.milli
    while True:
        pod = pods[draw.randrange(len(pods))]
        if asked + pod.claim.milli > most:
            return out
        out.append(pod)
        asked += pod.claim.milli


def split(pods: Sequence[Pod]) -> tuple[list[Pod], list[Pod]]:
    """Those with a known run time in two halves, by turns: what a scheduler has seen before, and what will come."""
    known = [pod for pod in pods if pod.run_s is not None]
    return known[::2], known[1::2] or known


def jobs(coming: Sequence[Pod], capacity_milli: int, count: int, load: float, seed: int) -> list[Job]:
    """So many jobs, drawn with replacement, arriving at the rate that offers `load` of the capacity.

    Args:
        coming: pods with a run time that some node could host.
        capacity_milli: of all devices.
        count: how many jobs.
        load: offered device time over capacity; 0.9 keeps nine tenths busy if nothing is lost.
        seed: of draws and gaps.

    Raises:
        UsageError: nothing to draw from, or it asks for no device time.
    """
    work = sum(pod.claim.milli * (pod.run_s or 0.0) for pod in coming)
    if not work or not capacity_milli:
        raise UsageError(
            "no pod with a known run time asks for a GPU that these nodes have",
            hint="--load needs `scheduled_time` and `deletion_time` (seconds) in the pod file",
        )
    draw = random.Random(seed)  # noqa: S311
    drawn = [coming[draw.randrange(len(coming))] for _ in range(count)]
    rate, now, out = load * capacity_milli * len(coming) / work, 0.0, []
    for pod in drawn:
        now += draw.expovariate(rate)
        out.append(Job(now, pod.claim, pod.qos, pod.run_s or SHORTEST_S))
    return out
