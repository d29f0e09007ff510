# SPDX-License-Identifier: Apache-2.0
"""Embedding can take hours: what changes meanwhile is read, removed and cited before it ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import pytest

from colonnade.knowledge.ingest import loop as ingest_loop
from colonnade.testing.models import BagOfWords
from tests.ingest.ingest_room import MakeRoom, Room

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Watched(BagOfWords):
    """A model that says when it embeds a batch of passages."""

    def __init__(self, at: Callable[[int], None]) -> None:
        super().__init__()
        self.batches, self._at = 0, at

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if len(texts) > 1:
            self.batches += 1
            self._at(self.batches)
        return super().embed(texts)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look again after every batch, as if each had taken a second."""
    monkeypatch.setattr(ingest_loop, "LOOK_AGAIN_S", 0.0)
    monkeypatch.setattr(ingest_loop, "LOOK_SHARE", 1e9)


def many(room: Room, source: str, count: int) -> None:
    for number in range(count):
        room.write(f"{source}/{number}.md", f"The lamp number {number} is {'green' if number % 2 else 'red'}.\n")


def test_a_file_written_amid_embedding_is_found_before_the_rest_is_embedded(room: Room) -> None:
    seen: dict[int, set[str]] = {}

    def at(batch: int) -> None:
        if batch == 1:
            room.write("docs/late.md", "The gate in Turin opens at noon.\n")
        seen[batch] = room.paths("gate in Turin")

    room.models.by_specification[""] = Watched(at)
    many(room, "docs", 300)
    assert room.settle() == 1
    assert "docs/late.md" not in seen[1]
    assert "docs/late.md" in seen[2]
    assert len(seen) >= 5
    assert room.runs() == ["done"]
    assert room.embedded_total() == 301
    run = room.state.rows("runs_before", before="", limit=1)[0]
    assert run["done"] == run["total"] == 2 * 301


def test_a_source_undeclared_amid_embedding_is_gone_before_the_rest_is_embedded(make_room: MakeRoom) -> None:
    room = make_room((("docs", "rds_all"), ("plans", "rds_all")))
    seen: dict[int, set[str]] = {}

    def at(batch: int) -> None:
        if batch == 1:
            room.loop.sources = room.sources[:1]
            room.loop.look()
        seen[batch] = room.paths("merger")

    room.models.by_specification[""] = Watched(at)
    many(room, "docs", 200)
    room.write("plans/merger.md", "The merger is planned for spring.\n")
    room.settle()
    assert "plans/merger.md" in seen[1]
    assert "plans/merger.md" not in seen[2]


def test_a_change_amid_reading_many_files_leaves_no_file_out_and_keeps_renames(room: Room) -> None:
    many(room, "docs", 200)
    room.settle()
    embedded = room.embedded_total()
    (room.folder / "docs").rename(room.folder / "before")
    (room.folder / "docs").mkdir()
    (room.folder / "before").rename(room.folder / "docs" / "moved")
    many(room, "docs/new", 0)
    room.loop.changed = room.loop.look
    room.settle()
    assert {path for path in room.loop.known() if path.startswith("docs/moved/")} == {
        f"docs/moved/{number}.md" for number in range(200)
    }
    assert len(room.loop.known()) == 200
    assert room.embedded_total() == embedded
