# SPDX-License-Identifier: Apache-2.0
"""The fabric's loop: what the executor sees becomes rows, rows become a plan, the plan becomes rows, rows become starts
and stops. Level-triggered: killed between any two lines, the next step goes on from the rows.

Who gets what is decided in `queues`; where, in `placement`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from colonnade.core.errors import ColonnadeError, Lost
from colonnade.core.quantities import shown_milli
from colonnade.fabric.inventory import take_stock
from colonnade.fabric.leases import Lease, Leases
from colonnade.fabric.picture import Capacities, Picture, Placing, take_picture
from colonnade.fabric.queues.asks import Grant, Release, Reservation, Reserve
from colonnade.fabric.queues.cycle import plan
from colonnade.fabric.queues.tree import Tree
from colonnade.fabric.watching import Watching
from colonnade.ports.journal import Journal
from colonnade.ports.outside.devices import Devices
from colonnade.ports.outside.executor import Executor, Seen, Work
from colonnade.ports.outside.state import State
from colonnade.ports.rowlease import RowLease

STOCK_EVERY_MS = 10_000
SAMPLE_EVERY_MS = 1_000
ATTACH_MS = 10_000
"""Whoever asked for a share to wait for it has so long to say that they are there."""
GAVE_WAY = {"evacuate", "preempt", "reclaim"}
"""Reasons after which a movable lease asks again."""
_log = logging.getLogger("colonnade.fabric")


@dataclass(frozen=True)
class Terms:
    """What the declaration says, replaced as a whole.

    Attributes:
        tree: the queues.
        idle_after_ms: a held lease that was idle for so long is taken back; None: never.
        moves_ms_an_hour: milliseconds of one device that evacuations may cost in an hour.
    """

    tree: Tree
    idle_after_ms: int | None = None
    moves_ms_an_hour: int = 0


@dataclass(frozen=True)
class Outside:
    """What the loop works with.

    Attributes:
        waited: whether whoever asked for this (attached) lease is there.
        capacities: of each node, beside its devices.
    """

    executor: Executor
    devices: Devices
    waited: Callable[[str], bool]
    capacities: Capacities
    placer: Placing


class FabricLoop:
    """One project's loop; whoever holds its row lease runs it. `step` is called by one thread."""

    def __init__(
        self, state: State, leases: Leases, journal: Journal, actor: str, row: RowLease, outside: Outside, terms: Terms
    ) -> None:
        self._state, self._leases, self._journal, self._actor, self._row = state, leases, journal, actor, row
        self.outside = outside
        self.terms = terms
        self.watching = Watching(leases, outside.devices)
        self._reserved: dict[str, Reservation] = {}
        self._absent: set[str] = set()
        self._moved: list[tuple[int, int]] = []
        self._stocked_ms = self._sampled_ms = 0
        self._wake = threading.Event()

    def look(self) -> None:
        """Something changed: step at once."""
        self._wake.set()

    def wait(self, seconds: float) -> None:
        """Until something changes, or so long."""
        self._wake.wait(seconds)
        self._wake.clear()

    def step(self) -> bool:
        """One cycle; whether there is work on any device (then look again soon). Raises ColonnadeError."""
        if not self._row.take():
            return False
        now = self._state.now_ms()
        if now - self._stocked_ms >= STOCK_EVERY_MS:
            take_stock(self._state, self._journal, self._actor, self.outside.devices.inventory())
            self._stocked_ms = now
        seen = self.outside.executor.seen()
        before = self._leases.open()
        self._absent = {
            lease.id
            for lease in before
            if lease.state == "pending" and lease.attached and not self.outside.waited(lease.id)
        }
        for lease in before:
            self._observe(lease, seen.get(lease.id))
        self._forget(seen)
        if now - self._sampled_ms >= SAMPLE_EVERY_MS:
            self._sample(now)
        if before:
            self._plan(now)
        busy = False
        for lease in self._leases.open():
            busy = self._drive(lease) or busy
        return busy

    # what is seen becomes rows
    def _observe(self, lease: Lease, seen: Seen | None) -> None:
        if lease.state == "pending":
            if lease.id in self._absent and self._state.now_ms() - lease.asked_ms > ATTACH_MS:
                self._end(lease, "cancelled", None, "whoever asked for it has gone")
        elif seen is None:
            if lease.started:
                self._end(lease, "lost", None, "nothing is left of the command")
            elif lease.state == "releasing":
                self._end(lease, self._after(lease, None), None)
        elif seen.state == "ended":
            self._end(lease, self._after(lease, seen), seen.code, seen.message)
        else:
            if seen.pid and seen.pid != lease.pid:
                level = self.outside.devices.admit(lease.id, seen.pid)
                self._leases.confirm(lease, seen.pid, level)
            if seen.state == "stopping" and lease.state == "held":  # whoever waited for it wants it to end, or has gone
                self._release(lease, "left", lease.grace_ms, None)

    def _after(self, lease: Lease, seen: Seen | None) -> str:
        """What became of a lease whose process tree is gone."""
        if seen is not None and seen.code == 0:
            return "succeeded"
        if lease.state == "releasing":
            return "moved" if lease.movable and lease.reason in GAVE_WAY else "cancelled"
        return "lost" if seen is None or seen.code is None else "failed"

    def _end(self, lease: Lease, outcome: str, code: int | None, note: str = "") -> None:
        self.outside.devices.release(lease.id)
        with self._state.transaction() as tx:
            self._row.check(tx)
            self._leases.end(tx, lease, outcome, code, note)
            if outcome == "moved":
                self._leases.ask_again(tx, lease)
        self._reserved.pop(lease.id, None)
        _log.info("lease/%s ended: %s%s", lease.id, outcome, f" ({lease.reason})" if lease.reason else "")
        if lease.gang and outcome not in {"succeeded", "moved"}:
            self._end_gang(lease)

    def _end_gang(self, ended: Lease) -> None:
        """A gang is all or none: when one of it fails, nobody waits for the rest."""
        for lease in self._leases.open():
            if lease.gang != ended.gang:
                continue
            if lease.state == "pending":
                self._end(lease, "cancelled", None, f"another of its gang ended: lease/{ended.id}")
            else:
                self._release(lease, "cancelled", lease.grace_ms, None)

    def _forget(self, seen: Mapping[str, Seen]) -> None:
        """What has ended in the rows and with the executor."""
        held = {lease.id for lease in self._leases.open()}
        for name, one in seen.items():
            if name in held:
                continue
            if one.state == "ended":
                self.outside.executor.forget(name)
            else:  # its row has ended, and something of it lives: it is nobody's
                self.outside.executor.stop(name, 0)

    def _sample(self, now: int) -> None:
        self._sampled_ms = now
        for lease, reason in self.watching.look(self._leases.open(), now, self.terms.idle_after_ms):
            self._release(lease, reason, lease.grace_ms, None)

    # rows become a plan, the plan becomes rows
    def picture(self) -> Picture:
        """Everything as it stands in the rows."""
        outside, terms = self.outside, self.terms
        self._moved = [(at, cost) for at, cost in self._moved if at > self._state.now_ms() - 3_600_000]
        left = terms.moves_ms_an_hour - sum(cost for _, cost in self._moved)
        return take_picture(
            self._state, self._journal.project, terms.tree, outside.capacities, outside.placer,
            absent=self._absent,
            reserved=self._reserved, moves_left_ms=max(0, left),
        )  # fmt: skip

    def _plan(self, now: int) -> None:
        picture = self.picture()
        grants: dict[str, list[Grant]] = {}
        for action in plan(picture.snapshot, now):
            lease = picture.leases[action.lease]
            if isinstance(action, Grant):
                grants.setdefault(lease.gang or lease.id, []).append(action)
            elif isinstance(action, Release):
                if action.reason == "evacuate":
                    self._moved.append((now, lease.claim.milli * (now - (lease.granted_ms or now)) // 1000))
                self._release(lease, action.reason, action.grace_ms, action.for_lease or None)
            elif isinstance(action, Reserve):
                if action.reservation is None:
                    self._reserved.pop(action.lease, None)
                else:
                    self._reserved[action.lease] = action.reservation
        for together in grants.values():
            self._grant(picture, together)

    def _grant(self, picture: Picture, together: Sequence[Grant]) -> None:
        """All of them hold their devices from now on, or none does."""
        try:
            with self._state.transaction() as tx:
                self._row.check(tx)
                for action in together:
                    node, devices = picture.place(action.slot)
                    lease = picture.leases[action.lease]
                    if not self._leases.grant(tx, lease, node, devices, borrowed=action.borrowed):
                        raise Lost(f"lease/{lease.id} was not granted: its devices are not as they were seen")
        except Lost as error:
            _log.warning("%s", error.message)
            return
        for action in together:
            self._reserved.pop(action.lease, None)
            _log.info("lease/%s held on %s %s", action.lease, *picture.place(action.slot))

    def release(self, lease: Lease, reason: str, actor: str) -> None:
        """Somebody ends it by hand; the next step carries it out."""
        if lease.state == "held":
            self._release(lease, reason, lease.grace_ms, None, actor)
        elif lease.state == "pending":
            with self._state.transaction() as tx:
                self._leases.end(tx, lease, "cancelled", None, "withdrawn")
        self.look()

    def _release(
        self, lease: Lease, reason: str, grace_ms: int, gives_way_to: str | None, actor: str | None = None
    ) -> None:
        with self._state.transaction() as tx:
            done = self._leases.release(tx, lease, reason, grace_ms, gives_way_to, actor)
        if done:
            _log.info("lease/%s releasing: %s", lease.id, reason)

    # rows become starts and stops
    def _drive(self, lease: Lease) -> bool:
        """Start what is held, stop what is releasing; whether it keeps the loop busy."""
        if lease.state == "held" and not lease.started:
            self._start(lease)
        elif lease.state == "releasing" and lease.started:
            self.outside.executor.stop(lease.id, lease.grace_ms)
        return lease.state != "pending" or lease.attached

    def _start(self, lease: Lease) -> None:
        """Keep its share, then hand its command over: both again are no-ops, should we be killed in between."""
        command = self._leases.command(lease.run)
        uuids = self._leases.uuids(lease)
        try:
            if command is None:
                raise Lost("the command was erased")
            kept = self.outside.devices.prepare(lease.id, lease.claim, uuids)
            environment = {**command.environment, **kept.environment, **self._says(lease)}
            work = Work(lease.id, command.argv, command.folder, environment, lease.grace_ms, lease.attached)
            self.outside.executor.start(work)
        except ColonnadeError as error:
            self._end(lease, "refused", None, error.message)
            return
        self._leases.started(lease, command, kept.level, " ".join(kept.notes))

    def _says(self, lease: Lease) -> dict[str, str]:
        """What a command may know of its lease. The token lets it fence what it writes elsewhere."""
        return {
            "COLONNADE_LEASE": lease.id,
            "COLONNADE_LEASE_TOKEN": str(lease.token),
            "COLONNADE_GPUS": shown_milli(lease.claim.milli),
        }
