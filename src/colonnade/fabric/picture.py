# SPDX-License-Identifier: Apache-2.0
"""The store's rows as a cycle sees them: devices become a cluster, leases become asks. Reads only, decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from colonnade.core.claims import Claim
from colonnade.fabric.leases import Lease, lease_of
from colonnade.fabric.placement.cluster import Cluster, DeviceSpec, NodeSpec, Placer, Slot
from colonnade.fabric.placing import TightestFit
from colonnade.fabric.queues.asks import Ask, Reservation, Snapshot
from colonnade.fabric.queues.tree import DEFAULT, Tree
from colonnade.ports.outside.state import Row, State

Placing = Callable[[Cluster], Placer]
Capacities = Mapping[str, "Capacity"]
"""By node; under "" for every other one."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """What the leases of one node may claim beside its devices."""

    cpu_milli: int
    memory_mib: int


@dataclass(frozen=True)
class Picture:
    """One look at everything.

    Attributes:
        leases: that have not ended, by id.
        devices: the row of every device, by id.
        nodes: names of the cluster's nodes, in its order.
        columns: per node, ids of its devices, in the order of the cluster's columns.
        snapshot: for `plan` and `explain_wait`.
    """

    leases: Mapping[str, Lease]
    devices: Mapping[str, Row]
    nodes: Sequence[str]
    columns: Sequence[Sequence[str]]
    snapshot: Snapshot

    def place(self, slot: Slot) -> tuple[str, list[str]]:
        """(node, ids of devices) of a slot."""
        return self.nodes[slot.node], [self.columns[slot.node][place] for place in slot.devices]


def take_picture(
    state: State,
    project: str,
    tree: Tree,
    capacities: Capacities,
    placer: Placing,
    *,
    absent: Callable[[Lease], bool] = lambda _: False,
    reserved: Mapping[str, Reservation] | None = None,
    moves_left_ms: int = 0,
) -> Picture:
    """Read the rows once. `absent`: whether nobody waits for a lease (yet): it is not planned."""
    rows = state.rows("devices_of_project", project=project)
    queues = {row["id"]: row["name"] for row in state.rows("queues_of_project", project=project)}
    leases = [lease_of(row) for row in state.rows("leases_open", project=project)]
    nodes = sorted({row["node"] for row in rows}) or ["local"]
    columns = [[row["id"] for row in rows if row["node"] == node] for node in nodes]
    cluster = _cluster(rows, nodes, columns, capacities)
    slots = {lease.id: _slot(lease, nodes, columns) for lease in leases if lease.state != "pending"}
    for lease in leases:
        if (slot := slots.get(lease.id)) is not None:
            cluster.take(lease.claim, slot)
    asks = [_ask(lease, slots.get(lease.id), queues) for lease in leases if not absent(lease)]
    snapshot = Snapshot(cluster, asks, tree, placer, dict(reserved or {}), moves_left_ms)
    return Picture({lease.id: lease for lease in leases}, {row["id"]: row for row in rows}, nodes, columns, snapshot)


def could_host(picture: Picture, claim: Claim, members: int = 1) -> bool:
    """Whether the nodes would take so many of the claim at once if nothing ran and nothing was cordoned."""
    rows = list(picture.devices.values())
    specs = picture.snapshot.cluster.nodes
    capacities = {spec.name: Capacity(spec.cpu_milli, spec.memory_mib) for spec in specs}
    cluster = _cluster(rows, picture.nodes, picture.columns, capacities, closed=False)
    placer = TightestFit(cluster)
    for _ in range(members):
        slot = placer.choose(claim)
        if slot is None:
            return False
        cluster.take(claim, slot)
    return True


def _cluster(
    rows: Sequence[Row],
    nodes: Sequence[str],
    columns: Sequence[Sequence[str]],
    capacities: Capacities,
    *,
    closed: bool = True,
) -> Cluster:
    by_id = {row["id"]: row for row in rows}
    specs = [
        NodeSpec(
            node,
            (capacities.get(node) or capacities[""]).cpu_milli,
            (capacities.get(node) or capacities[""]).memory_mib,
            tuple(
                DeviceSpec(model_of(by_id[i]), by_id[i]["memory_mib"], by_id[i]["isolation"]) for i in columns[index]
            ),
        )
        for index, node in enumerate(nodes)
    ]
    cluster = Cluster(specs)
    for index, ids in enumerate(columns):
        shut = [place for place, i in enumerate(ids) if by_id[i]["cordoned"] or by_id[i]["health"] != "healthy"]
        if closed and shut:
            cluster.cordon(index, shut)
    return cluster


def model_of(row: Row) -> str:
    """What claims name: the model, and for a MIG instance its profile as well.

    >>> model_of({"model": "H100-80GB", "profile": "1g.10gb"}), model_of({"model": "L4-24GB", "profile": ""})
    ('H100-80GB/1g.10gb', 'L4-24GB')
    """
    return f"{row['model']}/{row['profile']}" if row["profile"] else str(row["model"])


def _slot(lease: Lease, nodes: Sequence[str], columns: Sequence[Sequence[str]]) -> Slot | None:
    """Where it is; None when its machine is known no more."""
    if lease.node not in nodes:
        return None
    node = nodes.index(lease.node)
    if any(device not in columns[node] for device in lease.devices):
        return None
    return Slot(node, tuple(columns[node].index(device) for device in lease.devices))


def _ask(lease: Lease, slot: Slot | None, queues: Mapping[str, str]) -> Ask:
    return Ask(
        lease=lease.id,
        claim=lease.claim,
        queue=queues.get(lease.queue, DEFAULT),
        priority=lease.priority,
        asked_ms=lease.asked_ms,
        state="pending" if lease.state == "pending" else "held" if lease.state == "held" else "releasing",
        held=slot,
        since_ms=lease.granted_ms or 0,
        borrowed=lease.borrowed,
        gang=lease.gang,
        gang_size=lease.gang_size,
        movable=lease.movable,
        release_by_ms=lease.releasing_ms + lease.grace_ms if lease.releasing_ms is not None else None,
        freed_for=lease.gives_way_to or "",
    )
