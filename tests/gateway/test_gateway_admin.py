# SPDX-License-Identifier: Apache-2.0
"""Administration over HTTP, events, MCP's edges, the OpenAPI document, the Python client, and a clean end."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest

from colonnade.core.errors import NeedsDaemon, Refused, UnknownName, UpstreamDown, UsageError
from colonnade.core.http_codes import HTTP_CODES
from colonnade.gateway.app import make_app
from colonnade.gateway.openapi import codes
from colonnade.gateway.serve import bind
from colonnade.sdk import Client
from colonnade.testing.backend import FakeBackend
from scripts import make_http_reference
from tests.gateway.conftest import KEYS, House
from tests.gateway.dummy_upstream import DummyUpstream

MODERN = {"mcp-protocol-version": "2026-07-28"}


def rpc(house: House, method: str, params: Any = None, *, headers: dict[str, str] | None = None, **more: Any) -> Any:
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params or {}, **more}
    return house.call("POST", "/mcp", body, headers=headers)


def test_an_owner_sees_status_makes_keys_and_applies(house: House) -> None:
    owner = Client(house.url, KEYS["owner"])
    assert owner.status()["knowledge"]["handbook"]["state"] == "ready"
    made = owner.create_key("laptop", "heidi")
    rows = owner.keys()
    assert [row["id"] for row in rows] == [made["id"]]
    assert "key" not in rows[0]
    heidi = Client(house.url, made["key"])
    assert heidi.ask("What is the retention bonus?", service="assistant")["status"] == "answered"
    owner.revoke_key(made["id"])
    with pytest.raises(Refused, match="not valid"):
        heidi.models()
    with pytest.raises(UnknownName):
        owner.revoke_key(made["id"])
    assert owner.apply("version: 1", "somewhere") == {"changes": []}


def test_events_come_as_they_happen_and_end_with_the_daemon(house: House) -> None:
    owner = Client(house.url, KEYS["owner"])
    events = owner.events()
    assert next(events)["event"] == "hello"
    owner.apply("version: 1", "somewhere")
    assert next(events) == {"event": "applied", "folder": "somewhere"}
    assert owner.stop()["state"] == "draining"
    assert list(events) == []


def test_many_watchers_do_not_keep_others_from_being_answered(house: House) -> None:
    owner = Client(house.url, KEYS["owner"])
    watchers = [owner.events() for _ in range(24)]
    assert all(next(w)["event"] == "hello" for w in watchers)
    assert owner.ask("How much may a hotel night cost?", service="assistant")["status"] == "answered"
    for watcher in watchers:
        watcher.close()  # type: ignore[attr-defined]


def test_the_client_raises_the_error_tree(house: House, upstream: DummyUpstream) -> None:
    anna = Client(house.url, KEYS["anna"])
    with pytest.raises(UnknownName):
        anna.status()
    with pytest.raises(UsageError) as wrong:
        anna.ask("")
    assert wrong.value.code == "invalid_value"
    with pytest.raises(UnknownName) as unknown:
        Client(house.url, KEYS["owner"]).ask("Hi", service="assistant", acting_as="bob")
    assert (unknown.value.code, unknown.value.exit_code, unknown.value.hint != "") == ("unknown_person", 2, True)
    free = bind("127.0.0.1", 0)
    port = free.getsockname()[1]
    free.close()
    with pytest.raises(NeedsDaemon):
        Client(f"http://127.0.0.1:{port}", "x").models()
    assert not Client(f"http://127.0.0.1:{port}").healthy()
    assert anna.healthy()
    upstream.mode = "error"
    with pytest.raises(UpstreamDown, match="fell over"):
        list(anna.chat_stream("chat", [{"role": "user", "content": "Hi"}]))


def test_the_client_reaches_every_other_route(house: House, upstream: DummyUpstream) -> None:
    anna = Client(house.url, KEYS["anna"])
    message = [{"role": "user", "content": "How much may a hotel night cost?"}]
    assert anna.chat("assistant", message)["choices"][0]["message"]["content"].endswith("[1]")
    streamed = anna.chat_stream("chat", message)
    assert "".join(c["choices"][0]["delta"].get("content", "") for c in streamed if c["choices"]) == upstream.text
    answer = anna.ask("How much may a hotel night cost?", service="assistant")
    cited = answer["citations"][0]
    assert anna.document_text(cited["url"])[cited["start"] : cited["end"]] == cited["quote"]
    assert anna.why(answer["ref"])["ref"] == answer["ref"]
    assert anna.impact(f"document/{cited['document']}")["nodes"]
    assert anna.feedback(answer["ref"], "wrong", "too cheap")["verdict"] == "wrong"
    assert anna.search("hotel")["hits"]
    assert len(anna.embed(["hotel"], "all-MiniLM-L6-v2")[0]) == 384


def test_mcp_refuses_what_is_no_call(house: House) -> None:
    assert house.call("POST", "/mcp", b"{", headers=MODERN).json["error"]["code"] == -32700
    assert house.call("POST", "/mcp", [1], headers=MODERN).json["error"]["code"] == -32600
    assert house.call("POST", "/mcp", {"jsonrpc": "2.0", "method": "notifications/initialized"}).status == 202
    unknown = rpc(house, "resources/list", headers=MODERN)
    assert (unknown.status, unknown.json["error"]["code"]) == (404, -32601)
    legacy = rpc(house, "resources/list")
    assert (legacy.status, legacy.json["error"]["code"]) == (200, -32601)
    assert rpc(house, "tools/call", [1], headers=MODERN).json["error"]["code"] == -32602
    assert rpc(house, "tools/call", {"name": "rm"}, headers=MODERN).json["error"]["code"] == -32602


def test_mcp_refuses_headers_that_disagree_with_the_body(house: House) -> None:
    good = {**MODERN, "mcp-method": "tools/call", "mcp-name": "status"}
    call = {"name": "status", "arguments": {}}
    assert rpc(house, "tools/call", call, headers=good).json["result"]["isError"] is False
    for wrong in ({"mcp-method": "tools/list"}, {"mcp-name": "ask"}):
        reply = rpc(house, "tools/call", call, headers={**good, **wrong})
        assert (reply.status, reply.json["error"]["code"]) == (400, -32020)


def test_mcp_speaks_the_version_that_it_is_asked_for(house: House) -> None:
    for asked, spoken in (("2025-06-18", "2025-06-18"), ("1999-01-01", "2025-11-25")):
        result = rpc(house, "initialize", {"protocolVersion": asked}).json["result"]
        assert result["protocolVersion"] == spoken
    found = rpc(house, "server/discover", headers=MODERN).json["result"]
    assert (found["supportedVersions"], found["resultType"]) == (["2026-07-28"], "complete")


def test_mcp_wants_a_key_and_a_known_origin_and_shows_a_tools_failure_inside_the_result(house: House) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    assert house.call("POST", "/mcp", body, who=None).status == 401
    assert house.call("POST", "/mcp", body, headers={"origin": "http://evil.example"}).status == 403
    for name, arguments in (
        ("why", {"ref": "answer/nothing"}),
        ("why", {}),
        ("search", {"query": 7}),
        ("ask", {"as": 1}),
    ):
        result = rpc(house, "tools/call", {"name": name, "arguments": arguments}).json["result"]
        assert result["isError"] is True
        assert result["content"][0]["text"]


def test_the_openapi_document_is_valid_and_has_every_route(house: House) -> None:
    document = house.call("GET", "/openapi.json", who=None).json
    assert document["openapi"] == "3.1.0"
    described = {(m.upper(), p) for p, methods in document["paths"].items() for m in methods}
    served = {(e.method, re.sub(r":path", "", e.path)) for e in house.app.router.endpoints}
    assert described == served
    names = [op["operationId"] for methods in document["paths"].values() for op in methods.values()]
    assert len(set(names)) == len(names)
    for schema in document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
    text = json.dumps(document)
    for reference in set(re.findall(r"#/components/schemas/(\w+)", text)):
        assert reference in document["components"]["schemas"]
    for methods in document["paths"].values():
        for operation in methods.values():
            assert operation["summary"]
            assert set(operation["responses"]) >= {"200"}
    error = house.call("GET", "/v1/models", who=None).json
    jsonschema.validate(error, document["components"]["schemas"]["Error"])
    good = {"question": "Hi", "service": "assistant"}
    resolver = {**document["components"]["schemas"]["AskRequest"], "components": document["components"]}
    jsonschema.validate(good, resolver)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"question": 7}, resolver)


def test_the_reference_page_is_what_the_code_says_and_has_every_code() -> None:
    assert make_http_reference.PAGE.read_text() == make_http_reference.page(), "run: scripts/make_http_reference.py"
    for endpoint in make_app(FakeBackend()).router.endpoints:
        assert set(codes(endpoint)) <= set(HTTP_CODES)
    folder = make_http_reference.PAGE.parents[2] / "src/colonnade/gateway"
    sources = "".join(path.read_text() for path in folder.glob("*.py"))
    said = set(re.findall(r'code="(\w+)"', sources)) - {"port_taken"}
    assert said <= set(HTTP_CODES)
    statuses = re.findall(r'ApiError\(\s*(\d+),(?:(?!ApiError).)*?code="(\w+)"', sources, re.DOTALL)
    assert len(statuses) > 20
    for status, code in statuses:
        if code != "model_not_found":
            assert (code, int(status)) == (code, HTTP_CODES[code][0])


def test_a_taken_port_is_said_with_a_hint() -> None:
    from colonnade.core.errors import Unavailable

    taken = bind("127.0.0.1", 0)
    with pytest.raises(Unavailable) as error:
        bind("127.0.0.1", taken.getsockname()[1])
    taken.close()
    assert error.value.code == "port_taken"
    assert "--port" in error.value.hint


def test_a_request_under_way_ends_properly_when_the_server_stops(
    make_house: Callable[..., House], upstream: DummyUpstream
) -> None:
    house = make_house(first_byte_ms=300)
    upstream.mode = "stall"
    connection = house.connect()
    body = json.dumps({"model": "chat", "messages": [{"role": "user", "content": "Hi"}], "stream": True})
    connection.request("POST", "/v1/chat/completions", body, {"authorization": f"Bearer {KEYS['anna']}"})
    response = connection.getresponse()
    first = response.readline()
    assert first.startswith(b"data: ")
    house.server.stop()
    rest = response.read()
    assert b"upstream_timeout" in rest
    house.server.join(10)
    connection.close()
