# SPDX-License-Identifier: Apache-2.0
"""One node, one claim, and leases that could go: which of them must, so that the claim fits. It knows no queue."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from colonnade.core.claims import Claim
from colonnade.fabric.placement.cluster import Cluster


class Part(NamedTuple):
    """What a unit has on one node; `devices`: (place, milli, mib) of each."""

    cpu_milli: int
    memory_mib: int
    devices: tuple[tuple[int, int, int], ...]
    milli: int
    """Of the whole unit, on every node: what its end costs."""


class Room:
    """What is free on the node while some of the units there are imagined gone. Units go by their rank: the one
    whose end harms least has the lowest.
    """

    def __init__(
        self, cluster: Cluster, node: int, claim: Claim, usable: Sequence[int], parts: Mapping[int, Part]
    ) -> None:
        self.claim, self.usable, self.parts = claim, usable, parts
        self.milli: list[int] = cluster.milli[node].tolist()
        self.mib: list[int] = cluster.device_mib[node].tolist()
        self.cpu, self.memory = int(cluster.cpu_milli[node]), int(cluster.memory_mib[node])

    def needed(self, order: Iterable[int], may: Callable[[list[int]], bool]) -> list[int] | None:
        """The first of `order` without whom the claim fits, less those that need not go, the most harmful spared first.

        Args:
            may: whether these may go together.

        The node is as before when this returns. None when the claim does not fit without any that may go.
        """
        gone: list[int] = []
        for rank in order:
            if self.fits():
                break
            if may([*gone, rank]):
                gone.append(rank)
                self._move(rank, 1)
        enough = self.fits()
        for rank in sorted(gone, reverse=True):
            self._move(rank, -1)
            if enough and not self.fits():
                self._move(rank, 1)
            else:
                gone.remove(rank)
        for rank in gone:
            self._move(rank, -1)
        return gone if enough else None

    def fits(self) -> bool:
        """Whether the claim fits now."""
        claim, milli, mib = self.claim, self.milli, self.mib
        if self.cpu < claim.cpu_milli or self.memory < claim.memory_mib:
            return False
        return sum([milli[p] >= claim.gpu_milli and mib[p] >= claim.gpu_mib for p in self.usable]) >= claim.gpus

    def by_device(self, ranks: Sequence[int]) -> list[int]:
        """Those on the devices that are cheapest to free before the others."""
        on: dict[int, list[tuple[int, int, int]]] = {place: [] for place in self.usable}
        for rank in ranks:
            for place, milli, mib in self.parts[rank].devices:
                if place in on:
                    on[place].append((rank, milli, mib))
        costs = []
        for place, there in on.items():
            milli, mib, gone = self.milli[place], self.mib[place], []
            for rank, more, more_mib in there:
                if milli >= self.claim.gpu_milli and mib >= self.claim.gpu_mib:
                    break
                gone.append(rank)
                milli, mib = milli + more, mib + more_mib
            if milli >= self.claim.gpu_milli and mib >= self.claim.gpu_mib:
                costs.append((sum(self.parts[rank].milli for rank in gone), gone, place))
        first = [rank for _, gone, _ in sorted(costs) for rank in gone]
        return list(dict.fromkeys((*first, *ranks)))

    def _move(self, rank: int, sign: int) -> None:
        part = self.parts[rank]
        self.cpu += sign * part.cpu_milli
        self.memory += sign * part.memory_mib
        for place, milli, mib in part.devices:
            self.milli[place] += sign * milli
            self.mib[place] += sign * mib
