# SPDX-License-Identifier: Apache-2.0
"""A service without knowledge: bytes pass, secrets do not, and whatever goes wrong upstream is said."""

from __future__ import annotations

import itertools
import json
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colonnade.gateway.backend import Upstream
from colonnade.gateway.frames import BrokenStream, Frames
from colonnade.gateway.passthrough import outgoing
from colonnade.gateway.serve import bind
from tests.gateway.conftest import KEYS, UPSTREAM_SECRET, House
from tests.gateway.dummy_upstream import DummyUpstream, chunk


def until(condition: Callable[[], bool]) -> None:
    """Wait for what another thread is about to do."""
    for _ in range(1000):
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("it did not happen")


def test_the_request_goes_out_with_the_upstreams_model_and_key_and_all_else_as_it_came(
    house: House, upstream: DummyUpstream
) -> None:
    more: dict[str, Any] = {"temperature": 0.30, "tools": [{"type": "function"}], "user": "ü", "stop": None}
    ours: dict[str, Any] = {"colonnade": {"as_of": 1}, "as": None}
    reply = house.chat("chat", "Hi", **more, **ours)
    assert reply.status == 200
    message = {"role": "user", "content": "Hi"}
    assert upstream.requests == [{"model": "dummy-1", "messages": [message], **more}]
    assert upstream.keys == [f"Bearer {UPSTREAM_SECRET}"]
    assert reply.json["model"] == "chat"
    assert reply.json["usage"]["total_tokens"] == 18


def test_what_it_cost_is_handed_to_the_writer_under_the_request_id(house: House, upstream: DummyUpstream) -> None:
    for stream in (False, True):
        reply = house.chat("chat", "Hi", stream=stream)
        until(lambda: bool(house.backend.captures))
        capture = house.backend.captures.pop()
        assert (capture.ref, capture.service, capture.status) == (reply.headers["x-request-id"], "chat", "answered")
        assert (capture.tokens_in, capture.tokens_out) == (11, 7)
        assert capture.asker.name == "anna"
        assert reply.headers["server-timing"].startswith("gateway;dur=")


def test_usage_is_always_asked_for_and_shown_only_to_who_asked(house: House, upstream: DummyUpstream) -> None:
    without = house.chat("chat", "Hi", stream=True)
    asked = house.chat("chat", "Hi", stream=True, stream_options={"include_usage": True, "other": 1})
    refused = house.chat("chat", "Hi", stream=True, stream_options={"include_usage": False})
    assert [r["stream_options"] for r in upstream.requests] == [
        {"include_usage": True},
        {"include_usage": True, "other": 1},
        {"include_usage": True},
    ]
    for reply in (without, refused):
        assert all("usage" not in event for event in reply.events)
        assert reply.done
        assert reply.text == "Hello there, friend."
    assert asked.events[-1]["usage"]["total_tokens"] == 18
    assert asked.events[-1]["choices"] == []
    assert {event["model"] for event in asked.events} == {"chat"}


@pytest.mark.parametrize("mode", ["crlf", "bytes", "no_done", "no_index", "no_choices", "no_usage"])
def test_odd_streams_come_out_regular(mode: str, house: House, upstream: DummyUpstream) -> None:
    upstream.mode = mode
    reply = house.chat("chat", "Hi", stream=True)
    assert reply.text == "Hello there, friend."
    assert reply.done
    assert all("choices" in event for event in reply.events)
    assert all(c["index"] == 0 for event in reply.events for c in event["choices"])


@pytest.mark.parametrize(
    ("mode", "code"),
    [
        ("die", "upstream_down"),
        ("cut", "upstream_down"),
        ("garbage", "upstream_error"),
        ("error", "fell_over"),
        ("error_text", "upstream_error"),
    ],
)
def test_a_stream_that_ends_too_early_ends_with_an_error_event(
    mode: str, code: str, house: House, upstream: DummyUpstream
) -> None:
    upstream.mode = mode
    reply = house.chat("chat", "Hi", stream=True)
    assert reply.status == 200
    assert reply.events[-1]["error"]["code"] == code
    assert set(reply.events[-1]["error"]) == {"message", "type", "param", "code"}
    assert reply.text.startswith("Hello")
    until(lambda: bool(house.backend.captures))
    assert house.backend.captures[-1].status == "failed"


def test_a_stream_that_stops_amid_is_given_up(make_house: Callable[..., House], upstream: DummyUpstream) -> None:
    house = make_house(first_byte_ms=100)
    upstream.mode = "stall"
    reply = house.chat("chat", "Hi", stream=True)
    assert reply.events[-1]["error"]["code"] == "upstream_timeout"


@pytest.mark.parametrize("stream", [True, False])
def test_an_upstream_that_never_answers_is_504(
    stream: bool, make_house: Callable[..., House], upstream: DummyUpstream
) -> None:
    house = make_house(first_byte_ms=100)
    upstream.mode = "silent"
    reply = house.chat("chat", "Hi", stream=stream)
    assert (reply.status, reply.error["code"]) == (504, "upstream_timeout")
    until(lambda: upstream.cancelled == 1)


def test_an_upstream_that_is_not_there_is_503(make_house: Callable[..., House]) -> None:
    free = bind("127.0.0.1", 0)
    port = free.getsockname()[1]
    free.close()
    house = make_house(url=f"http://127.0.0.1:{port}/v1")
    reply = house.chat("chat", "Hi")
    assert (reply.status, reply.error["code"], reply.headers["retry-after"]) == (503, "upstream_down", "1")
    assert str(port) not in reply.error["message"]


def test_nonsense_in_one_piece_is_a_server_error(house: House, upstream: DummyUpstream) -> None:
    upstream.mode = "garbage"
    reply = house.chat("chat", "Hi")
    assert (reply.status, reply.error["code"]) == (503, "upstream_error")
    upstream.mode = "json"
    assert house.chat("chat", "Hi", stream=True).error["code"] == "upstream_error"


@pytest.mark.parametrize(
    ("status", "error", "seen", "code"),
    [
        (429, {"message": "Slow down.", "code": "rate_limited"}, 429, "rate_limited"),
        (400, {"message": "Too long.", "code": None, "param": "messages"}, 400, "upstream_error"),
        (422, "just text", 422, "upstream_error"),
        (500, None, 500, "upstream_error"),
        (401, {"message": "Incorrect API key provided: sk-upstream-secret"}, 502, "upstream_refused"),
        (403, {"message": "No."}, 502, "upstream_refused"),
        (404, {"message": "No such model dummy-1."}, 502, "upstream_refused"),
    ],
)
def test_the_upstreams_refusals_pass_but_those_of_our_configuration_are_ours(
    status: int, error: Any, seen: int, code: str, house: House, upstream: DummyUpstream
) -> None:
    upstream.mode, upstream.status, upstream.error = "status", status, error
    upstream.headers = [(b"retry-after", b"7"), (b"x-should-retry", b"false"), (b"set-cookie", b"a=b")]
    reply = house.chat("chat", "Hi", stream=True)
    assert (reply.status, reply.error["code"]) == (seen, code)
    assert UPSTREAM_SECRET.encode() not in reply.body
    assert "set-cookie" not in reply.headers
    if status == 429:
        assert (reply.headers["retry-after"], reply.headers["x-should-retry"]) == ("7", "false")
        assert reply.error["message"] == "Slow down."


@pytest.mark.parametrize("mode", ["stall", "silent"])
def test_a_client_that_leaves_takes_the_upstreams_request_with_it(
    mode: str, house: House, upstream: DummyUpstream
) -> None:
    upstream.mode = mode
    body = json.dumps({"model": "chat", "messages": [{"role": "user", "content": "Hi"}], "stream": True}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {KEYS['anna']}\r\n"
    with socket.create_connection(("127.0.0.1", house.server.port), timeout=10) as raw:
        raw.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        if mode == "stall":
            assert raw.recv(65536)
        until(lambda: len(upstream.requests) == 1)
    until(lambda: upstream.cancelled == 1)
    until(lambda: bool(house.backend.captures))
    assert house.backend.captures[-1].status == "cancelled"


def test_a_silent_stream_shows_a_sign_of_life(house: House, upstream: DummyUpstream) -> None:
    house.app.context.heartbeat.silence_s = 0.04
    upstream.mode = "stall"
    connection = house.connect()
    body = json.dumps({"model": "chat", "messages": [{"role": "user", "content": "Hi"}], "stream": True})
    connection.request("POST", "/v1/chat/completions", body, {"authorization": f"Bearer {KEYS['anna']}"})
    response = connection.getresponse()
    lines = []
    while b": keep-alive\n" not in lines:
        lines.append(response.readline())
    connection.close()
    assert any(line.startswith(b"data: ") for line in lines)


RENAME = (b"dummy-1", b"chat")
STREAM = b"".join(
    [
        chunk({"role": "assistant", "content": ""}),
        chunk({"content": 'with "usage":{ and "model":"x" inside'}),
        b": comment\n\n",
        chunk({"content": "ünï\n\ncode"}),
        chunk({}, finish="stop"),
        chunk(None, usage={"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}),
        b"data: [DONE]\n\n",
    ]
)


@given(st.lists(st.integers(0, len(STREAM)), max_size=12), st.booleans(), st.booleans())
def test_a_stream_comes_out_the_same_however_it_was_cut(cuts: list[int], crlf: bool, keep: bool) -> None:
    stream = STREAM.replace(b"\n", b"\r\n") if crlf else STREAM
    places = sorted({0, len(stream), *cuts})
    cut = Frames(RENAME, keep_usage=keep)
    out = b"".join(cut.feed(stream[a:b]) for a, b in itertools.pairwise(places))
    whole = Frames(RENAME, keep_usage=keep)
    assert out == whole.feed(STREAM)
    assert (cut.done, cut.finished, cut.usage) == (True, True, whole.usage)
    assert cut.usage is not None
    assert (cut.usage.completion_tokens, b'"total_tokens"' in out) == (4, keep)
    assert b'"model":"dummy-1"' not in out
    assert out.count(b'"model":"chat"') == (5 if keep else 4)


@given(st.binary(max_size=60))
def test_no_bytes_make_the_frames_fail_otherwise_than_as_broken(noise: bytes) -> None:
    frames = Frames(RENAME, keep_usage=True)
    try:
        out = frames.feed(b"data: " + noise + b"\n\n")
    except BrokenStream:
        return
    assert out == b"" or out.endswith(b"\n\n")


def test_nothing_follows_the_end_of_a_stream() -> None:
    frames = Frames(RENAME, keep_usage=True)
    assert frames.feed(b"data: [DONE]\n\ndata: more\n\n") == b"data: [DONE]\n\n"


def test_numbers_and_unknown_fields_go_out_as_they_were_written() -> None:
    body = b'{"model":"chat","temperature":0.10,"seed":12345678901234567890,"x":[1.0,{"y":null}],"messages":[]}'
    out = outgoing(body, Upstream("http://x", 'quo"te'), stream=False)
    assert out == body.replace(b'"chat"', b'"quo\\"te"')


def test_head_and_body_leave_at_once(house: House) -> None:
    with socket.create_connection(("127.0.0.1", house.server.port)) as raw:
        assert raw
    assert house.server._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
