# SPDX-License-Identifier: Apache-2.0
"""Heads of requests that are too long, too slow, or just long enough."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from colonnade.gateway import heads
from colonnade.gateway.http import Receive, Scope, Send
from colonnade.gateway.serve import GatewayServer, bind

HEAD = b"GET / HTTP/1.1\r\nHost: here\r\n"


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    while scope["type"] == "lifespan":
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
def port() -> Iterator[int]:
    server = GatewayServer(app, bind("127.0.0.1", 0)).start()
    yield server.port
    server.stop()
    server.join(10)


def said(port: int, data: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        out = b""
        try:
            connection.sendall(data)
            while part := connection.recv(65536):
                out += part
        except (ConnectionResetError, BrokenPipeError):
            pass
        return out


def test_a_head_without_an_end_is_not_kept(port: int) -> None:
    assert said(port, HEAD + b"X: " + b"a" * (4 << 20)) == b""


def test_a_head_that_never_comes_is_given_up(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "HEAD_SECONDS", 0.05)
    assert said(port, HEAD) == b""


def test_long_heads_one_after_the_other_and_long_bodies_are_answered(port: int) -> None:
    long = HEAD + b"X: " + b"a" * 40_000 + b"\r\n"
    body = b"a" * (1 << 20)
    post = HEAD.replace(b"GET", b"POST") + b"Content-Length: %d\r\n\r\n" % len(body) + body
    out = said(port, (long + b"\r\n") * 3 + post + HEAD + b"Connection: close\r\n\r\n")
    assert out.count(b"200 OK") == 5
