# SPDX-License-Identifier: Apache-2.0
"""Content as of then: what a past instant gives equals what a fresh room of that instant's files gives."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from tests.ingest.ingest_room import Room

WORDS = ["pump", "valve", "seal", "flange", "rotor", "casing", "bearing", "shaft", "inlet", "outlet", "motor", "coil"]
SOURCES = (("docs", "rds_all"), ("hr", "rds_hr"))
QUERIES = ["pump valve", "seal of the rotor", "motor coil bearing", "which flange", "outlet"]


def edit(room: Room, chance: random.Random, number: int) -> None:
    """Write, change, rename, move or delete some file."""
    files = sorted(p for key, _ in SOURCES for p in (room.folder / key).rglob("*.md"))
    kind = chance.choice(["write", "write", "change", "rename", "move", "delete", "copy"])
    if kind == "write" or not files:
        key = chance.choice(SOURCES)[0]
        room.write(f"{key}/{number}.md", text(chance))
        return
    file = chance.choice(files)
    if kind == "change":
        room.write(str(file.relative_to(room.folder)), text(chance))
    elif kind == "rename":
        file.rename(file.with_name(f"{number}.md"))
    elif kind == "move":
        file.rename(room.folder / chance.choice(SOURCES)[0] / f"{number}.md")
    elif kind == "copy":
        shutil.copy2(file, room.folder / chance.choice(SOURCES)[0] / f"{number}.md")
    else:
        file.unlink()


def text(chance: random.Random) -> str:
    return "\n\n".join(" ".join(chance.choices(WORDS, k=12)) + "." for _ in range(chance.randrange(1, 4)))


def everything(room: Room, at_ms: int | None = None) -> list[list[tuple[str, float]]]:
    readers = [("rds_all",), ("rds_hr",), ("rds_all", "rds_hr")]
    return [room.search(query, *who, at_ms=at_ms) for query in QUERIES for who in readers]


@pytest.mark.parametrize("seed", range(4))
def test_the_past_equals_a_fresh_room_of_that_instants_files(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    (tmp_path / "live").mkdir()
    room = Room(tmp_path / "live", SOURCES)
    instants = []
    for number in range(14):
        for _ in range(chance.randrange(1, 3)):
            edit(room, chance, number)
        if number == 7:
            room.restart()
        room.settle()
        instants.append((room.state.now_ms(), everything(room)))
        then = tmp_path / f"then{number}"
        then.mkdir()
        for key, _ in SOURCES:
            shutil.copytree(room.folder / key, then / key)
    for number, (at_ms, expected) in enumerate(instants):
        assert everything(room, at_ms) == expected, number
        if number % 3 == 0:
            fresh = Room(tmp_path / f"then{number}", SOURCES)
            fresh.settle()
            assert everything(fresh) == expected, number
            fresh.close()
    room.close()
