# SPDX-License-Identifier: Apache-2.0
"""What a cycle looks at and what it answers: asks, the snapshot of them, and actions. Frozen records; no decision."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from colonnade.core.claims import Claim
from colonnade.fabric.placement.cluster import Cluster, Placer, Slot
from colonnade.fabric.queues.tree import DEFAULT, NORMAL, Tree

Reason = Literal["reclaim", "preempt", "evacuate", "idle", "expired"]
"""Why a lease must end: a queue takes its guarantee back; a more urgent claim; its node is emptied for a large claim,
and it starts again elsewhere; it computed nothing for too long; its holder was not heard of for too long."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A lease as queues see it, from the moment it is asked for until its process tree is gone.

    Attributes:
        lease: its id; ids sort by time.
        queue: "DEPT" or "DEPT.TEAM".
        priority: of this claim, or else of its queue.
        asked_ms: when it was asked for.
        state: pending; held; releasing (asked to end, and still there).
        held: where it is, while held or releasing; None when its node is not known any more.
        since_ms: when it was granted; the share counts towards a guarantee in this order.
        borrowed: whether it was granted as borrowed (it may be inside the guarantee since).
        gang, gang_size: claims of one gang start together or not at all; "" for a claim of its own.
        movable: its owner said that it may be stopped and started again.
        idle: it has computed nothing for longer than it may.
        expires_ms: when its right ends; None for never.
        release_by_ms: while releasing: when the executor kills it.
        freed_for: while releasing: the lease that it makes room for, or "".
    """

    lease: str
    claim: Claim
    queue: str = DEFAULT
    priority: int = NORMAL
    asked_ms: int = 0
    state: Literal["pending", "held", "releasing"] = "pending"
    held: Slot | None = None
    since_ms: int = 0
    borrowed: bool = False
    gang: str = ""
    gang_size: int = 1
    movable: bool = False
    idle: bool = False
    expires_ms: int | None = None
    release_by_ms: int | None = None
    freed_for: str = ""


@dataclass(frozen=True, slots=True)
class Reservation:
    """Where a pending claim will go.

    Attributes:
        slot: what is free there, or comes free there, goes to nobody else.
        freed: leases were ended to make this room: not even a more urgent claim takes it. Otherwise it holds against
            claims that are as urgent or less.
    """

    slot: Slot
    freed: bool = False


@dataclass(frozen=True)
class Snapshot:
    """Everything that a cycle knows. `plan` changes nothing in it.

    Attributes:
        cluster: everything held and releasing is taken; what is cordoned is closed.
        asks: in any order.
        tree: the declared queues.
        placer: the engine, for example `lambda cluster: Engine(cluster)`: plans are made on copies of the cluster.
        reserved: by lease, what earlier cycles reserved.
        moves_left_ms: milliseconds of one device that evacuations may cost in this cycle.
    """

    cluster: Cluster
    asks: Sequence[Ask]
    tree: Tree
    placer: Callable[[Cluster], Placer]
    reserved: Mapping[str, Reservation] = field(default_factory=dict)
    moves_left_ms: int = 0


@dataclass(frozen=True, slots=True)
class Grant:
    """The lease is held there from now on. `borrowed`: beyond its queue's guarantee, so that it may be taken back."""

    lease: str
    slot: Slot
    borrowed: bool


@dataclass(frozen=True, slots=True)
class Release:
    """The held lease must end within the grace. It makes room for `for_lease`, unless that is "".

    With the reason `evacuate` it becomes pending again once it has ended.
    """

    lease: str
    reason: Reason
    grace_ms: int
    for_lease: str = ""


@dataclass(frozen=True, slots=True)
class Reserve:
    """Keep this for the pending lease until the next cycle says otherwise; None: keep nothing for it any more."""

    lease: str
    reservation: Reservation | None


Action = Grant | Release | Reserve


@dataclass(frozen=True)
class Unit:
    """Asks that start, and end, together: one, or those of a gang that are in the same state. All of one queue."""

    asks: tuple[Ask, ...]

    @cached_property
    def milli(self) -> int:
        """Of all devices of all of them."""
        return sum(ask.claim.milli for ask in self.asks)

    @property
    def lease(self) -> str:
        """The first of them: names the unit."""
        return self.asks[0].lease

    @property
    def queue(self) -> str:
        """Where it counts."""
        return self.asks[0].queue

    @cached_property
    def priority(self) -> int:
        """The greatest of them."""
        return max(ask.priority for ask in self.asks)

    @cached_property
    def asked_ms(self) -> int:
        """Since when it is complete."""
        return max(ask.asked_ms for ask in self.asks)

    @cached_property
    def since_ms(self) -> int:
        """Since when all of it is held."""
        return max(ask.since_ms for ask in self.asks)

    @cached_property
    def borrowed(self) -> bool:
        """Whether it was granted as borrowed."""
        return any(ask.borrowed for ask in self.asks)

    @cached_property
    def movable(self) -> bool:
        """Whether all of it may be stopped and started again."""
        return all(ask.movable for ask in self.asks)

    @property
    def large(self) -> bool:
        """Whether it needs several devices at once: whoever passes it may keep it waiting for ever."""
        return len(self.asks) > 1 or self.asks[0].claim.gpus > 1

    @cached_property
    def shape(self) -> tuple[Claim, ...]:
        """Its claims: units of one shape fit in the same places."""
        return tuple(ask.claim for ask in self.asks)


def units(asks: Iterable[Ask], state: str) -> list[Unit]:
    """The units in this state, largest claim of each first, in the order of their leases. Gangs that are not complete
    yet stay out while pending: a gang is complete when `gang_size` of its leases are pending or held.
    """
    alone: list[Unit] = []
    gangs: defaultdict[str, list[Ask]] = defaultdict(list)
    present: defaultdict[str, int] = defaultdict(int)
    for ask in asks:
        if ask.gang and ask.state != "releasing":
            present[ask.gang] += 1
        if ask.state == state:
            if ask.gang:
                gangs[ask.gang].append(ask)
            else:
                alone.append(Unit((ask,)))
    for name, members in gangs.items():
        members.sort(key=lambda ask: (-ask.claim.milli, ask.lease))
        if state != "pending" or present[name] >= members[0].gang_size:
            alone.append(Unit(tuple(members)))
    return sorted(alone, key=lambda unit: unit.lease)
