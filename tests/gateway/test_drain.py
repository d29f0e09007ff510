# SPDX-License-Identifier: Apache-2.0
"""A server that ends amid load: every request that was sent is answered, and the last answer says
that it is the last."""

from __future__ import annotations

import asyncio
import http.client
import threading
import time
from collections import Counter

from colonnade.gateway.http import Receive, Scope, Send
from colonnade.gateway.serve import GatewayServer, bind
from tests.gateway.test_gateway_heads import app


def test_connections_that_are_kept_are_told_before_they_are_closed() -> None:
    server = GatewayServer(app, bind("127.0.0.1", 0)).start()
    seen: Counter[str] = Counter()

    def ask() -> None:
        line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        while True:
            try:
                line.request("GET", "/")
                answer = line.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException) as error:
                seen[f"failed: {error!r}"] += 1
                return
            seen["answered"] += 1
            if answer.getheader("connection") == "close":
                seen["told"] += 1
                line.close()
                return

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    time.sleep(0.1)
    server.stop()
    for thread in threads:
        thread.join(10)
    server.join(10)
    assert seen.pop("answered") >= 8
    assert seen == {"told": 8}


def test_an_answer_that_takes_long_is_waited_for_and_says_that_it_is_the_last() -> None:
    begun, go = threading.Event(), threading.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            begun.set()
            while not go.is_set():
                await asyncio.sleep(0.005)
        await app(scope, receive, send)

    server = GatewayServer(slow, bind("127.0.0.1", 0)).start()
    line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    line.request("GET", "/")
    assert begun.wait(5)
    server.stop()
    threading.Timer(0.4, go.set).start()
    answer = line.getresponse()
    assert (answer.status, answer.read(), answer.getheader("connection")) == (200, b"ok", "close")
    line.close()
    server.join(10)
