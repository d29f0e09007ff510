# SPDX-License-Identifier: Apache-2.0
"""Choose a slot for each claim by the fragmentation that it leaves (FGD). Reads a Cluster, changes nothing in it.

Weng et al., "Beware of Fragmentation: Scheduling GPU-Sharing Workloads with Fragmentation Gradient Descent",
USENIX ATC 2023. Scores are kept per claim shape and computed again only for nodes on which something changed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from colonnade.core.claims import WHOLE, Claim
from colonnade.fabric.placement.cluster import Cluster, Slot

TYPICAL = 0.95
"""Part of the history that the typical claims cover (the paper's choice)."""


class _Shape:
    """What is known of one claim shape: [N] scores and the best device of each node, and how far changes were read."""

    def __init__(self, count: int) -> None:
        self.score = np.full(count, -np.inf)
        self.device = np.zeros(count, dtype=np.int64)
        self.read = -1


class Engine:
    """The slot that adds least to the GPU milli which typical claims cannot use; ties go to the lower index.

    Args:
        cluster: the live state; the engine follows its `changes`.
        history: (claim, weight) of what has been asked before.
    """

    def __init__(self, cluster: Cluster, history: Sequence[tuple[Claim, float]] = ()) -> None:
        self._cluster = cluster
        self._shapes: dict[Claim, _Shape] = {}
        self._typical, self._weight, self._other = _typical(history)
        self._cpu = np.array([claim.cpu_milli for claim in self._typical], dtype=np.int64)

    def choose(self, claim: Claim, allowed: NDArray[np.bool_] | None = None) -> Slot | None:
        """The slot for the claim now, among the allowed nodes; None exactly when no allowed node fits."""
        shape = self._shapes.setdefault(claim, _Shape(len(self._cluster.nodes)))
        changes = self._cluster.changes
        if shape.read < 0:
            self._score(claim, shape, np.arange(len(self._cluster.nodes)))
        elif shape.read < len(changes):
            self._score(claim, shape, np.unique(changes[shape.read :]))
        shape.read = len(changes)
        score = shape.score if allowed is None else np.where(allowed, shape.score, -np.inf)
        node = int(score.argmax()) if len(score) else 0
        if not len(score) or score[node] == -np.inf:
            return None
        return Slot(node, self._places(claim, node, int(shape.device[node])))

    def _places(self, claim: Claim, node: int, best: int) -> tuple[int, ...]:
        if claim.gpus == 1:
            return (best,)
        free = self._free(claim, np.array([node]))[0]
        order = sorted(np.flatnonzero(free), key=lambda place: (int(self._cluster.milli[node, place]), int(place)))
        return tuple(int(place) for place in order[: claim.gpus])

    def _free(self, claim: Claim, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """[R, G] devices on which the claim fits now."""
        c = self._cluster
        enough = (c.milli[rows] >= max(1, claim.gpu_milli)) & (c.device_mib[rows] >= claim.gpu_mib)
        return enough & c.usable(claim)[rows]

    def _score(self, claim: Claim, shape: _Shape, rows: NDArray[np.int64]) -> None:
        c = self._cluster
        shape.score[rows] = -np.inf
        fits = (c.cpu_milli[rows] >= claim.cpu_milli) & (c.memory_mib[rows] >= claim.memory_mib)
        rows = rows[fits]
        free = self._free(claim, rows)
        keep = free.sum(1) >= claim.gpus
        rows, free = rows[keep], free[keep]
        if not len(rows):
            return
        before = self._lost(rows, c.cpu_milli[rows], c.milli[rows])
        cpu = c.cpu_milli[rows] - claim.cpu_milli
        if claim.gpus == 1:
            best = np.full(len(rows), -np.inf)
            for place in range(c.width):
                milli = c.milli[rows].copy()
                milli[:, place] -= claim.gpu_milli
                score = np.where(free[:, place], before - self._lost(rows, cpu, np.maximum(milli, 0)), -np.inf)
                better = score > best
                best[better] = score[better]
                shape.device[rows[better]] = place
        else:
            milli = c.milli[rows].copy()
            for row in range(len(rows)):
                node = int(rows[row])
                order = sorted(np.flatnonzero(free[row]), key=lambda place: (int(c.milli[node, place]), int(place)))
                milli[row, order[: claim.gpus]] -= claim.gpu_milli
            best = before - self._lost(rows, cpu, milli)
        shape.score[rows] = np.trunc(100 / (1 + np.exp(-best / WHOLE)))

    def _lost(self, rows: NDArray[np.int64], cpu: NDArray[np.int64], milli: NDArray[np.int64]) -> NDArray[np.float64]:
        """[R] milli that a typical claim cannot use, expected over the typical claims."""
        milli = milli * self._cluster.open[rows]
        total = milli.sum(1)
        lost = total * self._other
        for claim, weight in zip(self._typical, self._weight, strict=True):
            enough = (milli >= claim.gpu_milli) & self._cluster.usable(claim)[rows]
            can = (cpu >= claim.cpu_milli) & (enough.sum(1) >= claim.gpus)
            lost = lost + weight * np.where(can, (milli * ~enough).sum(1), total)
        return np.asarray(lost, dtype=np.float64)


def _typical(history: Sequence[tuple[Claim, float]]) -> tuple[list[Claim], list[float], float]:
    """Device claims among the most frequent ones, their part of the whole, and the part of claims without a device."""
    counts: Counter[Claim] = Counter()
    for claim, weight in history:
        shape = Claim(claim.gpus, claim.gpu_milli if claim.gpus else 0, cpu_milli=claim.cpu_milli, models=claim.models)
        counts[shape] += weight  # type: ignore[assignment]
    kept: list[tuple[Claim, float]] = []
    covered, whole = 0.0, float(sum(counts.values()))
    for shape, weight in counts.most_common():
        if covered >= TYPICAL * whole:
            break
        kept.append((shape, weight))
        covered += weight
    devices = [(shape, weight / covered) for shape, weight in kept if shape.gpus]
    return [s for s, _ in devices], [w for _, w in devices], 1 - sum(w for _, w in devices) if covered else 0.0
