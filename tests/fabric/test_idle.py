# SPDX-License-Identifier: Apache-2.0
"""Idleness is measured, never assumed: no busy lease is taken back, and every idle one is, soon."""

from __future__ import annotations

from dataclasses import asdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colonnade.fabric.idle import (
    LONGEST_GAP_MS,
    SAMPLING_MS,
    Mark,
    expiry_ms,
    idle_ms,
    is_idle,
    measured,
    seen,
    started,
)  # fmt: skip
from colonnade.ports.outside.devices import DeviceUse, ProcessUse, Use

AFTER = 60_000


def watched(samples: list[tuple[int, int | None, int | None]], mark: Mark | None = None) -> Mark:
    """The mark after (moment, busy, memory) samples."""
    mark = mark or Mark(0, 0, 100)
    for sample in samples:
        mark = seen(mark, *sample)
    return mark


def quiet(start: int, end: int, step: int = 1000) -> list[tuple[int, int | None, int | None]]:
    return [(at, 0, 100) for at in range(start, end + 1, step)]


def test_a_lease_that_does_nothing_is_idle_right_after_idle_after() -> None:
    assert not is_idle(watched(quiet(1000, AFTER)), AFTER)
    assert is_idle(watched(quiet(1000, AFTER + SAMPLING_MS + 1000)), AFTER)


def test_a_single_sample_above_zero_starts_the_count_again() -> None:
    mark = watched([*quiet(1000, AFTER), (AFTER + 1000, 1, 100)])
    assert idle_ms(mark) == 0


def test_growing_memory_is_busy_and_shrinking_memory_is_not() -> None:
    assert idle_ms(watched([(1000, 0, 100), (2000, 0, 101)])) == 0
    assert idle_ms(watched([(1000, 0, 100), (2000, 0, 40)])) == 2000
    assert idle_ms(watched([(1000, 0, 100), (2000, 0, 40), (3000, 0, 41)])) == 0


def test_samples_without_an_answer_are_no_idleness() -> None:
    mark = watched([(at, None, None) for at in range(1000, 10 * AFTER, 1000)])
    assert idle_ms(mark) == 0
    mark = watched(quiet(10 * AFTER, 10 * AFTER + 30_000), mark)
    assert idle_ms(mark) == 30_000


def test_a_few_lost_samples_do_not_start_the_count_again() -> None:
    mark = watched([*quiet(1000, 20_000), (21_000, None, None), (22_000, None, 100), *quiet(25_000, 40_000)])
    assert idle_ms(mark) == 40_000


def test_memory_that_is_told_alone_does_not_make_a_lease_idle() -> None:
    assert idle_ms(watched([(at, None, 100) for at in range(1000, 10 * AFTER, 1000)])) == 0


def test_after_a_long_gap_the_count_starts_again_for_it_may_have_worked_meanwhile() -> None:
    later = 30_000 + 3_600_000
    mark = watched(quiet(later, later + 20_000), watched(quiet(1000, 30_000)))
    assert idle_ms(mark) == 20_000


def test_a_mark_survives_a_restart_and_the_time_without_a_daemon_counts_towards_nothing() -> None:
    mark = Mark(**asdict(watched(quiet(1000, 59_000))))
    assert idle_ms(seen(mark, 61_000, 0, 100)) == 61_000  # a short one: the driver still tells of it
    back = 59_000 + 10 * AFTER
    assert expiry_ms(mark, back, AFTER, back, 900_000) == back + 1000 + SAMPLING_MS  # nobody has looked yet
    assert idle_ms(seen(mark, back, 0, 100)) == 0


def test_memory_that_grew_while_no_daemon_ran_is_busy() -> None:
    mark = watched(quiet(1000, 59_000))
    assert idle_ms(seen(mark, 60_000, 0, 101)) == 0


def test_a_lease_expires_by_silence_or_by_idleness_whichever_is_first() -> None:
    mark = Mark(last_busy_ms=1000, seen_ms=5000)
    assert expiry_ms(mark, 5000, AFTER, heartbeat_ms=5000, ttl_ms=15_000) == 20_000
    assert expiry_ms(mark, 5000, AFTER, heartbeat_ms=5000, ttl_ms=900_000) == 1000 + AFTER + SAMPLING_MS
    assert expiry_ms(mark, 5000, None, heartbeat_ms=5000, ttl_ms=900_000) == 905_000


def test_a_clock_that_steps_back_makes_nobody_idle() -> None:
    mark = seen(watched(quiet(1000, 20_000)), 3_000, 0, 100)
    assert (mark.seen_ms, idle_ms(mark)) == (20_000, 20_000)


SAMPLES = st.lists(
    st.tuples(
        st.one_of(st.integers(500, 1500), st.integers(1500, 3_600_000)),
        st.one_of(st.none(), st.just(0), st.just(0), st.integers(0, 1000)),
        st.one_of(st.none(), st.integers(0, 3)),
    ),
    max_size=80,
)


@settings(max_examples=300, deadline=None)
@given(samples=SAMPLES)
def test_idleness_is_at_most_the_measured_time_since_the_last_busy_sample(
    samples: list[tuple[int, int | None, int | None]],
) -> None:
    mark, now, last, count, memory = started(0), 0, 0, 0, -1  # last answer, and idleness measured until then
    for passed, busy, used in samples:
        now += passed
        mark = seen(mark, now, busy, used)
        grew = used is not None and used > memory
        memory = memory if used is None else used
        if busy or grew or (busy is not None and now - last > LONGEST_GAP_MS):
            last, count = now, 0
        elif busy is not None:
            last, count = now, count + now - last
        assert idle_ms(mark) == count
        assert mark.seen_ms == last
        assert expiry_ms(mark, now, AFTER, 0, 1 << 60) - now == AFTER + SAMPLING_MS - count
        assert expiry_ms(mark, now + 10**9, AFTER, 0, 1 << 60) - (now + 10**9) == AFTER + SAMPLING_MS - count


@settings(max_examples=200, deadline=None)
@given(
    pauses=st.lists(st.integers(0, AFTER), min_size=1, max_size=6),
    phase=st.integers(0, 999),
    busy_for=st.integers(1000, 3000),
)
def test_no_pause_up_to_idle_after_costs_a_lease_however_it_is_sampled(
    pauses: list[int], phase: int, busy_for: int
) -> None:
    spans, at = [], 0  # when it computes; a sample covers the second before it
    for pause in pauses:
        spans.append((at, at + busy_for))
        at += busy_for + pause
    spans.append((at, at + busy_for))
    mark = started(0)
    for now in range(phase, at + busy_for, 1000):
        busy = any(low <= now and now - 1000 < high for low, high in spans)
        mark = seen(mark, now, 1000 if busy else 0, 0)
        assert not is_idle(mark, AFTER)


def use(busy: int | None, *processes: tuple[int, int | None, int]) -> Use:
    return Use([DeviceUse("GPU-1", busy, 900)], [ProcessUse(pid, "GPU-1", mib, b) for pid, b, mib in processes])


@pytest.mark.parametrize(
    "sample, told",
    [
        (use(500, (7, 500, 10), (9, 0, 20)), (500, 30)),
        (use(500, (7, 0, 10), (1, 500, 20)), (0, 10)),
        (use(0, (7, None, 10)), (0, 10)),
        (use(500, (7, None, 10)), (None, 10)),
        (use(None, (7, None, 10)), (None, 10)),
        (use(500, (1, 500, 20)), (0, 0)),
        (Use(), (None, None)),
    ],
    ids=["own work", "another's work", "all quiet", "perhaps its work", "nobody knows", "no process", "no sample"],
)
def test_what_a_sample_says_of_a_lease(sample: Use, told: tuple[int | None, int | None]) -> None:
    assert measured(sample, ["GPU-1"], [7, 9]) == told


def test_a_lease_on_two_devices_is_busy_when_either_is_and_unknown_when_one_is_missing() -> None:
    both = Use([DeviceUse("a", 0, 1), DeviceUse("b", 9, 1)], [ProcessUse(7, "a", 1, 0), ProcessUse(7, "b", 2, 9)])
    assert measured(both, ["a", "b"], [7]) == (9, 3)
    assert measured(Use(both.devices[:1], both.processes[:1]), ["a", "b"], [7]) == (None, 1)
