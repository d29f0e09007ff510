# SPDX-License-Identifier: Apache-2.0
"""Keep the rows of devices as the driver tells of them: found, ill, well again, gone. None ever leaves the table."""

from __future__ import annotations

from collections.abc import Sequence

from colonnade.core import lease_entries
from colonnade.core.claims import Device
from colonnade.ports.journal import Journal
from colonnade.ports.outside.state import Row, State, Transaction

GONE = "gone"


def take_stock(state: State, journal: Journal, actor: str, found: Sequence[Device]) -> bool:
    """Write what differs from the rows, with its entries; whether anything did."""
    project = journal.project
    known = {row["uuid"]: row for row in state.rows("devices_of_project", project=project)}
    here = {device.uuid: device for device in found}
    fresh = [device for device in found if device.uuid not in known]
    changed = [(known[d.uuid], d.health) for d in found if d.uuid in known and _differs(known[d.uuid], d)]
    lost = [row for uuid, row in known.items() if uuid not in here and row["health"] != GONE]
    if not (fresh or changed or lost):
        return False
    with state.transaction() as tx:
        for device in fresh:
            _add(tx, state, journal, actor, device)
        for row, health in changed:
            device = here[row["uuid"]]
            tx.run("device_seen", id=row["id"], seen_ms=state.now_ms(), **_columns(device))
            _tell(tx, journal, actor, row, health)
        for row in lost:
            columns = {name: row[name] for name in ("node", "place", "model", "memory_mib", "isolation")}
            tx.run("device_seen", id=row["id"], seen_ms=state.now_ms(), **columns, health=GONE)
            _tell(tx, journal, actor, row, GONE)
    return True


def cordon(state: State, journal: Journal, actor: str, device: str, *, cordoned: bool) -> None:
    """Close a device to new work by hand, or open it again."""
    with state.transaction() as tx:
        if tx.run("device_cordon", id=device, cordoned=int(cordoned)):
            health = "cordoned" if cordoned else "healthy"
            tx.append(lease_entries.device_changed(journal.stamp(actor), device=device, health=health))


def _add(tx: Transaction, state: State, journal: Journal, actor: str, device: Device) -> None:
    ident = state.new_id("dev")
    tx.run("device_add", id=ident, project=journal.project, uuid=device.uuid, profile=device.profile,
           seen_ms=state.now_ms(), **_columns(device))  # fmt: skip
    stamp = journal.stamp(actor)
    tx.append(
        lease_entries.device_found(stamp, journal.mac, device=ident, uuid=device.uuid, memory_mib=device.memory_mib)
    )


def _tell(tx: Transaction, journal: Journal, actor: str, row: Row, health: str) -> None:
    """An entry where new work may go there no longer, or again."""
    if row["health"] == health:
        return
    word = health if health in {"healthy", GONE} else "failing"
    tx.append(lease_entries.device_changed(journal.stamp(actor), device=row["id"], health=word))


def _columns(device: Device) -> dict[str, str | int]:
    return {
        "node": device.node, "place": device.place, "model": device.model, "memory_mib": device.memory_mib,
        "isolation": device.isolation, "health": device.health,
    }  # fmt: skip


def _differs(row: Row, device: Device) -> bool:
    return any(row[name] != value for name, value in _columns(device).items())
