# SPDX-License-Identifier: Apache-2.0
"""Which leases must end so that a claim can start: as few and as cheap as will do, and never one inside a guarantee.

Rules, as in Kueue (reclaimWithinCohort, borrowWithinCohort) and KAI-Scheduler (reclaim, preempt):
- a claim inside a guarantee takes back from whoever borrows, first in its own department, then anywhere;
- a more urgent claim takes from less urgent leases of its own queue, and from less urgent ones that are borrowed;
- a lease is borrowed at a level (team, department) when it and those that stand before it there exceed the guarantee,
  and it is taken only while the level keeps its guarantee without it. More urgent, then earlier granted leases stand
  before; in a department those before all others that are inside the guarantee of their team.
Nothing here ends a lease: the search runs on a trial cluster, which it leaves as it was.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from colonnade.core.claims import Claim
from colonnade.fabric.placement.cluster import Slot
from colonnade.fabric.queues.asks import Reason, Unit
from colonnade.fabric.queues.tree import Tree, Usage
from colonnade.fabric.queues.trial import Trial

NODES = 8
"""How many nodes a search looks at closely: those that lack least."""


class Victims(NamedTuple):
    """Leases whose end lets a claim start, why each, and where the claim's parts then go."""

    units: tuple[tuple[Unit, Reason], ...]
    slots: list[Slot]


def harm(unit: Unit) -> tuple[int, bool, int, str]:
    """Sorts leases: whose end harms least comes first: least urgent, may be moved, youngest."""
    return unit.priority, not unit.movable, -unit.since_ms, unit.lease


def borrowed(tree: Tree, held: Iterable[Unit]) -> dict[str, set[str]]:
    """By queue and department, the units (their `lease`) that are not wholly inside its guarantee."""
    teams: defaultdict[str, list[Unit]] = defaultdict(list)
    for unit in held:
        teams[tree.path(unit.queue)[0]].append(unit)
    out: dict[str, set[str]] = {}
    departments: defaultdict[str, list[Unit]] = defaultdict(list)
    for team, members in teams.items():
        out[team] = _beyond(members, tree.guaranteed(team))
        departments[tree.path(team)[-1]] += members
    for department, members in departments.items():
        guarded = {unit.lease for unit in members if (team := tree.path(unit.queue)[0]) != department
                   and unit.lease not in out[team]}  # fmt: skip
        out[department] = _beyond(members, tree.guaranteed(department), guarded)
    return out


def _beyond(members: list[Unit], guaranteed: int, first: frozenset[str] | set[str] = frozenset()) -> set[str]:
    out, used = set(), 0
    for unit in sorted(members, key=lambda unit: (unit.lease not in first, -unit.priority, unit.since_ms, unit.lease)):
        used += unit.milli
        if used > guaranteed:
            out.add(unit.lease)
    return out


class Search:
    """Over the leases that are held now. `usage` and `trial` (with everything that is releasing given back) are the
    cycle's own, and are read anew at each call.
    """

    def __init__(self, usage: Usage, trial: Trial, held: Sequence[Unit]) -> None:
        self.usage, self.trial = usage, trial
        self.held = sorted((u for u in held if u.milli and all(a.held for a in u.asks)), key=harm)
        self.borrowed = borrowed(usage.tree, held)
        self._hopeless: set[tuple[tuple[Claim, ...], str, int]] = set()

    def victims(self, unit: Unit) -> Victims | None:
        """The leases that end for it, or None when no end that it has a right to lets it start."""
        key = (unit.shape, unit.queue, unit.priority)
        if not unit.milli or key in self._hopeless:
            return None
        for candidates in self._stages(unit):
            found = _Attempt(self, unit, candidates).run()
            if found:
                taken = {victim.lease for victim, _ in found.units}
                self.held = [other for other in self.held if other.lease not in taken]
                return found
        self._hopeless.add(key)
        return None

    def _stages(self, unit: Unit) -> Iterable[dict[str, tuple[Unit, Reason]]]:
        """Candidates by lease, least harm first: own department's borrowed; all borrowed; all less urgent too."""
        rights = [(other, self.right(unit, other)) for other in self.held]
        here = self.usage.tree.path(unit.queue)[-1]
        last: dict[str, tuple[Unit, Reason]] = {}
        for reasons, wide in ((("reclaim",), False), (("reclaim",), True), (("reclaim", "preempt"), True)):
            stage = {
                other.lease: (other, reason)
                for other, reason in rights
                if reason and reason in reasons and (wide or self.usage.tree.path(other.queue)[-1] == here)
            }
            if stage and len(stage) > len(last):
                yield stage
                last = stage

    def right(self, unit: Unit, other: Unit) -> Reason | None:
        """Why the unit may end the other one; None when it may not."""
        ours, theirs = self._apart(unit, other)
        if not ours and not theirs:
            return "preempt" if other.priority < unit.priority else None
        if any(other.lease not in self.borrowed[name] for name in theirs):
            return None
        tree, held = self.usage.tree, self.usage.held
        if any(held[name] + unit.milli <= tree.guaranteed(name) for name in ours):
            return "reclaim"
        return "preempt" if other.priority < unit.priority else None

    def _apart(self, unit: Unit, other: Unit) -> tuple[list[str], list[str]]:
        ours, theirs = self.usage.tree.path(unit.queue), self.usage.tree.path(other.queue)
        return [name for name in ours if name not in theirs], [name for name in theirs if name not in ours]

    def spared(self, unit: Unit, chosen: Iterable[Unit]) -> bool:
        """Whether every queue that gives these keeps its guarantee, or what it uses of it."""
        lost: Counter[str] = Counter()
        for other in chosen:
            for name in self._apart(unit, other)[1]:
                lost[name] += other.milli
        held, tree = self.usage.held, self.usage.tree
        return all(held[name] - milli >= tree.guaranteed(name) for name, milli in lost.items())


class _Attempt:
    """One unit against one set of candidates, on the trial."""

    def __init__(self, search: Search, unit: Unit, candidates: dict[str, tuple[Unit, Reason]]) -> None:
        self.search, self.unit, self.trial = search, unit, search.trial
        self.candidates = candidates
        self.chosen: dict[str, Unit] = {}

    def run(self) -> Victims | None:
        mark = self.trial.mark()
        try:
            if not self._within_limits() or not all(self._seat(claim) for claim in self.unit.shape):
                return None
            slots = self._prune(mark)
        finally:
            self.trial.back(mark)
        pairs = tuple(self.candidates[lease] for lease in self.chosen)
        return Victims(pairs, slots) if pairs else None

    def _choose(self, units: Iterable[Unit]) -> None:
        for other in units:
            self.chosen[other.lease] = other
            for ask in other.asks:
                assert ask.held is not None
                self.trial.give(ask.claim, ask.held)

    def _within_limits(self) -> bool:
        """Choose until the unit stays within its limits; False when no choice does."""
        for other, _ in self.candidates.values():
            if self._allowed(self.chosen.values()):
                return True
            path = self.search.usage.tree.path(other.queue)
            if any(name in path for name in self._tight()) and self._may([other]):
                self._choose([other])
        return self._allowed(self.chosen.values())

    def _tight(self) -> list[str]:
        usage, unit = self.search.usage, self.unit
        limits = ((name, usage.tree.limit(name)) for name in usage.tree.path(unit.queue))
        return [name for name, limit in limits if limit is not None and usage.held[name] + unit.milli > limit]

    def _allowed(self, chosen: Iterable[Unit]) -> bool:
        usage, unit, lost = self.search.usage, self.unit, Counter[str]()
        for other in chosen:
            for name in usage.tree.path(other.queue):
                lost[name] += other.milli
        limits = ((name, usage.tree.limit(name)) for name in usage.tree.path(unit.queue))
        return all(limit is None or usage.held[name] - lost[name] + unit.milli <= limit for name, limit in limits)

    def _may(self, more: Sequence[Unit]) -> bool:
        return self.search.spared(self.unit, (*self.chosen.values(), *more))

    def _seat(self, claim: Claim) -> bool:
        """Take a place for one claim of the unit, and choose whoever must go for it."""
        if self.trial.place(claim):
            return True
        best: tuple[tuple[object, ...], list[Unit]] | None = None
        for node in self._nodes(claim):
            for units in self._on(node, claim):
                worst = tuple(sorted((harm(unit) for unit in units), reverse=True))
                cost = (worst[0][0], sum(unit.milli for unit in units), len(units), worst, node)
                if best is None or cost < best[0]:
                    best = cost, units
        if best is None:
            return False
        self._choose(best[1])
        return self.trial.place(claim) is not None

    def _nodes(self, claim: Claim) -> list[int]:
        """Nodes where the claim would fit without any candidate: those that lack least first, then least harm."""
        cluster = self.trial.cluster
        milli, mib = cluster.milli.copy(), cluster.device_mib.copy()
        cpu, memory = cluster.cpu_milli.copy(), cluster.memory_mib.copy()
        first: dict[int, int] = {}
        for rank, (other, _) in enumerate(self.candidates.values()):
            if other.lease in self.chosen:
                continue
            for ask in other.asks:
                assert ask.held is not None
                node, places = ask.held
                milli[node, list(places)] += ask.claim.gpu_milli
                mib[node, list(places)] += ask.claim.gpu_mib
                cpu[node] += ask.claim.cpu_milli
                memory[node] += ask.claim.memory_mib
                first.setdefault(node, rank)
        usable = cluster.usable(claim)
        could = (usable & (milli >= claim.gpu_milli) & (mib >= claim.gpu_mib)).sum(1) >= claim.gpus
        could &= (cpu >= claim.cpu_milli) & (memory >= claim.memory_mib)
        lacks = np.where(usable, np.maximum(0, claim.gpu_milli - cluster.milli), 1 << 40)
        lacks = np.sort(lacks, axis=1)[:, : claim.gpus].sum(1)
        nodes = [node for node in np.flatnonzero(could).tolist() if node in first]
        return sorted(nodes, key=lambda node: (lacks[node], first[node]))[:NODES]

    def _on(self, node: int, claim: Claim) -> Iterable[list[Unit]]:
        """Sets of candidates on the node, each of which makes the claim fit there and has none too many."""
        here = [
            other for other, _ in self.candidates.values()
            if other.lease not in self.chosen and any(ask.held and ask.held.node == node for ask in other.asks)
        ]  # fmt: skip
        room = _Room(self.trial, node, claim)
        for order in (here, room.by_device(here)):
            units: list[Unit] = []
            for other in order:
                if room.fits(units):
                    break
                if self._may([*units, other]):
                    units.append(other)
            if room.fits(units):
                yield room.needed(units)

    def _prune(self, mark: int) -> list[Slot]:
        """Keep only who is needed, dropping the most valuable first; where the unit's claims then go."""
        for lease in sorted(self.chosen, key=lambda lease: harm(self.chosen[lease]), reverse=True):
            fewer = [other for other in self.chosen.values() if other.lease != lease]
            if self._allowed(fewer) and self._try(mark, fewer):
                del self.chosen[lease]
        slots = self._try(mark, self.chosen.values())
        assert slots is not None
        return slots

    def _try(self, mark: int, chosen: Iterable[Unit]) -> list[Slot] | None:
        self.trial.back(mark)
        for other in chosen:
            for ask in other.asks:
                assert ask.held is not None
                self.trial.give(ask.claim, ask.held)
        return self.trial.place_all(self.unit.shape)


class _Room:
    """One node of the trial and one claim: whether it fits once some units are gone."""

    def __init__(self, trial: Trial, node: int, claim: Claim) -> None:
        cluster = trial.cluster
        self.node, self.claim = node, claim
        self.places = np.flatnonzero(cluster.usable(claim)[node]).tolist()
        self.milli, self.mib = cluster.milli[node].tolist(), cluster.device_mib[node].tolist()
        self.cpu, self.memory = int(cluster.cpu_milli[node]), int(cluster.memory_mib[node])

    def fits(self, gone: Sequence[Unit]) -> bool:
        """Whether the claim fits without them."""
        milli, mib, cpu, memory = Counter[int](), Counter[int](), self.cpu, self.memory
        for unit in gone:
            for ask in unit.asks:
                if ask.held and ask.held.node == self.node:
                    cpu, memory = cpu + ask.claim.cpu_milli, memory + ask.claim.memory_mib
                    for place in ask.held.devices:
                        milli[place] += ask.claim.gpu_milli
                        mib[place] += ask.claim.gpu_mib
        if cpu < self.claim.cpu_milli or memory < self.claim.memory_mib:
            return False
        free = sum(
            self.milli[p] + milli[p] >= self.claim.gpu_milli and self.mib[p] + mib[p] >= self.claim.gpu_mib
            for p in self.places
        )
        return bool(free >= self.claim.gpus)

    def by_device(self, units: Sequence[Unit]) -> list[Unit]:
        """Those on the devices that are cheapest to free first, then the others: their order by harm is kept else."""
        found: dict[int, list[Unit]] = {}
        for place in self.places:
            milli, mib, there = self.milli[place], self.mib[place], []
            for unit in units:
                if milli >= self.claim.gpu_milli and mib >= self.claim.gpu_mib:
                    break
                parts = [a for a in unit.asks if a.held and a.held.node == self.node and place in a.held.devices]
                if parts:
                    there.append(unit)
                    milli += sum(ask.claim.gpu_milli for ask in parts)
                    mib += sum(ask.claim.gpu_mib for ask in parts)
            if milli >= self.claim.gpu_milli and mib >= self.claim.gpu_mib:
                found[place] = there
        cheapest = sorted(found, key=lambda p: (sum(u.milli for u in found[p]), [harm(u) for u in found[p]], p))
        first = [unit for place in cheapest for unit in found[place]]
        return list({unit.lease: unit for unit in (*first, *units)}.values())

    def needed(self, units: list[Unit]) -> list[Unit]:
        """Without those that the claim does not need gone, the most valuable dropped first."""
        for unit in sorted(units, key=harm, reverse=True):
            fewer = [other for other in units if other is not unit]
            if self.fits(fewer):
                units = fewer
        return units
