# SPDX-License-Identifier: Apache-2.0
"""A model's life, killed at places that 50 seeds choose, ends where an undisturbed one ends: `bench/soak/lifecycle.py`
lives it a thousand times.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.soak.lifecycle import Ended, lived
from bench.soak.lifecycle_points import Killed
from colonnade.ports.skills.leases import Over
from tests.lifecycle.model_room import ModelRoom, at_least

SEEDS = 50


@pytest.fixture(scope="module")
def undisturbed() -> tuple[Ended, int]:
    """What an undisturbed life leaves, and how many places to die at it comes through."""
    ended, house = lived(None)
    return ended, house.points.crossed


def test_an_undisturbed_life_has_every_kind_of_end_and_ends_so_each_time(undisturbed: tuple[Ended, int]) -> None:
    ended, _ = undisturbed
    assert {outcome for _, outcome, _ in ended.history} == {
        "promoted", "quarantined", "unchanged", "refused", "rolled_back",
    }  # fmt: skip
    assert len(ended.functions) == 1
    assert set(ended.finished.values()) == {1}
    assert lived(None)[0].differences(ended) == []


@pytest.mark.parametrize("first", range(1, SEEDS + 1, 10))
def test_killed_anywhere_it_ends_as_if_nothing_had_happened(undisturbed: tuple[Ended, int], first: int) -> None:
    expected, reach = undisturbed
    kills = 0
    for seed in range(first, first + 10):
        found, house = lived(seed, reach, SEEDS)
        assert expected.differences(found) == [], f"seed {seed}, killed {house.points.died[-3:]}"
        kills += house.kills
    assert kills >= 10


def test_the_soak_finds_a_step_that_is_done_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """A check that cannot fail is none: here the result of a step is not kept under its key."""
    from colonnade.adapters.state.sqlite.engine import SqliteTransaction

    run: Callable[..., int] = SqliteTransaction.run

    def forgets(self: SqliteTransaction, name: str, /, **values: object) -> int:
        return 0 if name == "step_add" else run(self, name, **values)

    monkeypatch.setattr(SqliteTransaction, "run", forgets)
    with pytest.raises(AssertionError, match="done twice"):
        lived(None)


@pytest.mark.parametrize("outcome, ends", [("lost", "promoted"), ("failed", "failed")])
def test_a_try_whose_supervisor_was_killed_does_not_count_against_the_script(
    tmp_path: Path, outcome: str, ends: str
) -> None:
    room = ModelRoom(tmp_path, retries=1, gates=(at_least(0.5),))
    room.batch("one.csv", 200)
    for _ in range(3):
        room.clock.advance(60_000)
        room.loop.step()
        for lease in room.leasing.wishes:
            room.leasing.over.setdefault(lease, Over(outcome, None if outcome == "lost" else 137))
        room.loop.step()
    room.settle()
    assert room.history()[0][1] == ends


def test_a_kill_is_nothing_that_a_loop_can_catch() -> None:
    assert not issubclass(Killed, Exception)
