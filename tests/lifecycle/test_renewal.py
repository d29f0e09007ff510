# SPDX-License-Identifier: Apache-2.0
"""What follows an alarm: the rule of the root, calling off, the baseline."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from colonnade.lifecycle.renewal import FIRM, WINDOW, Baseline, Renewal


@given(st.floats(0.01, 0.5), st.floats(0.02, 0.5), st.floats(0.0, 0.4))
def test_the_larger_the_gap_the_fewer_rows_are_waited_for(mean: float, gap: float, more: float) -> None:
    small = Renewal(0, 100, mean, mean + gap)
    large = Renewal(0, 100, mean, mean + gap + more)
    assert WINDOW // 4 <= large.wanted <= small.wanted <= WINDOW


def test_an_alarm_is_called_off_when_what_follows_is_as_it_was_before() -> None:
    rng = np.random.default_rng(3)
    said = []
    for _ in range(200):
        renewal = Renewal(900, 1000, 0.1, 0.25)
        while (now := renewal.take(float((rng.random(20) < 0.1).sum()), 20)) == "wait":
            pass
        said.append(now)
    assert said.count("call_off") > 190


def test_a_change_that_is_real_is_hardly_ever_called_off_even_when_the_alarm_exaggerated_it() -> None:
    rng = np.random.default_rng(4)
    said = []
    for _ in range(400):
        renewal = Renewal(900, 1000, 0.1, 0.25)
        while (now := renewal.take(float((rng.random(20) < 0.2).sum()), 20)) == "wait":
            pass
        said.append(now)
    assert said.count("call_off") <= 400 * 0.02


@given(st.lists(st.tuples(st.integers(0, 10), st.integers(0, 10)), max_size=30))
def test_it_goes_on_after_a_restart_as_if_there_had_been_none(batches: list[tuple[int, int]]) -> None:
    one = Renewal(10, 60, 0.2, 0.5)
    other = Renewal(10, 60, 0.2, 0.5)
    for right, wrong in batches:
        other = Renewal.restored(json.loads(json.dumps(other.state())))
        assert one.take(float(wrong), right + wrong) == other.take(float(wrong), right + wrong)
        assert one == other


def test_more_wrong_answers_than_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="no count"):
        Renewal(0, 1, 0.1, 0.2).take(3.0, 2)


@given(st.lists(st.integers(1, 700), max_size=60))
def test_a_baseline_is_firmed_up_a_few_times_and_then_never_again(batches: list[int]) -> None:
    baseline = Baseline(25.0, 250)
    firmer = [baseline.take(0.1 * n, n) for n in batches]
    assert sum(firmer) <= len(FIRM)
    wrong, rows = baseline.counts
    assert rows <= 250 + FIRM[-1] + 700
    assert wrong == pytest.approx(25.0 + 0.1 * baseline.live_rows)
