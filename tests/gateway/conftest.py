# SPDX-License-Identifier: Apache-2.0
"""A real server around the fake house, and a language model that fails on command. Real sockets, no real waits."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from colonnade.gateway.app import Gateway, make_app
from colonnade.gateway.backend import Upstream
from colonnade.gateway.http import Request, Response
from colonnade.gateway.serve import GatewayServer, bind
from colonnade.testing.backend import FakeBackend
from colonnade.testing.backend_documents import ANNA_KEY, HEIDI_KEY, OWNER_KEY
from tests.gateway.dummy_upstream import DummyUpstream

KEYS = {"anna": ANNA_KEY, "heidi": HEIDI_KEY, "owner": OWNER_KEY}
UPSTREAM_SECRET = "sk-upstream-secret"


@dataclass
class Reply:
    """A response, read."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """The error object, after checking that it has exactly the four fields that clients read."""
        error = self.json["error"]
        assert set(error) == {"message", "type", "param", "code"}
        assert isinstance(error["message"], str)
        return error  # type: ignore[no-any-return]

    @property
    def events(self) -> list[Any]:
        """The stream's JSON events, after checking that it ended properly."""
        frames = [f for f in self.body.decode().split("\n\n") if f]
        assert all(f.startswith(("data: ", ": ")) for f in frames)
        return [json.loads(f[6:]) for f in frames if f.startswith("data: ") and f != "data: [DONE]"]

    @property
    def done(self) -> bool:
        return self.body.endswith(b"data: [DONE]\n\n")

    @property
    def text(self) -> str:
        """The streamed answer."""
        deltas = [c["delta"] for e in self.events for c in e.get("choices", ())]
        return "".join(d.get("content") or "" for d in deltas)


async def tiny_console(request: Request) -> Response:
    """Stands for the console: says whom it sees."""
    name = request.asker.name if request.asker else "nobody"
    posted = str(await request.form()) if request.method == "POST" else ""
    return Response(f"<p>{name} at {request.path} {posted}</p>")


class House:
    """A running gateway with its fake house."""

    def __init__(self, backend: FakeBackend) -> None:
        self.backend = backend
        self.app: Gateway = make_app(backend, tiny_console)
        self.server = GatewayServer(self.app, bind("127.0.0.1", 0), drain_s=2).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=20)

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        who: str | None = "anna",
        headers: dict[str, str] | None = None,
    ) -> Reply:
        """One request by somebody; `body` is JSON unless it is bytes."""
        sent = dict(headers or {})
        if who is not None and not {"authorization", "x-api-key"} & {h.lower() for h in sent}:
            sent["authorization"] = f"Bearer {KEYS.get(who, who)}"
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        connection = self.connect()
        try:
            connection.request(method, path, data, sent)
            response = connection.getresponse()
            return Reply(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def chat(self, model: str, text: str, *, who: str = "anna", **more: Any) -> Reply:
        """A chat request with one user message."""
        body = {"model": model, "messages": [{"role": "user", "content": text}], **more}
        return self.call("POST", "/v1/chat/completions", body, who=who)

    def close(self) -> None:
        self.backend.stop()
        self.server.stop()
        self.server.join(10)


@pytest.fixture(scope="session")
def upstream_server() -> Iterator[tuple[DummyUpstream, str]]:
    import logging

    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    dummy = DummyUpstream()
    server = GatewayServer(dummy, bind("127.0.0.1", 0), drain_s=1).start()
    yield dummy, f"http://127.0.0.1:{server.port}/v1"
    server.stop()
    server.join(10)


@pytest.fixture
def upstream(upstream_server: tuple[DummyUpstream, str]) -> DummyUpstream:
    dummy, _ = upstream_server
    dummy.reset()
    return dummy


@pytest.fixture
def make_house(upstream_server: tuple[DummyUpstream, str]) -> Iterator[Callable[..., House]]:
    """Make a house; `first_byte_ms` and others are the upstream's."""
    made: list[House] = []

    def make(*, upstream: bool = True, url: str = "", max_body_bytes: int = 10 * 1024 * 1024, **options: Any) -> House:
        model = Upstream(url or upstream_server[1], "dummy-1", UPSTREAM_SECRET, **options) if upstream else None
        house = House(FakeBackend(upstream=model, max_body_bytes=max_body_bytes))
        made.append(house)
        return house

    yield make
    for house in made:
        house.close()


@pytest.fixture
def house(make_house: Callable[..., House], upstream: DummyUpstream) -> House:
    """A house whose services are assistant (knowledge), writer (knowledge and model), chat (model)."""
    return make_house()
