# SPDX-License-Identifier: Apache-2.0
"""Whatever comes in whatever order, and wherever the process dies: row, Name and pipeline agree, keys move once."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from colonnade.core.errors import UsageError
from tests.rollout.rollout_room import MODEL, NEW, NEWER, OLD, PERSON, Killed, Model, RolloutRoom, with_plan


def lived(room: RolloutRoom, kills_at: int, *, committed: bool, errors: float) -> int:
    """A whole rollout whose process dies once, at its n-th transaction; how many transactions there were until then."""
    room.models[NEW] = Model(errors=errors)
    room.begin()
    room.mortal.dies_in, room.mortal.committed = kills_at, committed
    try:
        room.run(2_400)
    except Killed:
        room.agree()
        room.restart()
        room.run(2_400)
        return kills_at + 1
    return kills_at - (room.mortal.dies_in or 0)


@pytest.mark.parametrize("errors, outcome, live", [(0.0, "promoted", NEW), (0.15, "rolled_back", OLD)])
@pytest.mark.parametrize("committed", [False, True], ids=["before", "after"])
def test_killed_at_any_transaction_it_ends_as_it_would_have(
    errors: float, outcome: str, live: str, committed: bool
) -> None:
    for kills_at in range(100):
        room = with_plan(shadow_requests=300, stages=(20.0, 100.0), stage_requests=200)
        seen = lived(room, kills_at, committed=committed, errors=errors)
        room.agree()
        assert (room.rollout().outcome, room.rollout().state, room.live()) == (outcome, "ended", live)
        assert len(room.state.rows("rollouts_of_model", model=MODEL, limit=10)) == 1
        if seen < kills_at:
            break
    assert seen < kills_at, "it never lived to its end"


@dataclass(frozen=True)
class Act:
    """Something that happens."""

    what: str
    size: int = 1


acts = st.one_of(
    st.builds(Act, st.just("ask"), st.integers(1, 150)),
    st.builds(Act, st.just("labels"), st.integers(1, 150)),
    st.builds(Act, st.just("step"), st.sampled_from([1, 100, 5_000, 20_000, 700_000])),
    st.builds(Act, st.just("kill"), st.integers(0, 2)),
    st.builds(
        Act, st.sampled_from(["restart", "new", "newer", "stop", "allow", "deny", "break", "mend", "lose", "find"])
    ),
)


def act(room: RolloutRoom, one: Act) -> None:
    """Let it happen."""
    if one.what == "ask":
        room.ask(one.size)
    elif one.what == "labels":
        room.ask(one.size, labels=lambda _: float(room.rng.random() < 0.1))
    elif one.what == "step":
        room.step(one.size)
    elif one.what in {"new", "newer"}:
        version = NEW if one.what == "new" else NEWER
        before = room.rolling.rows.open(MODEL)
        waits = before is None or before.state in {"held", "asked", "probation"}
        if waits and room.live() != version and (before is None or before.challenger != version):
            room.begin(version)
    elif one.what == "stop":
        room.rolling.stop(MODEL, PERSON, "by hand")
    elif one.what in {"allow", "deny"} and (trial := room.rolling.rows.open(MODEL)) is not None:
        if trial.state == "asked":
            room.rolling.decide(trial.id, PERSON, allow=one.what == "allow")
        else:
            with pytest.raises(UsageError):
                room.rolling.decide(trial.id, PERSON, allow=True)
    elif one.what in {"break", "mend"}:
        room.models[NEW] = Model(errors=0.3 if one.what == "break" else 0.0)
    elif one.what in {"lose", "find"}:
        room.fleet.up = one.what == "find"
    elif one.what == "restart":
        room.restart()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(acts, max_size=40), st.booleans(), st.booleans(), st.integers(0, 1_000))
def test_whatever_happens_row_name_and_pipeline_agree(
    story: list[Act], approve: bool, wait_for_labels: bool, seed: int
) -> None:
    room = with_plan(
        shadow_requests=100, stages=(10.0, 50.0, 100.0), stage_requests=60, min_labels=40 if wait_for_labels else 0,
        without_labels="ask", label_deadline_ms=60_000, approve=(PERSON,) if approve else (),
    )  # fmt: skip
    room.rng.seed(seed)
    room.begin()
    kills = None
    for one in story:
        if one.what == "kill":
            kills = one.size
            continue
        room.mortal.dies_in, kills = kills, None
        room.mortal.committed = seed % 2 == 0
        generation = room.state.rows("name_get", project="prj_1", kind="model", name="credit")[0]["generation"]
        stage, live, before = room.rollout().stage, room.live(), len(room.answers)
        shown = any(row["share_millionths"] for row in room.state.rows("rollout_trial", model=MODEL))
        try:
            act(room, one)
        except Killed:
            room.restart()
        room.agree()
        now = room.state.rows("name_get", project="prj_1", kind="model", name="credit")[0]["generation"]
        assert now - generation in {0, 1}
        if one.what in {"ask", "labels"}:
            assert (now, room.rollout().stage) == (generation, stage)  # requests alone move nothing
            assert shown or {version for _, version in room.answers[before:]} <= {live}


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.lists(st.integers(1, 120), min_size=10, max_size=30))
def test_a_key_moves_once_and_only_forward_and_exposure_keeps_within_the_shares(seed: int, sizes: list[int]) -> None:
    room = RolloutRoom(seed=seed)
    room.begin()
    for number, size in enumerate(sizes):
        before, share = len(room.answers), room.rollout().share
        room.ask(size)
        exposed = sum(version == NEW for _, version in room.answers[before:])
        if share == 0 and room.live() == OLD:
            assert exposed == 0
        if number % 7 == 3:
            room.restart()
        room.step()
    if room.rollout().outcome != "rolled_back":
        seen: dict[str, list[str]] = {}
        for key, version in room.answers:
            versions = seen.setdefault(key, [version])
            if versions[-1] != version:
                versions.append(version)
        assert all(versions in ([OLD], [NEW], [OLD, NEW]) for versions in seen.values())
