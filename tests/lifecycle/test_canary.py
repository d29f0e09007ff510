# SPDX-License-Identifier: Apache-2.0
"""The canary's verdict: what rolls back, what does not, restarts, late labels, and small replays of the figure."""

from __future__ import annotations

import itertools
import json
import random
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colonnade.core.arms import arm_of
from colonnade.lifecycle.rollout.canary import Answer, Canary, CanaryConfig, Verdict
from colonnade.lifecycle.rollout.contest import Contest

SMALL = CanaryConfig(
    shadow_requests=1_500, stages=(5, 25, 100), stage_requests=500, latency_reference=300, groups=("a", "b")
)


@dataclass(frozen=True)
class Model:
    """How often it is wrong in groups a and b, fails or gives NaN, and its median latency."""

    wrong: tuple[float, float] = (0.1, 0.1)
    errors: float = 0.0
    nan: float = 0.0
    median_ms: float = 10.0


def roll(config: CanaryConfig, challenger: Model, seed: int, *, labels: bool = True) -> tuple[Canary, Verdict]:
    """One rollout of a challenger beside a Model(), until its last verdict."""
    rng, canary = random.Random(seed), Canary(config)
    models = (Model(), challenger)
    for i in range(config.shadow_requests + 500 * len(config.stages) + 1):
        mine = arm_of(f"request-{i}", canary.share, f"rollout-{seed}") == "challenger"
        shadow = canary.stage < 0
        asked = (shadow or not mine or canary.share >= 100, shadow or mine)
        group = "a" if rng.random() < 0.3 else "b"
        answers = [
            Answer(rng.random() < m.errors, rng.random() < m.nan, m.median_ms * rng.lognormvariate(0, 0.5))
            for m in models
        ]
        wrong = [float(rng.random() < m.wrong[group == "b"]) for m in models]
        canary.observe(
            answers[0] if asked[0] else None,
            answers[1] if asked[1] else None,
            sent="challenger" if mine and not shadow else "champion",
        )
        if labels:
            canary.observe_label(wrong[0] if asked[0] else None, wrong[1] if asked[1] else None, group=group)
        verdict = canary.verdict()
        if verdict.action == "next_stage":
            canary.advance()
        elif verdict.action != "continue":
            return canary, verdict
    return canary, verdict


@pytest.mark.parametrize("seed", range(6))
def test_an_equal_challenger_is_promoted(seed: int) -> None:
    canary, verdict = roll(SMALL, Model(), seed)
    assert verdict.action == "promote"
    assert verdict.stage == "100"
    assert canary.exposed == verdict.exposed > 500


@pytest.mark.parametrize(
    "challenger, measure",
    [
        (Model(wrong=(0.25, 0.25)), "quality"),
        (Model(wrong=(0.4, 0.1)), "quality:a"),
        (Model(errors=0.05), "errors"),
        (Model(nan=0.05), "invalid"),
        (Model(median_ms=20), "slow"),
    ],
)
def test_a_bad_challenger_is_rolled_back_in_the_shadow_before_anybody_sees_it(challenger: Model, measure: str) -> None:
    _, verdict = roll(SMALL, challenger, 7)
    assert verdict.action == "roll_back"
    assert verdict.stage == "shadow"
    assert verdict.exposed == 0
    accused = verdict.evidence[0]
    assert accused.measure.split(":")[0] == measure.split(":")[0]
    assert accused.e_value >= accused.needed
    assert accused.measure in verdict.reason
    assert accused.low <= accused.high


@pytest.mark.parametrize(
    "challenger",
    [Model(wrong=(0.45, 0.45)), Model(errors=0.1), Model(nan=0.1), Model(median_ms=25)],
    ids=["quality", "errors", "nan", "slow"],
)
def test_without_a_shadow_the_stages_find_a_bad_challenger_too(challenger: Model) -> None:
    config = CanaryConfig(
        shadow_requests=0, stages=(5, 25, 100), stage_requests=500, latency_reference=300, min_labels=20
    )
    _, verdict = roll(config, challenger, 8)
    assert verdict.action == "roll_back"
    assert 0 < verdict.exposed < 250


def test_a_fault_that_begins_on_probation_is_found_against_the_champions_past() -> None:
    contest = Contest("errors", tolerance=0.002, alpha=0.002)
    contest.open_stage(0.5, alone=False)
    for _ in range(3_000):
        contest.add(0.0, 0.0)
    contest.open_stage(0.5, alone=True)
    for _ in range(20):
        contest.add(None, 0.0)
    assert not contest.proved
    for _ in range(40):
        contest.add(None, 1.0)
    assert contest.proved


def test_no_measure_accuses_more_often_than_its_alpha_even_at_the_edge_of_its_tolerance() -> None:
    """Rates .2 and .2 + tolerance, looked at after each of 400 outcomes in any arm; alpha .1, 300 rollouts, 4 sigma."""
    rng, accused = random.Random(11), 0
    for _ in range(300):
        contest = Contest("quality", tolerance=0.02, alpha=0.1)
        for stage in range(2):
            contest.open_stage(0.5, alone=False)
            for _ in range(200):
                champion, challenger = float(rng.random() < 0.2), float(rng.random() < 0.22)
                arm = rng.random() < 0.3
                contest.add(champion if stage == 0 or not arm else None, challenger if stage == 0 or arm else None)
        accused += contest.proved
    assert accused <= 30 + 4 * 27**0.5


@given(st.lists(st.tuples(st.sampled_from([None, 0.0, 1.0]), st.sampled_from([None, 0.0, 1.0])), max_size=60))
def test_units_lose_no_outcome_and_a_restart_changes_nothing(outcomes: list[tuple[Any, Any]]) -> None:
    one = Contest("quality", tolerance=0.01, alpha=0.01)
    one.open_stage(1.0, alone=False)
    for champion, challenger in outcomes[:30]:
        one.add(champion, challenger)
    two = Contest("quality", tolerance=0.01, alpha=0.01)
    two.restore(json.loads(json.dumps(one.state())))
    for champion, challenger in outcomes[30:]:
        one.add(champion, challenger)
        two.add(champion, challenger)
    assert one.state() == two.state()
    assert one.standing() == two.standing()
    assert one.answers() == tuple(sum(pair[arm] is not None for pair in outcomes) for arm in (0, 1))


@pytest.mark.parametrize("stop", [100, 400, 1_600])
def test_a_restarted_canary_reaches_the_same_verdict(stop: int) -> None:
    one = Canary(SMALL)
    for i in range(2_000):
        if i == stop:
            two = Canary.restored(SMALL, json.loads(json.dumps(one.state())))
        for canary in (one, two) if i >= stop else (one,):
            state = random.Random(i)
            canary.observe(
                Answer(latency_ms=10 + state.random()), Answer(latency_ms=10 + state.random()), sent="champion"
            )
            canary.observe_label(float(state.random() < 0.1), float(state.random() < 0.13), group="a")
            if canary.verdict().action == "next_stage":
                canary.advance()
    assert one.state() == two.state()
    assert one.verdict() == two.verdict()


@pytest.mark.parametrize("policy, action", [("hold", "hold"), ("ask", "ask"), ("promote", "next_stage")])
def test_when_labels_do_not_come_the_policy_decides(policy: Any, action: str) -> None:
    config = CanaryConfig(shadow_requests=300, stage_requests=100, without_labels=policy)
    canary = Canary(config)
    for _ in range(300):
        canary.observe(Answer(latency_ms=1.0), Answer(latency_ms=1.0), sent="champion")
    waiting = canary.verdict()
    assert (waiting.action, waiting.reason) == ("continue", "0 of 500 labels have arrived")
    assert canary.verdict(labels_overdue=True).action == action


def test_evidence_once_enough_stays_enough() -> None:
    canary = Canary(CanaryConfig(shadow_requests=5_000))
    for _ in range(40):
        canary.observe(Answer(), Answer(invalid=True), sent="champion")
    assert canary.verdict().action == "roll_back"
    for _ in range(3_000):
        canary.observe(Answer(invalid=True), Answer(), sent="champion")
    assert canary.verdict().action == "roll_back"


def test_nothing_begins_after_the_last_stage() -> None:
    canary = Canary(CanaryConfig(shadow_requests=0, stages=(100,)))
    with pytest.raises(ValueError, match="no stage after the last"):
        canary.advance()


@pytest.mark.parametrize(
    "wrong",
    [
        {"stages": ()},
        {"stages": (5, 1)},
        {"stages": (0, 5)},
        {"stages": (50, 120)},
        {"stage_requests": (1, 2)},
        {"alpha": 0},
    ],
    ids=str,
)
def test_a_config_that_makes_no_sense_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"stages|stage_requests|alpha"):
        CanaryConfig(**wrong)


@given(st.text(), st.text(), st.lists(st.floats(0, 100), min_size=2, max_size=6))
def test_a_key_moves_at_most_once_as_the_share_grows(key: str, salt: str, shares: list[float]) -> None:
    arms = [arm_of(key, share, salt) for share in sorted(shares)]
    assert sum(before != after for before, after in itertools.pairwise(arms)) <= 1
    assert ("challenger", "champion") not in itertools.pairwise(arms)
    assert arm_of(key, 0, salt) == "champion"
    assert arm_of(key, 100, salt) == "challenger"


def test_shares_are_met_and_another_rollout_tries_itself_on_other_keys() -> None:
    first = {i for i in range(20_000) if arm_of(str(i), 5, "one") == "challenger"}
    second = {i for i in range(20_000) if arm_of(str(i), 5, "two") == "challenger"}
    assert abs(len(first) - 1_000) < 4 * 31
    assert abs(len(first & second) - 50) < 4 * 7.1
    with pytest.raises(ValueError, match="not between"):
        arm_of("x", 101, "one")
