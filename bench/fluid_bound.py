# SPDX-License-Identifier: Apache-2.0
"""What could be allocated if work could be moved for free: a fluid bound for the FGD load, by linear programs.

The mix arrives as a fluid and every kind of pod is taken as long as some arrangement of all that was taken so far has
room for more of it; arrangements may change at every moment. CPU, memory and devices are pooled over nodes of a kind;
that shares must be packed onto devices is kept, by patterns of shares (Gilmore & Gomory 1961). So it is a progressive
filling: grow all kinds until one is stuck, freeze the stuck ones (those with a dual price), go on until 130 % were
asked. It is a bound for who takes whatever fits, not for who may refuse. Needs scipy (dev only).

    python bench/fluid_bound.py [MIX ...]
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_array

from colonnade.core.claims import WHOLE
from mixes import MIXES, Pod, load_nodes, mix  # type: ignore[import-not-found]

RARE = 0.003
"""Share sizes asked less often than this, among shares, are rounded down to a frequent one: the bound only grows."""
NodeKind = tuple[str, int, int, int]


@dataclass
class Program:
    """A sparse program under construction: rows of (column, factor), and right-hand sides."""

    rows: list[int]
    columns: list[int]
    factors: list[float]
    right: list[float]

    def add(self, terms: Sequence[tuple[int, float]], right: float) -> None:
        for column, factor in terms:
            self.rows.append(len(self.right))
            self.columns.append(column)
            self.factors.append(factor)
        self.right.append(right)

    def matrix(self, width: int) -> coo_array:
        return coo_array((self.factors, (self.rows, self.columns)), shape=(len(self.right), width))


def patterns(sizes: Sequence[int]) -> list[dict[int, int]]:
    """All ways to fill one device with shares of these sizes to which no share can be added."""
    found: list[dict[int, int]] = []
    ordered = sorted(sizes, reverse=True)

    def fill(index: int, left: int, chosen: dict[int, int]) -> None:
        if index == len(ordered):
            if left < ordered[-1]:
                found.append(chosen)
            return
        for count in range(left // ordered[index], -1, -1):
            more = {**chosen, ordered[index]: count} if count else chosen
            fill(index + 1, left - count * ordered[index], more)

    fill(0, WHOLE, {})
    return found


def rounded(counts: Counter[Pod]) -> dict[Pod, int]:
    """The size that each kind of pod counts as on a device: its own, or the next lower frequent one (0 for none)."""
    shares: Counter[int] = Counter()
    for pod, count in counts.items():
        if pod.gpus:
            shares[pod.gpu_milli] += count
    least = RARE * sum(shares.values())
    frequent = sorted(size for size, count in shares.items() if count >= least or size == WHOLE)
    return {pod: max([s for s in frequent if s <= pod.gpu_milli], default=0) if pod.gpus else 0 for pod in counts}


def fluid_bound(pods: Sequence[Pod], load: float = 1.3) -> float:
    """Percent of all device milli that are allocated when `load` times as much was asked."""
    kinds: Counter[NodeKind] = Counter(
        (node.devices[0].model, len(node.devices), node.cpu_milli, node.memory_mib) for node in load_nodes()
    )
    counts = Counter(pods)
    asked, node_kinds = sorted(counts), sorted(kinds)
    size = rounded(counts)
    sizes = sorted({s for s in size.values() if s})
    ways = patterns(sizes)
    capacity = WHOLE * sum(kind[1] * count for kind, count in kinds.items())
    rate = np.array([counts[pod] for pod in asked], dtype=float)
    milli = np.array([pod.milli for pod in asked], dtype=float)
    rate *= load * capacity / float(rate @ milli)

    column: dict[tuple[int, int], int] = {}
    for k, kind in enumerate(node_kinds):
        for p, pod in enumerate(asked):
            if pod.gpus <= kind[1] and (not pod.gpus or not pod.spec or kind[0] in pod.spec.split("|")):
                column[k, p] = len(column)
    first = len(column)
    time = first + len(node_kinds) * len(ways)
    fits = Program([], [], [], [])
    for k, kind in enumerate(node_kinds):
        here = [(p, column[k, p]) for p in range(len(asked)) if (k, p) in column]
        number = kinds[kind]
        fits.add([(c, asked[p].cpu_milli / 1000) for p, c in here], kind[2] * number / 1000)
        fits.add([(c, asked[p].memory_mib / 1024) for p, c in here], kind[3] * number / 1024)
        fits.add([(first + k * len(ways) + w, 1.0) for w in range(len(ways))], kind[1] * number)
        for s in sizes:
            used = [(c, float(asked[p].gpus)) for p, c in here if size[asked[p]] == s]
            fits.add(used + [(first + k * len(ways) + w, -float(way[s])) for w, way in enumerate(ways) if s in way], 0)
    taken, grows, left = np.zeros(len(asked)), np.ones(len(asked), dtype=bool), 1.0
    goal = np.zeros(time + 1)
    goal[time] = -1
    while grows.any() and left > 1e-6:
        demand = Program([], [], [], [])
        for p in range(len(asked)):
            terms = [(column[k, p], 1.0) for k in range(len(node_kinds)) if (k, p) in column]
            demand.add([*terms, (time, -rate[p] if grows[p] else 0.0)], taken[p])
        done = linprog(
            goal,
            A_ub=fits.matrix(time + 1),
            b_ub=np.array(fits.right) * (1 + 1e-9),
            A_eq=demand.matrix(time + 1),
            b_eq=demand.right,
            bounds=[(0, None)] * time + [(0, left)],
            method="highs",
        )
        if done.status != 0:
            raise SystemExit(f"the linear program ended with: {done.message}")
        step = max(0.0, done.x[time] * (1 - 1e-7))
        taken += step * rate * grows
        left -= step
        if left <= 1e-6:
            break
        price = np.abs(done.eqlin.marginals) * rate
        grows &= ~(price > 1e-9)
    return float(100 * (taken @ milli) / capacity)


if __name__ == "__main__":
    for name in sys.argv[1:] or MIXES:
        print(f"{name:14} {fluid_bound(mix(name)):6.2f} %", flush=True)
