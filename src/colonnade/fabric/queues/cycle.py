# SPDX-License-Identifier: Apache-2.0
"""One cycle of the queues: a snapshot in, actions out. Pure: no I/O, no clock but `now_ms`, no state between calls.

Order. Claims inside their team's guarantee, then inside their department's, then borrowers. Among equals the greater
priority; then the department, then the team, that has the least of its guarantee; then the older claim. In one queue:
priority, then age. A claim that fits nowhere holds up nobody behind it, but what is reserved for it is kept.

Level-triggered: the answer depends on the snapshot alone, so a cycle that was cut off is simply run again. Leases that
are releasing count as room to come before anybody else is asked to end. No grant needs an end that has not happened.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from colonnade.core.claims import Claim
from colonnade.fabric.placement.cluster import Cluster, Slot
from colonnade.fabric.queues.asks import (
    Action,
    Ask,
    Grant,
    Reason,
    Release,
    Reservation,
    Reserve,
    Snapshot,
    Unit,
    units,
)
from colonnade.fabric.queues.moves import Moved, room_by_moves
from colonnade.fabric.queues.reclaim import Search
from colonnade.fabric.queues.tree import BORROWED, INSIDE, LENT, Usage
from colonnade.fabric.queues.trial import Change, Trial

__all__ = ["Action", "Ask", "Grant", "Release", "Reservation", "Reserve", "Snapshot", "plan"]

TRIES = 4
"""For how many claims a cycle looks for leases to move."""
Rank = tuple[int, int]
"""How urgent a claim is: its standing to guarantees, then its priority downwards. The smaller goes first."""


def plan(snapshot: Snapshot, now_ms: int) -> list[Action]:
    """What to do now: releases, grants, then changes of reservations.

    Args:
        snapshot: not changed.
        now_ms: milliseconds since 1970 by the store's clock; leases whose `expires_ms` has come are released.

    Every action is safe to apply by itself, in this order, as long as its lease is still as the snapshot says; the
    grants of one gang are neighbours and must be applied in one transaction.
    """
    return _Cycle(snapshot, now_ms).run()


def waiting_before(snapshot: Snapshot, lease: str) -> list[Unit]:
    """The units that are served before this pending lease and still wait after a cycle, in order."""
    cycle = _Cycle(snapshot, 0)
    granted = {action.lease for action in cycle.run() if isinstance(action, Grant)}
    leases = [[ask.lease for ask in unit.asks] for unit in cycle.order]
    place = next((at for at, names in enumerate(leases) if lease in names), len(leases))
    return [unit for unit in cycle.order[:place] if unit.lease not in granted]


@dataclass(slots=True)
class _Kept:
    """A reservation in force in this cycle: what it took of what is free now, and of what will be."""

    reservation: Reservation
    now: Change
    coming: Change


@dataclass
class _Line:
    """The units of one queue that wait, in order, and how far the present pass has come."""

    waiting: list[Unit]
    left: list[Unit] = field(default_factory=list)
    at: int = 0


class _Cycle:
    def __init__(self, snapshot: Snapshot, now_ms: int) -> None:
        self.snapshot, self.tree, self.now_ms = snapshot, snapshot.tree, now_ms
        self.asks = sorted(snapshot.asks, key=lambda ask: ask.lease)
        self.usage = Usage(self.tree)
        self.now = Trial(snapshot.cluster, snapshot.placer)
        self.coming = Trial(snapshot.cluster, snapshot.placer)
        self.pending = units(self.asks, "pending")
        self.unit_of = {ask.lease: unit for unit in self.pending for ask in unit.asks}
        self.keeps = {ask.lease: ask for unit in self.pending for ask in unit.asks}
        self.keeps |= {ask.lease: ask for ask in self.asks if ask.state == "releasing" and ask.movable}
        self.stored = {lease: snapshot.reserved[lease] for lease in sorted(snapshot.reserved) if lease in self.keeps}
        self.stored = {a: b for a, b in self.stored.items() if b.freed or a in self.unit_of}
        self.released: list[Release] = []
        self.granted: list[Grant] = []
        self.kept: dict[str, _Kept] = {}
        self.order: list[Unit] = []
        self.moves_left_ms, self.tries = snapshot.moves_left_ms, TRIES
        self.blocked: list[Unit] = []
        self.draining: set[bool] = set()
        self.nowhere: set[tuple[Claim, ...]] = set()
        self.freed_for = {ask.freed_for for ask in self.asks if ask.state == "releasing" and ask.freed_for}
        for ask in self.asks:
            if ask.state != "pending":
                self.usage.add(ask.queue, ask.claim.milli, held=ask.state == "held")
            if ask.state == "releasing" and ask.held:
                self.coming.give(ask.claim, ask.held)

    def run(self) -> list[Action]:
        held = self._end(units(self.asks, "held"))
        self.search = Search(self.usage, self.coming, held)
        self._recall(None)
        for unit in self._in_order():
            self._serve(unit)
        self._reserve_for_the_oldest()
        return [*self.released, *self.granted, *self._reserves()]

    # Ends

    def _end(self, held: list[Unit]) -> list[Unit]:
        """Release whose right has ended, and who is idle (a gang only when all of it is); the units that stay."""
        stay = []
        for unit in held:
            late = [ask for ask in unit.asks if ask.expires_ms is not None and ask.expires_ms <= self.now_ms]
            idle = list(unit.asks) if all(ask.idle for ask in unit.asks) else []
            reason: Reason = "expired" if late else "idle"
            for ask in late or idle:
                self._release(ask, reason)
            rest = tuple(ask for ask in unit.asks if ask not in (late or idle))
            if rest:
                stay.append(Unit(rest))
        return stay

    def _release(self, ask: Ask, reason: Reason, for_lease: str = "") -> None:
        self.released.append(Release(ask.lease, reason, self.tree.grace_ms(ask.queue), for_lease))
        self.usage.leave(ask.queue, ask.claim.milli)
        if ask.held:
            self.coming.give(ask.claim, ask.held)

    # Order

    def _rank(self, unit: Unit) -> Rank:
        return self.usage.standing(unit.queue, unit.milli), -unit.priority

    def _in_order(self) -> Iterator[Unit]:
        """Every waiting unit once. Shares change with every grant, so each next one is chosen when its turn comes."""
        lines: defaultdict[str, _Line] = defaultdict(lambda: _Line([]))
        for unit in sorted(self.pending, key=lambda unit: (-unit.priority, unit.asked_ms, unit.lease)):
            lines[self.tree.path(unit.queue)[0]].waiting.append(unit)
        for standing in (INSIDE, LENT, BORROWED):
            yield from self._pass(lines, standing)
            for line in lines.values():
                line.waiting, line.left, line.at = line.left, [], 0

    def _pass(self, lines: dict[str, _Line], standing: int) -> Iterator[Unit]:
        keys: dict[str, tuple[object, ...]] = {}
        stale = set(lines)
        while True:
            for name in stale:
                head = self._head(lines[name], standing)
                if head:
                    keys[name] = (-head.priority, self.usage.share(head.queue), head.asked_ms, head.lease)
                else:
                    keys.pop(name, None)
            if not keys:
                return
            name = min(keys, key=keys.__getitem__)
            unit = lines[name].waiting[lines[name].at]
            lines[name].at += 1
            if self.stored:
                self._recall(self._rank(unit))
            before = len(self.granted) + len(self.released)
            yield unit
            changed = before != len(self.granted) + len(self.released)
            stale = set(keys) if changed else {name}

    def _head(self, line: _Line, standing: int) -> Unit | None:
        """The next unit of the queue for this pass; those for a later pass are put aside."""
        while line.at < len(line.waiting):
            unit = line.waiting[line.at]
            if standing == BORROWED or self.usage.standing(unit.queue, unit.milli) <= standing:
                return unit
            line.left.append(unit)
            line.at += 1
        return None

    # One unit

    def _serve(self, unit: Unit) -> None:
        """Grant; or wait for room that is coming; or make room; or wait."""
        self.order.append(unit)
        for ask in unit.asks:
            self._drop(ask.lease)
        usage = self.usage
        if usage.allows(unit.queue, unit.milli) and self._grant(unit):
            return
        allowed = usage.will_allow(unit.queue, unit.milli)
        if allowed and (slots := self._place_later(unit)):
            self._hold(unit, slots, freed=any(ask.lease in self.freed_for for ask in unit.asks))
        elif allowed and (moved := self._room_by_moves(unit)):
            self._move(unit, moved)
        elif found := self.search.victims(unit):
            for other, reason in found.units:
                for ask in other.asks:
                    self._release(ask, reason, unit.lease)
            self._hold(unit, found.slots, freed=True)
        elif allowed:
            self._wait(unit)

    def _grant(self, unit: Unit) -> bool:
        slots = self.now.place_all(unit.shape)
        if slots is None:
            return False
        borrowed = self.usage.standing(unit.queue, unit.milli) != INSIDE
        for ask, slot in zip(unit.asks, slots, strict=True):
            self.coming.take(ask.claim, slot)
            self.granted.append(Grant(ask.lease, slot, borrowed))
        self.usage.add(unit.queue, unit.milli)
        return True

    def _place_later(self, unit: Unit) -> list[Slot] | None:
        """Where it fits once all that is releasing has ended: where an earlier cycle saw it, if that still holds."""
        mark = self.coming.mark()
        stored = [self.snapshot.reserved.get(ask.lease) for ask in unit.asks]
        slots = [one.slot for one in stored if one]
        for ask, slot in zip(unit.asks, slots, strict=False):
            if not self.coming.cluster.hosts(ask.claim, slot):
                break
            self.coming.take(ask.claim, slot)
        else:
            if len(slots) == len(unit.asks):
                self.coming.back(mark)
                return slots
        self.coming.back(mark)
        found = self.coming.place_all(unit.shape)
        self.coming.back(mark)
        return found

    def _room_by_moves(self, unit: Unit) -> Moved | None:
        """Moving harms less than ending, so it is looked at first; for a few large claims a cycle, in the budget."""
        if self.moves_left_ms <= 0 or not self.tries or not unit.large or len(unit.asks) > 1:
            return None
        self.tries -= 1
        gone = {action.lease for action in self.released}
        held = [ask for ask in self.asks if ask.state == "held" and ask.lease not in gone]
        return room_by_moves(self.now, held, unit.asks[0].claim, self.now_ms, self.moves_left_ms)

    def _move(self, unit: Unit, moved: Moved) -> None:
        """Ask the leases to end and start again elsewhere; their places there are kept until they have ended."""
        self.moves_left_ms -= moved.lost_ms
        leaving = {ask.lease for ask, _ in moved.moves}
        self.search.spare(leaving)
        for ask, _ in moved.moves:
            self._release(ask, "evacuate", unit.lease)
        for ask, slot in moved.moves:
            self._put(ask, Reservation(slot, freed=True))
        self._hold(unit, [moved.slot], freed=True)

    def _wait(self, unit: Unit) -> None:
        """It has no right to anybody's room: who waits under a reservation keeps it, one large claim and one small."""
        self.blocked.append(unit)
        if unit.large not in self.draining and all(ask.lease in self.snapshot.reserved for ask in unit.asks):
            self._drain(unit)

    # Reservations

    def _hold(self, unit: Unit, slots: list[Slot], *, freed: bool) -> None:
        """Keep room that is coming. It counts as used by its queue, so that a guarantee is not called in twice."""
        for ask, slot in zip(unit.asks, slots, strict=True):
            self._put(ask, Reservation(slot, freed))
        self.usage.add(unit.queue, unit.milli)

    def _put(self, ask: Ask, reservation: Reservation) -> None:
        slot = reservation.slot
        exact = self.coming.cluster.hosts(ask.claim, slot)
        later = self.coming.take(ask.claim, slot) if exact else self.coming.withhold(ask.claim, slot)
        self.kept[ask.lease] = _Kept(reservation, self.now.withhold(ask.claim, slot), later)

    def _drop(self, lease: str) -> None:
        self.stored.pop(lease, None)
        kept = self.kept.pop(lease, None)
        if kept:
            self.now.undo(kept.now)
            self.coming.undo(kept.coming)

    def _recall(self, rank: Rank | None) -> None:
        """Put earlier cycles' reservations in force before a unit of this rank is served: those of units as urgent as
        that; before any (None), those that room was freed for.
        """
        for lease, reservation in list(self.stored.items()):
            ask = self.keeps[lease]
            due = reservation.freed if rank is None else self._rank(self.unit_of[lease]) <= rank
            if due:
                del self.stored[lease]
                if not reservation.freed or self.coming.cluster.hosts(ask.claim, reservation.slot):
                    self._put(ask, reservation)

    def _drain(self, unit: Unit) -> bool:
        """Reserve for it where least must still end, though nothing there was asked to end. False: it fits nowhere."""
        empty = self._emptied()
        slots: list[Slot] = []
        for ask in unit.asks:
            stored = self.snapshot.reserved.get(ask.lease)
            slot = least_lacking(ask.claim, self.coming.cluster, empty.cluster, stored.slot if stored else None)
            if slot is None:
                return False
            empty.take(ask.claim, slot)
            slots.append(slot)
        for ask, slot in zip(unit.asks, slots, strict=True):
            self._put(ask, Reservation(slot))
        self.draining.add(unit.large)
        return True

    def _emptied(self) -> Trial:
        empty = Trial(self.coming.cluster, self.snapshot.placer)
        gone = {action.lease for action in self.released}
        for ask in self.asks:
            if ask.state == "held" and ask.held and ask.lease not in gone:
                empty.give(ask.claim, ask.held)
        return empty

    def _reserve_for_the_oldest(self) -> None:
        """Of the large claims that wait for room, and of the small ones, the oldest gets a place to wait for."""
        for unit in sorted(self.blocked, key=lambda unit: (unit.asked_ms, unit.lease)):
            if unit.large not in self.draining and unit.shape not in self.nowhere and not self._drain(unit):
                self.nowhere.add(unit.shape)

    def _reserves(self) -> Iterable[Reserve]:
        before, granted = self.snapshot.reserved, {action.lease for action in self.granted}
        for lease in sorted(({*before, *self.kept} - granted) & {ask.lease for ask in self.asks}):
            kept = self.kept.get(lease)
            wanted = kept.reservation if kept else None
            if wanted != before.get(lease):
                yield Reserve(lease, wanted)


def least_lacking(claim: Claim, free: Cluster, empty: Cluster, stored: Slot | None) -> Slot | None:
    """Where least must end before the claim fits: `free` is what is or comes free, `empty` what would be without any
    held lease. The stored slot stays unless another one lacks less. None when it does not even fit in `empty`.
    """
    fits = empty.fitting(claim)
    if not fits.any():
        return None
    usable = empty.usable(claim) & (empty.milli >= claim.gpu_milli) & (empty.device_mib >= claim.gpu_mib)
    lacks = np.where(usable, np.maximum(0, claim.gpu_milli - free.milli), 1 << 40)
    order = np.argsort(lacks, axis=1, kind="stable")[:, : claim.gpus]
    sums = np.where(fits, np.take_along_axis(lacks, order, axis=1).sum(1), 1 << 50)
    node = int(sums.argmin())
    if stored and empty.hosts(claim, stored) and lacks[stored.node, list(stored.devices)].sum() <= sums[node]:
        return stored
    return Slot(node, tuple(sorted(order[node].tolist())))
