# SPDX-License-Identifier: Apache-2.0
"""A receiver of notices: a real HTTP server of this machine, which answers as it is told and keeps what it got."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Got = tuple[dict[str, str], bytes, int]
Answer = int | tuple[int, dict[str, str]] | Callable[[BaseHTTPRequestHandler], None]


class Receiver:
    """Answers `answers` one after the other, then 204. `got`: (headers, body, status) of each POST."""

    def __init__(self, address: str, answers: list[Answer]) -> None:
        self.url, self.answers = address, answers
        self.got: list[Got] = []

    def taken(self) -> list[dict[str, Any]]:
        """The notices that were answered with 2xx."""
        return [json.loads(body) for _, body, status in self.got if 200 <= status < 300]


@contextmanager
def receiving(*answers: Answer) -> Iterator[Receiver]:
    """A receiver on a free port."""
    made: list[Receiver] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            answer = made[0].answers.pop(0) if made[0].answers else 204
            if callable(answer):
                made[0].got.append((dict(self.headers), body, 0))
                answer(self)
                return
            status, headers = answer if isinstance(answer, tuple) else (answer, {})
            made[0].got.append(({name.lower(): value for name, value in self.headers.items()}, body, status))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.append(Receiver(f"http://127.0.0.1:{server.server_port}", list(answers)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield made[0]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
