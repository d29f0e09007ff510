# SPDX-License-Identifier: Apache-2.0
"""The gate's paired test: what passes, what does not, and how often its interval is right."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colonnade.lifecycle.paired import mcnemar, paired_gate

scores = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=120)


def models(rng: random.Random, n: int, right: float, other: float) -> tuple[list[int], list[int]]:
    return [int(rng.random() < right) for _ in range(n)], [int(rng.random() < other) for _ in range(n)]


@given(scores)
def test_swapping_the_models_mirrors_the_interval(pairs: list[tuple[int, int]]) -> None:
    a, b = [p[0] for p in pairs], [p[1] for p in pairs]
    one, two = paired_gate(a, b).overall, paired_gate(b, a).overall
    assert (one.low, one.high) == pytest.approx((-two.high, -two.low), abs=1e-12)
    assert one.p_equal == two.p_equal
    assert one.low <= one.high


def test_the_interval_covers_the_true_difference_as_often_as_it_says() -> None:
    """400 comparisons of 150 rows: 95 % or more, less 4 binomial errors."""
    rng, covered = random.Random(1), 0
    for _ in range(400):
        found = paired_gate(*models(rng, 150, 0.85, 0.9)).overall
        covered += found.low <= -0.05 <= found.high
    assert covered >= 400 * 0.95 - 4 * (400 * 0.95 * 0.05) ** 0.5


def test_a_candidate_of_shuffled_labels_is_refused_with_its_difference() -> None:
    verdict = paired_gate(*models(random.Random(2), 500, 0.5, 0.9))
    assert not verdict.passed
    assert verdict.overall.outcome == "worse"
    assert verdict.overall.high < -0.3
    assert verdict.overall.sure_not_worse < 1e-6
    assert "worse by more than 1 points" in verdict.reason


def test_the_same_answers_pass_on_enough_rows_and_not_on_few() -> None:
    right = [1, 1, 1, 0] * 250
    assert paired_gate(right, right).passed
    few = paired_gate(right[:20], right[:20])
    assert not few.passed
    assert few.overall.outcome == "unsure"
    assert paired_gate([0.5] * 20, [0.5] * 20).overall.outcome == "unsure"


def test_a_slice_that_is_shown_to_be_worse_stops_a_candidate_that_is_better_overall() -> None:
    rng = random.Random(3)
    a, b = models(rng, 2_000, 0.95, 0.85)
    a[:300], b[:300] = models(rng, 300, 0.6, 0.9)
    verdict = paired_gate(a, b, {"north": range(300), "south": range(300, 2_000), "nobody": ()})
    assert not verdict.passed
    assert "on north" in verdict.reason
    assert [part.name for part in verdict.slices] == ["north", "south"]
    assert verdict.overall.outcome == "better"


def test_scores_averaged_over_seeds_are_compared_too() -> None:
    rng = random.Random(4)
    seeds = [models(rng, 600, 0.9, 0.8) for _ in range(3)]
    averaged = [[sum(run[m][i] for run in seeds) / 3 for i in range(600)] for m in (0, 1)]
    verdict = paired_gate(averaged[0], averaged[1])
    assert verdict.passed
    assert verdict.overall.p_equal is None
    assert verdict.overall.low > 0


def test_mcnemar_is_the_binomial_tail() -> None:
    assert mcnemar(0, 5) == pytest.approx(2 * 0.5**5)
    assert mcnemar(5, 5) == 1.0
    assert mcnemar(400, 600) < 1e-9


@pytest.mark.parametrize("a, b", [([], []), ([1], [1, 0]), ([2], [1]), ([float("nan")], [1])])
def test_scores_that_cannot_be_compared_are_refused(a: list[float], b: list[float]) -> None:
    with pytest.raises(ValueError, match=r"same rows|between 0 and 1"):
        paired_gate(a, b)
