# SPDX-License-Identifier: Apache-2.0
"""What happens to a model is told: read off the log, once for each receiver, whatever is killed when; signed so that
anybody can check it; sent again until it is taken; never to an address that was not declared.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from types import SimpleNamespace
from typing import Any

import pytest

from colonnade.adapters.notices.webhook import post
from colonnade.app.notified import notices_status, receiver_id, shown
from colonnade.app.notifying import Notifying, signed
from colonnade.app.settings.declaration import parse_declaration
from colonnade.app.settings.notify import EVENTS, Notify
from colonnade.core import entries, model_entries, watch_entries
from colonnade.core.errors import DeclarationError
from colonnade.lifecycle import notices
from colonnade.ports.outside.notices import NotTold
from colonnade.testing.project import until
from tests.notify.receiver import receiving
from tests.rollout.rollout_room import (
    ACTOR,
    MODEL,
    NEW,
    PERSON,
    PROJECT,
    SERVICE,
    Killed,
    Model,
    RolloutRoom,
    with_plan,
)

EVERYBODY = notices.Receiver("everybody", frozenset(EVENTS))


class Board:
    """`Alarms` in memory."""

    def __init__(self) -> None:
        self.found: dict[str, Any] = {}

    def tell(self, room: str, alarm: Any, /) -> None:
        self.found[room] = alarm

    def clear(self, room: str, /) -> None:
        self.found.pop(room, None)


def began(room: RolloutRoom) -> None:
    with room.state.transaction() as tx:
        notices.begin(tx)


def collect(room: RolloutRoom, *receivers: notices.Receiver) -> bool:
    return notices.collect(
        room.state, PROJECT, list(receivers or (EVERYBODY,)), lambda name: f"http://house/models/{name}"
    )


def told(room: RolloutRoom, receiver: str = "everybody") -> list[dict[str, Any]]:
    due = room.state.rows("notices_due", receiver=receiver, now_ms=1 << 50, limit=1000)
    return [json.loads(row["body"]) for row in sorted(due, key=lambda row: str(row["id"]))]


def tried(errors: float = 0.0, **plan: Any) -> RolloutRoom:
    """A rollout that has ended, of which others are told."""
    room = with_plan(shadow_requests=300, stages=(20.0, 100.0), stage_requests=200, **plan)
    began(room)
    room.models[NEW] = Model(errors=errors)
    room.begin()
    room.run(2_400)
    return room


@pytest.mark.parametrize("errors, event", [(0.0, "promoted"), (0.15, "rolled_back")])
def test_how_a_rollout_ends_is_told_once_with_its_reason_and_the_page_to_look_at(errors: float, event: str) -> None:
    room = tried(errors)
    assert collect(room)
    [notice] = told(room)
    assert (notice["schema"], notice["event"], notice["outcome"]) == ("colonnade.notice/1", event, event)
    assert (notice["model"], notice["version"], notice["url"]) == ("credit", NEW, "http://house/models/credit")
    assert room.rollout().reason in notice["reason"]
    assert notice["text"].endswith(notice["reason"])
    assert set(notice) == {
        "schema", "id", "event", "at", "project", "model", "ref", "version", "outcome", "reason", "url", "text",
    }  # fmt: skip
    assert not collect(room), "nothing new"


def test_nothing_of_before_is_told_and_nothing_that_happens_while_nobody_is() -> None:
    room = with_plan(shadow_requests=300, stages=(20.0, 100.0), stage_requests=200)
    room.models[NEW] = Model(errors=0.15)
    room.begin()
    room.run(2_400)
    began(room)
    assert not collect(room)
    with room.state.transaction() as tx:
        notices.end(tx)
    hand(room, "back")
    began(room)
    assert not collect(room)
    hand(room, "back")
    assert collect(room)
    assert [one["reason"] for one in told(room)] == ["by hand; version 9 is live from now on"]


def hand(room: RolloutRoom, what: str, **row: str) -> None:
    """Events as the loops write them: a roll back by hand, an alarm, a pipeline that ended."""
    state, stamp = room.state, room.journal.stamp(ACTOR)
    with state.transaction() as tx:
        if what == "back":
            tx.append(model_entries.model_promoted(stamp, model=MODEL, run="run_1", decision=state.new_id("dec"),
                                                   version=NEW, generation=9, cause="rolled_back"))  # fmt: skip
        elif what == "alarm":
            alarm = state.new_id("alm")
            seen = {"observed": 0.31, "mean": 0.18, "since": 8120, "level": 0}
            tx.run("alarm_add", id=alarm, project=PROJECT, model=MODEL, service=SERVICE, measure="wrong",
                   told=json.dumps(seen), at_ms=1)  # fmt: skip
            tx.append(watch_entries.alarm_raised(stamp, alarm=alarm, service=SERVICE, version=NEW, decision=None,
                                                 measure="wrong", at=9, since=8, observed_millionths=310_000,
                                                 mean_millionths=180_000))  # fmt: skip
        else:
            run = state.new_id("run")
            tx.run("pipeline_add", run=run, project=PROJECT, model=MODEL, cause="new data", wanted="{}", created_ms=1)
            tx.run("pipeline_end", run=run, outcome=what, version="", reason=row.get("reason", "the reason"),
                   metrics="{}", decision="", finished_ms=2)  # fmt: skip
            tx.append(entries.run_finished(stamp, run=run, on=MODEL, step="pipeline", outcome="succeeded", done=1,
                                           failed=0, ms=1))  # fmt: skip


def test_each_event_is_told_to_those_who_asked_for_it_and_what_a_script_printed_to_nobody() -> None:
    room = RolloutRoom()
    began(room)
    for what in ("refused", "quarantined", "unchanged", "alarm", "back"):
        hand(room, what)
    hand(room, "failed", reason="KeyError: 'Ada Lovelace, 4711 euros'")
    few = notices.Receiver("few", frozenset({"alarm", "failed"}))
    assert collect(room, EVERYBODY, few)
    assert {one["event"] for one in told(room)} == {"refused", "quarantined", "alarm", "rolled_back", "failed"}
    few_told = {one["event"]: one["reason"] for one in told(room, "few")}
    assert set(few_told) == {"alarm", "failed"}
    assert few_told["alarm"] == "wrong answers 0.31 against 0.18 since truth 8,120"
    assert "Lovelace" not in json.dumps(told(room))


def test_a_version_that_asks_for_a_word_is_told_with_the_command_for_it() -> None:
    room = with_plan(shadow_requests=300, stages=(20.0, 100.0), stage_requests=200)
    room.plan = replace(room.plan, approve=(PERSON,))
    began(room)
    room.begin()
    room.run(2_400)
    collect(room)
    [notice] = told(room)
    assert (notice["event"], room.rollout().state) == ("asked", "asked")
    assert notice["reason"].endswith(f"decide with `colonnade approve rollout/{room.rollout().id}`")


@pytest.mark.parametrize("committed", [False, True], ids=["before", "after"])
def test_killed_at_any_transaction_no_notice_is_lost_and_none_is_made_twice(committed: bool) -> None:
    for kills_at in range(200):
        room = with_plan(shadow_requests=300, stages=(20.0, 100.0), stage_requests=200)
        began(room)
        room.models[NEW] = Model(errors=0.15)
        room.begin()
        room.mortal.dies_in, room.mortal.committed = kills_at, committed
        lived = False
        try:
            for _ in range(12):
                room.run(200)
                notices.collect(room.mortal, PROJECT, [EVERYBODY], lambda name: name)
            lived = True
        except Killed:
            room.restart()
            room.run(2_400)
            notices.collect(room.state, PROJECT, [EVERYBODY], lambda name: name)
        assert [one["event"] for one in told(room)] == ["rolled_back"]
        if lived:
            break
    assert lived


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "FIRST_MS", 1)
    monkeypatch.setattr(notices, "MOST_MS", 20)
    monkeypatch.setattr("colonnade.app.notifying.LOOK_S", 0.02)


def house_of(room: RolloutRoom) -> Any:
    return SimpleNamespace(state=room.state, project=PROJECT, url="http://house", stop=threading.Event())


def test_a_receiver_that_fails_first_gets_it_in_the_end_signed_and_under_one_id(
    impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK_SECRET", "whsec_" + base64.b64encode(b"a key of ours").decode())
    room, board = RolloutRoom(), Board()
    with receiving(500, (302, {"location": "http://127.0.0.1:9/"}), 429) as receiver:
        declared = Notify(url=f"{receiver.url}/hook/SECRET-PATH", secret_env="HOOK_SECRET")
        house = house_of(room)
        notifying = Notifying(house, board)
        notifying.apply([declared])
        hand(room, "refused")
        notifying.step()

        def took() -> bool:
            room.clock.advance(25)
            return bool(receiver.taken()) and not board.found

        until(took, 30, 0.01)
        house.stop.set()
        assert [status for *_, status in receiver.got] == [500, 302, 429, 204]
        assert len({body for _, body, _ in receiver.got}) == 1
        assert len({headers["webhook-id"] for headers, *_ in receiver.got}) == 1
        headers, body, _ = receiver.got[-1]
        message = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        mac = base64.b64encode(hmac.new(b"a key of ours", message, hashlib.sha256).digest()).decode()
        assert headers["webhook-signature"] == f"v1,{mac}"
        assert headers["idempotency-key"] == json.loads(body)["id"] == headers["webhook-id"]
        [status] = notices_status(room.state, PROJECT, [declared.model_dump()])
        assert (status["to"], status["sent"], status["waiting"], status["signed"]) == ("127.0.0.1", 1, 0, True)


def test_one_who_never_answers_delays_nobody_and_what_is_wrong_is_shown_without_the_address(
    impatient: None, caplog: pytest.LogCaptureFixture
) -> None:
    held = threading.Event()

    def hang(_: BaseHTTPRequestHandler) -> None:
        held.wait(20)

    room, board = RolloutRoom(), Board()
    with receiving(hang) as slow, receiving() as quick, receiving(*[503] * 500) as broken:
        declared = [Notify(url=f"{one.url}/T0/SECRET-PATH") for one in (slow, quick, broken)]
        house = house_of(room)
        notifying = Notifying(house, board)
        notifying.apply(declared)
        hand(room, "refused")
        began_at = time.monotonic()
        notifying.step()
        assert time.monotonic() - began_at < 5, "the loop does not wait"
        until(lambda: quick.taken() and board.found, 30, 0.01)
        [alarm] = board.found.values()
        assert (alarm["code"], alarm["message"]) == ("notify_failed", "127.0.0.1 is not told: answers 503")
        assert "SECRET-PATH" not in caplog.text + json.dumps(list(board.found.values()))
        notifying.apply(declared[1:2])
        assert board.found == {}
        assert room.state.rows("notices_next", receiver=receiver_id(declared[2].model_dump()))[0]["next_ms"] is None
        house.stop.set()
        held.set()


def test_what_waits_for_a_day_is_given_up_and_gone_is_gone() -> None:
    room = RolloutRoom()
    began(room)
    hand(room, "refused")
    hand(room, "quarantined")
    collect(room)
    first, second = room.state.rows("notices_due", receiver="everybody", now_ms=1 << 50, limit=9)
    notices.tried(room.state, "everybody", first, "answers 410", final=True)
    for _ in range(60):
        row = next(one for one in room.state.rows("notices_due", receiver="everybody", now_ms=1 << 50, limit=9))
        notices.tried(room.state, "everybody", row, "answers 500", final=False)
        if notices.counts(room.state, PROJECT)["everybody"]["given_up"] == 2:
            break
        room.clock.advance(3_600_000)
    assert notices.counts(room.state, PROJECT)["everybody"] == {"sent": 0, "waiting": 0, "given_up": 2, "error": ""}
    assert second["at_ms"] > 0


def test_a_try_is_over_within_its_time_even_if_an_answer_comes_byte_by_byte() -> None:
    def drip(handler: BaseHTTPRequestHandler) -> None:
        for _ in range(100):
            try:
                handler.wfile.write(b"H")
                handler.wfile.flush()
            except OSError:
                return
            time.sleep(0.05)

    with receiving(drip) as receiver:
        began_at = time.monotonic()
        with pytest.raises(NotTold):
            post(receiver.url, {}, b"{}", timeout_s=0.3)
        assert time.monotonic() - began_at < 4


def test_nothing_is_sent_unsigned_that_is_declared_to_be_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOOK_SECRET", raising=False)
    row = {"id": "evt_1", "body": "{}", "event": "alarm"}
    with pytest.raises(NotTold, match="the variable HOOK_SECRET is not set"):
        signed(Notify(url="https://x.example/", secret_env="HOOK_SECRET"), row)
    with pytest.raises(NotTold, match="the variable HOOK_URL is not set"):
        signed(Notify(url_env="HOOK_URL"), row)
    monkeypatch.setenv("HOOK_URL", "file:///etc/passwd")
    with pytest.raises(NotTold, match="must begin with https"):
        signed(Notify(url_env="HOOK_URL"), row)
    assert shown(Notify(url="https://hooks.example.com/T0/B0/x").model_dump()) == "hooks.example.com"
    assert shown(Notify(url_env="HOOK_URL").model_dump()) == "$HOOK_URL"


@pytest.mark.parametrize(
    "section, said",
    [
        ("{url: 'ftp://x.example'}", "must begin with https:// or http://"),
        ("{url: 'https://me:secret@x.example/'}", "must hold no name and password"),
        ("{}", "give either `url` or `url_env`"),
        ("{url: 'https://x.example', on: [promoted, promoted]}", "an event stands twice"),
        ("{url: 'https://x.example', on: [everything]}", "notify.0.on.0 cannot be"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_line(section: str, said: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        parse_declaration(f"version: 1\nproject: small\nnotify:\n  - {section}\n", "colonnade.yaml")
    assert said in caught.value.message
    assert caught.value.line == 4
