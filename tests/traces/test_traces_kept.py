# SPDX-License-Identifier: Apache-2.0
"""Traces are found by id, by ref and by time; they go with their person, and when their time is over."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from colonnade.adapters.state.sqlite.engine import SqliteState
from colonnade.app.exporting import BATCH, MOST, Exporting
from colonnade.core.errors import Refused, Unavailable
from colonnade.core.leaf import parse_leaf
from colonnade.core.traces import Record, Span, Stage, trace_of
from colonnade.core.vocabulary import misfits
from colonnade.observe.traces.kept import Traces
from colonnade.observe.traces.telling import draw_trace, stage_shares, trace_json, worst_first
from colonnade.ports.journal import Journal
from colonnade.testing.clock import VirtualClock
from colonnade.testing.keys import MemoryKeys

PROJECT, ACTOR, ANNA = "prj_1", "prn_1", "prn_2"


class Room:
    """A store and the traces in it."""

    def __init__(self, file: Path) -> None:
        self.clock, self.keys = VirtualClock(), MemoryKeys()
        self.state = SqliteState(str(file), self.clock)
        with self.state.transaction() as tx:
            tx.run("project_add", id=PROJECT, name="test", created_ms=0)
            for subject in (PROJECT, ACTOR, ANNA):
                self.keys.create(tx, subject, PROJECT)
        self.traces = Traces(self.state, self.keys, Journal(self.state, self.keys, PROJECT), ACTOR)

    def request(self, number: int, **changes: Any) -> Record:
        at_ms = self.state.now_ms()
        ref = f"request/{at_ms:012x}{number:012x}"
        made = Record(
            trace_of(ref, at_ms), f"{number + 1:016x}", "", ref, "request", "POST /v1/predict", "churn", ANNA,
            "answered", 200, at_ms * 1000, 2000, (Stage("queue", 0, 500), Stage("replica", 500, 1400)),
        )  # fmt: skip
        return made._replace(**changes)

    def write(self, *records: Record, spans: tuple[Span, ...] = (), client: str = "") -> str:
        with self.state.transaction() as tx:
            return self.traces.write(tx, records, spans, client)


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    made = Room(tmp_path / "state.db")
    yield made
    made.state.close()


def span(trace: str, **changes: Any) -> Span:
    return Span(trace, "b" * 16, "", "chat", 3, 7_000_000, 500, 0, {"gen_ai.request.model": "m"}, "shop")._replace(
        **changes
    )


def test_a_trace_is_found_by_its_id_and_by_the_ref_that_it_belongs_to(room: Room) -> None:
    for minute in range(3):
        room.write(*(room.request(10 * minute + number) for number in range(10)))
        room.clock.advance(60_000)
    wanted = room.request(99)
    room.write(wanted)
    assert room.traces.find(wanted.trace)[0] == [wanted]
    assert room.traces.by_ref(wanted.ref, wanted.at_us // 1000) == wanted.trace
    assert room.traces.find("f" * 32) == ([], [], [])
    assert room.traces.find("no trace") == ([], [], [])


def test_a_trace_that_a_client_named_is_found_with_its_spans_and_ours(room: Room) -> None:
    foreign = "0af7651916cd43dd8448eb211c80319c"
    mine = room.request(1, trace=foreign, parent="b" * 16)
    room.write(mine, room.request(2))
    room.write(spans=(span(foreign), span(foreign)), client=ANNA)
    records, spans, pieces = room.traces.find(foreign)
    assert (records, spans) == ([mine], [span(foreign)])
    assert {holder for _, holder in pieces} == {PROJECT, ANNA}
    document = trace_json(foreign, records, spans, pieces)
    assert document["grouped"][0]["name"] == "chat"
    assert "POST /v1/predict" in draw_trace(document)


def test_what_a_persons_program_sent_goes_with_the_person(room: Room) -> None:
    foreign = "0af7651916cd43dd8448eb211c80319c"
    room.write(spans=(span(foreign),), client=ANNA)
    with room.state.transaction() as tx:
        room.keys.destroy(tx, ANNA)
    assert room.traces.find(foreign)[1] == []


def test_one_entry_stands_for_a_piece_and_says_how_many(room: Room) -> None:
    piece = room.write(room.request(1), room.request(2, outcome="failed"))
    (row,) = room.state.rows("entries_of_subject", subject=piece)
    leaf = parse_leaf(row["bytes"])
    assert (leaf.kind, dict(leaf.n), misfits(leaf)) == ("traces.kept", {"count": 2, "failed": 1}, [])


def test_traces_go_when_their_time_is_over_or_their_room_is_full(room: Room) -> None:
    foreign = "0af7651916cd43dd8448eb211c80319c"
    room.write(room.request(1, trace=foreign))
    room.clock.advance(100_000)
    kept = room.request(2)
    room.write(kept)
    assert room.traces.forget(50_000, 1 << 30) == 1
    assert room.traces.find(foreign) == ([], [], [])
    assert room.state.rows("trace_pieces_of", trace=foreign) == []
    assert room.traces.find(kept.trace)[0] == [kept]
    assert room.traces.forget(1 << 40, 0) == 1
    assert room.traces.find(kept.trace)[0] == []


def test_the_worst_stand_first_and_stages_share_the_time(room: Room) -> None:
    some = [room.request(n) for n in range(20)]
    some += [
        room.request(30, us=9_000),
        room.request(31, outcome="abstained"),
        room.request(32, outcome="failed", us=1),
    ]
    assert [why for why, _ in worst_first(some)][:4] == ["failing", "abstained", "slow", ""]
    shares = {one["name"]: one["share"] for one in stage_shares(some[:20])}
    assert shares == pytest.approx({"replica": 0.7, "queue": 0.25, "other": 0.05})


class Collector:
    """Takes bodies, is away, or refuses."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.raises: Exception | None = None

    def send(self, body: bytes, content_type: str) -> None:
        if self.raises is not None:
            raise self.raises
        self.bodies.append(body)


def test_a_dead_collector_costs_the_newest_traces_there_and_nobody_waits(room: Room) -> None:
    now, collector = [0.0], Collector()
    exporting = Exporting(collector, "colonnade", "i", lambda: now[0])
    collector.raises = Unavailable("away")
    exporting.put([room.request(1)] * (MOST + 7))
    assert not exporting.step()
    assert not exporting.step()  # not before its time
    assert (exporting.dropped, exporting.waiting) == (7, MOST)
    collector.raises, now[0] = None, 60.0
    assert exporting.step()
    assert (exporting.sent, len(collector.bodies)) == (BATCH, 1)
    collector.raises = Refused("never")
    assert exporting.step()
    assert exporting.dropped == 7 + BATCH
