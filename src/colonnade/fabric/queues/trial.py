# SPDX-License-Identifier: Apache-2.0
"""A copy of the cluster to try things on, and to take them back. It never decides who tries."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from operator import le
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from colonnade.core.claims import Claim
from colonnade.fabric.placement.cluster import Cluster, Placer, Slot


class Change(NamedTuple):
    """What was taken from a node; negative amounts were given to it. `devices`: (place, milli, mib) of each."""

    node: int
    cpu_milli: int
    memory_mib: int
    devices: tuple[tuple[int, int, int], ...]


def copied(cluster: Cluster) -> Cluster:
    """A cluster in the same state, which may be changed."""
    other = copy.copy(cluster)
    for name in ("cpu_milli", "memory_mib", "milli", "device_mib", "open"):
        setattr(other, name, getattr(cluster, name).copy())
    other.changes = []
    return other


class Hopeless:
    """Claims that found no place. What asks for no less than one of them need not be tried."""

    def __init__(self) -> None:
        self._least: dict[tuple[tuple[str, ...], str], list[tuple[int, ...]]] = {}

    def covers(self, claim: Claim) -> bool:
        """Whether a claim that found no place asked for no more than this one, of the same devices."""
        asked = self._amounts(claim)
        least = self._least.get((claim.models, claim.isolation_at_least), ())
        return any(all(map(le, less, asked)) for less in least)

    def add(self, claim: Claim) -> None:
        """It found no place."""
        asked = self._amounts(claim)
        least = self._least.setdefault((claim.models, claim.isolation_at_least), [])
        least[:] = [*(other for other in least if not all(map(le, asked, other))), asked]

    def clear(self) -> None:
        """There is more room now."""
        self._least.clear()

    @staticmethod
    def _amounts(claim: Claim) -> tuple[int, ...]:
        return claim.gpus, claim.gpu_milli, claim.gpu_mib, claim.cpu_milli, claim.memory_mib


class Trial:
    """A copy of the cluster with its engine. Every change is remembered: `mark`, try, and `back` undoes all since.

    A claim that found no place finds none until something is given back, so it is not tried twice.
    """

    def __init__(self, cluster: Cluster, placer: Callable[[Cluster], Placer]) -> None:
        self.cluster = copied(cluster)
        self._make = placer
        self._placer: Placer | None = None
        self._done: list[Change] = []
        self._hopeless = Hopeless()

    @property
    def placer(self) -> Placer:
        """The engine over this copy, made when first asked for."""
        if self._placer is None:
            self._placer = self._make(self.cluster)
        return self._placer

    def place(self, claim: Claim, allowed: NDArray[np.bool_] | None = None) -> Slot | None:
        """Take the claim where the engine wants it, or None when it fits nowhere. What does not fit is never taken."""
        if self._hopeless.covers(claim):
            return None
        slot = self.placer.choose(claim, allowed)
        if slot is None or not self.cluster.hosts(claim, slot):
            if allowed is None:
                self._hopeless.add(claim)
            return None
        self.take(claim, slot)
        return slot

    def place_all(self, claims: Sequence[Claim]) -> list[Slot] | None:
        """Take all of them, or none."""
        mark, slots = self.mark(), []
        for claim in claims:
            slot = self.place(claim)
            if slot is None:
                self.back(mark)
                return None
            slots.append(slot)
        return slots

    def take(self, claim: Claim, slot: Slot) -> Change:
        """The claim is there now."""
        devices = tuple((place, claim.gpu_milli, claim.gpu_mib) for place in slot.devices)
        return self._do(Change(slot.node, claim.cpu_milli, claim.memory_mib, devices))

    def give(self, claim: Claim, slot: Slot) -> Change:
        """The claim is there no longer."""
        devices = tuple((place, -claim.gpu_milli, -claim.gpu_mib) for place in slot.devices)
        return self._do(Change(slot.node, -claim.cpu_milli, -claim.memory_mib, devices))

    def withhold(self, claim: Claim, slot: Slot) -> Change:
        """Keep for the claim whatever of its share is free there; nothing goes below zero."""
        cluster, node = self.cluster, slot.node
        devices = tuple(
            (
                place,
                max(0, min(claim.gpu_milli, int(cluster.milli[node, place]))),
                max(0, min(claim.gpu_mib, int(cluster.device_mib[node, place]))),
            )
            for place in slot.devices
        )
        cpu = max(0, min(claim.cpu_milli, int(cluster.cpu_milli[node])))
        memory = max(0, min(claim.memory_mib, int(cluster.memory_mib[node])))
        return self._do(Change(node, cpu, memory, devices))

    def undo(self, change: Change) -> None:
        """Give back what one change took."""
        places = tuple((place, -milli, -mib) for place, milli, mib in change.devices)
        self._do(Change(change.node, -change.cpu_milli, -change.memory_mib, places))

    def mark(self) -> int:
        """A point to come back to."""
        return len(self._done)

    def back(self, mark: int) -> None:
        """As it was at that point."""
        while len(self._done) > mark:
            self._apply(self._done.pop(), 1)

    def _do(self, change: Change) -> Change:
        self._done.append(change)
        self._apply(change, -1)
        return change

    def _apply(self, change: Change, sign: int) -> None:
        cluster, node = self.cluster, change.node
        cluster.cpu_milli[node] += sign * change.cpu_milli
        cluster.memory_mib[node] += sign * change.memory_mib
        for place, milli, mib in change.devices:
            cluster.milli[node, place] += sign * milli
            cluster.device_mib[node, place] += sign * mib
        cluster.changes.append(node)
        gave = sign * (change.cpu_milli + change.memory_mib + sum(milli + mib for _, milli, mib in change.devices))
        if gave > 0:
            self._hopeless.clear()
