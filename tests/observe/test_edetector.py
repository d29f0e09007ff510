# SPDX-License-Identifier: Apache-2.0
"""E-detectors: the guarantee, restarts, batches, and small replays of the figures that bench/detection.py measures."""

from __future__ import annotations

import json
import math
import random
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colonnade.core.evidence import Capital, MeanInterval, bets_for, rate_above, two_sample_growth
from colonnade.observe.drift.edetector import HEAD_START, EDetector, ExceedanceDetector, PairDetector

rates = st.floats(0.01, 0.9)
flags = st.lists(st.booleans(), max_size=200)


def first_alarm(detector: EDetector, rng: random.Random, rate: float, most: int) -> int:
    return next((at for at in range(1, most + 1) if detector.update(float(rng.random() < rate))), most)


@given(rates, st.integers(20, 1_000), flags)
def test_one_more_sample_adds_on_average_one_unit_at_most(rate: float, run_length: int, past: list[bool]) -> None:
    """The whole guarantee: E[statistic after | past] <= statistic before + 1, exactly, bets cut or not."""
    detector = EDetector(rate, run_length=run_length)
    for error in past:
        detector.update(float(error))
    before = detector.evidence
    after = []
    for x in (0.0, 1.0):
        copy = EDetector.restored(detector.state())
        after.append(copy.last.evidence if copy.update(x) and copy.last else copy.evidence)
    assert (1 - rate) * after[0] + rate * after[1] <= (before + 1) * (1 + 1e-9)
    assert after[1] <= detector.limit * (1 + 1e-9)


@given(rates, st.floats(0.001, 0.99), flags)
def test_a_lower_rate_than_the_mean_makes_the_statistic_smaller_on_average(
    rate: float, part: float, past: list[bool]
) -> None:
    capital = Capital(rate, *bets_for(rate, min(rate, 1 - rate) / 2), limit=500.0)
    capital.pay_in(1.0)
    for error in past:
        capital.bet(float(error))
    before, true = capital.total, rate * part
    after = []
    for x in (0.0, 1.0):
        copy = Capital(rate, capital.bets, capital.shares, limit=500.0, held=list(capital.held))
        after.append(copy.bet(x))
    if before < 500:
        assert (1 - true) * after[0] + true * after[1] <= before * (1 + 1e-9)


@given(
    st.floats(0.01, 30), st.floats(0, 0.2), st.floats(0.001, 0.9), st.floats(0, 1), st.integers(0, 4), st.integers(1, 3)
)
def test_a_bet_on_two_samples_wins_nothing_on_average_while_the_second_is_not_worse(
    size: float, tolerance: float, guess: float, rate: float, n: int, m: int
) -> None:
    """Exactly, over all outcomes, at the edge: second rate = first rate + tolerance; the guess may be any."""
    second = min(1.0, (rate if n else guess) + tolerance)
    mean = 0.0
    for x, y in product(range(n + 1), range(m + 1)):
        chance = (
            math.comb(n, x) * rate**x * (1 - rate) ** (n - x) * math.comb(m, y) * second**y * (1 - second) ** (m - y)
        )
        growth = two_sample_growth(size, tolerance=tolerance, guess=guess, first=(n, x), second=(m, y))
        mean += chance * math.exp(growth)
    assert mean <= 1 + 1e-9


def test_the_mean_run_length_is_the_promised_one_computed_exactly_for_a_short_one() -> None:
    """All 2^11 streams: the statistic at the alarm, or at the end, equals the samples until then on average."""
    rate, depth = 0.3, 11
    expected_time = expected_statistic = 0.0
    for stream in product((0.0, 1.0), repeat=depth):
        chance = math.prod(rate if x else 1 - rate for x in stream)
        detector = EDetector(rate, run_length=40)
        start, at, value = detector.evidence, depth, 0.0
        for i, x in enumerate(stream, 1):
            if detector.update(x):
                assert detector.last is not None
                at, value = i, detector.last.evidence
                break
        else:
            value = detector.evidence
        expected_time += chance * at
        expected_statistic += chance * (value - start)
    assert expected_statistic == pytest.approx(expected_time, rel=1e-9)


def test_without_a_change_alarms_are_as_rare_as_promised() -> None:
    """200 runs of at most 4,000 samples at run length 1,000: the mean of cut runs is a lower bound of the mean."""
    rng = random.Random(1)
    lengths = [first_alarm(EDetector(0.2, run_length=1_000), rng, 0.2, 4_000) for _ in range(200)]
    mean = sum(lengths) / len(lengths)
    error = math.sqrt(sum((v - mean) ** 2 for v in lengths)) / len(lengths)
    assert mean + 4 * error >= 1_000


@pytest.mark.parametrize("rate, goal", [(0.3, 180), (0.4, 62)])
def test_a_risen_rate_is_found_within_the_figure_when_the_rate_is_known(rate: float, goal: int) -> None:
    rng = random.Random(2)
    delays: list[int] = []
    while len(delays) < 150:
        detector = EDetector(0.2)
        if any(detector.update(float(rng.random() < 0.2)) for _ in range(300)):
            continue
        delays.append(first_alarm(detector, rng, rate, 5_000))
    assert sum(delays) / len(delays) <= goal


@pytest.mark.parametrize("rate, goal", [(0.3, 190), (0.4, 70)])
def test_a_risen_rate_is_found_within_the_figure_when_the_rate_is_estimated(rate: float, goal: int) -> None:
    rng = random.Random(3)
    delays = []
    for _ in range(200):
        errors = sum(rng.random() < 0.2 for _ in range(5_000))
        delays.append(first_alarm(EDetector.from_counts(errors, 5_000), rng, rate, 5_000))
    assert sum(delays) / len(delays) <= goal


@given(rates, flags, flags)
def test_a_restart_changes_nothing(rate: float, before: list[bool], after: list[bool]) -> None:
    one = EDetector(rate, run_length=50)
    for x in before:
        one.update(float(x))
    two = EDetector.restored(json.loads(json.dumps(one.state())))
    assert [one.update(float(x)) for x in after] == [two.update(float(x)) for x in after]
    assert one.state() == two.state()
    assert one.samples == len(before) + len(after)


@given(rates, flags)
def test_a_batch_bets_as_its_samples_do_in_any_order(rate: float, batch: list[bool]) -> None:
    bets, shares = bets_for(rate, min(rate, 1 - rate) / 2)
    singly, at_once = Capital(rate, bets, shares), Capital(rate, bets, shares)
    for capital in (singly, at_once):
        capital.pay_in(1.0)
    for x in batch:
        singly.bet(float(x))
    at_once.bet_counts(sum(batch), len(batch))
    assert at_once.held == pytest.approx(singly.held, rel=1e-6)


def test_a_batch_of_one_is_a_sample() -> None:
    one, two = EDetector(0.2), EDetector(0.2)
    for x in (0, 1, 1, 0, 0, 1):
        one.update(x)
        two.update_counts(x, 1)
    assert two.evidence == pytest.approx(one.evidence, rel=1e-12)
    assert two.samples == one.samples


def test_batches_keep_the_run_length_and_find_the_change() -> None:
    rng = random.Random(4)

    def samples_to_alarm(rate: float) -> int:
        detector = EDetector(0.2, run_length=1_000)
        for batch in range(1, 100):
            if detector.update_counts(sum(rng.random() < rate for _ in range(50)), 50):
                return 50 * batch
        return 50 * 99

    assert sum(samples_to_alarm(0.2) for _ in range(100)) / 100 >= 1_000
    assert sum(samples_to_alarm(0.4) for _ in range(100)) / 100 <= 150


def test_an_alarm_says_since_when_and_starts_afresh() -> None:
    rng = random.Random(5)
    detector = EDetector(0.1)
    for _ in range(400):
        detector.update(float(rng.random() < 0.05))
    at = 400 + first_alarm(detector, rng, 0.5, 500)
    assert detector.last is not None
    assert detector.last.at == at == detector.samples
    assert 380 <= detector.last.since <= 410
    assert detector.last.observed > 0.3
    assert detector.evidence == pytest.approx(HEAD_START * detector.run_length)


def test_values_of_any_distribution_in_the_unit_interval_are_taken() -> None:
    rng = random.Random(6)
    detector = EDetector(0.2, flags=False)
    assert not any(detector.update(rng.betavariate(2, 8)) for _ in range(2_000))
    assert any(detector.update(rng.betavariate(3, 7)) for _ in range(200))


def test_more_values_above_the_old_p99_raise_an_alarm_and_equal_ones_do_not() -> None:
    rng = random.Random(7)
    reference = [rng.lognormvariate(math.log(10), 0.5) for _ in range(5_000)]
    detector = ExceedanceDetector(reference)
    assert not any(detector.update(rng.lognormvariate(math.log(10), 0.5)) for _ in range(2_000))
    again = ExceedanceDetector.restored(json.loads(json.dumps(detector.state())))
    assert again.state() == detector.state()
    assert any(again.update(rng.lognormvariate(math.log(20), 0.5)) for _ in range(200))
    constant = ExceedanceDetector([5.0] * 200)
    assert not any(constant.update(5.0) for _ in range(2_000))


def test_a_value_that_is_missing_counts_as_slow() -> None:
    detector = ExceedanceDetector([float(v) for v in range(1_000)])
    assert any(detector.update(math.nan) for _ in range(20))


def test_what_shakes_both_alike_is_no_alarm_and_a_worse_challenger_is() -> None:
    rng = random.Random(8)
    detector = PairDetector()
    for rate in (0.1, 0.6, 0.1):
        assert not any(detector.update(rng.random() < rate, rng.random() < rate) for _ in range(600))
    again = PairDetector.restored(json.loads(json.dumps(detector.state())))
    assert any(again.update(rng.random() < 0.1, rng.random() < 0.4) for _ in range(400))


@pytest.mark.parametrize("x", [math.nan, math.inf, -0.1, 1.1, 0.5])
def test_what_is_no_flag_is_refused_by_a_detector_of_flags(x: float) -> None:
    detector = EDetector(0.2)
    before = detector.state()
    with pytest.raises(ValueError, match=r"neither|outside"):
        detector.update(x)
    assert detector.state() == before


@pytest.mark.parametrize("mean, smallest", [(0.0, 0.1), (1.0, 0.1), (0.5, 0.5), (0.5, 0.0), (math.nan, 0.1)])
def test_a_rate_with_no_room_above_it_is_refused(mean: float, smallest: float) -> None:
    with pytest.raises(ValueError, match="no rate lies"):
        EDetector(mean, smallest=smallest)


def test_a_baseline_without_errors_still_makes_a_detector() -> None:
    detector = EDetector.from_counts(0, 1_000)
    assert 0 < detector.mean < 0.01
    assert any(detector.update(1.0) for _ in range(6))


def test_an_interval_holds_at_every_moment_as_often_as_it_says() -> None:
    """200 streams, looked at after every one of 400 samples: alpha .1 allows 20 misses in the mean; 4 sigma more."""
    rng = random.Random(9)
    missed = 0
    for _ in range(200):
        interval, ever = MeanInterval(0.1), False
        for _ in range(400):
            interval.add(float(rng.random() < 0.3))
            low, high = interval.bounds()
            ever = ever or not low <= 0.3 <= high
        missed += ever
        assert MeanInterval.restored(json.loads(json.dumps(interval.state()))) == interval
    assert missed <= 20 + 4 * math.sqrt(18)
    assert high - low < 0.35


def test_a_rate_is_above_its_bound_no_more_often_than_allowed() -> None:
    rng = random.Random(10)
    above = sum(rate_above(sum(rng.random() < 0.1 for _ in range(200)), 200, 0.1) < 0.1 for _ in range(300))
    assert above <= 30 + 4 * math.sqrt(27)
