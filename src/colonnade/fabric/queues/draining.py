# SPDX-License-Identifier: Apache-2.0
"""Which nodes are left to empty by themselves, so that room for large claims comes about without moves.

Ordinary work goes to a draining node when it fits nowhere else, to the one furthest from empty first; nobody waits for
this. Packing by how long what is there will stay is the idea of lifetime-aware allocation (Ling et al., "LAVA:
Lifetime-Aware VM Allocation with Learned Distributions and Adaptation to Mispredictions", MLSys 2025). No clock, no
placement, no moves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from colonnade.core.claims import WHOLE, Claim

MOST = 8
"""Nodes that drain at a time: more would leave the engine too few to choose from."""
AGAIN_S = 60.0
"""Between two choices of draining nodes."""
AHEAD_S = 600.0
"""What is expected to end within this is as good as gone."""
STEADY = 0.8
"""Part of its cost at which a draining node is counted: another one must be cheaper than that to take its place."""
LARGE = 50.0
"""Cost of a claim of several devices on the node: it would need a whole node itself."""


def emptying_cost(there: Iterable[tuple[Claim, float]]) -> float:
    """What the emptying of a node is expected to take, from (claim, chance that it stays) of whatever runs there."""
    return sum(stays * (1 + claim.milli / WHOLE) + (LARGE if claim.gpus > 1 else 0.0) for claim, stays in there)


class Draining:
    """The draining nodes of N, the one nearest to empty first."""

    def __init__(self, count: int) -> None:
        self.mask: NDArray[np.bool_] = np.zeros(count, dtype=bool)
        self._order: list[int] = []
        self._chosen_s = -AGAIN_S

    def choose(self, t_s: float, candidates: NDArray[np.bool_], cost: Callable[[int], float]) -> None:
        """Choose anew among the candidates ([N]) when it is time: the MOST that are cheapest to empty."""
        if t_s - self._chosen_s < AGAIN_S:
            return
        self._chosen_s = t_s
        able = np.flatnonzero(candidates).tolist()
        costs = sorted((cost(node) * (STEADY if self.mask[node] else 1.0), node) for node in able)
        self._order = [node for _, node in costs[:MOST]]
        self.mask[:] = False
        self.mask[self._order] = True

    def furthest(self, fitting: NDArray[np.bool_]) -> int | None:
        """Of the draining nodes that fit ([N]), the one furthest from empty; None when none fits."""
        return next((node for node in reversed(self._order) if fitting[node]), None)
