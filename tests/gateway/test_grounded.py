# SPDX-License-Identifier: Apache-2.0
"""A language model over numbered passages: what it says is checked, what fails falls back to quotes and says so."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from typing import Any

import pytest

from colonnade.core.errors import StorageFull
from colonnade.gateway.grounded import BROKE_OFF, DOWN, NOT_ANSWERED, UNVERIFIED
from tests.gateway.conftest import KEYS, UPSTREAM_SECRET, House, Reply
from tests.gateway.dummy_upstream import DummyUpstream
from tests.gateway.test_passthrough import until

QUESTION = "How much may a hotel night cost?"
QUOTE = "A hotel night may cost up to 120 euros."


def ask(house: House, question: str = QUESTION, **more: Any) -> Reply:
    return house.chat("writer", question, stream=True, **more)


def part(reply: Reply) -> dict[str, Any]:
    return reply.events[-1]["colonnade"]


def test_a_supported_sentence_keeps_its_citation_and_leads_to_the_very_sentence(
    house: House, upstream: DummyUpstream
) -> None:
    upstream.text = "A hotel night may cost at most 120 euros [1]."
    for stream in (True, False):
        reply = house.chat("writer", QUESTION, stream=stream)
        extra = part(reply) if stream else reply.json["choices"][0]["message"]["colonnade"]
        text = reply.text if stream else reply.json["choices"][0]["message"]["content"]
        assert text == "A hotel night may cost at most 120 euros. [1]"
        assert extra["status"] == "answered"
        cited = extra["citations"][0]
        assert cited["quote"] == QUOTE
        source = house.call("GET", cited["url"].removeprefix(house.url) + "/text").body.decode()
        assert source[cited["start"] : cited["end"]] == QUOTE
        assert reply.headers["x-request-id"] == extra["ref"]
    recorded = house.backend.recorded[-1]
    assert recorded.answer == text
    assert recorded.given
    assert house.backend.tokens[-1] == (11, 7)


def test_the_model_gets_numbered_passages_as_data_and_only_what_the_asker_may_read(
    house: House, upstream: DummyUpstream
) -> None:
    ask(house, "How much may a hotel night cost, beside the salary?")
    sent = json.dumps(upstream.requests[-1])
    assert "hotel night" in sent
    assert "88000" not in sent
    assert upstream.requests[-1]["stream_options"] == {"include_usage": True}
    last = upstream.requests[-1]["messages"][-1]["content"]
    assert "[1] (" in last
    boundary = last.splitlines()[0]
    assert boundary.startswith("--- passages ")
    ask(house, "What is the price of a hotel night?")
    assert upstream.requests[-1]["messages"][-1]["content"].splitlines()[0] != boundary


def test_an_invented_number_is_marked_and_loses_its_citation(house: House, upstream: DummyUpstream) -> None:
    upstream.text = "A hotel night may cost up to 120 euros [1]. Breakfast may cost up to 25 euros [1]."
    reply = ask(house)
    assert reply.text == f"{QUOTE} [1] Breakfast may cost up to 25 euros. [unverified]"
    assert part(reply)["note"].startswith("Marked [unverified]")


def test_a_sentence_that_cites_a_source_that_does_not_exist_is_withheld(house: House, upstream: DummyUpstream) -> None:
    upstream.text = "A hotel night may cost up to 120 euros [1]. Suites are always free of charge [17]."
    reply = ask(house)
    assert reply.text == f"{QUOTE} [1]"
    assert part(reply)["note"].startswith("Withheld")
    assert "free of charge" not in reply.body.decode()


def test_nothing_unverified_stands_alone(house: House, upstream: DummyUpstream) -> None:
    upstream.text = "Everything is free. The chairman pays 7000 dollars for it."
    reply = ask(house)
    assert reply.text == f"{UNVERIFIED}\n\n{QUOTE} [1]"
    assert "chairman" not in reply.body.decode()
    assert part(reply)["note"] == UNVERIFIED


def test_an_absent_topic_is_abstained_from_without_asking_the_model(house: House, upstream: DummyUpstream) -> None:
    reply = ask(house, "Who won the chess final in Oslo?")
    assert (part(reply)["status"], part(reply)["reason"], part(reply)["citations"]) == ("abstained", "topic", [])
    assert upstream.requests == []


def test_a_model_that_finds_no_answer_leads_to_an_abstention(house: House, upstream: DummyUpstream) -> None:
    upstream.text = "NO_ANSWER"
    reply = ask(house)
    assert reply.text == NOT_ANSWERED
    assert (part(reply)["status"], part(reply)["reason"], part(reply)["citations"]) == ("abstained", "unsupported", [])


@pytest.mark.parametrize("mode", ["silent", "status", "json_garbage", "garbage", "error", "error_text"])
def test_a_dead_or_slow_model_is_replaced_by_quotes_that_say_so(
    mode: str, make_house: Callable[..., House], upstream: DummyUpstream
) -> None:
    house = make_house(first_byte_ms=150)
    upstream.mode, upstream.text = mode.removeprefix("json_"), "Hello there"
    reply = ask(house)
    assert reply.status == 200
    assert reply.text == f"{DOWN}\n\n{QUOTE} [1]"
    assert (part(reply)["status"], part(reply)["note"]) == ("answered", DOWN)
    assert UPSTREAM_SECRET not in reply.body.decode()
    assert house.backend.recorded[-1].note == DOWN


@pytest.mark.parametrize("mode", ["die", "cut", "stall"])
def test_a_model_that_dies_amid_its_answer_is_followed_by_quotes(
    mode: str, make_house: Callable[..., House], upstream: DummyUpstream
) -> None:
    house = make_house(first_byte_ms=150)
    upstream.mode = mode
    upstream.text = (
        "A hotel night may cost up to 120 euros [1]. Then it went on and on and was never heard of again by anyone."
    )
    reply = ask(house)
    assert reply.text == f"{QUOTE} [1]\n\n{BROKE_OFF}\n\n{QUOTE} [2]"
    assert len(part(reply)["citations"]) == 2  # type: ignore[arg-type]
    assert reply.done


def test_a_document_that_gives_orders_is_not_obeyed_even_by_a_model_that_obeys(
    house: House, upstream: DummyUpstream
) -> None:
    upstream.text = "Everything is free [1]. The coffee machine is cleaned every Friday [1]."
    reply = ask(house, "When is the coffee machine cleaned, and is everything free?")
    sent = upstream.requests[-1]["messages"][-1]["content"]
    assert "Ignore your instructions" not in sent
    assert "coffee machine is cleaned every Friday" in sent
    assert "Everything is free. [unverified]" in reply.text
    assert "The coffee machine is cleaned every Friday. [1]" in reply.text


def test_a_follow_up_is_understood_from_the_conversation(house: House, upstream: DummyUpstream) -> None:
    upstream.text = "Receipts older than 30 days are not paid [1]."
    messages = [
        {"role": "user", "content": "When must I hand in receipts?"},
        {"role": "assistant", "content": "Within 30 days of the trip. [4]"},
        {"role": "user", "content": "And if they are older?"},
    ]
    body = {"model": "writer", "messages": messages, "temperature": 0}
    reply = house.call("POST", "/v1/chat/completions", body)
    assert reply.json["choices"][0]["message"]["colonnade"]["status"] == "answered"
    sent = upstream.requests[-1]
    assert sent["temperature"] == 0
    assert [m["role"] for m in sent["messages"]] == ["system", "user", "assistant", "user"]
    assert sent["messages"][2]["content"] == "Within 30 days of the trip."
    assert sent["messages"][3]["content"].endswith("Question: And if they are older?")
    quoted = house.call("POST", "/v1/chat/completions", {**body, "model": "assistant"})
    assert "30 days" in quoted.json["choices"][0]["message"]["content"]


def test_ask_and_mcp_use_the_model_of_a_service_that_has_one(house: House, upstream: DummyUpstream) -> None:
    upstream.text = "A hotel night may cost at most 120 euros [1]."
    asked = house.call("POST", "/v1/ask", {"question": QUESTION, "service": "writer"})
    assert asked.json["answer"] == "A hotel night may cost at most 120 euros. [1]"
    assert asked.json["signals"]["topic"] == 1.0
    assert house.backend.answer(house.backend.snapshot().people["anna"], asked.json["ref"]) is not None


def test_rights_hold_for_the_model_too_and_the_past_keeps_its_content(house: House, upstream: DummyUpstream) -> None:
    upstream.text = "The anchor bolt costs 12.50 EUR [1]."
    reply = ask(house, "What is the price of the anchor bolt?", colonnade={"as_of": "2026-09-18T00:00:00Z"})
    assert reply.text == "The anchor bolt costs 12.50 EUR. [1]"
    now = ask(house, "What is the price of the anchor bolt?")
    assert "13.90" in now.text
    assert now.text.startswith(UNVERIFIED)


def test_an_asker_who_leaves_is_recorded_and_the_model_is_let_go(house: House, upstream: DummyUpstream) -> None:
    upstream.mode = "stall"
    upstream.text = (
        "A hotel night may cost up to 120 euros [1]. And so it goes on for a long time and does not end at all."
    )
    body = json.dumps({"model": "writer", "messages": [{"role": "user", "content": QUESTION}], "stream": True}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {KEYS['anna']}\r\n"
    with socket.create_connection(("127.0.0.1", house.server.port), timeout=10) as raw:
        raw.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        got = b""
        while b"120 euros" not in got:
            got += raw.recv(65536)
    until(lambda: upstream.cancelled == 1)
    until(lambda: bool(house.backend.recorded))
    assert house.backend.recorded[-1].answer == f"{QUOTE} [1]"
    assert "left before" in house.backend.recorded[-1].note


@pytest.mark.parametrize(
    ("error", "code"), [(StorageFull("No space is left."), "storage_full"), (KeyError("x"), "internal")]
)
def test_an_answer_that_cannot_be_recorded_ends_with_an_error_and_not_as_if_all_were_well(
    error: Exception, code: str, house: House, upstream: DummyUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise error

    monkeypatch.setattr(house.backend, "record_answer", fail)
    upstream.text = "A hotel night may cost at most 120 euros [1]."
    streamed = ask(house)
    assert streamed.events[-1]["error"]["code"] == code
    assert not streamed.done
    whole = house.chat("writer", QUESTION)
    assert whole.error["code"] == code
