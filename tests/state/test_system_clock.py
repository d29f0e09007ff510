# SPDX-License-Identifier: Apache-2.0
"""The machine's clock: a counter that is set, a machine that sleeps, a system that tells no uptime."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from colonnade.adapters.clock.system import ANCHOR_MS, SystemClock


@dataclass
class Machine:
    """What a machine's clocks say."""

    counter: int = 50_000
    uptime: int | None = 90_000

    def passes(self, ms: int) -> None:
        self.counter += ms
        if self.uptime is not None:
            self.uptime += ms

    def clock(self) -> SystemClock:
        return SystemClock(lambda: self.counter, lambda: self.uptime)


@pytest.mark.parametrize("jump_ms", [3_600_000, -3_600_000, ANCHOR_MS])
def test_a_counter_that_is_set_changes_nothing(jump_ms: int) -> None:
    machine = Machine()
    clock = machine.clock()
    start = clock.monotonic_ms()
    machine.passes(500)
    machine.counter += jump_ms
    assert clock.monotonic_ms() - start == 500
    machine.passes(2_000)
    assert clock.monotonic_ms() - start == 2_500


def test_a_jump_too_small_to_see_is_mended_within_a_second_and_time_never_goes_back() -> None:
    machine = Machine()
    clock = machine.clock()
    start = clock.monotonic_ms()
    machine.counter += 900
    readings = [clock.monotonic_ms() - start]
    for _ in range(30):
        machine.passes(100)
        readings.append(clock.monotonic_ms() - start)
    assert readings == sorted(readings)
    assert readings[-1] - 3_000 < 900


def test_time_in_which_the_machine_slept_has_passed() -> None:
    machine = Machine()
    clock = machine.clock()
    start = clock.monotonic_ms()
    assert machine.uptime is not None
    machine.uptime += 28_800_000
    machine.passes(ANCHOR_MS)
    assert clock.monotonic_ms() - start == 28_800_000 + ANCHOR_MS


def test_without_an_uptime_the_counter_counts_and_never_goes_back() -> None:
    machine = Machine(uptime=None)
    clock = machine.clock()
    start = clock.monotonic_ms()
    machine.passes(5_000)
    assert clock.monotonic_ms() - start == 5_000
    machine.counter -= 3_000
    assert clock.monotonic_ms() - start == 5_000
    machine.passes(100)
    assert clock.monotonic_ms() - start == 5_100


def test_the_real_one_counts_up() -> None:
    clock = SystemClock()
    readings = [clock.monotonic_ms() for _ in range(1000)]
    assert readings == sorted(readings)
