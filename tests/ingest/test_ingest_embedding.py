# SPDX-License-Identifier: Apache-2.0
"""Changing the model: beside the live index, at once, resumed; and models that cannot be used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pytest

from colonnade.core.errors import UpstreamDown, UsageError
from colonnade.testing.models import BagOfWords
from tests.ingest.ingest_room import KNOWLEDGE, Room

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Failing(BagOfWords):
    """A model that fails while `broken`."""

    broken = True

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if self.broken:
            raise UpstreamDown("the endpoint is down")
        return super().embed(texts)


@pytest.fixture
def full(room: Room) -> Room:
    """300 files, embedded by the default model."""
    for number in range(300):
        room.write(f"docs/{number}.md", f"The lamp number {number} is {'green' if number % 2 else 'red'}.\n")
    room.settle()
    return room


def ready(room: Room) -> bool:
    rows = room.state.rows("meta_get", key=f"ready/{KNOWLEDGE}")
    return bool(rows and rows[0]["value"])


def kept(room: Room, embedder: str) -> int:
    return int(room.state.rows("vectors_count", knowledge=KNOWLEDGE, embedder=embedder)[0]["embedded"])


def test_another_model_embeds_beside_the_live_index_which_answers_meanwhile(full: Room) -> None:
    full.models.by_specification["other"] = other = BagOfWords("other/1")
    full.loop.specification = "other"
    seen = []
    expected = full.search("green lamp")

    def look() -> None:
        live = full.loop.base.embedder
        assert live is not None
        if live.id != "other/1":
            seen.append(full.search("green lamp") == expected)

    full.loop.changed = look
    before = full.loop.base.content_digest()
    full.settle()
    assert len(seen) >= 3
    assert all(seen)
    assert full.loop.base.embedder is other
    assert full.loop.base.content_digest() != before
    assert full.loop.base.row()["embedder"] == "other/1"


def test_killed_amid_re_embedding_it_goes_on_and_embeds_nothing_twice(full: Room) -> None:
    full.models.by_specification["other"] = BagOfWords("other/1")
    full.loop.specification = "other"
    total = full.embedded_total()
    calls = []

    def die() -> None:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt

    full.loop.changed = die
    with pytest.raises(KeyboardInterrupt):
        full.loop.step()
    full.restart()
    full.loop.specification = "other"
    live = full.loop.base.embedder
    assert live is not None
    assert live.id == "bag-of-words/1"
    full.settle()
    assert full.embedded_total() == total + 300
    assert full.loop.base.row()["embedder"] == "other/1"


def test_going_back_re_uses_the_vectors_and_the_model_before_that_is_dropped(full: Room) -> None:
    for name in ("other", "third"):
        full.models.by_specification[name] = BagOfWords(f"{name}/1")
    digest, total = full.loop.base.content_digest(), full.embedded_total()
    full.loop.specification = "other"
    full.settle()
    full.loop.specification = ""
    full.settle()
    assert full.embedded_total() == total + 300
    assert full.loop.base.content_digest() == digest
    full.loop.specification = "third"
    full.settle()
    assert [kept(full, e) for e in ("bag-of-words/1", "other/1", "third/1")] == [300, 0, 300]


def test_a_model_that_cannot_be_made_is_told_while_files_are_still_followed(full: Room) -> None:
    full.models.by_specification["gone"] = UsageError("the model folder is gone", code="model_unsupported")
    full.loop.specification = "gone"
    full.settle()
    assert full.loop.trouble is not None
    assert full.loop.trouble.code == "model_unsupported"
    assert not ready(full)
    full.write("docs/new.md", "The newest lamp is violet.\n")
    full.settle()
    assert "docs/new.md" in full.paths("violet lamp")
    assert kept(full, "bag-of-words/1") == 301
    full.models.by_specification["gone"] = BagOfWords("back/1")
    full.loop._retry_at = 0
    full.settle()
    assert full.loop.trouble is None
    assert full.loop.base.row()["embedder"] == "back/1"
    assert ready(full)


def test_an_endpoint_that_is_down_makes_no_run_at_each_try(full: Room) -> None:
    full.models.by_specification["down"] = down = Failing("down/1")
    full.loop.specification = "down"
    full.settle()
    assert full.runs()[-1] == "failed"
    count = len(full.runs())
    for _ in range(4):
        full.loop._retry_at = 0
        full.settle()
    assert len(full.runs()) == count
    assert full.paths("green lamp")
    down.broken = False
    full.loop._retry_at = 0
    full.settle()
    assert full.runs()[-1] == "done"
    assert full.loop.base.row()["embedder"] == "down/1"


def test_going_back_from_a_broken_model_needs_no_waiting(full: Room) -> None:
    full.models.by_specification["down"] = Failing("down/1")
    full.loop.specification = "down"
    full.settle()
    full.loop.specification = ""
    full.settle()
    assert full.loop.trouble is None
    assert ready(full)


def test_a_live_model_that_is_gone_after_a_restart_leaves_words_until_it_is_back(full: Room) -> None:
    model = full.models.by_specification[""]
    full.models.by_specification[""] = UsageError("gone", code="model_unsupported")
    full.restart()
    full.settle()
    assert full.paths("green lamp")
    assert full.loop.base.embedder is None
    full.models.by_specification[""] = model
    full.loop._retry_at = 0
    total = full.embedded_total()
    full.settle()
    assert full.loop.base.embedder is model
    assert full.embedded_total() == total
    assert full.loop.base.index.sizes().embedded == 300


def test_without_any_model_it_is_ready_by_words(room: Room) -> None:
    room.models.by_specification[""] = None
    room.write("docs/a.md", "The lamp is green.\n")
    room.settle()
    assert ready(room)
    assert room.loop.trouble is None
    assert room.paths("lamp") == {"docs/a.md"}
