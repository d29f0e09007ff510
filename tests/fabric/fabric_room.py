# SPDX-License-Identifier: Apache-2.0
"""The fabric in this process: real store, real planner, simulated devices; commands in memory, under a clock that tests
turn. A `Cut` cuts it off between any two steps of one lease."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from colonnade.adapters.devices.simulated import SimulatedDevices
from colonnade.adapters.devices.written import read_simulated
from colonnade.adapters.state.sqlite.engine import SqliteState
from colonnade.core.claims import Claim
from colonnade.fabric.inventory import take_stock
from colonnade.fabric.leases import Asked, Lease, Leases, lease_of
from colonnade.fabric.loop import FabricLoop, Outside, Terms
from colonnade.fabric.picture import Capacity
from colonnade.fabric.placement.engine import Engine
from colonnade.fabric.queues.tree import DEFAULT, Queue, Tree
from colonnade.ports.journal import Journal
from colonnade.ports.rowlease import RowLease
from colonnade.testing.clock import VirtualClock
from colonnade.testing.executor import MemoryExecutor
from colonnade.testing.keys import MemoryKeys

PROJECT, ACTOR = "prj_1", "prn_1"
HUGE = 1 << 40


class FabricRoom:
    """One machine's fabric. `restart` is what a killed daemon's successor sees."""

    def __init__(self, devices: str = "simulated://8xH100-80GB", queues: Sequence[Queue] = (), **terms: int) -> None:
        self.clock, self.keys = VirtualClock(), MemoryKeys()
        self.state = SqliteState(":memory:", self.clock)
        self.journal = Journal(self.state, self.keys, PROJECT)
        self.executor = MemoryExecutor(self.clock)
        written = read_simulated(devices, folder=Path(), node="local")
        self.devices = SimulatedDevices(written, now_ms=self.clock.monotonic_ms, look=dict)
        self.waited: set[str] = set()
        self.terms = Terms(Tree(queues), **terms)
        with self.state.transaction() as tx:
            tx.run("project_add", id=PROJECT, name="test", created_ms=0)
            for subject in (PROJECT, ACTOR):
                self.keys.create(tx, subject, PROJECT)
            for name in (DEFAULT, *(queue.name for queue in queues)):
                tx.run("queue_put", id=f"que_{name}", project=PROJECT, name=name, guaranteed_milli=0, limit_milli=None)
        self.leases = Leases(self.state, self.keys, self.journal, ACTOR)
        self.restart()
        take_stock(self.state, self.journal, ACTOR, self.devices.inventory())

    def restart(self, holder: str = "one") -> None:
        """A new loop over the same store, devices and commands."""
        with self.state.transaction() as tx:
            tx.run("leases_break")
        outside = Outside(self.executor, self.devices, self.waited.__contains__, {"": Capacity(HUGE, HUGE)}, Engine)
        row = RowLease(self.state, "fabric", holder)
        self.loop = FabricLoop(self.state, self.leases, self.journal, ACTOR, row, outside, self.terms)

    def ask(self, claim: Claim | None = None, queue: str = DEFAULT, **more: object) -> list[str]:
        """Ids of the leases asked for; half a device unless a claim says otherwise."""
        self.clock.advance(1)
        asked = Asked(claim or Claim(gpu_milli=500), ("work",), "/", f"que_{queue}", ACTOR, **more)  # type: ignore[arg-type]
        return [lease for _, lease in self.leases.ask(asked)]

    def pass_ms(self, ms: int) -> None:
        """Time goes by, a cycle a second."""
        while ms > 0:
            self.clock.advance(min(ms, 1000))
            ms -= 1000
            self.loop.step()

    def lease(self, ident: str) -> Lease:
        """As it stands."""
        return lease_of(self.state.rows("lease_get_one", id=ident)[0])

    def states(self, idents: Sequence[str]) -> list[str]:
        """Their states, in order."""
        return [self.lease(ident).state for ident in idents]

    def used(self) -> list[int]:
        """Thousandths of each device that are given."""
        return [row["used_milli"] for row in self.state.rows("devices_of_project", project=PROJECT)]
