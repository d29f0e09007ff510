# SPDX-License-Identifier: Apache-2.0
"""A rollout from its beginning to each of its ends, in virtual time: what moves, what is recorded, what stays."""

from __future__ import annotations

from dataclasses import replace

import pytest

from colonnade.core.errors import Refused, UsageError
from colonnade.core.leaf import parse_leaf
from colonnade.core.vocabulary import misfits
from colonnade.govern.lineage.walk import impact, why
from colonnade.lifecycle.rollout import rolling
from tests.rollout.rollout_room import ACTOR, MODEL, NEW, NEWER, OLD, PERSON, Model, RolloutRoom, with_plan


def itself(_kind: str, name: str) -> str:
    """Ids of the room are short."""
    return name


def test_an_equal_challenger_goes_through_its_stages_and_takes_the_name() -> None:
    room = RolloutRoom()
    begun = room.begin()
    assert (begun.state, begun.stage, begun.share) == ("shadow", -1, 0.0)
    shares = []
    for _ in range(90):
        room.ask(20)
        room.step()
        if room.rollout().share not in shares:
            shares.append(room.rollout().share)
        room.agree()
    assert shares == [0.0, 5.0, 25.0, 100.0]
    ended = room.rollout()
    assert (ended.outcome, ended.state, room.live()) == ("promoted", "ended", NEW)
    assert 300 < ended.exposed < ended.requests
    assert room.pipeline()["outcome"] == "promoted"
    assert room.pipeline()["reason"] == "as good"


@pytest.mark.parametrize(
    "challenger, measure",
    [(Model(errors=0.1), "errors"), (Model(nan=0.1), "invalid"), (Model(median_ms=30), "slow")],
    ids=["errors", "nan", "slow"],
)
def test_a_bad_challenger_is_rolled_back_and_the_name_never_moves(challenger: Model, measure: str) -> None:
    room = RolloutRoom()
    room.models[NEW] = challenger
    room.begin()
    room.run(1_000)
    ended = room.rollout()
    assert (ended.state, ended.outcome, room.live()) == ("ended", "rolled_back", OLD)
    assert measure in ended.reason
    assert ended.exposed < 0.05 * ended.requests
    assert (room.pipeline()["outcome"], room.pipeline()["reason"]) == ("rolled_back", ended.reason)
    assert room.pipeline()["version"] == NEW
    room.agree()


def test_a_fault_that_begins_with_the_first_live_request_is_found_too() -> None:
    room = RolloutRoom()
    room.begin()
    room.run(400)
    assert room.rollout().state == "canary"
    room.models[NEW] = Model(errors=0.3)
    room.run(600)
    assert room.rollout().outcome == "rolled_back"
    assert all(version == OLD for _, version in room.answers[-100:])


def test_worse_answers_are_found_where_the_truth_arrives() -> None:
    room = RolloutRoom()
    room.begin()
    room.run(600, labels=lambda version: float(room.rng.random() < (0.1 if version == OLD else 0.4)))
    assert room.rollout().outcome == "rolled_back"
    assert room.rollout().reason.startswith("quality")


def test_everything_that_moved_stands_in_the_ledger_and_why_finds_its_way_both_ways() -> None:
    for errors, last in ((0.0, "model.promoted"), (0.2, "model.kept")):
        room = RolloutRoom()
        room.models[NEW] = Model(errors=errors)
        begun = room.begin()
        room.run(1_600)
        rows = room.state.rows("entries_newest", seq=1 << 40, limit=100)
        leaves = [parse_leaf(row["bytes"]) for row in reversed(rows)]
        assert not [found for leaf in leaves for found in misfits(leaf)]
        moves = [leaf for leaf in leaves if leaf.kind == "rollout.moved"]
        assert moves[0].status == {"state": "shadow", "cause": "evidence"}
        ends = [leaf for leaf in moves if "outcome" in leaf.status]
        assert ends[0].n["exposed"] == room.rollout().exposed or not errors
        assert ends[0].status["outcome"] == ("rolled_back" if errors else "promoted")
        assert (ends[0].status.get("measure") == "errors") == bool(errors)
        assert last in {leaf.kind for leaf in leaves}
        walked = {node.id for node in why(room.state, MODEL, itself).nodes}
        assert {begun.id, begun.decision, NEW, OLD, "svc_1"} <= walked
        assert begun.id in {node.id for node in impact(room.state, NEW, itself).nodes}
        assert {MODEL, begun.decision, begun.pipeline} <= {node.id for node in why(room.state, begun.id, itself).nodes}


def test_a_challenger_that_does_not_come_up_is_rolled_back_and_time_waits_for_one_that_does() -> None:
    room = RolloutRoom()
    room.fleet.up = False
    room.begin()
    room.run(600)
    room.step(3_600_000)
    assert (room.rollout().state, room.rollout().stage) == ("shadow", -1)
    room.fleet.said = "the replica of credit does not stay up: no module named x"
    room.step()
    assert (room.rollout().outcome, room.rollout().exposed) == ("rolled_back", 0)
    assert room.rollout().reason.endswith("no module named x")


def test_a_challenger_that_is_lost_loses_its_share_at_once_and_then_its_rollout() -> None:
    room = RolloutRoom()
    room.begin()
    room.run(720)
    assert room.rollout().share > 0
    room.fleet.up = False
    before = len(room.answers)
    room.run(400)
    assert {version for _, version in room.answers[before:]} == {OLD}
    assert room.rollout().outcome == "rolled_back"
    assert "errors" in room.rollout().reason


def test_when_nobody_asks_requests_of_before_are_replayed_and_it_goes_on() -> None:
    room = RolloutRoom()
    room.begin()
    for _ in range(40):
        room.step(500)
    ended = room.rollout()
    assert (ended.outcome, ended.exposed, room.live()) == ("promoted", 0, NEW)
    assert ended.reason.startswith("nobody asked; 300 requests were replayed")
    room.agree()


def test_a_rehearsal_goes_on_in_slices_and_somebody_who_asks_meanwhile_stops_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rolling, "SLICE_S", 0.0)  # one request a step
    room = RolloutRoom()
    room.begin()
    room.step(11_000)
    room.step()
    canary = room.rolling.canary(room.rollout().id)
    assert canary is not None
    assert canary.rehearsed == 0, "the first ones warm the replica up"
    for _ in range(350):
        room.step()
    assert (canary.rehearsed, room.rollout().outcome) == (300, "promoted")


def test_a_rehearsal_finds_what_the_gates_cannot_see() -> None:
    room = RolloutRoom()
    room.models[NEW] = Model(errors=0.2)
    room.begin()
    for _ in range(40):
        room.step(500)
    assert (room.rollout().outcome, room.rollout().exposed, room.live()) == ("rolled_back", 0, OLD)


def test_a_stage_ends_by_time_where_few_ask() -> None:
    room = with_plan(stage_ms=60_000)
    room.begin()
    for _ in range(40):
        room.ask(1)
        room.step(8_000)
    assert room.rollout().outcome == "promoted"
    assert 0 < room.rollout().exposed < 40


def test_on_probation_a_version_that_turns_bad_goes_back_by_itself() -> None:
    room = RolloutRoom()
    room.begin()
    while room.rollout().state != "probation":
        room.run(20)
    assert room.live() == NEW
    exposed = room.rollout().exposed
    room.models[NEW] = Model(errors=0.3)
    room.run(280)
    ended = room.rollout()
    assert (ended.outcome, ended.state, room.live()) == ("rolled_back", "ended", OLD)
    assert ended.exposed > exposed
    assert [row["was"] for row in room.state.rows("rollbacks_of_model", model=MODEL)] == [NEW]
    room.agree()


def test_a_roll_back_by_hand_ends_it_wherever_it_is() -> None:
    for requests in (0, 100, 500, 800, 1_100):
        room = RolloutRoom()
        room.begin()
        room.run(requests)
        ended = room.rolling.stop(MODEL, PERSON, "rolled back by hand")
        assert ended is not None
        assert (ended.outcome, ended.reason, room.live()) == ("rolled_back", "rolled back by hand", OLD)
        room.run(100)
        assert {version for _, version in room.answers[-100:]} == {OLD}
        assert room.rolling.stop(MODEL, PERSON, "again") is None
        room.agree()


@pytest.mark.parametrize("allow", [True, False])
def test_nobody_sees_it_before_a_person_allows_it(allow: bool) -> None:
    room = with_plan(approve=(PERSON,))
    begun = room.begin()
    with pytest.raises(UsageError, match="nobody is asked"):
        room.rolling.decide(begun.id, PERSON, allow=True)
    room.run(800)
    assert (room.rollout().state, room.rollout().exposed) == ("asked", 0)
    with pytest.raises(Refused, match="not among those"):
        room.rolling.decide(begun.id, ACTOR, allow=True)
    room.restart()
    room.rolling.decide(begun.id, PERSON, allow=allow)
    room.run(1_200)
    assert room.rollout().outcome == ("promoted" if allow else "rolled_back")
    assert room.live() == (NEW if allow else OLD)
    assert (room.rollout().exposed > 0) == allow
    room.agree()


def test_without_labels_the_policy_decides() -> None:
    def late(policy: str) -> RolloutRoom:
        room = with_plan(min_labels=200, without_labels=policy, label_deadline_ms=600_000)
        room.begin()
        room.run(600)
        assert (room.rollout().state, room.rollout().reason) == ("shadow", "")
        room.step(600_000)
        return room

    room = late("hold")
    assert room.rollout().state == "held"
    room.run(1_600, labels=lambda _: float(room.rng.random() < 0.1))
    assert room.rollout().outcome == "promoted"

    room = late("ask")
    assert room.rollout().state == "asked"
    room.rolling.decide(room.rollout().id, PERSON, allow=True)
    room.run(1_600)
    assert room.rollout().outcome == "promoted"

    room = late("promote")
    room.run(1_600)
    assert room.rollout().outcome == "promoted"


def test_a_newer_candidate_takes_the_place_of_one_that_waits_or_is_on_probation() -> None:
    room = with_plan(approve=(PERSON,))
    first = room.begin()
    room.run(600)
    assert room.rolling.step(room.wanted, room.row) == "waits"
    room.begin(NEWER)
    was = room.rolling.rows.get(first.id)
    assert was is not None
    assert (was.state, was.outcome) == ("ended", "superseded")
    room.run(600)
    room.rolling.decide(room.rollout().id, PERSON, allow=True)
    while room.rollout().state != "probation":
        room.run(20)
    assert room.live() == NEWER
    room.begin(NEW)
    assert [one.outcome for one in room.rolling.rows.of_model(MODEL)] == ["", "promoted", "superseded"]
    room.agree()


def test_a_name_that_somebody_else_moved_ends_the_rollout() -> None:
    room = RolloutRoom()
    room.begin()
    room.run(200)
    with room.state.transaction() as tx:
        tx.run("name_move", project="prj_1", kind="model", name="credit", digest=NEWER, generation=1)
    room.step()
    assert (room.rollout().outcome, room.rollout().reason) == ("superseded", "the live version was changed meanwhile")


def test_without_a_shadow_the_first_stage_begins_once_the_challenger_is_up() -> None:
    room = with_plan(shadow_requests=0)
    room.fleet.up = False
    room.begin()
    room.run(200)
    assert (room.rollout().stage, room.rollout().share) == (-1, 0.0)
    room.fleet.up = True
    room.run(20)
    assert (room.rollout().stage, room.rollout().share) == (0, 5.0)
    room.run(1_200)
    assert room.rollout().outcome == "promoted"


def test_a_declaration_without_a_rollout_lets_it_go_live() -> None:
    room = RolloutRoom()
    room.begin()
    room.run(100)
    room.wanted = replace(room.wanted, rollout=None)
    room.step()
    assert (room.rollout().outcome, room.live()) == ("promoted", NEW)
