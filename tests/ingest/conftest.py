# SPDX-License-Identifier: Apache-2.0
"""Rooms for the tests of ingestion."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.ingest.ingest_room import MakeRoom, Room


@pytest.fixture
def make_room(tmp_path: Path) -> Iterator[MakeRoom]:
    """`make_room(sources)`; closed at the end."""
    made: list[Room] = []

    def make(sources: Sequence[tuple[str, str]] = (("docs", "rds_all"),)) -> Room:
        folder = tmp_path / f"room{len(made)}"
        folder.mkdir()
        made.append(Room(folder, sources))
        return made[-1]

    yield make
    for room in made:
        room.close()


@pytest.fixture
def room(make_room: MakeRoom) -> Room:
    """`docs`, which everybody reads."""
    return make_room()
