# SPDX-License-Identifier: Apache-2.0
"""Streamed completions from an upstream: pieces, endings, and every way of breaking off."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colonnade.adapters.models.endpoint import Endpoint
from colonnade.adapters.models.openai_chat import Ending, OpenAIChat, Waits
from colonnade.adapters.models.sse import MOST_BYTES, Events
from colonnade.core.errors import UpstreamDown
from colonnade.testing.models import ScriptedChat
from tests.models.local_endpoint import LocalEndpoint, Reply, as_json, serve

KEY = "sk-very-secret-0123456789"
ASKED = [{"role": "user", "content": "How hot?"}]


def event(**value: Any) -> bytes:
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"


def piece(text: str | None, reason: str | None = None) -> bytes:
    return event(choices=[{"index": 0, "delta": {"content": text} if text else {}, "finish_reason": reason}])


USAGE = event(choices=[], usage={"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10})
DONE = b"data: [DONE]\n\n"
WHOLE = [piece("Ninety "), piece("degrees – 90 °C"), piece(None, "stop"), USAGE, DONE]


def streamed(*chunks: bytes, **options: Any) -> Reply:
    return Reply(200, list(chunks), "text/event-stream", **options)


@pytest.fixture
def endpoint() -> Iterator[LocalEndpoint]:
    with serve(lambda request: streamed(*WHOLE)) as served:
        yield served


def ask(endpoint: LocalEndpoint, waits: Waits | None = None, **options: Any) -> tuple[list[str], list[Ending]]:
    """Pieces and ending; what came before an error is in its `args` no more, so tests of that read by hand."""

    async def run() -> tuple[list[str], list[Ending]]:
        chat = OpenAIChat(Endpoint(endpoint.url, "big", "BIG_KEY", {"BIG_KEY": KEY}), waits=waits)
        endings: list[Ending] = []
        try:
            pieces = [text async for text in chat.stream(ASKED, on_end=endings.append, **options)]
        finally:
            await chat.close()
        return pieces, endings

    return asyncio.run(run())


def test_pieces_arrive_in_order_with_an_ending(endpoint: LocalEndpoint) -> None:
    assert ask(endpoint, temperature=0) == (["Ninety ", "degrees – 90 °C"], [Ending("stop", 7, 3)])
    (request,) = endpoint.requests
    assert request.path == "/v1/chat/completions"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.body == {
        "model": "big",
        "messages": ASKED,
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0,
    }


def test_the_first_piece_does_not_wait_for_the_rest(endpoint: LocalEndpoint) -> None:
    hold = threading.Event()
    endpoint.answer = lambda request: streamed(WHOLE[0], hold=hold)

    async def run() -> str:
        chat = OpenAIChat(Endpoint(endpoint.url, "big"))
        stream = chat.stream(ASKED)
        first = await anext(aiter(stream))
        hold.set()
        with pytest.raises(UpstreamDown):
            await anext(aiter(stream))
        await chat.close()
        return first

    assert asyncio.run(run()) == "Ninety "


def test_bytes_may_be_cut_anywhere(endpoint: LocalEndpoint) -> None:
    whole = b": a comment\r\n\r\n" + b"".join(WHOLE).replace(b"\n", b"\r\n")
    endpoint.answer = lambda request: streamed(*(whole[at : at + 7] for at in range(0, len(whole), 7)))
    assert ask(endpoint)[0] == ["Ninety ", "degrees – 90 °C"]


def test_an_upstream_that_does_not_stream_is_read_all_the_same(endpoint: LocalEndpoint) -> None:
    endpoint.answer = lambda request: as_json(
        {"choices": [{"message": {"content": "Ninety."}, "finish_reason": "length"}], "usage": {"prompt_tokens": 7}}
    )
    assert ask(endpoint) == (["Ninety."], [Ending("length", 7, None)])


@pytest.mark.parametrize("ending", [[piece(None, "stop")], [DONE], [piece(None, "stop"), DONE]])
def test_a_finish_reason_or_done_is_an_end(endpoint: LocalEndpoint, ending: list[bytes]) -> None:
    endpoint.answer = lambda request: streamed(WHOLE[0], *ending)
    assert ask(endpoint) == (["Ninety "], [Ending("stop", None, None)])


def test_an_upstream_that_dies_amid_the_stream_is_down_after_what_came(endpoint: LocalEndpoint) -> None:
    for broken in (True, False):  # the connection breaks, or it ends in good order without an end of the answer
        endpoint.answer = lambda request, broken=broken: streamed(WHOLE[0], broken=broken)  # type: ignore[misc]
        came: list[str] = []

        async def run(came: list[str] = came) -> None:
            chat = OpenAIChat(Endpoint(endpoint.url, "big"))
            try:
                async for text in chat.stream(ASKED):
                    came.append(text)
            finally:
                await chat.close()

        with pytest.raises(UpstreamDown):
            asyncio.run(run())
        assert came == ["Ninety "]


@pytest.mark.parametrize(
    "reply",
    [
        streamed(b"data: {broken\n\n"),
        streamed(b"data: []\n\n"),
        streamed(event(choices=[7])),
        streamed(event(error={"message": f"overloaded {KEY}"})),
        streamed(),
        Reply(200, [b"<html>"], "text/html"),
        as_json({"error": {"message": "no such model"}}, 404),
        as_json({"error": {"message": "slow down"}}, 429),
        Reply(302, [], headers={"location": "http://127.0.0.1:9/"}),
    ],
)
def test_what_is_no_answer_is_upstream_down_and_never_shows_the_key(endpoint: LocalEndpoint, reply: Reply) -> None:
    endpoint.answer = lambda request: reply
    with pytest.raises(UpstreamDown) as caught:
        ask(endpoint)
    assert KEY not in str(caught.value)
    assert len(endpoint.requests) == 1


@pytest.mark.parametrize("before", [[], [WHOLE[0]]], ids=["before the first piece", "between pieces"])
def test_a_silent_upstream_is_down(endpoint: LocalEndpoint, before: list[bytes]) -> None:
    hold = threading.Event()
    endpoint.answer = lambda request: streamed(*before, hold=hold)
    with pytest.raises(UpstreamDown) as caught:
        ask(endpoint, Waits(first_s=0.15, between_s=0.15))
    hold.set()
    assert caught.value.code == "upstream_timeout"


def test_an_absent_upstream_is_down() -> None:
    with pytest.raises(UpstreamDown, match="did not answer") as caught:
        ask(LocalEndpoint("http://127.0.0.1:9/v1", [], lambda request: Reply()))
    assert "reachable" in caught.value.hint


def test_a_reader_who_leaves_closes_the_connection(endpoint: LocalEndpoint) -> None:
    hold = threading.Event()
    endpoint.answer = lambda request: streamed(WHOLE[0], hold=hold)

    async def run() -> None:
        chat = OpenAIChat(Endpoint(endpoint.url, "big"), most_connections=1)
        for _ in range(3):  # with one connection, a second stream starts only when the first is gone
            stream = chat.stream(ASKED)
            assert await anext(aiter(stream)) == "Ninety "
            await stream.aclose()  # type: ignore[attr-defined]
        await chat.close()

    asyncio.run(run())
    hold.set()
    assert len(endpoint.requests) == 3


@given(st.lists(st.text(alphabet="ab\r é:", max_size=8), max_size=6), st.data())
def test_events_are_the_same_however_the_bytes_are_cut(texts: list[str], data: st.DataObject) -> None:
    lines = [text.replace("\r", "") for text in texts]
    whole = b"".join(b"data: " + line.encode() + b"\n\n" for line in lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=5)))
    events = Events()
    got = [
        one
        for first, last in zip([0, *cuts], [*cuts, len(whole)], strict=True)
        for one in events.take(whole[first:last])
    ]
    assert got == [line.encode() for line in lines]


def test_an_endless_event_is_refused() -> None:
    events = Events()
    for _ in range(4):
        assert events.take(b"x" * (MOST_BYTES // 4)) == []
    with pytest.raises(ValueError, match="4 MiB"):
        events.take(b"x")


def test_the_fake_streams_in_turn_and_breaks_off_where_it_is_told() -> None:
    async def read(chat: ScriptedChat) -> list[str]:
        return [text async for text in chat.stream(ASKED, temperature=0)]

    chat = ScriptedChat(["a", "b"], ["c"])
    assert [asyncio.run(read(chat)) for _ in range(3)] == [["a", "b"], ["c"], ["c"]]
    assert chat.asked[0] == (ASKED, {"temperature": 0})
    with pytest.raises(UpstreamDown):
        asyncio.run(read(ScriptedChat(["a", "b"], breaks_after=1)))
