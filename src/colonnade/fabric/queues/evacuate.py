# SPDX-License-Identifier: Apache-2.0
"""Plan the emptying of a node, whole and first: which leases move where, in an order in which each move is feasible.

Nothing is moved here. A plan is tried on the cluster (take, give) and taken back before it is returned, so that a
caller finds the cluster as it was, but for a longer list of changes. No clock, no queue, no database.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from colonnade.core.claims import WHOLE, Claim
from colonnade.fabric.placement.cluster import Cluster, Placer, Slot


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

    @property
    def lost_gpu_s(self) -> float:
        """GPU-seconds that a move loses."""
        return self.cost_s * self.claim.milli / WHOLE

    @property
    def price(self) -> float:
        """What a plan pays for moving it: its lost GPU-seconds, and its seconds once more, as somebody is disturbed."""
        return self.lost_gpu_s + self.cost_s


@dataclass(frozen=True, slots=True)
class Move:
    """What holds a slot goes to another one."""

    id: Hashable
    slot: Slot


@dataclass(frozen=True, slots=True)
class Budget:
    """The most that one plan may cost: moves, and GPU-seconds lost by what is moved."""

    moves: int
    gpu_s: float = float("inf")


@dataclass(frozen=True, slots=True)
class Evacuation:
    """Moves in a feasible order, after which `slot` hosts the claim; the sum of their prices and lost GPU-seconds."""

    moves: tuple[Move, ...]
    slot: Slot
    price: float
    lost_gpu_s: float

    @property
    def node(self) -> int:
        """The node that is emptied (as far as the claim needs it)."""
        return self.slot.node


def plan_evacuation(
    cluster: Cluster,
    running: Mapping[Hashable, Running],
    claim: Claim,
    placer: Placer,
    budget: Budget,
    *,
    emptied: NDArray[np.bool_] | None = None,
    homes: NDArray[np.bool_] | None = None,
    large_homes: NDArray[np.bool_] | None = None,
    tries: int = 4,
    chain: int = 1,
) -> Evacuation | None:
    """The cheapest plan found that makes room for a claim which fits nowhere now; None when the budget allows none.

    For each node the cheapest leases are named whose going would make room: devices first, cheapest devices first, then
    whatever holds the CPU or memory that is still missing. The cheapest nodes are then tried in full.

    Args:
        emptied: [N] nodes that may be emptied; None for all.
        homes: [N] nodes to which what is moved may go; None for all.
        large_homes: [N] the same for claims of several devices; None for `homes`.
        tries: how many nodes are tried in full before giving up.
        chain: how many levels deep a move may need another move first.
    """
    on = _by_node(running)
    nodes = range(len(cluster.nodes)) if emptied is None else np.flatnonzero(emptied).tolist()
    usable = cluster.usable(claim)
    ranked: list[tuple[float, int, list[Hashable]]] = []
    for node in nodes:
        if not on[node]:
            continue
        victims = victims_on(cluster, usable[node], claim, node, {one: running[one] for one in on[node]})
        if victims and within(budget, [running[one] for one in victims]):
            ranked.append((sum(running[one].price for one in victims), node, victims))
    ranked.sort(key=lambda item: item[:2])
    best: Evacuation | None = None
    for price, node, victims in ranked[:tries]:
        if best is not None and price >= best.price:
            break
        trial = _Trial(cluster, dict(running), placer, budget)
        cleared = trial.clear(node, victims, homes, large_homes, chain)
        slot = placer.choose(claim, _only(cluster, node)) if cleared else None
        trial.undo()
        if slot is not None:
            plan = trial.plan(slot)
            best = plan if best is None or plan.price < best.price else best
    return best


class _Trial:
    """Moves tried on the cluster, one after the other, to be taken back."""

    def __init__(self, cluster: Cluster, running: dict[Hashable, Running], placer: Placer, budget: Budget) -> None:
        self._cluster, self._running, self._placer, self._budget = cluster, running, placer, budget
        self._done: list[tuple[Hashable, Slot, Slot]] = []

    def clear(
        self,
        node: int,
        victims: Sequence[Hashable],
        homes: NDArray[np.bool_] | None,
        large_homes: NDArray[np.bool_] | None,
        chain: int,
    ) -> bool:
        """Move all the victims off the node, largest first; whether that worked."""
        others = ~_only(self._cluster, node)
        open_ = others if homes is None else homes & others
        self._large = open_ if large_homes is None else large_homes & others
        size = {one: (self._running[one].claim.milli, self._running[one].claim.cpu_milli) for one in victims}
        return all(self._go(one, open_, chain) for one in sorted(victims, key=lambda one: size[one], reverse=True))

    def _go(self, one: Hashable, homes: NDArray[np.bool_], chain: int) -> bool:
        claim = self._running[one].claim
        slot = self._placer.choose(claim, self._large if claim.gpus > 1 else homes)
        if slot is None and chain:
            slot = self._chained(claim, homes, chain - 1)
        if slot is None or not self._affords(one):
            return False
        self._shift(one, slot)
        return True

    def _chained(self, claim: Claim, homes: NDArray[np.bool_], chain: int) -> Slot | None:
        spent = [self._running[moved] for moved, _, _ in self._done]
        left = Budget(self._budget.moves - len(spent) - 1, self._budget.gpu_s - sum(one.lost_gpu_s for one in spent))
        if left.moves < 1:
            return None
        fixed = {moved for moved, _, _ in self._done}
        free = {name: one for name, one in self._running.items() if name not in fixed}
        found = plan_evacuation(
            self._cluster,
            free,
            claim,
            self._placer,
            left,
            emptied=homes,
            homes=homes,
            large_homes=self._large,
            tries=2,
            chain=chain,
        )
        for move in found.moves if found else ():
            self._shift(move.id, move.slot)
        return found.slot if found else None

    def _affords(self, one: Hashable) -> bool:
        return within(self._budget, [self._running[moved] for moved, _, _ in self._done] + [self._running[one]])

    def _shift(self, one: Hashable, slot: Slot) -> None:
        before = self._running[one]
        self._cluster.give(before.claim, before.slot)
        self._cluster.take(before.claim, slot)
        self._done.append((one, before.slot, slot))
        self._running[one] = Running(before.claim, slot, before.movable, before.cost_s)

    def undo(self) -> None:
        """The cluster as it was; the plan is still known."""
        for one, origin, target in reversed(self._done):
            self._cluster.give(self._running[one].claim, target)
            self._cluster.take(self._running[one].claim, origin)

    def plan(self, slot: Slot) -> Evacuation:
        """What was tried, as a plan."""
        moved = [self._running[one] for one, _, _ in self._done]
        moves = tuple(Move(one, target) for one, _, target in self._done)
        return Evacuation(moves, slot, sum(one.price for one in moved), sum(one.lost_gpu_s for one in moved))


def victims_on(
    cluster: Cluster, usable: NDArray[np.bool_], claim: Claim, node: int, there: Mapping[Hashable, Running]
) -> list[Hashable] | None:
    """The cheapest found set of movable leases on the node without which the claim fits; None when there is none.

    Args:
        usable: [G] devices of the node that could ever serve the claim.
        there: everything that runs on the node.
    """
    spec = cluster.nodes[node]
    if claim.gpus > int(usable.sum()) or claim.cpu_milli > spec.cpu_milli or claim.memory_mib > spec.memory_mib:
        return None
    fixed = [one for one in there.values() if not one.movable]
    if claim.cpu_milli > spec.cpu_milli - sum(one.claim.cpu_milli for one in fixed):
        return None
    chosen: list[Hashable] = []
    free = cluster.milli[node].tolist()
    free_mib = cluster.device_mib[node].tolist()
    left = [place for place in range(cluster.width) if usable[place]]
    for _ in range(claim.gpus):
        best: tuple[float, int, list[Hashable]] | None = None
        for place in left:
            holders = _holders(there, chosen, place)
            going = _clears(claim, free[place], free_mib[place], holders)
            if going is not None:
                price = sum(there[one].price for one in going)
                if best is None or (price, -free[place]) < (best[0], -free[best[1]]):
                    best = (price, place, going)
        if best is None:
            return None
        left.remove(best[1])
        for one in best[2]:
            chosen.append(one)
            for place in there[one].slot.devices:
                free[place] += there[one].claim.gpu_milli
                free_mib[place] += there[one].claim.gpu_mib
    return _with_node_room(cluster, claim, node, there, chosen)


def _holders(
    there: Mapping[Hashable, Running], chosen: Sequence[Hashable], place: int
) -> list[tuple[Hashable, Running]]:
    found = [(name, one) for name, one in there.items() if place in one.slot.devices and name not in chosen]
    return sorted(found, key=lambda item: item[1].price / max(1, item[1].claim.gpu_milli))


def _clears(claim: Claim, milli: int, mib: int, holders: Iterable[tuple[Hashable, Running]]) -> list[Hashable] | None:
    """Who must leave a device so that the claim's share fits."""
    going: list[Hashable] = []
    for name, one in holders:
        if milli >= claim.gpu_milli and mib >= claim.gpu_mib:
            break
        if one.movable:
            going.append(name)
            milli += one.claim.gpu_milli
            mib += one.claim.gpu_mib
    return going if milli >= claim.gpu_milli and mib >= claim.gpu_mib else None


def _with_node_room(
    cluster: Cluster, claim: Claim, node: int, there: Mapping[Hashable, Running], chosen: list[Hashable]
) -> list[Hashable] | None:
    """The chosen, and who else must leave for the node's CPU and memory."""
    cpu = claim.cpu_milli - int(cluster.cpu_milli[node]) - sum(there[one].claim.cpu_milli for one in chosen)
    mib = claim.memory_mib - int(cluster.memory_mib[node]) - sum(there[one].claim.memory_mib for one in chosen)
    rest = [name for name, one in there.items() if one.movable and name not in chosen]
    while cpu > 0 or mib > 0:
        if not rest:
            return None

        def short_after(name: Hashable, cpu: int = cpu, mib: int = mib) -> tuple[float, float]:
            one = there[name]
            gain = min(1.0, one.claim.cpu_milli / cpu if cpu > 0 else 1.0)
            gain = min(gain, one.claim.memory_mib / mib if mib > 0 else 1.0)
            return one.price / max(gain, 1e-9), one.price

        best = min(rest, key=short_after)
        rest.remove(best)
        chosen.append(best)
        cpu -= there[best].claim.cpu_milli
        mib -= there[best].claim.memory_mib
    return chosen


def within(budget: Budget, moved: Sequence[Running]) -> bool:
    """Whether moving all of them is within the budget."""
    return len(moved) <= budget.moves and sum(one.lost_gpu_s for one in moved) <= budget.gpu_s


def _by_node(running: Mapping[Hashable, Running]) -> dict[int, list[Hashable]]:
    found: dict[int, list[Hashable]] = defaultdict(list)
    for name, one in running.items():
        found[one.slot.node].append(name)
    return found


def _only(cluster: Cluster, node: int) -> NDArray[np.bool_]:
    mask = np.zeros(len(cluster.nodes), dtype=bool)
    mask[node] = True
    return mask
