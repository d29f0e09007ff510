# SPDX-License-Identifier: Apache-2.0
"""Other mixes of the openb trace, made from its default pod list by seeded resampling, and the trace's arrivals.

They exist so that nothing is tuned to one list: more CPU-only pods, more shares, more multi-GPU pods, more pods that
want certain models. No placing and no measuring happens here. `python bench/mixes.py NAME OUT.csv` writes one as CSV.
"""

from __future__ import annotations

import csv
import random
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from colonnade.core.claims import WHOLE, Claim
from colonnade.fabric.placement.cluster import DeviceSpec, NodeSpec

TRACES = Path(__file__).resolve().parents[1] / ".." / "shared" / "data" / "gpu-traces"
CONSTRAINTS = ("G2", "T4", "P100", "V100M16|V100M32", "V100M32", "G2|G3", "T4|P100", "G3")
"""What constrained pods ask for in the made mixes; drawn by the milli that these models have in the cluster."""


class Pod(NamedTuple):
    """A row of the trace: milli of CPU, MiB, GPUs, milli of each, accepted models separated by bars."""

    cpu_milli: int
    memory_mib: int
    gpus: int
    gpu_milli: int
    spec: str

    @property
    def milli(self) -> int:
        return self.gpus * self.gpu_milli

    def claim(self) -> Claim:
        models = tuple(self.spec.split("|")) if self.spec and self.gpus else ()
        share = self.gpu_milli if self.gpus else WHOLE
        return Claim(self.gpus, share, cpu_milli=self.cpu_milli, memory_mib=self.memory_mib, models=models)


def load_nodes(path: Path = TRACES / "openb_node_list_gpu_node.csv") -> list[NodeSpec]:
    with path.open() as file:
        return [
            NodeSpec(
                row["sn"],
                int(row["cpu_milli"]),
                int(row["memory_mib"]),
                (DeviceSpec(row["model"]),) * int(row["gpu"]),
            )
            for row in csv.DictReader(file)
        ]


def load_pods(path: Path = TRACES / "openb_pod_list_default.csv") -> list[Pod]:
    with path.open() as file:
        rows = sorted(csv.DictReader(file), key=lambda row: row["name"])
    pods = []
    for row in rows:
        gpus = int(row["num_gpu"])
        share = min(WHOLE, int(row["gpu_milli"])) if gpus else 0
        spec = (row.get("gpu_spec") or "").strip("|")
        pods.append(Pod(int(row["cpu_milli"]), int(row["memory_mib"]), gpus, share, spec))
    return pods


def arrivals(pods: Sequence[Pod], capacity_milli: int, seed: int, ratio: float = 1.3) -> list[Pod]:
    """The trace shuffled, then pods drawn again until one more would pass `ratio` of the GPUs: the FGD paper's load."""
    rng = random.Random(seed)
    out = list(pods)
    rng.shuffle(out)
    total = sum(pod.milli for pod in out)
    while total > ratio * capacity_milli:
        total -= out.pop(rng.randrange(len(out))).milli
    while True:
        pod = pods[rng.randrange(len(pods))]
        if total + pod.milli > ratio * capacity_milli:
            return out
        out.append(pod)
        total += pod.milli


def _is_share(pod: Pod) -> bool:
    return pod.gpus == 1 and pod.gpu_milli < WHOLE


def _draw(rng: random.Random, pods: Sequence[Pod], count: int) -> list[Pod]:
    return [pods[rng.randrange(len(pods))] for _ in range(count)]


def cpu_heavy(pods: Sequence[Pod], seed: int, times: float) -> list[Pod]:
    """`times` as many CPU-only pods."""
    plain = [pod for pod in pods if not pod.gpus]
    rest = [pod for pod in pods if pod.gpus]
    return rest + _draw(random.Random(seed), plain, round(times * len(plain)))


def gpushare_heavy(pods: Sequence[Pod], seed: int, part: float) -> list[Pod]:
    """Shares make `part` of the pods with a GPU."""
    rng = random.Random(seed)
    shares = [pod for pod in pods if _is_share(pod)]
    whole = [pod for pod in pods if pod.gpus and not _is_share(pod)]
    count = round(part * (len(shares) + len(whole)))
    return (
        [pod for pod in pods if not pod.gpus]
        + _draw(rng, shares, count)
        + _draw(rng, whole, len(shares) + len(whole) - count)
    )


def multigpu_heavy(pods: Sequence[Pod], seed: int, part: float) -> list[Pod]:
    """Pods of several GPUs make `part` of the GPUs asked for; 2, 4 and 8 of them ask for about the same each."""
    rng = random.Random(seed)
    total = sum(pod.milli for pod in pods)
    rest = [pod for pod in pods if pod.gpus < 2]
    made: list[Pod] = []
    for gpus in (2, 4, 8):
        like = [pod for pod in pods if pod.gpus == gpus]
        made += _draw(rng, like, round(part * total / 3 / (gpus * WHOLE)))
    target = (1 - part) * total
    rng.shuffle(rest)
    kept, have = [], 0
    for pod in rest:
        if not pod.gpus or have < target:
            kept.append(pod)
            have += pod.milli
    return kept + made


def gpuspec_constrained(pods: Sequence[Pod], seed: int, part: float) -> list[Pod]:
    """`part` of the pods with a GPU accept only certain models."""
    rng = random.Random(seed)
    milli: dict[str, int] = {}
    for node in load_nodes():
        for device in node.devices:
            milli[device.model] = milli.get(device.model, 0) + 1
    weights = [sum(milli[model] for model in spec.split("|")) for spec in CONSTRAINTS]

    def constrain(pod: Pod) -> Pod:
        if not pod.gpus or rng.random() >= part:
            return pod
        spec = rng.choices(CONSTRAINTS, weights)[0]
        return pod if pod.gpus > 4 and spec in ("T4", "P100", "T4|P100") else pod._replace(spec=spec)

    return [constrain(pod) for pod in pods]


MIXES: dict[str, Callable[[Sequence[Pod], int], list[Pod]]] = {
    "default": lambda pods, _: list(pods),
    "cpu-x1.5": lambda pods, seed: cpu_heavy(pods, seed, 1.5),
    "cpu-x2": lambda pods, seed: cpu_heavy(pods, seed, 2.0),
    "cpu-x2.5": lambda pods, seed: cpu_heavy(pods, seed, 2.5),
    "gpushare-40": lambda pods, seed: gpushare_heavy(pods, seed, 0.4),
    "gpushare-60": lambda pods, seed: gpushare_heavy(pods, seed, 0.6),
    "gpushare-80": lambda pods, seed: gpushare_heavy(pods, seed, 0.8),
    "gpushare-100": lambda pods, seed: gpushare_heavy(pods, seed, 1.0),
    "multigpu-20": lambda pods, seed: multigpu_heavy(pods, seed, 0.2),
    "multigpu-35": lambda pods, seed: multigpu_heavy(pods, seed, 0.35),
    "multigpu-50": lambda pods, seed: multigpu_heavy(pods, seed, 0.5),
    "gpuspec-10": lambda pods, seed: gpuspec_constrained(pods, seed, 0.1),
    "gpuspec-20": lambda pods, seed: gpuspec_constrained(pods, seed, 0.2),
    "gpuspec-33": lambda pods, seed: gpuspec_constrained(pods, seed, 0.33),
}


def mix(name: str, seed: int = 2023) -> list[Pod]:
    """The named mix of the default list; the seed draws which pods are repeated or constrained."""
    return MIXES[name](load_pods(), seed)


def write_csv(pods: Sequence[Pod], path: Path) -> None:
    """In the trace's own columns, as far as they matter to placement."""
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["name", "cpu_milli", "memory_mib", "num_gpu", "gpu_milli", "gpu_spec"])
        for index, pod in enumerate(pods):
            out.writerow([f"pod-{index:05d}", *pod])


if __name__ == "__main__":
    write_csv(mix(sys.argv[1]), Path(sys.argv[2]))
