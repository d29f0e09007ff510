# SPDX-License-Identifier: Apache-2.0
"""Choose a slot for each claim: the one after which least is forecast to stay unused. It chooses, the caller takes.

FGD (Weng et al., "Beware of Fragmentation", USENIX ATC 2023) asks what the next claim could not use. This engine asks
what will be left when the node is full, which it learns before it opens by rehearsing the claims of the past on small
copies of the cluster (`rehearsal`). Choosing is then one lookup: `scores` keeps the cost of every slot for every shape
of claim, and computes it again only for nodes on which something changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from colonnade.core.claims import Claim
from colonnade.fabric.placement.cluster import Cluster, Slot
from colonnade.fabric.placement.forecast import Forecast
from colonnade.fabric.placement.memo import Memo
from colonnade.fabric.placement.rehearsal import Plan, learn
from colonnade.fabric.placement.scores import Scores

SHAPES = 256
"""Claim shapes whose costs are kept up to date; beyond it all are forgotten and come back as they are asked."""


class Engine:
    """The slot that adds least to what is forecast to stay unused.

    Equal costs go to the node with less CPU left, then less memory, then the lower index: such nodes differ in nothing
    that the forecast sees, so results hang on neither names nor order.

    Args:
        cluster: the live state; the engine follows its `changes`.
        history: (claim, weight) of what has been asked before; without any, a mix of common claims.
        plan: how much to rehearse.
        forecast: one that was learned before, instead of learning now.
    """

    def __init__(
        self,
        cluster: Cluster,
        history: Sequence[tuple[Claim, float]] = (),
        *,
        plan: Plan | None = None,
        forecast: Forecast | None = None,
    ) -> None:
        self.cluster = cluster
        self.forecast = forecast or learn(cluster.nodes, history, plan)
        self._scores = Scores(cluster, self.forecast)
        self._memo = Memo(self._scores)
        self._read = len(cluster.changes)

    def choose(self, claim: Claim, allowed: NDArray[np.bool_] | None = None) -> Slot | None:
        """The slot for the claim now, among the allowed nodes; None exactly when no allowed node fits."""
        self.settle()
        row = self._scores.row(claim)
        cost = self._scores.cost[row]
        if allowed is not None:
            cost = np.where(allowed, cost, np.inf)
        if not len(cost):
            return None
        node = int(cost.argmin())
        if cost[node] == np.inf:
            return None
        return Slot(node, self._scores.places(claim, node) if claim.gpus else ())

    def settle(self) -> None:
        """Take in what changed on the cluster. `choose` does it first; doing it earlier makes `choose` quicker."""
        changes = self.cluster.changes
        if self._read == len(changes):
            return
        rows = sorted(set(changes[self._read :]))
        self._read = len(changes)
        if len(rows) == 1:
            self._memo.update(rows[0])
        else:
            self._scores.update(np.array(rows))
        if self._scores.shapes > SHAPES:
            self._scores = Scores(self.cluster, self.forecast)
            self._memo = Memo(self._scores)

    def expect(self, claims: Iterable[Claim]) -> None:
        """Keep costs for these shapes from the start: the first claim of each is then as quick as the next."""
        self.settle()
        new = [claim for claim in dict.fromkeys(claims) if not self._scores.knows(claim)]
        room = SHAPES - self._scores.shapes
        if new and room > 0:
            self._scores.add(new[:room])
