# SPDX-License-Identifier: Apache-2.0
"""A seeded storm over the rows alone: many planners at once, each with a picture that is old, reserve, start, confirm,
take back and end through the real transactions, and any of them is cut off between any two statements.

No planning is under test here: each planner wants what its old picture says is free, or anything at all.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from colonnade.adapters.devices.written import read_simulated
from colonnade.adapters.state.sqlite.engine import SqliteState
from colonnade.core.claims import WHOLE, Claim
from colonnade.fabric.inventory import take_stock
from colonnade.fabric.leases import Asked, Lease, Leases, lease_of
from colonnade.fabric.queues.tree import DEFAULT
from colonnade.ports.journal import Journal
from colonnade.testing.clock import VirtualClock
from colonnade.testing.keys import MemoryKeys
from tests.fabric.fabric_room import ACTOR, PROJECT
from tests.fabric.storm import CutState, Fuse, Killed

QUEUE = f"que_{DEFAULT}"
CLAIMS = (
    Claim(gpu_milli=500), Claim(gpu_milli=500), Claim(gpu_milli=500), Claim(gpu_milli=250, gpu_mib=20_000), Claim(),
    Claim(gpu_milli=900), Claim(gpus=2, gpu_milli=300), Claim(gpus=2),
)  # fmt: skip
WAITING = 12


class Refused(Exception):
    """Rolls a reservation back that found its devices taken."""


@dataclass
class Machine:
    """What really runs, by lease: kept apart from every row."""

    running: dict[str, Lease] = field(default_factory=dict)
    begun: set[str] = field(default_factory=set)

    def start(self, lease: Lease) -> None:
        """Once by name; the devices of all that runs are never given beyond themselves."""
        if lease.id in self.begun:
            return
        self.begun.add(lease.id)
        self.running[lease.id] = lease
        used = Counter[str]()
        for one in self.running.values():
            used.update(dict.fromkeys(one.devices, one.claim.gpu_milli))
        assert max(used.values()) <= WHOLE, used


@dataclass
class Counts:
    """How often what happened."""

    reservations: int = 0
    granted: int = 0
    ended: int = 0
    kills: int = 0
    checks: int = 0
    most_milli: int = 0
    """Of one device, in any check."""

    def add(self, other: Counts) -> None:
        """Both together."""
        for name in ("reservations", "granted", "ended", "kills", "checks"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.most_milli = max(self.most_milli, other.most_milli)


class Planner:
    """One that decides on an old picture. Killed, it forgets the picture and nothing else."""

    def __init__(self, leases: Leases, state: Any, machine: Machine, chance: random.Random, counts: Counts) -> None:
        self._leases, self._state, self._machine, self._chance, self._counts = leases, state, machine, chance, counts
        self._known: list[Lease] = []
        self._free: dict[str, int] = {}

    def turn(self) -> None:
        """Look again, sometimes; then do one thing that the picture suggests."""
        chance = self._chance
        if not self._free or chance.random() < 0.1:
            self._known = self._leases.open()
            rows = self._state.rows("devices_of_project", project=PROJECT)
            self._free = {row["id"]: WHOLE - row["used_milli"] for row in rows}
        pending = [lease for lease in self._known if lease.state == "pending"]
        holding = [lease for lease in self._known if lease.state != "pending"]
        if pending and chance.random() < 0.6:
            self._reserve(chance.choice(pending))
        elif holding:
            self._go_on(chance.choice(holding))

    def _reserve(self, lease: Lease) -> None:
        chance, claim = self._chance, lease.claim
        fits = [device for device, free in self._free.items() if free >= claim.gpu_milli]
        if len(fits) < claim.gpus or chance.random() < 0.1:
            fits = list(self._free)
        devices = chance.sample(fits, claim.gpus)
        self._counts.reservations += 1
        try:
            with self._state.transaction() as tx:
                if not self._leases.grant(tx, lease, "local", devices, borrowed=False):
                    raise Refused
        except Refused:
            return
        self._counts.granted += 1

    def _go_on(self, lease: Lease) -> None:
        """As the loop does: by the row as it stands, whatever the picture says."""
        runs = lease.id in self._machine.running
        with self._state.transaction() as tx:
            now = self._leases.get(tx, lease.id)
            if now is None:
                return
            if now.state != "pending" and not runs and (now.started or now.state == "releasing"):
                self._leases.end(tx, now, "cancelled", None)
                self._counts.ended += 1
                return
            if now.state == "held" and self._chance.random() < 0.3:
                self._leases.release(tx, now, "cancelled", 0, None, None)
                return
        if now.state == "held" and not now.started:
            self._machine.start(now)
            self._leases.started(now, self._leases.command(now.run), "none", "")
        elif now.state == "held" and runs:
            self._leases.confirm(now, 1000, "none")


class RowStorm:
    """One seeded storm on a store of its own."""

    def __init__(self, seed: int, path: Path | str = ":memory:", planners: int = 16, kills: float = 0.01) -> None:
        self.chance, self.fuse, self.kills = random.Random(seed), Fuse(), kills
        self.keys, self.counts, self.machine = MemoryKeys(), Counts(), Machine()
        self.state = SqliteState(path, VirtualClock())
        self.journal = Journal(self.state, self.keys, PROJECT)
        with self.state.transaction() as tx:
            tx.run("project_add", id=PROJECT, name="test", created_ms=0)
            for subject in (PROJECT, ACTOR):
                self.keys.create(tx, subject, PROJECT)
            tx.run("queue_put", id=QUEUE, project=PROJECT, name=DEFAULT, guaranteed_milli=0, limit_milli=None)
        found = read_simulated("simulated://8xH100-80GB", folder=Path(), node="local").devices
        take_stock(self.state, self.journal, ACTOR, found)
        self.people = Leases(self.state, self.keys, self.journal, ACTOR)
        self.planners = [self._planner() for _ in range(planners)]

    def _planner(self) -> Planner:
        state: Any = CutState(self.state, self.fuse)
        leases = Leases(state, self.keys, self.journal, ACTOR)
        return Planner(leases, state, self.machine, self.chance, self.counts)

    def run(self, reservations: int) -> Counts:
        """Until so many reservations were tried. AssertionError for what may never be."""
        turns = 0
        while self.counts.reservations < reservations:
            if turns % 32 == 0:
                self._world()
            if turns % 256 == 0:
                self.check()
            turns += 1
            at = self.chance.randrange(len(self.planners))
            if self.chance.random() < self.kills:
                self.fuse.left = self.chance.randint(0, 30)
            try:
                self.planners[at].turn()
            except Killed:
                self.counts.kills += 1
                self.planners[at] = self._planner()
                self.check()
        self.fuse.left = None
        self._end_all()
        return self.counts

    def _world(self) -> None:
        """People ask, commands end by themselves."""
        waiting = sum(lease.state == "pending" for lease in self.people.open())
        for _ in range(WAITING // 2 if waiting < WAITING else 0):
            self.people.ask(Asked(self.chance.choice(CLAIMS), ("work",), "/", QUEUE, ACTOR))
        for name in list(self.machine.running):
            if self.chance.random() < 0.5:
                del self.machine.running[name]

    def check(self) -> None:
        """The rows of devices say what the rows of leases say, and no more than there is."""
        self.counts.checks += 1
        self.counts.most_milli = max(self.counts.most_milli, agree(self.state))

    def _end_all(self) -> None:
        """Everything is given back, to the last thousandth."""
        self.machine.running.clear()
        for lease in self.people.open():
            with self.state.transaction() as tx:
                now = self.people.get(tx, lease.id)
                assert now is not None
                self.people.end(tx, now, "cancelled", None)
        self.check()
        rows = self.state.rows("devices_of_project", project=PROJECT)
        assert {(row["used_milli"], row["used_mib"]) for row in rows} == {(0, 0)}
        self.state.close()


def agree(state: Any) -> int:
    """In one look: what each device has given is what its leases hold, within itself; the most that one has given."""
    with state.transaction() as tx:
        devices = tx.rows("devices_of_project", project=PROJECT)
        leases = tx.rows("leases_open", project=PROJECT)
    milli, mib = Counter[str](), Counter[str]()
    for row in leases:
        lease = lease_of(row)
        assert (lease.state == "pending") == (not lease.devices)
        for device in lease.devices:
            milli[device] += lease.claim.gpu_milli
            mib[device] += lease.claim.gpu_mib
    assert max(milli.values(), default=0) <= WHOLE
    assert {row["id"]: row["used_milli"] for row in devices} == {row["id"]: milli[row["id"]] for row in devices}
    assert {row["id"]: row["used_mib"] for row in devices} == {row["id"]: mib[row["id"]] for row in devices}
    return max(milli.values(), default=0)


def churn(state: Any, leases: Leases, chance: random.Random, counts: Counts, reservations: int) -> None:
    """What one of many threads or processes on one store does: ask, reserve anything, give it back; nothing runs."""
    devices = [row["id"] for row in state.rows("devices_of_project", project=PROJECT)]
    known: list[Lease] = []
    for turn in range(reservations):
        if turn % 8 == 0:
            known = leases.open()
            if sum(lease.state == "pending" for lease in known) < WAITING:
                leases.ask(Asked(chance.choice(CLAIMS), ("work",), "/", QUEUE, ACTOR))
        counts.reservations += 1
        lease = chance.choice(known) if known else None
        if lease is None:
            continue
        try:
            with state.transaction() as tx:
                now = leases.get(tx, lease.id)
                if now is not None and now.state == "releasing":
                    leases.end(tx, now, "cancelled", None)
                elif now is not None and now.state == "held":
                    leases.release(tx, now, "cancelled", 0, None, None)
                elif not leases.grant(tx, lease, "local", chance.sample(devices, lease.claim.gpus), borrowed=False):
                    raise Refused
                else:
                    counts.granted += 1
        except Refused:
            continue
