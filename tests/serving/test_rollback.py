# SPDX-License-Identifier: Apache-2.0
"""Which version a roll back leads to, and that what was rolled back does not come back by itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from colonnade.core.errors import Lost, UnknownName, UsageError
from colonnade.lifecycle.serving.rollback import Back, find_back, past, roll_back
from tests.lifecycle.model_room import ACTOR, MODEL, PROJECT, TRAIN, ModelRoom


def variant(code: str, number: int) -> str:
    """A training script that gives another model."""
    return code.replace('"cut": mean', f'"cut": mean, "variant": {number}')


def versions(room: ModelRoom, count: int) -> list[str]:
    """So many versions, each made by another training script."""
    room.batch("a.csv")
    found = []
    for number in range(count):
        (room.folder / "train.py").write_text(variant(TRAIN, number))
        room.settle()
        found.append(str(room.live()))
    assert len(set(found)) == count
    return found


def back(room: ModelRoom, to: str | None = None) -> Back:
    return find_back(room.state, PROJECT, MODEL, "credit", to)


def go(room: ModelRoom, to: str | None = None) -> str | None:
    roll_back(room.state, room.journal, ACTOR, back(room, to))
    return room.live()


def test_each_roll_back_goes_one_version_further_and_never_to_one_that_was_left(tmp_path: Path) -> None:
    room = ModelRoom(tmp_path)
    with pytest.raises(UsageError, match="nothing of the model credit is live"):
        back(room)
    one, two, three = versions(room, 3)
    assert go(room) == two
    assert go(room) == one
    with pytest.raises(UsageError, match="no other version"):
        back(room)
    assert past(room.state, MODEL) == [one, two, three, two, one]
    assert go(room, three[7:15]) == three
    assert go(room) == one
    for to, error in (("abc", UnknownName), ("sha256:" + 64 * "0", UnknownName), (one, UsageError)):
        with pytest.raises(error):
            back(room, to)


def test_a_roll_back_that_was_found_before_a_promotion_changes_nothing(tmp_path: Path) -> None:
    room = ModelRoom(tmp_path)
    versions(room, 2)
    found = back(room)
    (room.folder / "train.py").write_text(variant(TRAIN, 9))
    room.settle()
    live = room.live()
    with pytest.raises(Lost):
        roll_back(room.state, room.journal, ACTOR, found)
    assert room.live() == live
    assert room.state.rows("rollbacks_of_model", model=MODEL) == []


def test_what_was_rolled_back_is_made_again_and_refused_until_somebody_asks_for_it(tmp_path: Path) -> None:
    room = ModelRoom(tmp_path)
    one, two = versions(room, 2)
    made = (room.folder / "train.py").read_text()
    assert go(room) == one
    (room.folder / "train.py").write_text(variant(TRAIN, 9))
    room.settle()
    third = room.live()
    assert third not in {one, two}
    (room.folder / "train.py").write_text(made)
    room.settle()
    newest = room.loop.pipelines.of_model(MODEL, 1)[0]
    assert (newest["outcome"], newest["version"]) == ("refused", two)
    assert newest["reason"].startswith("it was rolled back")
    assert room.live() == third
    assert go(room, two) == two
