# SPDX-License-Identifier: Apache-2.0
"""How much is taken and how fast refusals are told, in virtual time."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from colonnade.gateway.admission import (
    AT_ONCE_S,
    BATCH_S,
    CALM_S,
    LATE_PER_S,
    LATEST_S,
    LEAST_BUSY,
    MOST_BATCH,
    PER_S,
    Admission,
    Refusals,
)


def asked(cost: float, each: float, batches: int = 300, noise: float = 0.0, busy: float = 1.0) -> Admission:
    """After so many batches of a model that takes `cost` a batch and `each` a request."""
    admission, rng, now = Admission(), random.Random(3), 0.0
    for _ in range(batches):
        count = rng.randint(1, admission.batch)
        took = cost + each * count + rng.random() * noise
        now += took / busy
        admission.took(count, took, now)
    return admission


def test_batches_are_as_large_as_the_model_answers_in_time() -> None:
    for cost, each in ((0.0, 0.01), (0.02, 0.01), (0.0, 0.002), (0.005, 0.025)):
        assert abs(asked(cost, each).batch - max(1, BATCH_S / each)) <= 1.01, (cost, each)


def test_a_model_whose_batches_cost_the_same_whatever_their_size_gets_large_ones() -> None:
    assert asked(0.5, 0.0).batch == MOST_BATCH
    assert asked(0.1, 0.0001, noise=0.005).batch == MOST_BATCH
    assert Admission().batch == MOST_BATCH


def test_a_model_that_became_fast_is_dared_again() -> None:
    admission = asked(0.0, 1.0)
    assert admission.batch == 1
    for now in range(10_000):
        admission.took(admission.batch, 0.001, float(now))
    assert admission.batch == MOST_BATCH


def test_bursts_have_the_whole_limit_and_an_overload_only_what_is_answered_soon() -> None:
    admission = asked(0.0, 0.01)
    assert admission.room(128, 1, 10.0) == 128
    admission.refuse(10.0)
    assert admission.overloaded(10.0 + CALM_S / 2)
    assert admission.room(128, 1, 10.5) == 2 * admission.batch < 16
    assert admission.room(4, 1, 10.5) == 4
    admission.refuse(10.9)
    assert admission.room(128, 1, 11.5) < 128
    assert admission.room(128, 1, 10.9 + CALM_S) == 128


def test_three_busy_replicas_have_three_times_the_room() -> None:
    three = asked(0.0, 0.01, busy=3.0)
    three.refuse(10.0)
    assert three.room(128 * 3, 3, 10.5) == 6 * three.batch


def test_where_replicas_are_idle_most_of_the_time_the_queue_is_shorter_in_an_overload() -> None:
    busy, idle = asked(0.0, 0.0001), asked(0.0, 0.0001, busy=0.1)
    for admission in (busy, idle):
        admission.refuse(10.0)
    assert busy.room(1000, 1, 10.5) == 2 * MOST_BATCH
    assert idle.room(1000, 1, 10.5) == 2 * MOST_BATCH * LEAST_BUSY
    assert idle.room(1000, 4, 10.5) == 4 * idle.room(1000, 1, 10.5)


@settings(max_examples=100)
@given(batches=st.lists(st.tuples(st.integers(1, 64), st.floats(0, 100)), max_size=80))
def test_whatever_is_measured_a_batch_has_one_request_at_least(batches: list[tuple[int, float]]) -> None:
    admission = Admission()
    for now, (count, seconds) in enumerate(batches):
        admission.took(count, seconds, float(now))
        assert 1 <= admission.batch <= MOST_BATCH


def test_refusals_are_told_at_once_up_to_a_rate_and_then_later_but_never_later_than_they_say() -> None:
    for lag_s, rate in ((0.0, PER_S), (1.0, LATE_PER_S)):
        refusals = Refusals()
        refusals.lag_s = lag_s
        assert max(refusals.pause_s(100.0) for _ in range(round(rate * AT_ONCE_S))) < 1e-9
        storm = [refusals.pause_s(100.0 + number / 10_000) for number in range(5_000)]
        assert 0.9 * LATEST_S < max(storm) <= LATEST_S
        calm = [refusals.pause_s(200.0 + number / (rate / 2)) for number in range(2_000)]
        assert max(calm) < 1e-9
