# SPDX-License-Identifier: Apache-2.0
"""Wire a simulation: read node and pod files, put policies over them, and say what came of it as one document.

The only place of `colonnade simulate` that opens files. What is computed stands in `fabric/simulate`, what is drawn in
`app/pictures`.
"""

from __future__ import annotations

import gzip
import random
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import yaml

from colonnade.app.forecasts import forecast_for
from colonnade.app.simulated import document_of
from colonnade.core.claims import WHOLE, Claim
from colonnade.core.errors import UsageError
from colonnade.fabric.mig.profiles import GEOMETRIES, geometry_of
from colonnade.fabric.placement.cluster import Cluster, NodeSpec, Placer
from colonnade.fabric.placement.engine import Engine
from colonnade.fabric.queues.churn import Past, Scheduler
from colonnade.fabric.simulate import inventory, trace
from colonnade.fabric.simulate.backfill import Backfill, Queue
from colonnade.fabric.simulate.departures import Departures, run_jobs
from colonnade.fabric.simulate.policies import BASELINES
from colonnade.fabric.simulate.replay import Replay, replay
from colonnade.fabric.simulate.rows import Row, csv_rows, require
from colonnade.fabric.simulate.trace import Pod

POLICIES = ("ours", *BASELINES)
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be simulated.

    Attributes:
        nodes: a file, or `simulated://...`.
        pods: a file.
        policies: names out of POLICIES.
        seed: of arrivals and of ties.
        ratio: how much is asked for while nothing leaves, of all devices.
        add_nodes: "4x8xH100-80GB": more nodes, one form each.
        every: only each so many-th node, for a cluster to scale.
        quotas: the most milli for pods of a class.
        mig: whether devices that can be are cut into MIG instances for shares.
        load: with departures: offered device time over capacity; None for without.
        jobs: with departures: how many.
        move_cost_s, movable: with departures: what a move costs its job, and which class may move ("all").
    """

    nodes: str
    pods: str
    policies: tuple[str, ...]
    seed: int = 1
    ratio: float = 1.3
    add_nodes: tuple[str, ...] = ()
    every: int = 1
    quotas: Mapping[str, int] = field(default_factory=dict)
    mig: bool = False
    load: float | None = None
    jobs: int = 20_000
    move_cost_s: float = 30.0
    movable: str = "all"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The document, and what it was made from, by policy."""

    document: dict[str, Any]
    replays: Mapping[str, Replay]
    departures: Mapping[str, Departures]


def simulate(wish: Wish, progress: Progress = lambda _label, _done, _total: None) -> Outcome:
    """Do it.

    Raises:
        UsageError: a file that is not there or is not such a file; nothing to simulate.
    """
    nodes, pods = load_nodes(wish), load_pods(wish.pods)
    _classes_exist(wish, pods)
    _can_be_cut(wish, nodes)
    impossible = _impossible(nodes, pods)
    capacity = sum(len(node.devices) for node in nodes) * WHOLE
    coming = trace.arrivals(pods, capacity, wish.seed, wish.ratio)
    history = [pod.claim for pod in pods]
    replays: dict[str, Replay] = {}
    departures: dict[str, Departures] = {}
    for policy in wish.policies:
        replays[policy] = replay(
            nodes,
            coming,
            history,
            lambda cluster, policy=policy: placer(policy, cluster, history, wish.seed),  # type: ignore[misc]
            clock=perf_counter,
            progress=lambda done, total, policy=policy: progress(policy, done, total),  # type: ignore[misc]
            quotas=wish.quotas,
            mig=wish.mig,
        )
    if wish.load is not None:
        departures = _departures(wish, nodes, [p for p in pods if p.claim not in impossible], capacity, progress)
    document = document_of(wish, nodes, pods, impossible, replays, departures)
    return Outcome(document, replays, departures)


def placer(policy: str, cluster: Cluster, history: Sequence[Claim], seed: int) -> Placer:
    """The policy of this name over a cluster."""
    if policy == "ours":
        return Engine(cluster, forecast=forecast_for(cluster.nodes, history))
    return BASELINES[policy](cluster, history, seed)


def _departures(
    wish: Wish, nodes: Sequence[NodeSpec], pods: Sequence[Pod], capacity: int, progress: Progress
) -> dict[str, Departures]:
    past, coming = trace.split(pods)
    jobs = trace.jobs(coming, capacity, wish.jobs, wish.load or 0.0, wish.seed)
    known, seen = [Past(p.claim, p.qos, p.run_s or 0.0) for p in past], [p.claim for p in past]

    def queue(policy: str, cluster: Cluster) -> Queue:
        if policy == "ours":
            return Scheduler(cluster, known, wish.move_cost_s, wish.movable)
        return Backfill(cluster, placer(policy, cluster, seen, wish.seed))

    return {
        policy: run_jobs(
            nodes,
            jobs,
            lambda cluster, policy=policy: queue(policy, cluster),  # type: ignore[misc]
            clock=perf_counter,
            move_cost_s=wish.move_cost_s,
            progress=lambda done, total, policy=policy: progress(f"{policy}, with departures", done, total),  # type: ignore[misc]
        )
        for policy in wish.policies
    }


def _classes_exist(wish: Wish, pods: Sequence[Pod]) -> None:
    """Refuse a quota, or a right to move, of a class that no pod has."""
    there = sorted({pod.qos for pod in pods} - {""})
    asked = [*wish.quotas, *([wish.movable] if wish.movable != "all" else [])]
    for name in asked:
        if name not in there:
            hint = f"the classes are {', '.join(there)}" if there else "the pod file has no column `qos`"
            raise UsageError(f"no pod is of class {name!r}", hint=hint)


def _can_be_cut(wish: Wish, nodes: Sequence[NodeSpec]) -> None:
    if wish.mig and wish.load is not None:
        raise UsageError("--mig is simulated without departures only", hint="leave --load out")
    models = sorted({device.model for node in nodes for device in node.devices})
    if wish.mig and not any(geometry_of(model) for model in models):
        raise UsageError(f"--mig: none of {', '.join(models)} can be cut", hint=f"{', '.join(GEOMETRIES)} can")


def _impossible(nodes: Sequence[NodeSpec], pods: Sequence[Pod]) -> set[Claim]:
    """Claims that fit on none of the nodes, even when they are empty."""
    empty = Cluster(nodes)
    return {claim for claim in {pod.claim for pod in pods} if not empty.fitting(claim).any()}


# --- reading ------------------------------------------------------------------------------------------


def load_nodes(wish: Wish) -> list[NodeSpec]:
    """The nodes of a file or of `simulated://`, with those that are added, in an order that only the seed decides.

    Raises:
        UsageError: the file is not there, or says something else.
    """
    if wish.nodes.startswith(inventory.SCHEME):
        nodes = inventory.simulated(wish.nodes)
    else:
        nodes = inventory.nodes_of(_rows(wish.nodes, inventory.NODE_COLUMNS, "--nodes"))
    added = [node for form in wish.add_nodes for node in inventory.more_nodes(form)]
    nodes = inventory.canonical([*inventory.canonical(nodes)[:: wish.every], *added])
    random.Random(wish.seed).shuffle(nodes)  # noqa: S311
    return nodes


def load_pods(path: str) -> list[Pod]:
    """The pods of a file, sorted by name.

    Raises:
        UsageError: the file is not there, or says something else.
    """
    return trace.pods_of(_rows(path, trace.POD_COLUMNS, "--pods"))


def _rows(path: str, needed: Sequence[str], flag: str) -> list[Row]:
    text = _text(path, flag)
    if Path(path).suffix in {".yaml", ".yml"}:
        return _yaml_rows(text, path, needed)
    return csv_rows(text, path, needed)


def _text(path: str, flag: str) -> str:
    try:
        raw = Path(path).read_bytes()
        return (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode("utf-8")
    except FileNotFoundError:
        raise UsageError(f"{flag}: there is no file {path}", hint="its path counts from where you are") from None
    except IsADirectoryError:
        raise UsageError(f"{flag}: {path} is a folder", hint="give a CSV or YAML file") from None
    except (UnicodeDecodeError, EOFError, zlib.error):
        raise UsageError(
            f"{flag}: {path} is not text", hint="give a CSV or YAML file in UTF-8, gzipped or not"
        ) from None


def _yaml_rows(text: str, source: str, needed: Sequence[str]) -> list[Row]:
    """The rows of a YAML list of mappings (or of `nodes:` or `pods:` over one)."""
    try:
        root = yaml.compose(text, yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise UsageError(f"{source}:{line}: {error.problem}", hint="a YAML list, one entry a node") from None
    if isinstance(root, yaml.MappingNode) and len(root.value) == 1:
        root = root.value[0][1]
    if root is None or not isinstance(root, yaml.SequenceNode) or not root.value:
        raise UsageError(f"{source}: there is no list in it", hint=f"a list of mappings with {', '.join(needed)}")
    rows = []
    for entry in root.value:
        line = entry.start_mark.line + 1
        if not isinstance(entry, yaml.MappingNode):
            raise UsageError(f"{source}:{line}: this is no mapping", hint=f"it needs {', '.join(needed)}")
        cells = {str(key.value): str(value.value) for key, value in entry.value}
        require(cells, source, line, needed)
        rows.append(Row(source, line, cells))
    return rows
