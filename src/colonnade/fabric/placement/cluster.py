# SPDX-License-Identifier: Apache-2.0
"""What is free on every node, in integer arrays: one state for a laptop and a cluster. It chooses nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from colonnade.core.claims import ISOLATIONS, WHOLE, Claim


@dataclass(frozen=True, slots=True)
class DeviceSpec:
    """One device of a node: model, MiB of memory (0 = not counted), strongest isolation that it offers."""

    model: str = ""
    memory_mib: int = 0
    isolation: str = "none"


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """A node as it is when nothing runs there. `cpu_milli` and `memory_mib` bound what its leases may claim."""

    name: str
    cpu_milli: int
    memory_mib: int
    devices: tuple[DeviceSpec, ...] = field(default=())


class Slot(NamedTuple):
    """Where a claim goes: the node's index in the cluster, and places of distinct devices on it."""

    node: int
    devices: tuple[int, ...]


class Cluster:
    """Free capacity of N nodes with up to G devices each.

    Attributes:
        cpu_milli, memory_mib: int64 [N] free.
        milli: int64 [N, G] free thousandths of each device; 0 where there is no device.
        device_mib: int64 [N, G] free memory of each device; a device of unknown memory has very much.
        open: bool [N, G] whether new claims may go to a device (it exists and is not cordoned).
        changes: indices of nodes in the order in which something on them changed; only grows. An engine that caches
            by shape remembers how far it has read.
    """

    def __init__(self, nodes: Sequence[NodeSpec]) -> None:
        self.nodes = tuple(nodes)
        self.width = max((len(node.devices) for node in nodes), default=0) or 1
        count = len(self.nodes)
        self.cpu_milli = np.array([node.cpu_milli for node in nodes], dtype=np.int64)
        self.memory_mib = np.array([node.memory_mib for node in nodes], dtype=np.int64)
        self.milli = np.zeros((count, self.width), dtype=np.int64)
        self.device_mib = np.zeros((count, self.width), dtype=np.int64)
        self.open = np.zeros((count, self.width), dtype=bool)
        self.model = np.full((count, self.width), -1, dtype=np.int64)
        self.isolation = np.zeros((count, self.width), dtype=np.int64)
        self.models: list[str] = sorted({device.model for node in nodes for device in node.devices})
        for row, node in enumerate(self.nodes):
            for place, device in enumerate(node.devices):
                self.milli[row, place] = WHOLE
                self.device_mib[row, place] = device.memory_mib or 1 << 40
                self.open[row, place] = True
                self.model[row, place] = self.models.index(device.model)
                self.isolation[row, place] = ISOLATIONS.index(device.isolation)
        self.changes: list[int] = []

    def usable(self, claim: Claim) -> NDArray[np.bool_]:
        """[N, G] devices that could ever serve this claim: open, of an accepted model, isolated enough."""
        found = self.open & (self.isolation >= ISOLATIONS.index(claim.isolation_at_least))
        if claim.models:
            found &= np.isin(self.model, [self.models.index(m) for m in claim.models if m in self.models])
        return found

    def fitting(self, claim: Claim) -> NDArray[np.bool_]:
        """[N] nodes that could take the claim now."""
        found = (self.cpu_milli >= claim.cpu_milli) & (self.memory_mib >= claim.memory_mib)
        if claim.gpus:
            free = self.usable(claim) & (self.milli >= claim.gpu_milli) & (self.device_mib >= claim.gpu_mib)
            found &= free.sum(1) >= claim.gpus
        return found

    def hosts(self, claim: Claim, slot: Slot) -> bool:
        """Whether exactly this slot could take the claim now."""
        node, places = slot
        if len(set(places)) != len(places) or len(places) != claim.gpus:
            return False
        if self.cpu_milli[node] < claim.cpu_milli or self.memory_mib[node] < claim.memory_mib:
            return False
        usable = self.usable(claim)[node]
        return all(
            0 <= p < self.width and usable[p] and self.milli[node, p] >= claim.gpu_milli
            and self.device_mib[node, p] >= claim.gpu_mib
            for p in places
        )  # fmt: skip

    def take(self, claim: Claim, slot: Slot) -> None:
        """The claim is now there. The caller has chosen a slot that hosts it."""
        self._add(claim, slot, -1)

    def give(self, claim: Claim, slot: Slot) -> None:
        """The claim is no longer there."""
        self._add(claim, slot, 1)

    def cordon(self, node: int, places: Iterable[int], *, closed: bool = True) -> None:
        """Close devices to new claims, or open them again; what is there stays."""
        for place in places:
            self.open[node, place] = not closed and place < len(self.nodes[node].devices)
        self.changes.append(node)

    def _add(self, claim: Claim, slot: Slot, sign: int) -> None:
        node = slot.node
        self.cpu_milli[node] += sign * claim.cpu_milli
        self.memory_mib[node] += sign * claim.memory_mib
        for place in slot.devices:
            self.milli[node, place] += sign * claim.gpu_milli
            self.device_mib[node, place] += sign * claim.gpu_mib
        self.changes.append(node)


class Placer(Protocol):
    """An engine over one cluster. It chooses; the caller takes."""

    def choose(self, claim: Claim, allowed: NDArray[np.bool_] | None = None) -> Slot | None:
        """The slot for the claim now, among the allowed nodes ([N], None for all).

        None exactly when no allowed node fits: a claim that fits somewhere is never refused.
        """
        ...
