# SPDX-License-Identifier: Apache-2.0
"""Whole bodies and whole answers go the short way, and are the same as by the long one."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from colonnade.gateway.http import DIRECT, Direct, Receive, Request, Response, Scope, Send
from colonnade.gateway.serve import GatewayServer, bind
from tests.gateway.test_gateway_heads import app

ASKED = b"POST /%b HTTP/1.1\r\nHost: here\r\nContent-Length: %d\r\n\r\n%b"


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """The path and the body, by the short way; `/long`: by the other."""
    if scope["type"] == "lifespan":
        await app(scope, receive, send)
        return
    request = Request(scope, receive, send)
    body = request.path.encode() + b"=" + await request.body(1 << 20) + b";"
    response = Response(body, content_type="text/plain")
    headers = [*response.headers, (b"content-length", b"%d" % len(body))]
    direct: Direct = scope["extensions"][DIRECT]
    if request.path == "/split":
        headers.append((b"x", b"a\r\nset-cookie: b"))
    if request.path != "/long" and direct.answer(scope, 200, headers, body):
        assert not direct.answer(scope, 200, headers, body), "answered twice"
        return
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
def port() -> Iterator[int]:
    server = GatewayServer(echo, bind("127.0.0.1", 0)).start()
    yield server.port
    server.stop()
    server.join(10)


def read(connection: socket.socket, until: bytes) -> bytes:
    out = b""
    while not out.endswith(until):
        part = connection.recv(65536)
        if not part:
            break
        out += part
    return out


def test_an_answer_is_the_same_by_both_ways(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        said = {}
        for path in (b"short", b"long"):
            connection.sendall(ASKED % (path, 3, b"abc"))
            said[path] = read(connection, b"abc;")
    heads = [one.partition(b"\r\n\r\n")[0].split(b"\r\n") for one in said.values()]
    named = [[head[0], *(line.partition(b":")[0] for line in head[1:])] for head in heads]
    assert named[0] == named[1] == [b"HTTP/1.1 200 OK", b"date", b"content-type", b"content-length"]
    assert said[b"short"].endswith(b"content-length: 11\r\n\r\n/short=abc;")
    assert said[b"long"].endswith(b"content-length: 10\r\n\r\n/long=abc;")


def test_requests_sent_at_once_on_one_connection_are_answered_in_order(port: int) -> None:
    paths = [b"a", b"long", b"b", b"c", b"long", b"d"]
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(b"".join(ASKED % (path, 1, b"%d" % place) for place, path in enumerate(paths)))
        said = read(connection, b"/d=5;")
    bodies = [part.split(b"\r\n\r\n")[1].split(b"HTTP/")[0] for part in said.split(b"HTTP/1.1 ")[1:]]
    assert bodies == [b"/%b=%d;" % (path, place) for place, path in enumerate(paths)]


def test_a_body_that_comes_in_pieces_is_whole(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(ASKED[:-2] % (b"a", 6) + b"abc")
        time.sleep(0.05)
        connection.sendall(b"def")
        assert read(connection, b";").endswith(b"/a=abcdef;")


def test_who_asks_to_be_told_to_go_on_is_told(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        head = b"POST /a HTTP/1.1\r\nHost: here\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
        connection.sendall(head)
        assert read(connection, b"\r\n\r\n").startswith(b"HTTP/1.1 100")
        connection.sendall(b"abc")
        assert read(connection, b";").endswith(b"/a=abc;")


def test_the_last_answer_of_a_connection_says_so_and_ends_it(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(ASKED.replace(b"Host: here", b"Host: here\r\nConnection: close") % (b"a", 1, b"x"))
        said = read(connection, b"never")
        assert b"\r\nconnection: close\r\n" in said
        assert said.endswith(b"/a=x;")


def test_a_header_with_a_lines_end_is_never_sent(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(ASKED % (b"split", 1, b"x"))
        said = read(connection, b"Internal Server Error")
    assert said.startswith(b"HTTP/1.1 500")
    assert b"set-cookie" not in said


def test_an_idle_connection_ends_after_its_time_and_one_that_is_used_stays(port: int) -> None:
    server = GatewayServer(echo, bind("127.0.0.1", 0))
    server._server.config.timeout_keep_alive = 0.2  # type: ignore[assignment]
    server.start()
    try:
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            for _ in range(6):
                connection.sendall(ASKED % (b"a", 1, b"x"))
                assert read(connection, b";").endswith(b"/a=x;")
                time.sleep(0.06)
            assert connection.recv(1) == b""
    finally:
        server.stop()
        server.join(10)
