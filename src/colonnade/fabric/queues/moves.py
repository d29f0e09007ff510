# SPDX-License-Identifier: Apache-2.0
"""Room for one large claim by moving leases whose owners allow it: what that would lose, and where they go meanwhile.

The planning itself is `evacuate`; this says which leases of a cycle may take part, and at what price.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import NamedTuple

from colonnade.core.claims import WHOLE, Claim
from colonnade.fabric.placement.cluster import Slot
from colonnade.fabric.queues.asks import Ask
from colonnade.fabric.queues.evacuate import Budget, Running, plan_evacuation
from colonnade.fabric.queues.trial import Trial

MOVES = 8
"""The most leases that one claim moves."""


class Moved(NamedTuple):
    """Which leases move, where to; where the claim then goes; milliseconds of one device that are lost."""

    moves: tuple[tuple[Ask, Slot], ...]
    slot: Slot
    lost_ms: int


def room_by_moves(trial: Trial, held: Iterable[Ask], claim: Claim, now_ms: int, budget_ms: int) -> Moved | None:
    """The cheapest plan within the budget, every target of which is free now; None when there is none.

    A lease is taken to lose all that it computed since its grant: what it saved by itself is not known. Members of a
    gang stay, since one of them cannot go alone. The trial is left as it was.
    """
    asks = {ask.lease: ask for ask in held if ask.held}
    running: Mapping[Hashable, Running] = {
        name: Running(ask.claim, ask.held, ask.movable and not ask.gang, max(0, now_ms - ask.since_ms) / 1000)
        for name, ask in asks.items()
        if ask.held
    }
    budget = Budget(MOVES, budget_ms / 1000)
    if not any(one.movable and one.lost_gpu_s <= budget.gpu_s for one in running.values()):
        return None
    found = plan_evacuation(trial.cluster, running, claim, trial.placer, budget)
    if found is None or len({move.id for move in found.moves}) < len(found.moves):
        return None
    moves = tuple((asks[str(move.id)], move.slot) for move in found.moves)
    lost = sum(max(0, now_ms - ask.since_ms) * ask.claim.milli for ask, _ in moves) // WHOLE
    return Moved(moves, found.slot, lost)
