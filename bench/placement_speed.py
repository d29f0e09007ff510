# SPDX-License-Identifier: Apache-2.0
"""Decisions a second of the engine on 1,213 nodes, one core, from the first claim to 130 % arrivals.

A decision is `choose` and `take`; reading what changed is in it. Wall time is what counts on a quiet machine; where
others use the cores too, CPU time says what a quiet one would give. Beside it the FGD baseline of `simulate`.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np

from colonnade.fabric.placement.cluster import Cluster, Placer
from colonnade.fabric.placement.engine import Engine
from colonnade.fabric.simulate.policies import BASELINES
from mixes import arrivals, load_nodes, mix  # type: ignore[import-not-found]
from report import write_result


def measure(policy: str, name: str, seed: int) -> dict[str, Any]:
    pods = mix(name)
    cluster = Cluster(load_nodes())
    claims = [pod.claim() for pod in arrivals(pods, int(cluster.milli.sum()), seed)]
    cpu = time.process_time()
    placer: Placer
    if policy == "ours":
        placer = Engine(cluster, [(pod.claim(), 1.0) for pod in pods])
    else:
        placer = BASELINES[policy](cluster, [pod.claim() for pod in pods], seed)
    start_cpu = time.process_time() - cpu
    each = np.zeros(len(claims))
    cpu = time.process_time()
    for index, claim in enumerate(claims):
        start = time.perf_counter()
        slot = placer.choose(claim)
        if slot is not None:
            cluster.take(claim, slot)
        each[index] = time.perf_counter() - start
    cpu = time.process_time() - cpu
    return {
        "policy": policy,
        "mix": name,
        "nodes": len(cluster.nodes),
        "decisions": len(claims),
        "start_cpu_s": round(start_cpu, 2),
        "decisions_per_s": round(len(claims) / float(each.sum())),
        "decisions_per_cpu_s": round(len(claims) / cpu),
        "p50_ms": round(1000 * float(np.median(each)), 3),
        "p99_ms": round(1000 * float(np.quantile(each, 0.99)), 3),
    }


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--seed", type=int, default=101)
    ask.add_argument("--mixes", default="default,cpu-x2,gpushare-100,gpuspec-33")
    given = ask.parse_args()
    rows = []
    for name in given.mixes.split(","):
        for policy in ("ours", "fgd"):
            rows.append(measure(policy, name, given.seed))
            print(rows[-1], flush=True)
    asked = "2,500 decisions/s (goal 5,000), p99 <= 5 ms, 1,213 nodes, one quiet core"
    write_result("placement_speed", asked=asked, ran="the same", rows=rows, seeds=[given.seed], packages=("numpy",))


if __name__ == "__main__":
    main()
