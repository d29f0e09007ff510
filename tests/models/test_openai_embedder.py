# SPDX-License-Identifier: Apache-2.0
"""Embeddings from an endpoint: what is sent, what is accepted, and how each way of failing is told."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from colonnade.adapters.models.endpoint import Endpoint
from colonnade.adapters.models.openai_embedder import OpenAIEmbedder
from colonnade.core.errors import ColonnadeError, UpstreamDown, UsageError
from colonnade.testing.embedder_conformance import EmbedderConformance
from colonnade.testing.models import BagOfWords
from tests.models.local_endpoint import LocalEndpoint, Reply, Request, as_json, serve

KEY = "sk-very-secret-0123456789"
MODEL = BagOfWords()


def bag_of_words(request: Request) -> Reply:
    """A sound endpoint, whose rows come in reverse and longer than 1."""
    vectors = 3 * MODEL.embed(request.body["input"])
    rows = [
        {"object": "embedding", "index": index, "embedding": base64.b64encode(row.astype("<f4").tobytes()).decode()}
        for index, row in enumerate(vectors)
    ]
    return as_json({"object": "list", "data": rows[::-1], "model": request.body["model"]})


@pytest.fixture
def endpoint() -> Iterator[LocalEndpoint]:
    with serve(bag_of_words) as served:
        yield served


def embedder_at(endpoint: LocalEndpoint, **options: Any) -> OpenAIEmbedder:
    options.setdefault("pause", lambda seconds: None)
    return OpenAIEmbedder(Endpoint(endpoint.url, "bag", "BAG_KEY", {"BAG_KEY": KEY}), **options)


class TestOpenAIEmbedder(EmbedderConformance):
    @pytest.fixture
    def embedder(self, endpoint: LocalEndpoint) -> Iterator[OpenAIEmbedder]:
        embedder = embedder_at(endpoint)
        yield embedder
        embedder.close()


class TestBagOfWords(EmbedderConformance):
    @pytest.fixture
    def embedder(self) -> BagOfWords:
        return BagOfWords()


def test_what_is_sent_is_what_the_api_describes(endpoint: LocalEndpoint) -> None:
    embedder = embedder_at(endpoint, dimensions=384, send_dimensions=True)
    vectors = embedder.embed(["one", ""])
    np.testing.assert_allclose(vectors[0], MODEL.embed(["one"])[0], atol=1e-6)
    (request,) = endpoint.requests
    assert request.path == "/v1/embeddings"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.body == {"model": "bag", "input": ["one", " "], "encoding_format": "base64", "dimensions": 384}
    assert embedder.id == f"bag@{endpoint.url[7:-3]}/endpoint/384"
    embedder.close()


def test_many_texts_go_in_batches_and_keep_their_order(endpoint: LocalEndpoint) -> None:
    embedder = embedder_at(endpoint)
    texts = [f"text {number}" for number in range(150)]
    np.testing.assert_allclose(embedder.embed(texts), MODEL.embed(texts), atol=1e-6)
    assert [len(request.body["input"]) for request in endpoint.requests] == [64, 64, 22]
    endpoint.requests.clear()
    embedder.embed(["x" * 60_000] * 3)
    assert [len(request.body["input"]) for request in endpoint.requests] == [1, 1, 1]
    embedder.close()


def test_the_length_of_vectors_is_learnt_once(endpoint: LocalEndpoint) -> None:
    embedder = embedder_at(endpoint)
    assert (embedder.dimensions, embedder.dimensions) == (384, 384)
    assert embedder.embed([]).shape == (0, 384)
    assert len(endpoint.requests) == 1
    embedder.close()


def test_lists_of_numbers_are_taken_too(endpoint: LocalEndpoint) -> None:
    endpoint.answer = lambda request: as_json({"data": [{"index": 0, "embedding": [3, 4.0]}]})
    embedder = embedder_at(endpoint)
    np.testing.assert_allclose(embedder.embed(["x"]), [[0.6, 0.8]])
    embedder.close()


def test_a_busy_endpoint_is_asked_again_after_the_pause_it_wants(endpoint: LocalEndpoint) -> None:
    pauses: list[float] = []
    replies = [as_json({}, 429, retry_after="2"), as_json({}, 503, retry_after="3600"), None]

    def answer(request: Request) -> Reply:
        return replies.pop(0) or bag_of_words(request)

    endpoint.answer = answer
    embedder = embedder_at(endpoint, pause=pauses.append)
    assert embedder.embed(["x"]).shape == (1, 384)
    assert pauses == [2.0, 5.0]
    embedder.close()


def test_a_connection_that_the_endpoint_closed_meanwhile_is_replaced(endpoint: LocalEndpoint) -> None:
    embedder = embedder_at(endpoint)

    def hanging_up(request: Request) -> Reply:
        reply = bag_of_words(request)
        reply.broken = len(endpoint.requests) == 2
        reply.chunks = [] if reply.broken else reply.chunks
        return reply

    endpoint.answer = hanging_up
    assert embedder.embed(["first"]).shape == (1, 384)
    assert embedder.embed(["second"]).shape == (1, 384)
    assert len(endpoint.requests) == 3
    embedder.close()


BAD: dict[str, Callable[[Request], Reply]] = {
    "no JSON": lambda request: Reply(200, [b"<html>"]),
    "a list": lambda request: as_json([]),
    "no data": lambda request: as_json({}),
    "too few": lambda request: as_json({"data": []}),
    "twice the same index": lambda request: as_json({"data": [{"index": 0, "embedding": [1.0]}] * 2}),
    "no base64": lambda request: as_json({"data": [{"index": 0, "embedding": "???"}]}),
    "half a number": lambda request: as_json({"data": [{"index": 0, "embedding": "AAAA"}]}),
    "not finite": lambda request: as_json({"data": [{"index": 0, "embedding": [float("nan")]}]}),
    "length 0": lambda request: as_json({"data": [{"index": 0, "embedding": [0.0, 0.0]}]}),
    "words": lambda request: as_json({"data": [{"index": 0, "embedding": ["a"]}]}),
    "empty": lambda request: as_json({"data": [{"index": 0, "embedding": []}]}),
    "broken off": lambda request: Reply(200, [b'{"data"'], broken=True),
}


@pytest.mark.parametrize("answer", BAD.values(), ids=BAD)
def test_nonsense_is_upstream_down(endpoint: LocalEndpoint, answer: Callable[[Request], Reply]) -> None:
    endpoint.answer = answer
    embedder = embedder_at(endpoint)
    with pytest.raises(UpstreamDown):
        embedder.embed(["x"])
    embedder.close()


def test_vectors_of_another_length_than_declared_are_refused(endpoint: LocalEndpoint) -> None:
    embedder = embedder_at(endpoint, dimensions=512)
    with pytest.raises(UpstreamDown, match="384 numbers, not 512"):
        embedder.embed(["x"])
    embedder.close()


@pytest.mark.parametrize("status, times", [(400, 1), (401, 1), (404, 1), (429, 3), (500, 3)])
def test_a_refusal_is_told_in_the_upstreams_words_without_the_key(
    endpoint: LocalEndpoint, status: int, times: int
) -> None:
    endpoint.answer = lambda request: as_json({"error": {"message": f"no, {KEY} " + "x" * 999}}, status)
    embedder = embedder_at(endpoint)
    with pytest.raises(UpstreamDown, match=f"answered {status}: no, ") as caught:
        embedder.embed(["x"])
    assert KEY not in str(caught.value)
    assert len(caught.value.message) < 300
    assert len(endpoint.requests) == times
    assert "BAG_KEY" in caught.value.hint or status != 401
    embedder.close()


def test_an_endpoint_that_is_not_there_or_too_slow_is_upstream_down(endpoint: LocalEndpoint) -> None:
    hold = threading.Event()
    endpoint.answer = lambda request: Reply(200, [b"{}"], hold=hold)
    slow = embedder_at(endpoint, timeout_s=0.1)
    with pytest.raises(UpstreamDown, match="did not answer"):
        slow.embed(["x"])
    hold.set()
    absent = OpenAIEmbedder(Endpoint("http://127.0.0.1:9/v1", "bag"))
    with pytest.raises(UpstreamDown, match="did not answer") as caught:
        absent.embed(["x"])
    assert "reachable" in caught.value.hint


def test_the_key_is_read_when_it_is_needed_and_never_shown() -> None:
    environ: dict[str, str] = {}
    endpoint = Endpoint("https://models.example/v1", "m", "THE_KEY", environ)
    with pytest.raises(UpstreamDown) as caught:
        endpoint.headers()
    assert caught.value.code == "upstream_key_missing"
    environ["THE_KEY"] = KEY
    assert endpoint.headers()["authorization"] == f"Bearer {KEY}"
    assert KEY not in repr(endpoint)
    environ["THE_KEY"] = "two\r\nlines"
    with pytest.raises(UpstreamDown):
        endpoint.headers()


@pytest.mark.parametrize(
    "url",
    ["models.example/v1", "ftp://models.example", "https://me:pass@models.example", "https://", "http://a/v1?k=1"],
)
def test_a_url_that_cannot_be_is_refused_at_once(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        Endpoint(url, "m")
    assert isinstance(caught.value, ColonnadeError)
    assert "pass" not in str(caught.value).replace("password", "")
