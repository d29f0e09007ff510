# SPDX-License-Identifier: Apache-2.0
"""Bodies that are too large, malformed, wrong or slow; paths that do not exist; and what an unexpected error says."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from colonnade.core.errors import ColonnadeError
from colonnade.gateway import http as gateway_http
from colonnade.gateway.bodies import AskRequest, ChatRequest, EmbeddingsRequest, SearchRequest, decode
from colonnade.gateway.failures import ApiError
from tests.gateway.conftest import KEYS, House
from tests.gateway.dummy_upstream import DummyUpstream

CHAT = "/v1/chat/completions"


def test_a_body_over_the_limit_is_refused_before_it_is_read(
    make_house: Callable[..., House], upstream: DummyUpstream
) -> None:
    house = make_house(max_body_bytes=1000)
    reply = house.call("POST", CHAT, b"x" * 1001)
    assert (reply.status, reply.error["code"]) == (413, "too_large")
    assert reply.headers["connection"] == "close"
    assert house.call("POST", CHAT, b" " * 999).error["code"] == "invalid_json"


def test_a_body_without_a_length_is_counted_as_it_comes(
    make_house: Callable[..., House], upstream: DummyUpstream
) -> None:
    house = make_house(max_body_bytes=1000)
    connection = house.connect()
    connection.request(
        "POST", CHAT, iter([b"x" * 600] * 3), {"authorization": f"Bearer {KEYS['anna']}"}, encode_chunked=True
    )
    assert connection.getresponse().status == 413
    connection.close()


def test_a_refusal_can_be_read_by_a_client_that_is_still_sending(
    make_house: Callable[..., House], upstream: DummyUpstream
) -> None:
    house = make_house(max_body_bytes=1000)
    assert house.call("POST", CHAT, b"x" * 8_000_000).status == 413


@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"model": "assistant",}', b"\xff\xfe", b'{"model": "\xff"}', b'{"x": ' + b"[" * 5000, b"NaN"]
)
def test_what_is_no_json_is_invalid_json(body: bytes, house: House) -> None:
    reply = house.call("POST", CHAT, body)
    assert (reply.status, reply.error["code"], reply.error["type"]) == (400, "invalid_json", "invalid_request_error")


MESSAGE = {"role": "user", "content": "Hi"}


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({}, "missing_required_parameter", "model"),
        ({"model": "assistant"}, "missing_required_parameter", "messages"),
        ({"model": "assistant", "messages": []}, "invalid_value", "messages"),
        ({"model": 7, "messages": [MESSAGE]}, "invalid_type", "model"),
        ({"model": "assistant", "messages": [{"content": "Hi"}]}, "missing_required_parameter", "messages[0].role"),
        ({"model": "assistant", "messages": [{"role": "user", "content": 7}]}, "invalid_type", "messages[0].content"),
        ({"model": "assistant", "messages": [{"role": "user", "content": ""}]}, "invalid_value", "messages"),
        ({"model": "assistant", "messages": [{"role": "assistant", "content": "Hi"}]}, "invalid_value", "messages"),
        ({"model": "assistant", "messages": [MESSAGE], "stream": "yes"}, "invalid_type", "stream"),
        ({"model": "assistant", "messages": [MESSAGE], "n": 2}, "unsupported_parameter", "n"),
        (
            {"model": "assistant", "messages": [MESSAGE], "tool_choice": "required"},
            "unsupported_parameter",
            "tool_choice",
        ),
        (
            {"model": "assistant", "messages": [MESSAGE], "response_format": {"type": "json_object"}},
            "unsupported_parameter",
            "response_format",
        ),
        (
            {"model": "assistant", "messages": [MESSAGE], "colonnade": {"as_of": "yesterday"}},
            "invalid_value",
            "colonnade.as_of",
        ),
        ([1], "invalid_type", None),
    ],
)
def test_a_wrong_chat_request_names_its_parameter(body: Any, code: str, param: str | None, house: House) -> None:
    reply = house.call("POST", CHAT, body)
    assert reply.status == 400
    assert (reply.error["code"], reply.error["param"]) == (code, param)


@pytest.mark.parametrize(
    ("path", "body", "code", "param"),
    [
        ("/v1/embeddings", {"model": "all-MiniLM-L6-v2", "input": []}, "invalid_value", "input"),
        ("/v1/embeddings", {"model": "all-MiniLM-L6-v2", "input": ["a", ""]}, "invalid_value", "input"),
        ("/v1/embeddings", {"model": "all-MiniLM-L6-v2", "input": [[1, 2]]}, "invalid_type", "input"),
        ("/v1/embeddings", {"model": "all-MiniLM-L6-v2", "input": [1, 2]}, "invalid_type", "input"),
        (
            "/v1/embeddings",
            {"model": "all-MiniLM-L6-v2", "input": "a", "dimensions": 256},
            "invalid_value",
            "dimensions",
        ),
        (
            "/v1/embeddings",
            {"model": "all-MiniLM-L6-v2", "input": "a", "encoding_format": "hex"},
            "invalid_value",
            "encoding_format",
        ),
        ("/v1/ask", {"question": " ", "service": "assistant"}, "invalid_value", "question"),
        ("/v1/ask", {"question": "Hi"}, "missing_required_parameter", "service"),
        ("/v1/ask", {"question": "Hi", "service": "chat"}, "no_knowledge", "service"),
        ("/v1/search", {"query": "a", "k": 0}, "invalid_type", "k"),
        ("/v1/search", {"query": "a", "mode": "psychic"}, "invalid_value", "mode"),
        ("/v1/feedback", {"ref": "answer/x", "verdict": "meh"}, "invalid_value", "verdict"),
    ],
)
def test_a_wrong_request_names_its_parameter(path: str, body: Any, code: str, param: str, house: House) -> None:
    reply = house.call("POST", path, body)
    assert (reply.status, reply.error["code"], reply.error["param"]) == (400, code, param)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (CHAT, {"model": "nothing", "messages": [MESSAGE]}),
        ("/v1/embeddings", {"model": "nothing", "input": "a"}),
        ("/v1/ask", {"question": "Hi", "service": "nothing"}),
    ],
)
def test_an_unknown_model_is_404(path: str, body: Any, house: House) -> None:
    reply = house.call("POST", path, body)
    assert (reply.status, reply.error["code"]) == (404, "model_not_found")


def test_unknown_routes_and_wrong_methods_say_so(house: House) -> None:
    for path in ("/v1/responses", "/v1/completions"):
        reply = house.call("POST", path, {})
        assert (reply.status, reply.error["code"]) == (404, "unknown_route")
        assert CHAT in reply.error["message"]
    assert house.call("GET", "/v1/nothing").error["code"] == "unknown_route"
    assert house.call("GET", "/admin/nothing", who="owner").error["code"] == "unknown_route"
    reply = house.call("GET", CHAT)
    assert (reply.status, reply.error["code"], reply.headers["allow"]) == (405, "method_not_allowed", "POST")
    assert house.call("GET", "/mcp").status == 405


def test_a_slow_body_is_given_up(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_http, "BODY_SECONDS", 0.05)
    with socket.create_connection(("127.0.0.1", house.server.port), timeout=10) as raw:
        lines = (
            f"POST {CHAT} HTTP/1.1",
            "host: localhost",
            f"authorization: Bearer {KEYS['anna']}",
            "content-length: 50",
        )
        raw.sendall("\r\n".join((*lines, "", "{")).encode())
        answer = b"".join(iter(lambda: raw.recv(65536), b""))
    assert b" 408 " in answer.splitlines()[0]
    assert b"body_timeout" in answer


def test_an_unexpected_error_says_a_reference_and_nothing_of_the_inside(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("secret sk-123 at /etc/inside")

    monkeypatch.setattr(house.backend, "search", fail)
    reply = house.call("POST", "/v1/search", {"query": "hotel"})
    assert (reply.status, reply.error["code"]) == (500, "internal")
    assert reply.headers["x-request-id"] in reply.error["message"]
    assert b"sk-123" not in reply.body
    assert reply.headers["x-request-id"] in caplog.text


def test_an_error_of_the_tree_keeps_its_status_code_and_hint(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    class Odd(ColonnadeError):
        code = "odd"
        http_status = 503

    def fail(*args: Any, **kwargs: Any) -> None:
        raise Odd("It is odd.", hint="Wait.")

    monkeypatch.setattr(house.backend, "search", fail)
    reply = house.call("POST", "/v1/search", {"query": "hotel"})
    assert (reply.status, reply.error["code"], reply.error["type"]) == (503, "odd", "server_error")
    assert reply.error["message"] == "It is odd. Hint: Wait."
    assert reply.headers["retry-after"] == "1"


def test_every_answer_carries_a_request_id_and_our_time(house: House) -> None:
    reply = house.call("GET", "/v1/models")
    assert reply.headers["x-request-id"].startswith("request/")
    assert reply.headers["server-timing"].startswith("total;dur=")
    assert "server" not in reply.headers
    answer = house.call("POST", "/v1/ask", {"question": "hotel night", "service": "assistant"})
    assert answer.headers["x-request-id"] == answer.json["ref"]


def test_health_needs_no_key_and_tells_nothing(house: House) -> None:
    reply = house.call("GET", "/healthz", who=None, headers={"host": "10.0.0.7:8700"})
    assert (reply.status, reply.body) == (200, b'{"status":"ok"}')
    assert house.call("HEAD", "/healthz", who=None).body == b""


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
fields = st.sampled_from(["model", "messages", "question", "query", "k", "as", "as_of", "input", "stream", "history"])


@given(
    st.dictionaries(fields, json_values, max_size=6) | json_values,
    st.sampled_from([ChatRequest, AskRequest, SearchRequest, EmbeddingsRequest]),
)
def test_any_json_either_decodes_or_is_refused_with_400(value: Any, kind: type) -> None:
    refused: tuple[int, str] | None
    try:
        decode(json.dumps(value).encode(), kind)
    except ApiError as error:
        refused = (error.http_status, error.code)
    else:
        refused = None
    assert refused in (None, (400, "invalid_type"), (400, "missing_required_parameter"))


ROUTES = [
    "/v1/ask",
    "/v1/search",
    "/v1/feedback",
    "/v1/embeddings",
    "/v1/chat/completions",
    "/v1/models/x",
    "/v1/why/x",
    "/v1/impact/a/b/c",
    "/documents/x/raw",
    "/mcp",
    "/admin/keys",
    "/admin/apply",
    "/admin/keys/revoke",
    "/login",
    "/",
    "/%ff%00",
]
latin = st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f")
header_values = st.text(alphabet=latin, max_size=20)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    method=st.sampled_from(["GET", "POST", "HEAD", "DELETE", "PUT"]),
    path=st.sampled_from(ROUTES),
    value=json_values | st.dictionaries(fields, json_values, max_size=6),
    who=st.sampled_from(["anna", "owner", "nonsense", None]),
    name=st.sampled_from(
        ["cookie", "origin", "x-colonnade-as", "accept", "mcp-method", "mcp-protocol-version", "x-other"]
    ),
    header=header_values,
)
def test_no_request_makes_the_gateway_stumble(
    method: str, path: str, value: Any, who: str | None, name: str, header: str, house: House
) -> None:
    reply = house.call(method, path, value, who=who, headers={name: header.encode("latin-1")})  # type: ignore[dict-item]
    assert reply.status < 500
    if reply.status >= 400 and method != "HEAD" and path != "/mcp":
        assert reply.error["code"]
