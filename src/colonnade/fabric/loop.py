# SPDX-License-Identifier: Apache-2.0
"""The fabric's loop: what the executor sees becomes rows, rows become a plan, the plan becomes rows, rows become starts
and stops. Level-triggered: killed between any two lines, the next step goes on from the rows.

Who gets what is decided in `queues`; where, in `placement`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from colonnade.core.errors import ColonnadeError, Lost, StateError
from colonnade.core.quantities import shown_milli
from colonnade.fabric.inventory import take_stock
from colonnade.fabric.leases import GAVE_WAY, Lease, Leases
from colonnade.fabric.picture import Capacities, Picture, Placing, take_picture
from colonnade.fabric.queues.asks import Grant, Release, Reservation, Reserve
from colonnade.fabric.queues.cycle import plan
from colonnade.fabric.queues.tree import Tree
from colonnade.fabric.watching import Watching
from colonnade.ports.journal import Journal
from colonnade.ports.outside.devices import Devices
from colonnade.ports.outside.executor import Executor, Seen, Work
from colonnade.ports.outside.state import State, Transaction
from colonnade.ports.rowlease import RowLease

STOCK_EVERY_MS = 10_000
SAMPLE_EVERY_MS = 1_000
ATTACH_MS = 10_000
"""Whoever asked for a share to wait for it has so long to say that they are there."""
START_MS = 10_000
"""A start that the machine refuses is tried again for so long."""
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


class _Changed(Exception):
    """What was planned for does not stand as it was seen."""


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
        self._absent: dict[str, int] = {}
        self._looked_at: set[str] = set()
        self._moved: list[tuple[int, int]] = []
        self._trouble: Exception | None = None
        self._wrote = self._ended = False
        self._stocked_ms = self._sampled_ms = 0
        self._wake = threading.Event()

    @property
    def ended(self) -> bool:
        """Whether a lease ended in the last cycle."""
        return self._ended

    def look(self) -> None:
        """Something changed: step at once."""
        self._wake.set()

    def wait(self, seconds: float) -> None:
        """Until something changes, or so long."""
        self._wake.wait(seconds)
        self._wake.clear()

    def step(self) -> bool:
        """One cycle; whether there is work on any device (then look again soon). Raises ColonnadeError.

        What goes wrong with one lease holds up no other; it is told, or raised, when the others were seen to.
        """
        if not self._row.take():
            return False
        now = self._state.now_ms()
        if now - self._stocked_ms >= STOCK_EVERY_MS:
            take_stock(self._state, self._journal, self._actor, self.outside.devices.inventory())
            self._stocked_ms = now
        self._trouble = None
        self._wrote = self._ended = False
        leases = self._leases.open()  # before `seen`: whatever is started here must be seen there
        seen = self.outside.executor.seen()
        self._looked_at = {lease.id for lease in leases}
        self._absent = {lease.id: self._absent.get(lease.id, now) for lease in leases if self._is_alone(lease)}
        self._each(leases, lambda lease: self._observe(lease, seen.get(lease.id)))
        self._forget(leases, seen)
        leases = self._again(leases)
        if now - self._sampled_ms >= SAMPLE_EVERY_MS:
            self._sample(leases, now)
        if any(lease.state == "pending" and lease.id not in self._absent for lease in leases):
            self._plan(now)
        leases = self._again(leases)
        self._each(leases, lambda lease: self._drive(lease, seen.get(lease.id)))
        if self._trouble is not None:
            raise self._trouble
        return any(lease.state != "pending" or lease.attached for lease in leases)

    def _again(self, leases: list[Lease]) -> list[Lease]:
        """As they stand, when this cycle has changed any."""
        return self._leases.open() if self._wrote else leases

    def _each(self, leases: Iterable[Lease], act: Callable[[Lease], None]) -> None:
        for lease in leases:
            try:
                act(lease)
            except Lost:
                raise  # somebody else goes on from the rows
            except Exception as error:
                self._trouble = self._trouble or error
                if not isinstance(error, StateError):
                    _log.exception("lease/%s", lease.id)

    @contextmanager
    def _writing(self) -> Iterator[Transaction]:
        """A transaction of whoever holds the row lease. Raises `Lost` when that is somebody else by now."""
        self._wrote = True
        with self._state.transaction() as tx:
            self._row.check(tx)
            yield tx

    # what is seen becomes rows
    def _observe(self, lease: Lease, seen: Seen | None) -> None:
        if lease.state == "pending":
            since = self._absent.get(lease.id)  # not since it was asked for: who gave way asks again, as of back then
            if since is not None and self._state.now_ms() - since > ATTACH_MS:
                self._end(lease, "cancelled", None, "whoever asked for it has gone")
        elif seen is None:
            if lease.started:
                self._end(lease, "lost", None, "nothing is left of the command")
            elif lease.state == "releasing":
                self._end(lease, None, None)
        elif seen.state == "ended":
            self._began(lease, seen)
            self._end(lease, None, seen)
        else:
            self._began(lease, seen)
            if seen.state == "stopping" and lease.state == "held":  # whoever waited for it wants it to end, or has gone
                self._release(lease, "left", lease.grace_ms, None)

    def _began(self, lease: Lease, seen: Seen) -> None:
        """It was started, and is this process: also when whoever started it was killed before saying so."""
        known = lease.started and (not seen.pid or seen.pid == lease.pid)
        if known:
            return
        self._wrote = True
        level = self.outside.devices.admit(lease.id, seen.pid) if seen.pid and seen.state != "ended" else None
        if not lease.started:
            self._leases.started(lease, self._leases.command(lease.run), level or lease.isolation or "none", lease.note)
        if level is not None:
            self._leases.confirm(lease, seen.pid, level)

    def _after(self, lease: Lease, seen: Seen | None) -> str:
        """What became of a lease whose process tree is gone. One that gave way has not done its work, whatever it says
        about how it ended: many a program saves what it has, and exits with 0.
        """
        if lease.state == "releasing" and lease.movable and lease.reason in GAVE_WAY:
            return "moved"
        if seen is not None and seen.code == 0:
            return "succeeded"
        if lease.state == "releasing":
            return "cancelled"
        return "lost" if seen is None or seen.code is None else "failed"

    def _end(self, lease: Lease, outcome: str | None, seen: Seen | None, note: str = "") -> None:
        """Nothing of it runs: by its row as it stands now, which somebody may have changed since it was read."""
        self.outside.devices.release(lease.id)
        with self._writing() as tx:
            current = self._leases.get(tx, lease.id)
            if current is None:
                return
            became = outcome or self._after(current, seen)
            code, said = (seen.code, seen.message) if seen else (None, note)
            self._leases.end(tx, current, became, code, said)
            if became == "moved":
                self._leases.ask_again(tx, lease.id)
        self._ended = True
        self._reserved.pop(lease.id, None)
        _log.info("lease/%s ended: %s%s", lease.id, became, f" ({current.reason})" if current.reason else "")

    def _forget(self, leases: Sequence[Lease], seen: Mapping[str, Seen]) -> None:
        """What has ended in the rows and with the executor."""
        known = {lease.id for lease in leases}
        if not self._wrote and known.issuperset(seen):
            return
        held = {lease.id for lease in self._leases.open()}
        for name, one in seen.items():
            if name in held:
                continue
            if one.state == "ended":
                self.outside.executor.forget(name)
            else:  # its row has ended, and something of it lives: it is nobody's
                self.outside.executor.stop(name, 0)

    def _sample(self, leases: Sequence[Lease], now: int) -> None:
        self._sampled_ms = now
        for lease, reason in self.watching.look(leases, now, self.terms.idle_after_ms):
            self._release(lease, reason, lease.grace_ms, None)

    # rows become a plan, the plan becomes rows
    def picture(self) -> Picture:
        """Everything as it stands in the rows."""
        outside, terms = self.outside, self.terms
        self._moved = [(at, cost) for at, cost in self._moved if at > self._state.now_ms() - 3_600_000]
        left = terms.moves_ms_an_hour - sum(cost for _, cost in self._moved)
        return take_picture(
            self._state, self._journal.project, terms.tree, outside.capacities, outside.placer,
            absent=self._is_absent,
            reserved=self._reserved, moves_left_ms=max(0, left),
        )  # fmt: skip

    def _is_alone(self, lease: Lease) -> bool:
        return lease.state == "pending" and lease.attached and not self.outside.waited(lease.id)

    def _is_absent(self, lease: Lease) -> bool:
        """Whether nobody waits for it (yet). What was asked for after this cycle's look has to be looked at as well: a
        command that is started before its waiter is there ends at once.
        """
        return self._is_alone(lease) if lease.id not in self._looked_at else lease.id in self._absent

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
            with self._writing() as tx:
                for action in together:
                    node, devices = picture.place(action.slot)
                    lease = picture.leases[action.lease]
                    if not self._leases.grant(tx, lease, node, devices, borrowed=action.borrowed):
                        raise _Changed(f"lease/{lease.id} was not granted: not everything is as it was seen")
        except _Changed as error:
            _log.warning("%s", error)
            return
        for action in together:
            self._reserved.pop(action.lease, None)
            _log.info("lease/%s held on %s %s", action.lease, *picture.place(action.slot))

    def release(self, lease: Lease, reason: str, actor: str) -> None:
        """Somebody ends it by hand, whatever has become of it since they looked; the next step carries it out."""
        with self._state.transaction() as tx:
            current = self._leases.get(tx, lease.id)
            if current is None:
                return
            if current.state == "pending":
                self._leases.end(tx, current, "cancelled", None, "withdrawn", actor)
            else:
                self._leases.release(tx, current, reason, current.grace_ms, None, actor)
        _log.info("lease/%s is ended by hand: %s", lease.id, reason)
        self.look()

    def _release(self, lease: Lease, reason: str, grace_ms: int, gives_way_to: str | None) -> None:
        with self._writing() as tx:
            done = self._leases.release(tx, lease, reason, grace_ms, gives_way_to, None)
        if done:
            _log.info("lease/%s releasing: %s", lease.id, reason)

    # rows become starts and stops
    def _drive(self, lease: Lease, seen: Seen | None) -> None:
        """Start what is held, stop what is releasing."""
        if lease.state == "held" and not lease.started and seen is None:
            self._start(lease)
        elif lease.state == "releasing" and (lease.started or seen is not None):
            self.outside.executor.stop(lease.id, lease.grace_ms)

    def _start(self, lease: Lease) -> None:
        """Keep its share, then hand its command over: both again are no-ops, should we be killed in between."""
        with (
            self._writing() as tx
        ):  # nothing is started by whoever lost the right to, nor what was taken back meanwhile
            if (current := self._leases.get(tx, lease.id)) is None or current.state != "held":
                return
        command = self._leases.command(lease.run)
        try:
            if command is None:
                raise Lost("the command was erased")
            kept = self.outside.devices.prepare(lease.id, lease.claim, self._leases.uuids(lease))
            environment = {**command.environment, **kept.environment, **self._says(lease)}
            work = Work(
                lease.id, command.argv, command.folder, environment, lease.grace_ms, lease.attached, kept.cgroup
            )
            self.outside.executor.start(work)
        except ColonnadeError as error:
            again = isinstance(error, StateError) and not isinstance(error, Lost)
            if again and self._state.now_ms() - (lease.granted_ms or 0) < START_MS:
                _log.warning("lease/%s does not start yet: %s", lease.id, error.message)
            else:
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
