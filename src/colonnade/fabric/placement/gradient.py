# SPDX-License-Identifier: Apache-2.0
"""Choose a slot by the fragmentation that it leaves now: for clusters where work also leaves.

`engine` forecasts what stays unused once a cluster is full, which is right where nothing ever ends. Where work ends all
the time no such moment comes, and what counts is how much of what is free can be used by what comes next. That is the
fragmentation gradient of Weng et al., "Beware of Fragmentation: Scheduling GPU-Sharing Workloads with Fragmentation
Gradient Descent", USENIX ATC 2023, taken exactly (the paper cuts scores down to whole numbers), with ties to the node
in most use instead of a random one. Reads a Cluster, changes nothing in it; queues and moves must not enter.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from colonnade.core.claims import Claim
from colonnade.fabric.placement.cluster import Cluster, Slot

TYPICAL = 0.95
"""The most frequent claims that make up this part of the history count as typical (the paper's choice)."""
TIE_MILLI = 1e-9
"""Scores closer than this are equal: they are sums in floating point."""
MOST_SHAPES = 512
"""Claim shapes whose scores are kept; then all are forgotten."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


class _Shape:
    """What is known of one claim shape.

    Attributes:
        usable: [N, G] devices that could ever serve it.
        score: [N] milli that it would gain; minus infinity where it does not fit.
        place: [N] the device of that score, for shapes of one device.
        read: how many of the cluster's changes it knows of; -1 for none, not even the beginning.
    """

    def __init__(self, cluster: Cluster, claim: Claim) -> None:
        self.usable = cluster.usable(claim)
        self.score = np.full(len(cluster.nodes), -np.inf)
        self.place = np.zeros(len(cluster.nodes), dtype=np.int64)
        self.read = -1


class Gradient:
    """The slot that adds least to the GPU milli which typical claims cannot use.

    Ties go to the node with the least device free, then the least CPU, then the least memory.

    Args:
        cluster: the live state; its `changes` are followed.
        history: (claim, weight) of what has been asked before; the most frequent are the typical claims.
    """

    def __init__(self, cluster: Cluster, history: Sequence[tuple[Claim, float]] = ()) -> None:
        self._cluster = cluster
        self._shapes: dict[Claim, _Shape] = {}
        self._read = 0
        typical = _typical(history)
        needs = [replace(claim, gpus=1, cpu_milli=0) for claim, _ in typical]
        self._needs = sorted(set(needs), key=repr)
        self._need = np.array([self._needs.index(need) for need in needs], dtype=np.int64)
        self._milli = np.array([need.gpu_milli for need in self._needs], dtype=np.int64)
        self._cpu = np.array([claim.cpu_milli for claim, _ in typical], dtype=np.int64)
        self._gpus = np.array([claim.gpus for claim, _ in typical], dtype=np.int64)
        self._weight = np.array([weight for _, weight in typical])
        self._other = 1.0 - float(self._weight.sum())
        self._look_around()

    def choose(self, claim: Claim, allowed: Bools | None = None) -> Slot | None:
        """The slot for the claim now, among the allowed nodes ([N]); None exactly when no allowed node fits."""
        c = self._cluster
        fits = c.fitting(claim) if allowed is None else c.fitting(claim) & allowed
        if not fits.any():  # most questions of a full cluster: no score is needed for this answer
            return None
        shape = self._shape(claim)
        score = np.where(fits, shape.score, -np.inf)
        best = np.flatnonzero(score >= score.max() - TIE_MILLI)
        if len(best) > 1:
            order = np.lexsort((best, c.memory_mib[best], c.cpu_milli[best], c.milli[best].sum(1)))
            best = best[order]
        node = int(best[0])
        return Slot(node, self._places(claim, shape, node))

    def _shape(self, claim: Claim) -> _Shape:
        """The shape, up to date."""
        changes = self._cluster.changes
        if self._read < len(changes):
            self._follow()
        shape = self._shapes.get(claim)
        if shape is None:
            if len(self._shapes) >= MOST_SHAPES:
                self._shapes.clear()
            shape = self._shapes[claim] = _Shape(self._cluster, claim)
        if shape.read < 0:
            self._score(claim, shape, np.arange(len(shape.score)))
        elif shape.read < len(changes):
            self._score(claim, shape, _distinct(changes[shape.read :]))
        shape.read = len(changes)
        return shape

    def _follow(self) -> None:
        """Bring what is lost now up to date; where devices were closed or opened, begin anew."""
        c = self._cluster
        rows = _distinct(c.changes[self._read :])
        if (c.open[rows] != self._open[rows]).any():
            self._look_around()
            return
        self._now[rows] = self._lost(rows, c.cpu_milli[rows], c.milli[rows])
        self._read = len(c.changes)

    def _look_around(self) -> None:
        c = self._cluster
        self._shapes.clear()
        self._open = c.open.copy()
        self._accepts = np.array([c.usable(need) for need in self._needs], dtype=bool)
        self._accepts = self._accepts.reshape(len(self._needs), *c.open.shape).transpose(1, 0, 2)
        self._now = self._lost(np.arange(len(c.nodes)), c.cpu_milli, c.milli)
        self._read = len(c.changes)

    def _lost(self, rows: Ints, cpu: Ints, milli: Ints) -> Floats:
        """[R] milli expected to be of no use, on nodes `rows` if so much CPU [R] and so many milli [R, G] were free."""
        milli = milli * self._open[rows]
        total = milli.sum(1)
        enough = (milli[:, None, :] >= self._milli[None, :, None]) & self._accepts[rows]
        useless = (milli[:, None, :] * ~enough).sum(2)[:, self._need]
        can = (cpu[:, None] >= self._cpu) & (enough.sum(2)[:, self._need] >= self._gpus)
        return np.asarray(total * self._other + np.where(can, useless, total[:, None]) @ self._weight)

    def _score(self, claim: Claim, shape: _Shape, rows: Ints) -> None:
        c = self._cluster
        shape.score[rows] = -np.inf
        free = self._free(claim, shape, rows)
        keep = (c.cpu_milli[rows] >= claim.cpu_milli) & (c.memory_mib[rows] >= claim.memory_mib)
        keep &= free.sum(1) >= claim.gpus
        rows, free = rows[keep], free[keep]
        if not len(rows):
            return
        cpu, milli = c.cpu_milli[rows] - claim.cpu_milli, c.milli[rows]
        if claim.gpus == 1:
            row, place = np.nonzero(free)
            after = milli[row]
            after[np.arange(len(row)), place] -= claim.gpu_milli
            gained = np.full(free.shape, -np.inf)
            gained[row, place] = self._now[rows[row]] - self._lost(rows[row], cpu[row], after)
            shape.place[rows] = gained.argmax(1)
            shape.score[rows] = gained.max(1)
            return
        if claim.gpus:
            order = _fullest(milli, free)[:, : claim.gpus]
            np.put_along_axis(milli, order, np.take_along_axis(milli, order, 1) - claim.gpu_milli, 1)
        shape.score[rows] = self._now[rows] - self._lost(rows, cpu, milli)

    def _free(self, claim: Claim, shape: _Shape, rows: Ints) -> Bools:
        """[R, G] devices on which the claim fits now."""
        c = self._cluster
        return shape.usable[rows] & (c.milli[rows] >= claim.gpu_milli) & (c.device_mib[rows] >= claim.gpu_mib)

    def _places(self, claim: Claim, shape: _Shape, node: int) -> tuple[int, ...]:
        if claim.gpus == 1:
            return (int(shape.place[node]),)
        row = np.array([node])
        order = _fullest(self._cluster.milli[row], self._free(claim, shape, row))[0]
        return tuple(order[: claim.gpus].tolist())


def _distinct(nodes: Sequence[int]) -> Ints:
    return np.array(sorted(set(nodes)), dtype=np.int64)


def _fullest(milli: Ints, free: Bools) -> Ints:
    """[R, G] places, those that fit first, of these the fullest first, of equally full ones the first."""
    return np.argsort(np.where(free, milli, np.iinfo(np.int64).max), axis=1, kind="stable")


def _typical(history: Sequence[tuple[Claim, float]]) -> list[tuple[Claim, float]]:
    """The typical claims that ask for a device, each with its part of all typical claims; in an order of their own."""
    counts: Counter[Claim] = Counter()
    for claim, weight in history:
        counts[replace(claim, memory_mib=0, gpu_mib=0, gpu_limit_mib=0)] += weight  # type: ignore[assignment]
    kept: list[tuple[Claim, float]] = []
    covered, whole = 0.0, float(sum(counts.values()))
    for claim, weight in sorted(counts.items(), key=lambda item: (-item[1], repr(item[0]))):
        if covered >= TYPICAL * whole:
            break
        kept.append((claim, weight))
        covered += weight
    return [(claim, weight / covered) for claim, weight in kept if claim.gpus]
