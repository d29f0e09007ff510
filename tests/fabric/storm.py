# SPDX-License-Identifier: Apache-2.0
"""A seeded storm over the fabric: whoever asks, ends, dies or is killed does so at any moment, and the loop itself is
cut off between any two of its steps, again and again. After every step, no device may be given more than once.

Two accounts are kept apart from the product's own: what really runs (the executor knows), and what the rows say.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from colonnade.core.claims import WHOLE, Claim
from colonnade.core.errors import Lost
from colonnade.fabric.leases import lease_of
from colonnade.fabric.queues.tree import Queue
from colonnade.ports.outside.state import Transaction
from tests.fabric.fabric_room import PROJECT, FabricRoom

QUEUES = (Queue("a", guaranteed_milli=3000), Queue("b", guaranteed_milli=2000, limit_milli=6000))
WAITING = 30
"""With more waiting than this nobody asks: the storm is about who holds, not about long queues."""
CLAIMS = (
    (Claim(gpu_milli=500), 6),
    (Claim(gpu_milli=250, gpu_mib=20_000), 4),
    (Claim(), 4),
    (Claim(gpu_milli=900), 2),
    (Claim(gpus=2), 2),
    (Claim(gpus=2, gpu_milli=300), 1),
    (Claim(gpus=4), 1),
)


class Killed(BaseException):
    """The process ends here: nothing after it happens."""


class Fuse:
    """Cuts the loop off before its nth call of anything outside it."""

    def __init__(self) -> None:
        self.left: int | None = None

    def burn(self) -> None:
        """One call more."""
        if self.left is None:
            return
        self.left -= 1
        if self.left < 0:
            self.left = None
            raise Killed


class Cut:
    """Something outside the loop whose every call may be its last, before it or after it."""

    def __init__(self, inner: Any, fuse: Fuse) -> None:
        self._inner, self._fuse = inner, fuse

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not callable(found):
            return found

        def call(*args: Any, **values: Any) -> Any:
            self._fuse.burn()
            result = found(*args, **values)
            self._fuse.burn()
            return result

        return call


class CutState(Cut):
    """The store: also killed inside a transaction, before and after its commit."""

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        self._fuse.burn()
        with self._inner.transaction() as tx:
            yield Cut(tx, self._fuse)  # type: ignore[misc]
            self._fuse.burn()
        self._fuse.burn()


class Storm:
    """One seeded storm.

    Attributes:
        asked: reservations asked for.
        kills: how often the loop was cut off.
        checks, most_milli: how often the accounts were compared, and the most that one device had given then.
    """

    def __init__(self, seed: int, devices: str = "simulated://8xH100-80GB") -> None:
        self.chance = random.Random(seed)
        self.room = FabricRoom(devices, queues=QUEUES)
        self.fuse = Fuse()
        self.asked = self.kills = self.granted = self.checks = self.most_milli = 0
        self._restart()

    def run(self, reservations: int) -> None:
        """Until so many were asked for; then until everything has ended. AssertionError for what may never be."""
        while self.asked < reservations:
            self._something()
            self._cycle()
        self._settle()

    def _something(self) -> None:
        """What people and machines do between two cycles."""
        room, chance = self.room, self.chance
        waiting = sum(lease.state == "pending" for lease in room.leases.open())
        for _ in range(chance.randint(1, 12) if waiting < WAITING else 0):
            claim = chance.choices([c for c, _ in CLAIMS], [w for _, w in CLAIMS])[0]
            workers = 3 if chance.random() < 0.03 and claim.gpus < 4 else 1  # twelve devices would wait for ever
            leases = room.ask(
                claim, chance.choice(("a", "b", "default")), workers=workers, movable=chance.random() < 0.3,
                priority=chance.randint(0, 2), attached=chance.random() < 0.2, grace_ms=chance.choice((0, 2000, 9000)),
            )  # fmt: skip
            self.asked += len(leases)
            room.waited.update(lease for lease in leases if chance.random() < 0.9)
        running = [name for name, seen in room.executor.seen().items() if seen.state == "running"]
        for name in running:
            what = chance.random()
            if what < 0.5:
                room.executor.finish(name, chance.choice((0, 0, 1)))
            elif what < 0.53:
                room.executor.vanish(name, unknown_ms=chance.choice((0, 3000)))
            elif what < 0.56:
                room.executor.obeys(name, chance.choice((0, 500, None)))
        if chance.random() < 0.2:
            leases_open = room.leases.open()
            for lease in chance.sample(leases_open, min(2, len(leases_open))):
                room.loop.release(lease, "cancelled", "prn_1")

    def _cycle(self) -> None:
        """A cycle, or as much of one as there is before it is killed."""
        self.room.clock.advance(self.chance.randint(1, 1500))
        if self.chance.random() < 0.5:
            self.fuse.left = self.chance.randint(0, 120)
        try:
            self.room.loop.step()
        except (Killed, Lost):
            self.kills += 1
            self._restart()
        self.fuse.left = None
        self.check()

    def _restart(self) -> None:
        """Its successor; sometimes the killed one's row lease still stands and must run out."""
        room = self.room
        room.restart(f"holder-{self.kills}")
        loop = room.loop
        state: Any = CutState(room.state, self.fuse)
        loop._state = state
        loop._leases._state = state
        loop.outside = type(loop.outside)(
            Cut(room.executor, self.fuse), Cut(room.devices, self.fuse), loop.outside.waited,
            loop.outside.capacities, loop.outside.placer,
        )  # fmt: skip
        room.leases._state = room.state

    def check(self) -> None:
        """No device is given beyond itself: by what runs, by the rows of leases, by the rows of devices."""
        room = self.room
        runs: Counter[str] = Counter()
        rows: Counter[str] = Counter()
        for name, seen in room.executor.seen().items():
            if seen.state != "ended":
                lease = room.lease(name)
                runs.update(dict.fromkeys(lease.devices, lease.claim.gpu_milli))
                assert lease.state in {"held", "releasing"}, (name, lease.state, seen.state)
        for lease in room.leases.open():
            if lease.state != "pending":
                rows.update(dict.fromkeys(lease.devices, lease.claim.gpu_milli))
        used = {row["id"]: row["used_milli"] for row in room.state.rows("devices_of_project", project=PROJECT)}
        self.checks += 1
        self.most_milli = max(self.most_milli, *used.values(), *runs.values())
        assert max(runs.values(), default=0) <= WHOLE
        assert {device: milli for device, milli in used.items() if milli} == {d: m for d, m in rows.items() if m}
        assert max(used.values()) <= WHOLE

    def _settle(self) -> None:
        """Everything ends, nothing is left: no share, no command, no lease."""
        for _ in range(100_000):
            for name, seen in self.room.executor.seen().items():
                if seen.state == "running":
                    self.room.executor.finish(name)
            self.room.clock.advance(1500)
            self.room.loop.step()
            self.check()
            if not self.room.leases.open():
                break
        assert not self.room.leases.open()
        assert self.room.used() == [0] * 8
        starts = Counter(work.run for work in self.room.executor.started)
        assert max(starts.values()) == 1
        ended = [lease_of(row) for row in self.room.state.rows("leases_ended_since", project=PROJECT, since_ms=0)]
        self.granted = len(ended)
