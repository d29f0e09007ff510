# SPDX-License-Identifier: Apache-2.0
"""Which leases must end so that a claim can start: as few and as cheap as will do, and never one inside a guarantee.

Rules, as in Kueue (reclaimWithinCohort, borrowWithinCohort) and KAI-Scheduler (reclaim, preempt):
- a claim inside a guarantee takes back from whoever borrows, first in its own department, then anywhere;
- a more urgent claim takes from less urgent leases that are borrowed; and from less urgent ones inside a guarantee that
  it shares (its queue's, its department's), when it is inside that guarantee once they have ended;
- a lease is borrowed at a level (team, department) when it and those that stand before it there exceed the guarantee,
  and it is taken only while the level keeps its guarantee without it. They stand in the order in which they were
  granted, so that what was granted inside a guarantee stays inside; in a department, first those that are inside the
  guarantee of their team.
Nothing here ends a lease: the search runs on a trial cluster, which it leaves as it was.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from colonnade.core.claims import Claim
from colonnade.fabric.placement.cluster import Cluster, Slot
from colonnade.fabric.queues.asks import Reason, Unit
from colonnade.fabric.queues.room import Part, Room
from colonnade.fabric.queues.tree import BORROWED, INSIDE, LENT, Tree, Usage
from colonnade.fabric.queues.trial import Hopeless, Trial

Mask = NDArray[np.bool_]
Ints = NDArray[np.int64]
NODES = 6
"""How many nodes a search looks at closely: those that lack least."""
CLAIMS = 64
"""For how many claims one cycle makes room, so that a cycle stays short; the next one goes on."""


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
    def turn(unit: Unit) -> tuple[bool, int]:
        return unit.lease not in first, unit.since_ms

    out: set[str] = set()
    used = 0
    for _, at_once in groupby(sorted(members, key=lambda unit: (turn(unit), unit.borrowed, unit.lease)), turn):
        rest = []
        for unit in at_once:  # of what was granted in one cycle, first what fits
            if used + unit.milli <= guaranteed:
                used += unit.milli
            else:
                rest.append(unit)
        used += sum(unit.milli for unit in rest)
        out.update(unit.lease for unit in rest)
    return out


class Search:
    """Over the leases that are held now. `usage` and `trial` (with everything that is releasing given back) are the
    cycle's own, and are read anew at each call.

    Attributes:
        held: units in the order of `harm`; their places in it are their ranks.
        alive: bool [U] who was not chosen by an earlier search.
        on: by node, the ranks of the units there and what they have there.
    """

    def __init__(self, usage: Usage, trial: Trial, held: Sequence[Unit]) -> None:
        self.usage, self.trial, tree = usage, trial, usage.tree
        self.held = sorted((u for u in held if u.milli and all(a.held for a in u.asks)), key=harm)
        paths = [tree.path(unit.queue) for unit in self.held]
        self.queues = sorted({path[0] for path in paths})
        beyond = borrowed(tree, held)
        self.alive = np.ones(len(self.held), dtype=bool)
        self.queue = np.array([self.queues.index(path[0]) for path in paths], dtype=np.int64)
        self.milli = np.array([unit.milli for unit in self.held], dtype=np.int64)
        self.priority = np.array([unit.priority for unit in self.held], dtype=np.int64)
        team = [u.lease in beyond[path[0]] for u, path in zip(self.held, paths, strict=True)]
        whole = [u.lease in beyond[path[-1]] for u, path in zip(self.held, paths, strict=True)]
        self.beyond_team, self.beyond_all = np.array(team, dtype=bool), np.array(whole, dtype=bool)
        self.standing = np.where(self.beyond_team, np.where(self.beyond_all, BORROWED, LENT), INSIDE)
        self.on: defaultdict[int, dict[int, Part]] = defaultdict(dict)
        for rank, unit in enumerate(self.held):
            for node, part in _parts(unit).items():
                self.on[node][rank] = part
        self.flat = _Flat(self.on)
        self.found = 0
        self._levels: dict[str, tuple[list[list[str]], Mask, Mask, Mask]] = {}
        self._hopeless: defaultdict[tuple[str, int, tuple[Claim, ...]], Hopeless] = defaultdict(Hopeless)

    def victims(self, unit: Unit) -> Victims | None:
        """The leases that end for it, or None when no end that it has a right to lets it start."""
        hopeless = self._hopeless[unit.queue, unit.priority, unit.shape[1:]]
        if not unit.milli or self.found == CLAIMS or hopeless.covers(unit.shape[0]):
            return None
        reclaimed, stages = self._rights(unit)
        for candidates in stages:
            found = _Attempt(self, unit, candidates, reclaimed).run()
            if found:
                chosen, slots = found
                self.alive[chosen] = False
                self.found += 1
                pairs: list[tuple[Unit, Reason]] = [
                    (self.held[rank], "reclaim" if reclaimed[rank] else "preempt") for rank in chosen
                ]
                return Victims(tuple(pairs), slots)
        hopeless.add(unit.shape[0])
        return None

    def spare(self, leases: Collection[str]) -> None:
        """These are ending already."""
        for rank, unit in enumerate(self.held):
            if unit.lease in leases:
                self.alive[rank] = False

    def _compare(self, queue: str) -> tuple[list[list[str]], Mask, Mask, Mask]:
        """Per queue of the held units: levels that only ours counts in; whether its team and its department are levels
        that only it counts in; whether it is of our department.
        """
        tree = self.usage.tree
        pairs = [apart(tree, queue, other) for other in self.queues]
        team = [other in theirs for other, (_, theirs) in zip(self.queues, pairs, strict=True)]
        tops = [tree.path(other)[-1] for other in self.queues]
        whole = [top in theirs for top, (_, theirs) in zip(tops, pairs, strict=True)]
        near = [top == tree.path(queue)[-1] for top in tops]
        return [ours for ours, _ in pairs], np.array(team, bool), np.array(whole, bool), np.array(near, bool)

    def _rights(self, unit: Unit) -> tuple[Mask, list[Mask]]:
        """Who may be taken back; and whom to try, in stages: borrowed in its own department; all borrowed; less urgent
        ones that are borrowed; less urgent ones inside a guarantee that it shares.
        """
        tree, used = self.usage.tree, self.usage.held
        if unit.queue not in self._levels:
            self._levels[unit.queue] = self._compare(unit.queue)
        ours, team, whole, near = self._levels[unit.queue]
        short = {name for name in tree.path(unit.queue) if used[name] + unit.milli <= tree.guaranteed(name)}
        owed = np.array([not short.isdisjoint(names) for names in ours], dtype=bool)
        at = self.queue
        free = self.alive & (self.beyond_team | ~team[at]) & (self.beyond_all | ~whole[at])
        reclaim = free & owed[at]
        less = (self.priority < unit.priority) & free
        stages: list[Mask] = []
        for stage in (reclaim & near[at], reclaim, reclaim | (less & (self.standing == BORROWED)), reclaim | less):
            if stage.sum() > (stages[-1].sum() if stages else 0):
                stages.append(stage)
        return reclaim, stages


def cheapest(usage: Usage, trial: Trial, held: Sequence[Unit], unit: Unit) -> Victims | None:
    """Whose end would let the unit start, whether or not it has a right to it: as little as will do. None: nobody's."""
    search = Search(usage, trial, held)
    everyone = np.ones(len(search.held), dtype=bool)
    found = _Attempt(search, unit, everyone, everyone).run(rights=False)
    return Victims(tuple((search.held[rank], "reclaim") for rank in found[0]), found[1]) if found else None


def apart(tree: Tree, ours: str, theirs: str) -> tuple[list[str], list[str]]:
    """The levels that only the one, and only the other, counts in."""
    here, there = tree.path(ours), tree.path(theirs)
    return [name for name in here if name not in there], [name for name in there if name not in here]


class _Flat:
    """What every unit has on every device and node, as parallel arrays: to imagine many gone at once."""

    def __init__(self, on: dict[int, dict[int, Part]]) -> None:
        nodes = [(rank, n, p.cpu_milli, p.memory_mib) for n, parts in on.items() for rank, p in parts.items()]
        places = [(rank, n, *device) for n, parts in on.items() for rank, p in parts.items() for device in p.devices]
        self.nodes = np.array(nodes, dtype=np.int64).reshape(-1, 4).T
        self.places = np.array(places, dtype=np.int64).reshape(-1, 5).T

    def without(self, cluster: Cluster, gone: Mask) -> tuple[Ints, Ints, Ints, Ints]:
        """(cpu [N], memory [N], milli [N, G], mib [N, G]) free without these."""
        cpu, memory = cluster.cpu_milli.copy(), cluster.memory_mib.copy()
        milli, mib = cluster.milli.copy(), cluster.device_mib.copy()
        _, node, more_cpu, more_memory = self.nodes[:, gone[self.nodes[0]]]
        np.add.at(cpu, node, more_cpu)
        np.add.at(memory, node, more_memory)
        _, node, place, more, more_mib = self.places[:, gone[self.places[0]]]
        np.add.at(milli, (node, place), more)
        np.add.at(mib, (node, place), more_mib)
        return cpu, memory, milli, mib


def _parts(unit: Unit) -> dict[int, Part]:
    parts: dict[int, Part] = {}
    for ask in unit.asks:
        if ask.held is None:
            continue
        before = parts.get(ask.held.node, Part(0, 0, (), unit.milli))
        devices = tuple((place, ask.claim.gpu_milli, ask.claim.gpu_mib) for place in ask.held.devices)
        cpu, memory = before.cpu_milli + ask.claim.cpu_milli, before.memory_mib + ask.claim.memory_mib
        parts[ask.held.node] = Part(cpu, memory, (*before.devices, *devices), unit.milli)
    return parts


class _Attempt:
    """One unit against one set of candidates, on the trial."""

    def __init__(self, search: Search, unit: Unit, candidates: Mask, reclaimed: Mask) -> None:
        self.reclaimed = reclaimed
        self.search, self.unit, self.trial = search, unit, search.trial
        self.candidates = candidates.copy()
        self.chosen: list[int] = []
        ours = set(search.usage.tree.path(unit.queue))
        self.theirs = {q: [name for name in search.usage.tree.path(q) if name not in ours] for q in search.queues}

    def run(self, *, rights: bool = True) -> tuple[list[int], list[Slot]] | None:
        self.rights = rights
        mark = self.trial.mark()
        try:
            joint = len(self.unit.asks) > 1 or not self._allowed([])
            if not self._within_limits() or not all(self._seat(claim) for claim in self.unit.shape):
                return None
            if joint:
                self._prune(mark)
            slots = self._try(mark, self.chosen) if self._earned() else None
        finally:
            self.trial.back(mark)
        return (self.chosen, slots) if self.chosen and slots else None

    def _earned(self) -> bool:
        """Whether it then stands to its guarantees no worse than whoever goes only for being less urgent."""
        search, usage, unit = self.search, self.search.usage, self.unit
        standing = [int(search.standing[rank]) for rank in self.chosen if not self.reclaimed[rank]]
        lost = self._lost(self.chosen)
        after = (
            level for level, name in enumerate(usage.tree.path(unit.queue))
            if usage.held[name] - lost[name] + unit.milli <= usage.tree.guaranteed(name)
        )  # fmt: skip
        return not standing or next(after, BORROWED) <= min(standing)

    def _lost(self, gone: Iterable[int]) -> Counter[str]:
        lost = Counter[str]()
        for rank in gone:
            other = self.search.held[rank]
            for name in self.search.usage.tree.path(other.queue):
                lost[name] += other.milli
        return lost

    def _choose(self, ranks: Iterable[int]) -> None:
        for rank in ranks:
            self.chosen.append(rank)
            self.candidates[rank] = False
            self._give(rank)

    def _give(self, rank: int) -> None:
        for ask in self.search.held[rank].asks:
            if ask.held:
                self.trial.give(ask.claim, ask.held)

    def _within_limits(self) -> bool:
        """Choose until the unit stays within its limits; False when no choice does."""
        tree = self.search.usage.tree
        for rank in np.flatnonzero(self.candidates).tolist():
            tight = self._tight(self.chosen)
            if not tight:
                return True
            if any(name in tree.path(self.search.held[rank].queue) for name in tight) and self._may([rank]):
                self._choose([rank])
        return self._allowed(self.chosen)

    def _tight(self, gone: Iterable[int]) -> list[str]:
        """Which of its limits the unit would exceed without these."""
        usage, unit, lost = self.search.usage, self.unit, self._lost(gone)
        limits = ((name, usage.tree.limit(name)) for name in usage.tree.path(unit.queue))
        return [n for n, limit in limits if limit is not None and usage.held[n] - lost[n] + unit.milli > limit]

    def _allowed(self, gone: Iterable[int]) -> bool:
        return not self._tight(gone)

    def _may(self, more: Sequence[int]) -> bool:
        """Whether every queue keeps its guarantee without the chosen and these."""
        if not self.rights:
            return True
        lost: Counter[str] = Counter()
        for rank in (*self.chosen, *more):
            for name in self.theirs[self.search.queues[self.search.queue[rank]]]:
                lost[name] += self.search.held[rank].milli
        usage = self.search.usage
        return all(usage.held[name] - milli >= usage.tree.guaranteed(name) for name, milli in lost.items())

    def _seat(self, claim: Claim) -> bool:
        """Take a place for one claim of the unit, and choose whoever must go for it."""
        if self.trial.place(claim):
            return True
        cluster, held = self.trial.cluster, self.search.held
        usable = cluster.usable(claim)
        best: tuple[int, int, int, list[int], int] | None = None
        for node in self._nodes(claim, usable):
            parts = self.search.on[node]
            here = [rank for rank in parts if self.candidates[rank]]
            room = Room(cluster, node, claim, np.flatnonzero(usable[node]).tolist(), parts)
            for order in (here, room.by_device(here)):
                gone = room.needed(order, self._may)
                if gone:
                    harmed = sorted(gone, reverse=True)
                    cost = held[harmed[0]].priority, sum(held[r].milli for r in gone), len(gone), harmed, node
                    best = min(best, cost) if best else cost
        if best is None:
            return False
        self._choose(best[3])
        return self.trial.place(claim) is not None

    def _nodes(self, claim: Claim, usable: Mask) -> list[int]:
        """Nodes where the claim would fit without any candidate: those that lack least first, then least harm."""
        cluster = self.trial.cluster
        cpu, memory, milli, mib = self.search.flat.without(cluster, self.candidates)
        could = (usable & (milli >= claim.gpu_milli) & (mib >= claim.gpu_mib)).sum(1) >= claim.gpus
        could &= (cpu >= claim.cpu_milli) & (memory >= claim.memory_mib)
        rank, node = self.search.flat.nodes[:2, self.candidates[self.search.flat.nodes[0]]]
        first = np.full(len(could), len(self.candidates))
        np.minimum.at(first, node, rank)
        could &= first < len(self.candidates)
        lacks = np.where(usable, np.maximum(0, claim.gpu_milli - cluster.milli), 1 << 40)
        lacks = np.sort(lacks, axis=1)[:, : claim.gpus].sum(1)
        nodes = np.flatnonzero(could)
        return [int(node) for node in nodes[np.lexsort((first[nodes], lacks[nodes]))][:NODES]]

    def _prune(self, mark: int) -> None:
        """Keep only who is needed, dropping the most valuable first."""
        for rank in sorted(self.chosen, reverse=True):
            fewer = [other for other in self.chosen if other != rank]
            if self._allowed(fewer) and self._try(mark, fewer):
                self.chosen = fewer

    def _try(self, mark: int, gone: Iterable[int]) -> list[Slot] | None:
        self.trial.back(mark)
        for rank in gone:
            self._give(rank)
        return self.trial.place_all(self.unit.shape)
