# SPDX-License-Identifier: Apache-2.0
"""How many free GPU milli typical work cannot use: the measure by which every policy here is judged.

F(node) of Weng et al., "Beware of Fragmentation", USENIX ATC 2023, section 4: the sum over the typical claims of their
popularity times the free milli on the node that such a claim cannot use. It is a measure (and the score of the `fgd`
policy); the engine under `fabric/placement` has scores of its own, so that it is not judged by itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from colonnade.core.claims import Claim
from colonnade.fabric.placement.cluster import Cluster

TYPICAL = 0.95
"""The most frequent claims that make up this part of the trace count as typical (the paper's choice)."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Fragmentation:
    """The measure for the nodes of one cluster under one trace. Memory is left out, as in the paper.

    Args:
        cluster: for which devices stand where; what is free is given with each question.
        history: the claims of the trace.
    """

    def __init__(self, cluster: Cluster, history: Sequence[Claim]) -> None:
        shapes = _typical(history)
        self._none = 1.0 - sum(weight for _, weight in shapes)
        self._weight = np.array([weight for _, weight in shapes], dtype=np.float64)
        self._cpu = np.array([claim.cpu_milli for claim, _ in shapes], dtype=np.int64)
        self._gpus = np.array([claim.gpus for claim, _ in shapes], dtype=np.int64)
        needs = [(claim.gpu_milli, claim.models) for claim, _ in shapes]
        distinct = sorted(set(needs))
        self._need = np.array([distinct.index(need) for need in needs], dtype=np.int64)
        self._milli = np.array([milli for milli, _ in distinct], dtype=np.int64)
        kinds, self._kind = np.unique(cluster.model, axis=0, return_inverse=True)
        self._kind = self._kind.reshape(-1)
        self._accepts = np.stack([_accepts(cluster, kinds, models) for _, models in distinct] or [kinds < 0], axis=1)

    def __call__(self, rows: Ints, cpu_milli: Ints, milli: Ints) -> Floats:
        """[R] milli expected to be of no use, on nodes `rows` if so much CPU [R] and so many milli [R, G] were free."""
        total = milli.sum(1)
        if not len(self._weight):
            return np.asarray(total * self._none, dtype=np.float64)
        enough = (milli[:, None, :] >= self._milli[None, :, None]) & self._accepts[self._kind[rows]]
        useless = (milli[:, None, :] * ~enough).sum(2)[:, self._need]
        can = (cpu_milli[:, None] >= self._cpu) & (enough.sum(2)[:, self._need] >= self._gpus)
        return np.asarray(total * self._none + np.where(can, useless, total[:, None]) @ self._weight)

    def now(self, cluster: Cluster) -> Floats:
        """[N] of every node as it is."""
        return self(np.arange(len(cluster.nodes)), cluster.cpu_milli, cluster.milli)


def _typical(history: Sequence[Claim]) -> list[tuple[Claim, float]]:
    """The typical claims that ask for a device, each with its part of all typical claims."""
    counts = Counter(Claim(c.gpus, c.gpu_milli, cpu_milli=c.cpu_milli, models=c.models) for c in history)
    kept, covered = [], 0
    for claim, count in counts.most_common():
        if covered >= TYPICAL * len(history):
            break
        kept.append((claim, count))
        covered += count
    return [(claim, count / covered) for claim, count in kept if claim.gpus]


def _accepts(cluster: Cluster, kinds: Ints, models: tuple[str, ...]) -> NDArray[np.bool_]:
    """[K, G] which devices of each kind of node a claim for these models accepts."""
    if not models:
        return np.asarray(kinds >= 0)
    return np.isin(kinds, [cluster.models.index(model) for model in models if model in cluster.models])
