# SPDX-License-Identifier: Apache-2.0
"""The published policies that ours is compared with, each as a Placer. Nothing of ours is in here, nothing is tuned.

As in the simulator of the FGD paper (Weng et al., USENIX ATC 2023): whole scores from 0 to 100, and ties go to the
first node of a random order of the nodes, drawn once from the seed.

    fgd       what adds least to the fragmentation that typical work sees
    bestfit   the node with the least left over, CPU and GPU alike
    packing   nodes in use before free ones, devices in use before free ones (Gandiva's packing mode)
    firstfit  the first node of that order that fits
    random    any node that fits
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from colonnade.core.claims import WHOLE, Claim
from colonnade.fabric.placement.cluster import Cluster, Slot
from colonnade.fabric.simulate.fragmentation import Floats, Fragmentation, Ints

CPU_SCALE, GPU_SCALE = 128_000, 8_000
"""A node of 128 cores and eight devices: what bestfit divides by, so that CPU and GPU weigh alike."""


class Baseline:
    """Where it fits, by a score; ties by a random order. `firstfit` is this with no score at all.

    Devices are never cordoned in a simulation, so which of them could serve a claim is asked once for each shape.
    """

    def __init__(self, cluster: Cluster, history: Sequence[Claim], seed: int) -> None:
        del history
        self._cluster = cluster
        self._draw = np.random.default_rng(seed)
        self._rank = self._draw.permutation(len(cluster.nodes))
        self._usable: dict[Claim, NDArray[np.bool_]] = {}

    def choose(self, claim: Claim, allowed: NDArray[np.bool_] | None = None) -> Slot | None:
        """The slot for the claim; None exactly when no allowed node fits."""
        c = self._cluster
        fits = (c.cpu_milli >= claim.cpu_milli) & (c.memory_mib >= claim.memory_mib)
        if claim.gpus:
            fits &= self._free(claim).sum(1) >= claim.gpus
        if allowed is not None:
            fits &= allowed
        nodes = np.flatnonzero(fits)
        if not len(nodes):
            return None
        node = self._first(nodes, self._scores(claim, nodes))
        return Slot(node, self._devices(claim, node))

    def _scores(self, claim: Claim, nodes: Ints) -> Floats:
        """[R] how good each of these nodes is, which all fit."""
        del claim
        return np.zeros(len(nodes))

    def _first(self, nodes: Ints, scores: Floats) -> int:
        best = nodes[scores >= scores.max()]
        return int(best[self._rank[best].argmin()])

    def _devices(self, claim: Claim, node: int) -> tuple[int, ...]:
        """Of those that fit the fullest, then the first."""
        if not claim.gpus:
            return ()
        free = np.flatnonzero(self._free(claim, node))
        order = free[np.argsort(self._cluster.milli[node, free], kind="stable")]
        return tuple(order[: claim.gpus].tolist())

    def _free(self, claim: Claim, rows: Ints | int | slice = slice(None)) -> NDArray[np.bool_]:
        """[R, G] devices that have room for the claim."""
        c = self._cluster
        usable = self._usable.get(claim)
        if usable is None:
            usable = self._usable[claim] = c.usable(claim)
        free = (c.milli[rows] >= claim.gpu_milli) & usable[rows]
        return free & (c.device_mib[rows] >= claim.gpu_mib) if claim.gpu_mib else free


class Random(Baseline):
    """Any node that fits, any of its devices."""

    def _first(self, nodes: Ints, scores: Floats) -> int:
        del scores
        return int(self._draw.choice(nodes))

    def _devices(self, claim: Claim, node: int) -> tuple[int, ...]:
        if not claim.gpus:
            return ()
        free = np.flatnonzero(self._free(claim, node))
        return tuple(sorted(self._draw.choice(free, claim.gpus, replace=False).tolist()))


class BestFit(Baseline):
    """The node with the least left over afterwards; CPU and GPU have half the weight each."""

    def _scores(self, claim: Claim, nodes: Ints) -> Floats:
        cpu = (self._cluster.cpu_milli[nodes] - claim.cpu_milli) / CPU_SCALE
        gpu = (self._cluster.milli[nodes].sum(1) - claim.milli) / GPU_SCALE
        return np.asarray(np.trunc(100 * (1 - 0.5 * cpu - 0.5 * gpu)))


class Packing(Baseline):
    """Devices in use first (fuller is better), then free devices of nodes in use, then of free nodes."""

    def _scores(self, claim: Claim, nodes: Ints) -> Floats:
        if not claim.gpus:
            return np.zeros(len(nodes))
        milli = self._cluster.milli[nodes]
        idle = (milli == WHOLE).sum(1)
        untouched = idle == (self._cluster.model[nodes] >= 0).sum(1)
        chosen = np.sort(np.where(self._free(claim, nodes), milli, WHOLE + 1), 1)[:, : claim.gpus]
        fresh, left = (chosen == WHOLE).sum(1), (chosen * 100 // WHOLE).sum(1)
        shared = np.where(fresh > 0, np.maximum(50 - fresh, 33), np.maximum(100 - left // 10, 50))
        return np.asarray(np.where(untouched, np.maximum(33 - idle, idle), shared), dtype=np.float64)


class Fgd(Baseline):
    """Fragmentation gradient descent. Scores are kept by shape, and made again only for nodes that changed."""

    def __init__(self, cluster: Cluster, history: Sequence[Claim], seed: int) -> None:
        super().__init__(cluster, history, seed)
        self._lost = Fragmentation(cluster, history)
        self._before = self._lost.now(cluster)
        self._read = len(cluster.changes)
        self._kept: dict[Claim, tuple[Floats, Ints, int]] = {}

    def _scores(self, claim: Claim, nodes: Ints) -> Floats:
        c = self._cluster
        if self._read < len(c.changes):
            rows = np.unique(c.changes[self._read :])
            self._before[rows] = self._lost(rows, c.cpu_milli[rows], c.milli[rows])
            self._read = len(c.changes)
        count = len(c.nodes)
        scores, places, read = self._kept.get(claim) or (np.zeros(count), np.zeros(count, dtype=np.int64), -1)
        stale = np.arange(count) if read < 0 else np.unique(c.changes[read:]).astype(np.int64)
        self._fill(claim, stale, scores, places)
        self._kept[claim] = (scores, places, len(c.changes))
        found: Floats = scores[nodes]
        return found

    def _devices(self, claim: Claim, node: int) -> tuple[int, ...]:
        if claim.gpus == 1 and claim.gpu_milli < WHOLE:
            return (int(self._kept[claim][1][node]),)
        return super()._devices(claim, node)

    def _fill(self, claim: Claim, rows: Ints, scores: Floats, places: Ints) -> None:
        c = self._cluster
        free = self._free(claim, rows)
        keep = (c.cpu_milli[rows] >= claim.cpu_milli) & (free.sum(1) >= claim.gpus)
        rows, free = rows[keep], free[keep]
        cpu, milli = c.cpu_milli[rows] - claim.cpu_milli, c.milli[rows]
        if claim.gpus == 1 and claim.gpu_milli < WHOLE:
            node, place = np.nonzero(free)
            after = milli[node].copy()
            after[np.arange(len(node)), place] -= claim.gpu_milli
            gained = np.full(free.shape, -np.inf)
            gained[node, place] = _hundred(self._before[rows[node]] - self._lost(rows[node], cpu[node], after))
            places[rows] = gained.argmax(1)
            scores[rows] = gained.max(1)
            return
        after = milli.copy()
        if claim.gpus:
            order = np.argsort(np.where(free, milli, WHOLE + 1), axis=1, kind="stable")[:, : claim.gpus]
            np.put_along_axis(after, order, np.take_along_axis(milli, order, 1) - claim.gpu_milli, 1)
        scores[rows] = _hundred(self._before[rows] - self._lost(rows, cpu, after))


def _hundred(gained: Floats) -> Floats:
    """The paper's whole score 0..100 of milli gained: a sigmoid, cut down."""
    return np.asarray(np.trunc(100 / (1 + np.exp(-gained / WHOLE))))


BASELINES = {"fgd": Fgd, "bestfit": BestFit, "firstfit": Baseline, "packing": Packing, "random": Random}
