# SPDX-License-Identifier: Apache-2.0
"""Monitors ring once, are calm again when the measure is, and go on after a restart as if there had been none."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colonnade.observe.drift.monitor import BLOCK, LEARN_SLOW, Detecting, Watch
from colonnade.ports.skills.detect import Baseline

KINDS = {
    "wrong": Baseline(40.0, 200),
    "errors": Baseline(limit=0.05),
    "missing": Baseline(limit=0.02),
    "latency": Baseline(limit=0.05, slow_ms=20.0),
}


def values(measure: str, rng: random.Random, count: int, *, bad: float = 0.0) -> list[float]:
    """Samples of a measure; `bad`: the share of those that are as bad as can be."""
    if measure == "latency":
        return [100.0 if rng.random() < bad else rng.random() * 10 for _ in range(count)]
    if measure == "wrong":
        return [1.0 if rng.random() < bad else rng.random() * 0.3 for _ in range(count)]
    return [float(rng.random() < bad) for _ in range(count)]


@pytest.mark.parametrize("measure", sorted(KINDS))
def test_it_rings_once_and_is_calm_after_a_block_that_is_as_it_was(measure: str) -> None:
    rng, watch = random.Random(1), Detecting().begin(measure, KINDS[measure], 10_000)
    assert watch.take(values(measure, rng, 1000)) is None
    rings = [ring for _ in range(20) if (ring := watch.take(values(measure, rng, 50, bad=0.6))) is not None]
    assert len(rings) == 1
    assert 990 <= rings[0].since <= 1051
    assert rings[0].at <= 1200
    assert rings[0].observed > rings[0].mean
    assert watch.ringing
    for _ in range(3):
        assert watch.take(values(measure, rng, BLOCK)) is None
    assert not watch.ringing
    assert any(watch.take(values(measure, rng, 50, bad=0.6)) for _ in range(20))


def test_what_is_slow_is_learned_from_the_first_latencies() -> None:
    rng, watch = random.Random(2), Detecting().begin("latency", Baseline(), 10_000)
    for _ in range(LEARN_SLOW // 100):
        assert watch.take([rng.lognormvariate(1, 0.5) for _ in range(100)]) is None
    ring = next(ring for _ in range(50) if (ring := watch.take([rng.lognormvariate(1.7, 0.5) for _ in range(100)])))
    assert 6 < ring.level < 12
    assert ring.at > LEARN_SLOW


def test_nan_is_slow() -> None:
    watch = Detecting().begin("latency", Baseline(limit=0.01, slow_ms=1e9), 100)
    assert watch.take([float("nan")] * 20) is not None


def test_without_a_baseline_nothing_rings_until_it_is_told_one_and_a_firmer_one_calms() -> None:
    watch = Detecting().begin("wrong", Baseline(), 10_000)
    assert watch.take([1.0] * 1000) is None
    watch.rebase(10.0, 100)
    ring = watch.take([1.0] * 100)
    assert ring is not None
    assert 1000 < ring.since <= ring.at < 1100
    watch.rebase(20.0, 200)
    assert not watch.ringing
    assert watch.samples == 1100


BATCHES = st.lists(st.tuples(st.integers(0, 300), st.booleans()), max_size=12)


@given(st.sampled_from([*KINDS, "learning"]), st.integers(0, 10_000), BATCHES)
def test_a_restart_between_any_two_batches_changes_nothing(kind: str, seed: int, parts: list[tuple[int, bool]]) -> None:
    measure = "latency" if kind == "learning" else kind
    rng, detecting = random.Random(seed), Detecting()
    one = detecting.begin(measure, KINDS.get(kind, Baseline()), 1000)
    other = detecting.restored(json.loads(json.dumps(one.state())))
    for count, bad in parts:
        some = values(measure, rng, count, bad=0.5 if bad else 0.01)
        assert one.take(some) == other.take(some)
        other = Watch.restored(json.loads(json.dumps(other.state())))
        assert other.state() == one.state()
