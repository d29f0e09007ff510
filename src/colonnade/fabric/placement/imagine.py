# SPDX-License-Identifier: Apache-2.0
"""Fill many lone nodes with random claims, all at once in arrays, and see what stays unused. No cluster, no choosing.

This is where a forecast starts: the mean of such fills of a node is what would stay unused there if claims came to it
as they come to the cluster.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from colonnade.core.claims import WHOLE, Claim
from colonnade.fabric.placement.cluster import Cluster
from colonnade.fabric.placement.demand import Demand
from colonnade.fabric.placement.forecast import Floats, Ints, State, join

PLAIN = 0.3
"""How often a claim without a device comes to a lone node, against the mix: a cluster has better places for most."""
LEAST_CPU = 0.2
"""Nodes start with this part of their CPU at least, so that scarce CPU is seen too."""


class Imagined:
    """Nodes of given kinds, and the mix that fills them.

    Args:
        kinds: a cluster with one node of each kind, nothing running.
        mix: what comes.
    """

    def __init__(self, kinds: Cluster, mix: Demand) -> None:
        self._kinds = kinds
        self._mix = mix
        self._weight = np.where(mix.gpus == 0, mix.weight * PLAIN, mix.weight)
        patterns: dict[tuple[tuple[str, ...], str], int] = {}
        self._pattern = np.array(
            [patterns.setdefault((c.models, c.isolation_at_least), len(patterns)) for c in mix.claims], dtype=np.int64
        )
        asks = [Claim(models=models, isolation_at_least=level) for models, level in patterns]
        self._usable = np.stack([kinds.usable(ask) for ask in asks], axis=1)  # [kinds, patterns, G]

    def visits(self, weight: Floats, count: int, rng: np.random.Generator) -> tuple[Ints, State]:
        """States that `count` fills pass through, nodes drawn by weight [kinds]: (kind of each, states)."""
        kind = rng.choice(len(weight), count, p=weight / weight.sum())
        cpu = (self._kinds.cpu_milli[kind] * rng.uniform(LEAST_CPU, 1, count)).astype(np.int64)
        seen: list[tuple[Ints, State]] = []
        self._fill(kind, State(cpu, self._kinds.milli[kind].copy()), rng, seen)
        return np.concatenate([kinds for kinds, _ in seen]), join([state for _, state in seen])

    def unused(self, kind: Ints, state: State, fills: int, rng: np.random.Generator) -> Floats:
        """[R] mean milli that stay unused over so many fills from each state."""
        many = State(np.repeat(state.cpu_milli, fills), np.repeat(state.free_milli, fills, axis=0))
        self._fill(np.repeat(kind, fills), many, rng, None)
        return np.asarray(many.free_milli.sum(1).reshape(-1, fills).mean(1))

    def _fill(self, kind: Ints, state: State, rng: np.random.Generator, seen: list[tuple[Ints, State]] | None) -> None:
        """Add claims in place, drawn from those that fit, until none with a device does."""
        live = np.arange(len(kind))
        with_device = self._mix.gpus > 0
        while len(live):
            if seen is not None:
                seen.append((kind[live], State(state.cpu_milli[live], state.free_milli[live])))
            fits = self._fits(kind[live], state.cpu_milli[live], state.free_milli[live])
            more = (fits & with_device).any(1)
            live, fits = live[more], fits[more]
            if not len(live):
                return
            ladder = np.cumsum(fits * self._weight, axis=1)
            drawn = rng.random(len(live)) * ladder[:, -1]
            claim = np.minimum((ladder <= drawn[:, None]).sum(1), len(self._weight) - 1)
            state.cpu_milli[live] -= self._mix.cpu_milli[claim]
            self._place(kind[live], live, claim, state.free_milli)

    def _fits(self, kind: Ints, cpu: Ints, free: Ints) -> NDArray[np.bool_]:
        """[R, K] whether each claim fits."""
        mix = self._mix
        fits = cpu[:, None] >= mix.cpu_milli
        for pattern in range(self._usable.shape[1]):
            here = self._pattern == pattern
            fullest = np.sort(free * self._usable[kind, pattern], axis=1)
            rank = np.minimum(mix.gpus[here], free.shape[1])
            enough = fullest[:, -np.maximum(rank, 1)] >= mix.gpu_milli[here]
            fits[:, here] &= np.where(mix.gpus[here] == 0, True, enough & (mix.gpus[here] <= free.shape[1]))
        return fits

    def _place(self, kind: Ints, rows: Ints, claim: Ints, free: Ints) -> None:
        """Each claim goes to the fullest devices that still fit."""
        size = self._mix.gpu_milli[claim][:, None]
        here = free[rows]
        fits = (here >= size) & self._usable[kind, self._pattern[claim]]
        order = np.argsort(np.where(fits, here, 2 * WHOLE), axis=1, kind="stable")
        rank = np.argsort(order, axis=1, kind="stable")
        free[rows] = here - size * (fits & (rank < self._mix.gpus[claim][:, None]))
