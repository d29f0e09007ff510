# SPDX-License-Identifier: Apache-2.0
"""The thresholds of an answer follow what its reader may read, and nothing else."""

from __future__ import annotations

import random
import time

import pytest

from colonnade.core.answers import Answer, Asker
from colonnade.core.search import IndexedChunk, Visibility
from colonnade.knowledge import calibrating
from colonnade.knowledge.answer import PRIOR
from tests.ingest.ingest_room import PROJECT, MakeRoom, Room

SOURCES = (("docs", "rds_all"), ("hr", "rds_hr"))
QUESTION = "Which pump does word7 word9 name?"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibrating, "SAMPLE", 40)
    monkeypatch.setattr(calibrating, "QUIET_S", 0.02)


def text(seed: str, sentences: int = 12) -> str:
    draw = random.Random(seed)
    said = (" ".join(f"word{draw.randrange(200)}" for _ in range(9)).capitalize() for _ in range(sentences))
    return f"# Note {seed}\n\n" + ". ".join(said) + ".\n"


def fill(room: Room, folder: str, names: range) -> None:
    for name in names:
        room.write(f"{folder}/{name}.md", text(f"{folder}{name}"))
    room.settle()


def ask(room: Room, *readers: str, at_ms: int | None = None) -> Answer:
    asker = Asker("prn_2", PROJECT, "anna", frozenset(), frozenset(readers or ("rds_all",)))
    return room.asking.answer(asker, QUESTION, at_ms=at_ms).answer


def settled(room: Room, *readers: str) -> Answer:
    """Asked until the thresholds are those of what may be read now."""
    end = time.monotonic() + 20
    while not (answer := ask(room, *readers)).signals["settled"]:
        assert time.monotonic() < end, "no threshold settles"
        time.sleep(0.01)
    return answer


def test_the_first_question_of_a_class_waits_for_its_own_thresholds(make_room: MakeRoom) -> None:
    room = make_room()
    fill(room, "docs", range(12))
    signals = ask(room).signals
    assert (signals["settled"], signals["pseudo_questions"] > 10) == (1.0, True)
    assert signals["topic_threshold"] != PRIOR.topic


def test_what_is_hidden_neither_moves_nor_begins_a_calibration(make_room: MakeRoom) -> None:
    alone, whole = make_room(SOURCES), make_room(SOURCES)
    fill(whole, "hr", range(9))
    fill(whole, "docs", range(12))
    fill(alone, "docs", range(12))
    first, same = ask(whole), ask(alone)
    assert first.signals == same.signals
    embedder = whole.models("")
    before = list(embedder.calls)  # type: ignore[union-attr]
    fill(whole, "hr", range(9, 30))
    embedder.calls.clear()  # type: ignore[union-attr]
    again = ask(whole)
    assert again.signals == first.signals
    assert sum(embedder.calls) < 20 < sum(before)  # type: ignore[union-attr]
    both = ask(whole, "rds_all", "rds_hr").signals
    assert both["topic_threshold"] != first.signals["topic_threshold"]


def test_until_a_change_is_calibrated_the_last_thresholds_hold_and_then_those_of_now(make_room: MakeRoom) -> None:
    room, fresh = make_room(), make_room()
    fill(room, "docs", range(6))
    old = ask(room).signals
    fill(room, "docs", range(6, 14))
    stale = ask(room).signals
    assert (stale["settled"], stale["topic_threshold"]) == (0.0, old["topic_threshold"])
    fill(fresh, "docs", range(14))
    assert settled(room).signals == ask(fresh).signals


def test_after_rights_changed_no_older_threshold_holds(make_room: MakeRoom) -> None:
    room = make_room()
    fill(room, "docs", range(6))
    ask(room)
    fill(room, "docs", range(6, 9))
    room.asking.forget()
    assert ask(room).signals["settled"] == 1.0


def test_the_past_has_the_thresholds_of_what_stood_then(make_room: MakeRoom) -> None:
    room = make_room()
    fill(room, "docs", range(6))
    old = ask(room)
    before = room.state.now_ms()
    room.clock.advance(1000)
    fill(room, "docs", range(6, 14))
    settled(room)
    then = ask(room, at_ms=before)
    assert then.signals == old.signals
    assert then.citations == old.citations


def test_whether_vectors_take_part_depends_on_readable_chunks_alone(make_room: MakeRoom) -> None:
    room = make_room(SOURCES)
    fill(room, "docs", range(4))
    index = room.loop.base.index
    chunks = [IndexedChunk(order, f"word{order} word7", bytes([order]) * 24) for order in range(60)]
    index.add("cnt_hidden", chunks)  # not embedded yet, and more than all that is
    index.set_visibility([Visibility("doc_hidden", "cnt_hidden", "rds_hr", 0, None)])
    assert ask(room).signals["cosine"] > 0
    assert ask(room, "rds_all", "rds_hr").signals["cosine"] == 0


def test_closing_ends_a_calibration_under_way(make_room: MakeRoom) -> None:
    room = make_room()
    fill(room, "docs", range(12))
    ask(room)
    fill(room, "docs", range(12, 15))
    ask(room)
    room.asking.close()
    assert ask(room).signals["settled"] == 0.0
