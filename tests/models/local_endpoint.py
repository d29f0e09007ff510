# SPDX-License-Identifier: Apache-2.0
"""A small HTTP server that a test scripts: what it was sent, and what it answers, down to broken bytes."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Reply:
    """One answer. Chunks are written one by one; `broken` closes the connection without an ending."""

    status: int = 200
    chunks: list[bytes] = field(default_factory=list)
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    broken: bool = False
    hold: threading.Event | None = None
    """Wait for it after the chunks."""


@dataclass
class Request:
    path: str
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass
class LocalEndpoint:
    url: str
    requests: list[Request]
    answer: Callable[[Request], Reply]


def as_json(value: Any, status: int = 200, **headers: str) -> Reply:
    return Reply(status, [json.dumps(value).encode()], headers=headers)


@contextmanager
def serve(answer: Callable[[Request], Reply]) -> Iterator[LocalEndpoint]:
    """Serve until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            request = Request(self.path, {k.lower(): v for k, v in self.headers.items()}, body)
            endpoint.requests.append(request)
            reply = endpoint.answer(request)
            self.send_response(reply.status)
            self.send_header("content-type", reply.content_type)
            for name, value in reply.headers.items():
                self.send_header(name.replace("_", "-"), value)
            if reply.broken or reply.content_type == "text/event-stream":
                self.send_header("transfer-encoding", "chunked")
                self.end_headers()
                for chunk in reply.chunks:
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
                    self.wfile.flush()
                if reply.hold is not None:
                    reply.hold.wait(20)
                if reply.broken:
                    self.close_connection = True
                else:
                    self.wfile.write(b"0\r\n\r\n")
            else:
                whole = b"".join(reply.chunks)
                self.send_header("content-length", str(len(whole)))
                self.end_headers()
                if reply.hold is not None:
                    reply.hold.wait(20)
                self.wfile.write(whole)

        def log_message(self, *args: object) -> None:
            """Quiet."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """A client that hangs up is part of the tests."""

    with Server(("127.0.0.1", 0), Handler) as server:
        endpoint = LocalEndpoint(f"http://127.0.0.1:{server.server_port}/v1", [], answer)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield endpoint
        finally:
            server.shutdown()
            thread.join()
