# SPDX-License-Identifier: Apache-2.0
"""Requests and answers are kept, found again, proven by an entry, and forgotten in time."""

from __future__ import annotations

import base64
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colonnade.core.exchanges import Exchange, Reply
from colonnade.core.leaf import parse_leaf
from colonnade.core.vocabulary import misfits
from colonnade.lifecycle.watching.captures import drawn
from colonnade.lifecycle.watching.packed import is_ref, pack, unpack
from colonnade.lifecycle.watching.rules import CaptureRule
from tests.watching.watch_room import DAY_MS, MODEL, SERVICE, WatchRoom

REFS = st.binary(min_size=12, max_size=12).map(lambda raw: "request/" + raw.hex())
SHARES = [0.0, 5.0, 100.0]
REPLIES = st.none() | st.builds(
    Reply, st.sampled_from(["sha256:" + c * 64 for c in "abc"]), st.floats(0, 1e6, width=32), st.booleans(),
    st.binary(max_size=50), st.integers(0, 50),
)  # fmt: skip


@st.composite
def exchanges(draw: st.DrawFn) -> Exchange:
    ref = draw(REFS)
    return Exchange(
        ref, "credit", draw(st.sampled_from(["", "rol_1"])), draw(st.sampled_from([ref, "", "käse", "k" * 300])),
        draw(st.integers(0, 2)), draw(st.integers(0, 1000)), draw(st.binary(max_size=200)), int(ref[8:20], 16),
        draw(st.sampled_from(["champion", "challenger"])), draw(REPLIES), draw(REPLIES), draw(st.sampled_from(SHARES)),
        draw(st.booleans()),
    )  # fmt: skip


@given(st.lists(exchanges(), max_size=8))
def test_what_was_packed_comes_back(some: list[Exchange]) -> None:
    assert unpack(pack(some), "credit") == some


def test_only_what_is_wanted_is_unpacked() -> None:
    room = WatchRoom()
    some = [room.asked(customer=str(n)) for n in range(5)]
    assert unpack(pack(some), "credit", lambda ref: ref == some[3].ref) == [some[3]]
    with pytest.raises(ValueError, match="format"):
        unpack(zlib.compress(b"\x09\x00\x00\x00\x00"), "credit")


def test_a_request_is_found_again_by_its_ref_and_an_unknown_one_is_not() -> None:
    room = WatchRoom()
    room.promote()
    made = [one for _ in range(4) for one in room.serve(50)]
    found = room.watch.captures.find([made[7].ref, made[190].ref, "request/" + "0" * 24, "nothing"])
    assert found == {made[7].ref: made[7], made[190].ref: made[190]}
    assert [is_ref(ref) for ref in (made[0].ref, "request/12", "answer/" + "0" * 24)] == [True, False, False]


def test_each_piece_has_one_entry_that_proves_its_content() -> None:
    room = WatchRoom()
    version = room.promote()
    made = room.serve(30)
    entry = room.entries("predictions.captured")[0]
    piece = room.state.rows("captures_between", service=SERVICE, from_ms=0, to_ms=1 << 60)[0]
    assert entry["subject"] == piece["id"]
    assert entry["n"] == {"count": 30, "failed": 0}
    roles = dict(entry["refs"])
    assert (roles["model"], roles["on"]) == (version, SERVICE)
    assert roles["decided_by"].startswith("dec_")
    assert room.keys.mac(MODEL, entry["id"], "content", pack(made)).hex() in _macs(entry)


def _macs(entry: dict[str, object]) -> list[str]:
    macs: dict[str, list[str]] = entry["mac"]  # type: ignore[assignment]
    return [base64.b64decode(value[1]).hex() for value in macs.values()]


def test_what_is_kept_is_sealed() -> None:
    room = WatchRoom()
    room.promote()
    room.watch.put([room.asked(customer="a-secret-customer")])
    room.watch.flush()
    row = room.state.rows("captures_between", service=SERVICE, from_ms=0, to_ms=1 << 60)[0]
    sealed = room.state.rows("capture_get", id=row["id"])[0]["sealed"]
    assert b"secret" not in sealed
    with room.state.transaction() as tx:
        room.keys.destroy(tx, MODEL)
    room.open()
    assert room.watch.captures.opened(row["id"]) == []


def test_a_share_is_drawn_by_the_ref() -> None:
    room = WatchRoom(capture=CaptureRule(DAY_MS, 0.25, 1 << 30))
    room.promote()
    made = room.serve(2000)
    kept = room.watch.captures.find([one.ref for one in made])
    assert 400 < len(kept) < 600
    assert set(kept) == {one.ref for one in made if drawn(one.ref, 0.25)}


def test_nothing_is_kept_where_the_declaration_says_none_and_it_is_measured_all_the_same() -> None:
    room = WatchRoom(capture=None)
    room.promote()
    room.serve(500, error=True)
    assert room.state.rows("captures_size", service=SERVICE)[0]["pieces"] == 0
    assert room.alarms() == [("errors", True)]


def test_what_is_past_its_time_or_has_no_room_is_forgotten() -> None:
    room = WatchRoom(capture=CaptureRule(DAY_MS, 1.0, 20_000))
    room.promote()
    for _ in range(40):
        room.serve(50)
    made = room.serve(1)
    assert room.state.rows("captures_size", service=SERVICE)[0]["bytes"] > 20_000
    while room.watch.captures.forget(room.watched.capture or CaptureRule(0, 1, 1), room.at_ms):
        pass
    size = room.state.rows("captures_size", service=SERVICE)[0]
    assert 0 < size["bytes"] <= 20_000
    assert made[0].ref in room.watch.captures.find([made[0].ref])
    room.tell(made, 1)
    while room.watch.captures.forget(CaptureRule(DAY_MS, 1.0, 20_000), room.at_ms + 2 * DAY_MS):
        pass
    assert room.state.rows("captures_size", service=SERVICE)[0]["pieces"] == 0
    assert list(room.watch.truths.between("request/", "request/g")) == []


def test_entries_of_the_watch_fit_the_vocabulary() -> None:
    room = WatchRoom()
    room.promote([0.1] * 500)
    room.tell(room.serve(400, answer=0.9), 0)
    room.promote([0.1] * 500, name="two")
    room.watch.step()
    kinds = set()
    for row in room.state.rows("entries_newest", seq=1 << 60, limit=1000):
        assert misfits(parse_leaf(row["bytes"])) == []
        kinds.add(row["kind"])
    assert kinds == {"predictions.captured", "truths.told", "alarm.raised", "alarm.ended"}
