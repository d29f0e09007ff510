# SPDX-License-Identifier: Apache-2.0
"""How many replicas there are: under any load, and in a loop whose leases come when the test says so."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from colonnade.lifecycle.serving.scaling import DOWN_MS, UP_MS, Bounds, Load, Scaling

LOOK_MS = 250


class Service:
    """A service in virtual time: requests come at a rate, each replica answers at a rate, and starts after a while."""

    def __init__(self, bounds: Bounds, per_replica: float, start_ms: int = 1_500) -> None:
        self.scaling, self.bounds, self.per_replica, self.start_ms = Scaling(), bounds, per_replica, start_ms
        self.now_ms, self.queued = 0, 0.0
        self.ready_at = [0] * bounds.least
        self.changes: list[tuple[int, int]] = []

    @property
    def ready(self) -> int:
        return sum(at <= self.now_ms for at in self.ready_at)

    def run(self, seconds: float, rate: float) -> int:
        """The number that is wanted afterwards."""
        for _ in range(int(seconds * 1000 / LOOK_MS)):
            self.now_ms += LOOK_MS
            coming, able = rate * LOOK_MS / 1000, self.ready * self.per_replica * LOOK_MS / 1000
            busy = min(self.ready, (self.queued + coming) / max(able, 1e-9) * self.ready)
            self.queued = max(0.0, self.queued + coming - able)
            wanted = self.scaling.look(self.bounds, Load(int(self.queued), round(busy)), self.ready, self.now_ms)
            if wanted != len(self.ready_at):
                self.changes.append((self.now_ms, wanted))
                self.ready_at = self.ready_at[:wanted] + [self.now_ms + self.start_ms] * (wanted - len(self.ready_at))
        return self.scaling.wanted


def test_it_grows_within_seconds_of_too_much_and_shrinks_a_step_a_minute_once_that_is_over() -> None:
    service = Service(Bounds(1, 4, 8), per_replica=50)
    assert service.run(60, rate=40) == 1
    began = service.now_ms
    assert service.run(30, rate=170) == 4
    assert service.changes[0][0] - began < 1_000 + UP_MS + 1_000
    assert [wanted for _, wanted in service.changes] == [2, 4]
    assert service.run(30, rate=170) == 4
    calm = service.now_ms
    assert service.run(5 * DOWN_MS / 1000, rate=0) == 1
    down = [at - calm for at, wanted in service.changes if at > calm]
    assert len(down) == 3
    assert down[0] >= DOWN_MS
    assert all(later - sooner >= DOWN_MS for sooner, later in pairwise(down))


def test_a_steady_load_settles_and_then_never_flaps() -> None:
    for rate in range(10, 200, 10):
        service = Service(Bounds(1, 4, 8), per_replica=50)
        service.run(300, rate)
        settled = len(service.changes)
        assert settled <= 4, (rate, service.changes)
        wanted = service.run(3_600, rate)
        assert len(service.changes) == settled, (rate, service.changes)
        assert wanted >= -(-rate // 50), "it keeps up"


def test_a_moment_is_no_load() -> None:
    scaling, bounds = Scaling(), Bounds(1, 8, 8)
    for look in range(400):
        wanted = scaling.look(bounds, Load(60 if look % 8 == 0 else 0, 1), 1, look * LOOK_MS)
        assert wanted == 1


def test_replicas_that_wait_for_a_lease_hold_further_growth() -> None:
    scaling, bounds = Scaling(), Bounds(1, 8, 8)
    wanted = [scaling.look(bounds, Load(500, 1), 1, look * LOOK_MS) for look in range(400)]
    assert max(wanted) == 2
    assert scaling.look(bounds, Load(500, 2), 2, 101_000) == 2
    assert scaling.look(bounds, Load(500, 2), 2, 101_000 + UP_MS) == 4


def test_a_restarted_daemon_begins_with_the_replicas_that_it_finds() -> None:
    assert Scaling().look(Bounds(1, 4), Load(), 3, 0) == 3
    assert Scaling().look(Bounds(1, 2), Load(), 3, 0) == 2
    assert Scaling().look(Bounds(2, 4), Load(), 0, 0) == 2


@settings(max_examples=200)
@given(
    least=st.integers(1, 5), more=st.integers(0, 5), waiting=st.integers(1, 20),
    looks=st.lists(st.tuples(st.integers(0, 200_000), st.integers(0, 500), st.integers(0, 10)), max_size=60),
)  # fmt: skip
def test_it_stays_within_its_bounds_whatever_happens(
    least: int, more: int, waiting: int, looks: list[tuple[int, int, int]]
) -> None:
    scaling, now = Scaling(), 0
    bounds = Bounds(least, least + more, waiting)
    for pause, depth, ready in looks:
        now += pause
        before = scaling.wanted
        wanted = scaling.look(bounds, Load(depth, min(ready, 3)), ready, now)
        assert bounds.least <= wanted <= bounds.most
        if before >= bounds.least:
            assert wanted - before >= -1
            assert wanted <= max(2 * before, bounds.least)
