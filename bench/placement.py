# SPDX-License-Identifier: Apache-2.0
"""GPUs allocated at 130 % arrivals without moves: ours beside published policies and the fluid bound, over many mixes.

The load is that of the FGD paper (`mixes.arrivals`); nodes are shuffled for every seed. `closed` is the part of the gap
between FGD and the bound that ours closes; above 1 is possible, because the bound is for who takes whatever fits, and a
policy decides by what it leaves free what will fit. Seeds 1 to 5 are the judge's: they are reported, never tuned on.

    python bench/placement.py [--mixes default,cpu-x2] [--seeds 101,102] [--policies ours,fgd,...] [--orders 10]
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

from colonnade.fabric.placement.cluster import Cluster, NodeSpec, Placer
from colonnade.fabric.placement.engine import Engine
from colonnade.fabric.simulate.policies import BASELINES
from fluid_bound import fluid_bound  # type: ignore[import-not-found]
from mixes import MIXES, Pod, arrivals, load_nodes, mix  # type: ignore[import-not-found]
from report import write_result

POLICIES = ("ours", *BASELINES)
Make = Callable[[Cluster, Sequence[Pod], int], Placer]


def ours(cluster: Cluster, pods: Sequence[Pod], seed: int) -> Placer:
    del seed
    return Engine(cluster, [(pod.claim(), 1.0) for pod in pods])


def published(name: str) -> Make:
    return lambda cluster, pods, seed: BASELINES[name](cluster, [pod.claim() for pod in pods], seed)


def shuffled(seed: int) -> list[NodeSpec]:
    nodes = load_nodes()
    random.Random(seed).shuffle(nodes)
    return nodes


def allocated(make: Make, nodes: Sequence[NodeSpec], pods: Sequence[Pod], seed: int) -> float:
    """Percent of all device milli that are taken when everything has arrived; a refusal of what fits ends the run."""
    cluster = Cluster(nodes)
    capacity = int(cluster.milli.sum())
    placer = make(cluster, pods, seed)
    for pod in arrivals(pods, capacity, seed):
        claim = pod.claim()
        slot = placer.choose(claim)
        if slot is None:
            assert not cluster.fitting(claim).any(), "refused what fits"
        else:
            assert cluster.hosts(claim, slot), "chose what does not fit"
            cluster.take(claim, slot)
    return 100 * (1 - int(cluster.milli.sum()) / capacity)


def row(name: str, policies: Sequence[str], seeds: Sequence[int]) -> dict[str, Any]:
    pods = mix(name)
    found: dict[str, Any] = {"mix": name}
    for policy in policies:
        make = ours if policy == "ours" else published(policy)
        runs = [allocated(make, shuffled(seed + 7), pods, seed) for seed in seeds]
        found[f"{policy}_pct"] = round(statistics.fmean(runs), 3)
        found[f"{policy}_runs_pct"] = [round(run, 3) for run in runs]
    found["fluid_bound_pct"] = round(fluid_bound(pods), 3)
    if {"ours", "fgd"} <= set(policies):
        gap = found["fluid_bound_pct"] - found["fgd_pct"]
        found["closed"] = round((found["ours_pct"] - found["fgd_pct"]) / gap, 3)
    return found


def orders(count: int, seed: int) -> dict[str, Any]:
    """The default list with one order of arrivals under many orders of the nodes."""
    pods = mix("default")
    runs = [allocated(ours, shuffled(1000 + order), pods, seed) for order in range(count)]
    return {
        "mix": f"default, one arrival order, {count} node orders",
        "ours_pct": round(statistics.fmean(runs), 3),
        "worst_pct": round(min(runs), 3),
        "sd_points": round(statistics.stdev(runs), 3),
    }


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--mixes", default=",".join(MIXES))
    ask.add_argument("--seeds", default="101,102")
    ask.add_argument("--policies", default=",".join(POLICIES))
    ask.add_argument("--orders", type=int, default=10)
    ask.add_argument("--name", default="placement")
    given = ask.parse_args()
    seeds = [int(seed) for seed in given.seeds.split(",")]
    rows = []
    for name in given.mixes.split(","):
        start = time.process_time()
        rows.append(row(name, given.policies.split(","), seeds))
        shown = {key: value for key, value in rows[-1].items() if not key.endswith("runs_pct")}
        print(shown, f"{time.process_time() - start:.0f} s", flush=True)
    if given.orders > 1:
        rows.append(orders(given.orders, seeds[0]))
        print(rows[-1], flush=True)
    closed = [found["closed"] for found in rows if "closed" in found]
    if closed:
        print(f"closed, mean over {len(closed)} mixes: {statistics.fmean(closed):.2f}")
    asked = "default: 95.9; half of the gap between FGD and the bound over all mixes; worst node order not below FGD"
    ran = f"mixes made by bench/mixes.py (seed 2023), arrival seeds {given.seeds}"
    write_result(given.name, asked=asked, ran=ran, rows=rows, seeds=seeds, packages=("numpy", "scipy"))


if __name__ == "__main__":
    main()
