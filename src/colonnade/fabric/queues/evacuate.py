# SPDX-License-Identifier: Apache-2.0
"""Plan the emptying of a node, whole and first: which leases move where, in an order in which each move is feasible.

Pure: reads what runs and returns a plan. It moves nothing, and knows no clock, no queue and no database.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from colonnade.core.claims import Claim
from colonnade.fabric.placement.cluster import Slot


@dataclass(frozen=True, slots=True)
class Running:
    """Something that holds a slot.

    Attributes:
        claim, slot: what it holds and where.
        movable: whether it may be moved at all.
        cost_s: seconds of its work that a move is expected to lose.
    """

    claim: Claim
    slot: Slot
    movable: bool = True
    cost_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Move:
    """What holds a slot goes to another one."""

    id: Hashable
    slot: Slot
