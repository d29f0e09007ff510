# SPDX-License-Identifier: Apache-2.0
"""Why a claim waits: per dimension what it asks, what is free and what is missing, and whose end would start it.

Reads the same snapshot as a cycle; it grants nothing and ends nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from colonnade.core.claims import Claim
from colonnade.core.quantities import shown_milli
from colonnade.core.waiting_words import waits_for
from colonnade.fabric.placement.cluster import Cluster
from colonnade.fabric.queues.asks import Ask, Grant, Snapshot, Unit, units
from colonnade.fabric.queues.cycle import plan, waiting_before
from colonnade.fabric.queues.reclaim import cheapest
from colonnade.fabric.queues.tree import Usage
from colonnade.fabric.queues.trial import Trial, copied

CHECKED = 32
"""Of so many leases, the cheapest, it is tried in a whole cycle whether the end of one starts the claim."""
BEFORE = 8
"""So many of the claims that go first are followed; behind more than that, only the claim itself is looked at."""


@dataclass(frozen=True, slots=True)
class Dimension:
    """One thing that the claim needs, in integers: on the node that lacks least, or of its queue.

    Attributes:
        name: gpus (devices that could take their part), gpu_milli, gpu_mib (of each device), cpu_milli, memory_mib,
            "model" and "isolation" (devices of the models and at the level asked for), "limit of QUEUE" (milli), gang
            (members that have been asked for).
        missing: asked less free; 0 for what does not keep it waiting.
    """

    name: str
    asked: int
    free: int

    @property
    def missing(self) -> int:
        """What is not there."""
        return max(0, self.asked - self.free)

    def to_json(self) -> dict[str, str | int]:
        """`name`, `asked`, `free`, `missing`."""
        return {"name": self.name, "asked": self.asked, "free": self.free, "missing": self.missing}


@dataclass(frozen=True, slots=True)
class Wait:
    """Why a lease is pending.

    Attributes:
        would_free: leases, cheapest first.
        would_free_any: true: the end of any single one of them starts it (each was tried in a whole cycle; at most
            CHECKED are named); false: it takes the end of all of them, and others may still go first.
        before: pending leases that are served first.
        reserved_node: where room is kept for it, or "".
        starts_by_ms: when what it waits for has been ended at the latest; None while nothing that would do is ending.
        sentence: the same for people.
    """

    dimensions: tuple[Dimension, ...]
    would_free: tuple[str, ...]
    would_free_any: bool
    before: tuple[str, ...]
    reserved_node: str
    starts_by_ms: int | None
    sentence: str


def explain_wait(snapshot: Snapshot, lease: str) -> Wait:
    """Why this pending lease is not held. Raises KeyError when it is not pending."""
    return _Explanation(snapshot, lease).wait()


class _Explanation:
    def __init__(self, snapshot: Snapshot, lease: str) -> None:
        self.snapshot, self.lease = snapshot, lease
        asks = {ask.lease: ask for ask in snapshot.asks}
        ask = asks[lease]
        if ask.state != "pending":
            raise KeyError(lease)
        self.ask = ask
        whole = [unit for unit in units(snapshot.asks, "pending") if ask in unit.asks]
        self.unit = whole[0] if whole else Unit((ask,))
        self.complete = bool(whole)
        self.present = sum(1 for other in asks.values() if ask.gang and other.gang == ask.gang)
        self.there = sorted((a for a in snapshot.asks if a.state != "pending" and a.held), key=_cheap)
        self.before = waiting_before(snapshot, lease) if self.complete else []
        self.usage = Usage(snapshot.tree)
        for other in snapshot.asks:
            if other.state != "pending":
                self.usage.add(other.queue, other.claim.milli)
        self.trial = Trial(snapshot.cluster, snapshot.placer)
        for name, kept in snapshot.reserved.items():
            if name in asks and asks[name] not in self.unit.asks and kept.freed:
                self.trial.withhold(asks[name].claim, kept.slot)

    def wait(self) -> Wait:
        dimensions = self._dimensions()
        names, alone = self._would_free()
        reserved = self.snapshot.reserved.get(self.lease)
        node = self.snapshot.cluster.nodes[reserved.slot.node].name if reserved else ""
        before = tuple(ask.lease for unit in self.before for ask in unit.asks)
        said = self._sentence(dimensions, names, alone, before)
        return Wait(dimensions, names, alone, before, node, self._starts_by_ms(), said)

    # What is missing

    def _dimensions(self) -> tuple[Dimension, ...]:
        found = []
        if self.ask.gang and not self.complete:
            found.append(Dimension("gang", self.ask.gang_size, self.present))
        for name in self.usage.tree.path(self.ask.queue):
            limit = self.usage.tree.limit(name)
            if limit is not None and self.unit.milli:
                found.append(Dimension(f"limit of {name}", self.unit.milli, max(0, limit - self.usage.taken[name])))
        mark = self.trial.mark()
        claim = self.ask.claim
        for other in self.unit.shape:  # of a gang, the first member that finds no place
            if self.trial.place(other) is None:
                claim = other
                break
        else:
            self.trial.back(mark)
        found += on_best_node(claim, self.trial.cluster)
        self.trial.back(mark)
        return tuple(found)

    # Whose end starts it

    def _would_free(self) -> tuple[tuple[str, ...], bool]:
        if not self.complete:
            return (), False
        line = [*self.before, self.unit] if len(self.before) <= BEFORE else [self.unit]
        likely = [ask for ask in self.there if self._starts(ask, line)][:CHECKED]
        alone = tuple(ask.lease for ask in likely if self._granted_without(ask))
        if alone:
            return alone, True
        return tuple(self._together(line)), False

    def _starts(self, gone: Ask, line: Sequence[Unit]) -> bool:
        """Whether the last of the line finds its place when this one has ended and the others have gone first."""
        assert gone.held is not None
        mark = self.trial.mark()
        self._leave(gone, -1)
        self.trial.give(gone.claim, gone.held)
        placed: list[Unit] = []
        for unit in line:
            if self.usage.allows(unit.queue, unit.milli) and self.trial.place_all(unit.shape):
                self.usage.add(unit.queue, unit.milli)
                placed.append(unit)
        started = line[-1] in placed
        for unit in placed:
            self.usage.add(unit.queue, -unit.milli)
        self._leave(gone, 1)
        self.trial.back(mark)
        return started

    def _granted_without(self, gone: Ask) -> bool:
        """Whether the next cycle would grant it had this one ended: its end may also change who goes first."""
        assert gone.held is not None
        cluster = copied(self.snapshot.cluster)
        cluster.give(gone.claim, gone.held)
        asks = [ask for ask in self.snapshot.asks if ask is not gone]
        actions = plan(replace(self.snapshot, cluster=cluster, asks=asks), 0)
        return any(isinstance(action, Grant) and action.lease == self.lease for action in actions)

    def _leave(self, ask: Ask, sign: int) -> None:
        self.usage.add(ask.queue, sign * ask.claim.milli)

    def _together(self, line: Sequence[Unit]) -> Iterable[str]:
        """Little that must end so that everyone in line starts; nothing when the last of them never could."""
        held = [Unit((replace(ask, priority=0, movable=True, gang=""),)) for ask in self.there]
        mark, gone = self.trial.mark(), dict[str, Ask]()
        found = None
        for unit in line:
            slots = self.trial.place_all(unit.shape) if self.usage.allows(unit.queue, unit.milli) else None
            if slots is None:
                rest = [other for other in held if other.lease not in gone]
                found = cheapest(self.usage, self.trial, rest, unit)
                for other, _ in found.units if found else ():
                    ask = gone[other.lease] = other.asks[0]
                    assert ask.held is not None
                    self._leave(ask, -1)
                    self.trial.give(ask.claim, ask.held)
                slots = self.trial.place_all(unit.shape) if found else None
            if slots:
                self.usage.add(unit.queue, unit.milli)
        self.trial.back(mark)
        return sorted(gone, key=lambda lease: _cheap(gone[lease])) if slots else ()

    def _starts_by_ms(self) -> int | None:
        ending = [ask for ask in self.there if ask.state == "releasing" and ask.release_by_ms is not None]
        ours = {ask.lease for ask in self.unit.asks}
        for some in ([ask for ask in ending if ask.freed_for in ours], ending):
            mark = self.trial.mark()
            for ask in some:
                assert ask.held is not None
                self.trial.give(ask.claim, ask.held)
            fits = self.trial.place_all(self.unit.shape) is not None
            self.trial.back(mark)
            if some and fits and len(self.before) == 0:
                return max(ask.release_by_ms or 0 for ask in some)
        return None

    def _sentence(
        self, dimensions: Sequence[Dimension], names: Sequence[str], alone: bool, before: Sequence[str]
    ) -> str:
        parts = [waits_for([dimension.to_json() for dimension in dimensions])]
        if before:
            parts.append(f"{len(before)} of those that wait go first.")
        if alone:
            parts.append(
                f"Any one of {len(names)} leases would free it." if len(names) > 1 else "One lease would free it."
            )
        elif names:
            milli = sum(ask.claim.milli for ask in self.there if ask.lease in names)
            parts.append(f"{len(names)} leases ({shown_milli(milli)} GPUs) together would make room for it.")
        elif self.complete:
            parts.append("No end of a lease would free it as things are.")
        return " ".join(parts)


def on_best_node(claim: Claim, cluster: Cluster) -> list[Dimension]:
    """What the claim needs of one node, on the node that lacks least."""
    if not len(cluster.nodes):
        return []
    usable = cluster.usable(claim)
    lacks = np.where(usable, np.maximum(0, claim.gpu_milli - cluster.milli), 1 << 30)
    lacks += np.where(usable, np.maximum(0, claim.gpu_mib - cluster.device_mib), 0)
    width = max(claim.gpus, 1)
    lacks = np.pad(lacks, ((0, 0), (0, max(0, width - cluster.width))), constant_values=1 << 30)
    order = np.argsort(lacks, axis=1, kind="stable")
    devices = np.take_along_axis(lacks, order[:, :width], axis=1).sum(1) if claim.gpus else np.zeros(len(usable))
    cpu = np.maximum(0, claim.cpu_milli - cluster.cpu_milli)
    memory = np.maximum(0, claim.memory_mib - cluster.memory_mib)
    node = int(np.lexsort((memory, cpu, devices))[0])
    return _dimensions(claim, cluster, node, [int(place) for place in order[node, :width]])


def _dimensions(claim: Claim, cluster: Cluster, node: int, places: Sequence[int]) -> list[Dimension]:
    found: list[Dimension] = []
    if claim.gpus:
        fits = cluster.usable(claim)[node] & (cluster.milli[node] >= claim.gpu_milli)
        fits &= cluster.device_mib[node] >= claim.gpu_mib
        found.append(Dimension("gpus", claim.gpus, int(fits.sum())))
        usable = cluster.usable(claim)[node]
        chosen = [place for place in places if place < cluster.width and usable[place]]
        enough = len(chosen) == claim.gpus
        milli = min((int(cluster.milli[node, place]) for place in chosen), default=0) if enough else 0
        found.append(Dimension("gpu_milli", claim.gpu_milli, milli))
        if claim.gpu_mib:
            mib = min((int(cluster.device_mib[node, place]) for place in chosen), default=0) if enough else 0
            found.append(Dimension("gpu_mib", claim.gpu_mib, mib))
        found += _kinds(claim, cluster)
    if claim.cpu_milli:
        found.append(Dimension("cpu_milli", claim.cpu_milli, int(cluster.cpu_milli[node])))
    if claim.memory_mib:
        found.append(Dimension("memory_mib", claim.memory_mib, int(cluster.memory_mib[node])))
    return found


def _kinds(claim: Claim, cluster: Cluster) -> list[Dimension]:
    """Devices, busy or not, of the models and of the isolation that it accepts: the most on one node."""
    found = []
    for name, asked, alone in (
        ("model", claim.models, Claim(models=claim.models)),
        ("isolation", claim.isolation_at_least != "none", Claim(isolation_at_least=claim.isolation_at_least)),
    ):
        if asked:
            found.append(Dimension(name, claim.gpus, int(cluster.usable(alone).sum(1).max())))
    return found


def _cheap(ask: Ask) -> tuple[int, int, str]:
    return ask.claim.milli, -ask.since_ms, ask.lease
