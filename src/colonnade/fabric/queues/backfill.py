# SPDX-License-Identifier: Apache-2.0
"""Backfill with reservation: whose turn it is, and how room for a large claim is gathered while others go on.

A large claim that fits nowhere reserves a node. The node is closed to others; whatever runs there may end, and for each
lease that would have to move a home elsewhere is held as soon as one is free. When the last home is found all moves
are made at once and the claim starts. So nothing is moved in vain, and little stands idle behind a reservation.

Nothing here knows a clock or a database. Holds are taken on the cluster; a caller that gives a reservation up drops it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from colonnade.core.claims import WHOLE, Claim
from colonnade.fabric.placement.cluster import Cluster, Placer, Slot
from colonnade.fabric.queues.evacuate import Budget, Move, Running, victims_on, within
from colonnade.fabric.queues.runtimes import Runtimes

OLD_S = 420.0
"""Who has waited this long goes before everyone who has not, but for claims of several devices."""
STARVING_S = 480.0
"""Who has waited this long reserves a node, even for one device."""
PARTNERS_MILLI = 700
"""A share smaller than this can have a neighbour on its device, so that it is worth while to wait for one."""
PARTNERS_S = 10.0
"""For so long it takes its turn after everyone who wants a whole device."""
SHARED = 1.4
"""A share counts for so much more than its size: what it leaves of a device is often of no use."""
SMALLEST = 0.2
"""Of a device: smaller shares, and work without one, take their turn as if they asked for this much."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A claim that waits, since when, and for how long it is expected to run."""

    id: Hashable
    claim: Claim
    qos: str
    since_s: float
    expected_s: float

    def large(self, t_s: float) -> bool:
        """Whether room is made for it: it asks for several devices, or starves."""
        return self.claim.gpus > 1 or t_s - self.since_s > STARVING_S


def in_turn(waiting: Iterable[Waiting], t_s: float) -> list[Waiting]:
    """Claims of several devices by age, then old ones by age, then whoever is expected to be done soonest.

    Shortest expected work first keeps the mean wait low when more is asked than there is; age bounds the longest wait.
    Work counts by the root of its share: a small share that runs long is a better guest than a whole device that does.
    Small shares come last at first: they start where a device is shared already, and a whole device that has just come
    free goes to whoever needs all of it.
    """

    def turn(one: Waiting) -> tuple[int, float, float]:
        claim, waited_s = one.claim, t_s - one.since_s
        if claim.gpus > 1:
            return 0, one.since_s, 0.0
        if waited_s > OLD_S:
            return 1, one.since_s, 0.0
        shared = claim.gpus == 1 and claim.gpu_milli < WHOLE
        work = one.expected_s * max(SMALLEST, claim.milli / WHOLE) ** 0.5 * (SHARED if shared else 1.0)
        last = shared and claim.gpu_milli < PARTNERS_MILLI and waited_s < PARTNERS_S
        return (3 if last else 2), work, one.since_s

    return sorted(waiting, key=turn)


@dataclass(slots=True)
class Reservation:
    """A node on which one claim's room is being gathered, and the homes held for what must leave it."""

    node: int
    homes: dict[Hashable, tuple[Claim, Slot]] = field(default_factory=dict)

    def drop(self, cluster: Cluster, keep: Collection[Hashable] = ()) -> None:
        """Give the held homes back, but for those of `keep`."""
        for one in [name for name in self.homes if name not in keep]:
            cluster.give(*self.homes.pop(one))


def reserve(
    cluster: Cluster,
    there: Callable[[int], Mapping[Hashable, Running]],
    claim: Claim,
    stays: Callable[[Hashable], tuple[float, float]],
    closed: NDArray[np.bool_],
    now: int | None = None,
) -> Reservation | None:
    """The node where room for the claim is expected to come about at the least cost; None when no node could have it.

    Args:
        there: what runs on a node.
        stays: of something that runs: the chance that it is there in a moment, and its expected remaining seconds.
        closed: [N] nodes that are out of the question, such as those that others reserved.
        now: the node that the claim has reserved already: another one must be much better.
    """
    best: tuple[float, int] | None = None
    usable = cluster.usable(claim)
    for node in np.flatnonzero(~closed & (usable.sum(1) >= claim.gpus)).tolist():
        on = there(node)
        victims = victims_on(cluster, usable[node], claim, node, on)
        # Where something must not move: wait for it, as if all of it were in the way.
        going = victims if victims is not None else list(on)
        fits = victims is not None or _fits_when_empty(cluster, node, claim)
        if not going or not fits:
            continue
        cost = sum(_cost(on[one], *stays(one)) for one in going) * (MUCH_BETTER if node == now else 1.0)
        if best is None or (cost, node) < best:
            best = cost, node
    return Reservation(best[1]) if best else None


MINUTE_OF_WAITING = 60.0
"""Seconds of waiting for something that must not move which count as much as a move of a whole device."""
MUCH_BETTER = 0.6
"""Part of the cost of the reserved node that another one may have for the claim to change."""
NEXT_IN_LINE = 50.0
"""Cost of sending away a claim of several devices: it would only need room itself."""


def _cost(one: Running, chance: float, remaining_s: float) -> float:
    if not one.movable:
        return remaining_s / MINUTE_OF_WAITING
    return chance * (1 + one.claim.milli / WHOLE) + (NEXT_IN_LINE if one.claim.gpus > 1 else 0.0)


def _fits_when_empty(cluster: Cluster, node: int, claim: Claim) -> bool:
    spec = cluster.nodes[node]
    return claim.cpu_milli <= spec.cpu_milli and claim.memory_mib <= spec.memory_mib


def gather(
    cluster: Cluster,
    there: Mapping[Hashable, Running],
    reservation: Reservation,
    claim: Claim,
    placer: Placer,
    homes: NDArray[np.bool_],
    large_homes: NDArray[np.bool_],
    budget: Budget,
    hopeless: set[Claim],
) -> list[Move] | None:
    """Hold homes for what must leave the reserved node; all moves once every one has a home, None until then.

    While the budget does not cover what must leave, nothing is held: some of it will end by itself.

    Args:
        there: what runs on the reserved node.
        homes, large_homes: [N] nodes where a home may be; the latter for claims of several devices.
        hopeless: claims that found no home at this instant; asked and added to.
    """
    usable = cluster.usable(claim)[reservation.node]
    victims = victims_on(cluster, usable, claim, reservation.node, there)
    affordable = victims is not None and within(budget, [there[one] for one in victims])
    reservation.drop(cluster, keep=victims if victims and affordable else ())
    if victims is None or not affordable:
        return None
    for one in sorted(victims, key=lambda one: -there[one].claim.milli):
        wanted = there[one].claim
        if one in reservation.homes or wanted in hopeless:
            continue
        slot = placer.choose(wanted, large_homes if wanted.gpus > 1 else homes)
        if slot is None:
            hopeless.add(wanted)
        else:
            cluster.take(wanted, slot)
            reservation.homes[one] = (wanted, slot)
    if len(reservation.homes) < len(victims):
        return None
    moves = [Move(one, reservation.homes[one][1]) for one in victims]
    reservation.drop(cluster)
    return moves


def expected(runtimes: Runtimes, claim: Claim, qos: str, elapsed_s: float, moment_s: float) -> tuple[float, float]:
    """Of what has run for `elapsed_s`: the chance that it runs on for a moment, and its expected remaining seconds."""
    return 1 - runtimes.ends_within(claim, qos, elapsed_s, moment_s), runtimes.remaining(claim, qos, elapsed_s)
