# SPDX-License-Identifier: Apache-2.0
"""The gateway as one ASGI app: who may come in, which endpoint answers, how errors leave. No endpoint's own logic
here.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing

from colonnade.core.errors import ColonnadeError
from colonnade.gateway import (
    admin,
    approvals,
    ask,
    chat,
    compute,
    documents,
    erasures,
    inference,
    labels,
    mcp,
    metrics,
    models,
    models_admin,
    openapi,
    pipelines_admin,
    traces,
)
from colonnade.gateway.auth import COOKIE, SAFE, acting_as, by_hash, check_origin, identify, password_asker, same_site
from colonnade.gateway.backend import Backend, Snapshot
from colonnade.gateway.context import JSON, Context
from colonnade.gateway.failures import NOT_FOUND, ApiError, error_body, internal, not_found, protocol_error
from colonnade.gateway.http import (
    Answered,
    ConsoleApp,
    Disconnected,
    Handled,
    Headers,
    Receive,
    Request,
    Response,
    Scope,
    Send,
    StreamResponse,
    redirect,
)
from colonnade.gateway.mlflow import routes as mlflow
from colonnade.gateway.mlflow.answers import PREFIXES as MLFLOW
from colonnade.gateway.mlflow.answers import mlflow_error
from colonnade.gateway.router import Endpoint, Router, Who
from colonnade.gateway.sameuser import from_same_user
from colonnade.gateway.streaming import ClientWatch, Stream
from colonnade.gateway.traces import TRACED, Passed, given_back
from colonnade.gateway.upstream import Upstreams
from colonnade.ports.noted import NOTED, Noted

log = logging.getLogger("colonnade.gateway")
API_PREFIXES = ("/v1/", "/v2/", "/admin/", "/mcp", *MLFLOW)
THREADS = 16
DRAIN_BYTES = 64 * 1024 * 1024
DRAIN_SECONDS = 5.0
"""After a refused body: so much of it, for so long, is read and thrown away, so that the sender can read the refusal.
"""


def make_app(backend: Backend, console: ConsoleApp | None = None) -> Gateway:
    """The ASGI app for a house; `console` answers every path that is not the API's."""
    return Gateway(backend, console)


class Gateway:
    """An ASGI app. `context` holds what handlers share; `router.endpoints` is the whole API."""

    def __init__(self, backend: Backend, console: ConsoleApp | None) -> None:
        self.context = Context(backend, Upstreams())
        self._console = console
        made: list[Endpoint] = []
        for room in (
            models,
            chat,
            ask,
            documents,
            mcp,
            admin,
            approvals,
            erasures,
            models_admin,
            pipelines_admin,
            compute,
            inference,
            labels,
            traces,
            metrics,
            mlflow,
        ):
            made += room.endpoints(self.context)
        made += openapi.endpoints(made)
        self.router = Router(made)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI event: a request, or the server's start and end."""
        if scope["type"] == "http":
            await self._http(Request(scope, receive, send))
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        pool = ThreadPoolExecutor(THREADS, "gateway")
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                asyncio.get_running_loop().set_default_executor(pool)
                if any(route.upstream for route in self.context.snapshot.routes.values()):
                    self.context.upstreams.warm()
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await self.context.upstreams.close()
                pool.shutdown(wait=False)
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _http(self, request: Request) -> None:
        try:
            await self._answered(request)
        finally:
            self._passed(request)

    def _passed(self, request: Request) -> None:
        """Count it, and tell of it where it leaves a trace."""
        ended, noted = time.perf_counter(), request.noted
        route = request.endpoint.path if request.endpoint is not None else "(page)"
        self.context.counters.count(route, request.status, ended - request.started, noted)
        if noted is not None:
            principal = request.asker.principal if request.asker is not None else ""
            self.context.backend.traces.put(
                Passed(request.method, route, request.status, request.ref, request.started, ended, principal, noted)
            )

    async def _answered(self, request: Request) -> None:
        try:
            answered = await self._answer(request)
        except Disconnected:
            return
        except ColonnadeError as error:
            await self._refuse(request, error)
            return
        except Exception:
            log.exception("unexpected error, %s", _ref(request))
            await self._send(request, Response(internal(request.ref), 500, content_type=JSON))
            return
        if isinstance(answered, Handled):
            return
        if isinstance(answered, StreamResponse):
            await self._stream(request, answered)
        else:
            await self._send(request, answered)

    async def _answer(self, request: Request) -> Answered:
        snapshot = self.context.snapshot
        match = self.router.match(request.method, request.path)
        endpoint = request.endpoint = match.endpoint
        if endpoint is not None and endpoint.path in TRACED:
            request.noted = Noted(request.raw_header(b"traceparent"))
            NOTED.set(request.noted)
        if endpoint is not None and endpoint.who is Who.ANYBODY:
            return await endpoint.handler(request)
        check_origin(request, snapshot.hosts)
        request.asker = identify(request, snapshot, self.context.backend.now_ms(), self.context.sessions)
        if request.asker is not None:
            self.context.backend.used(request.asker.key)
        if endpoint is None:
            if match.allowed:
                return self._wrong_method(request, match.allowed)
            return await self._page(request, snapshot)
        if self._is_page(request, endpoint):
            return await self._page(request, snapshot)
        request.params = match.params
        self._admit(request, endpoint, snapshot)
        return await endpoint.handler(request)

    def _admit(self, request: Request, endpoint: Endpoint, snapshot: Snapshot) -> None:
        """The endpoint's condition on who asks. Raises `ApiError`."""
        if request.asker is None and endpoint.who is Who.LOCAL:
            request.asker = password_asker(request, snapshot, self.context.backend.now_ms())
            if request.asker is not None:
                self.context.backend.used(request.asker.key)
            elif snapshot.same_user is not None and from_same_user(request):
                request.asker = snapshot.same_user
        if request.asker is None:
            headers = {"www-authenticate": "Bearer"}
            message = "A key is needed: Authorization: Bearer KEY."
            raise ApiError(401, message, code="no_key", headers=headers)
        if endpoint.who is Who.OWNER and not request.asker.owner:
            raise not_found()
        acting = request.raw_header(b"x-colonnade-as")
        if acting:
            request.asker = acting_as(request.asker, acting.decode("latin-1"), snapshot)

    def _is_page(self, request: Request, endpoint: Endpoint) -> bool:
        """`/documents/REF` is the console's page for a browser."""
        return self._console is not None and endpoint.path == "/documents/{ref}" and request.wants_html

    @staticmethod
    def _wrong_method(request: Request, allowed: tuple[str, ...]) -> Response:
        if request.asker is None or (request.path.startswith("/admin/") and not request.asker.owner):
            raise not_found()
        names = ", ".join(allowed)
        raise ApiError(405, f"This path knows {names}.", code="method_not_allowed", headers={"allow": names})

    async def _page(self, request: Request, snapshot: Snapshot) -> Answered:
        """The console's turn: signing in and out is ours, the rest is its own."""
        if request.path.startswith(API_PREFIXES) or self._console is None:
            raise ApiError(404, "There is no such route.", code="unknown_route", hint="GET /openapi.json lists them.")
        if request.method not in SAFE and not same_site(request):
            raise ApiError(403, "A page of another site sent this request.", code="origin_not_allowed")
        if request.method == "POST" and request.path == "/login":
            return await self._login(request, snapshot)
        if request.method == "POST" and request.path == "/logout":
            self.context.sessions.close(request.cookies.get(COOKIE, ""))
            return redirect(
                "/login", headers={"set-cookie": f"{COOKIE}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict"}
            )
        if request.method == "GET" and request.path == "/" and "token" in request.query:
            return self._signed_in(request, request.query["token"], snapshot)
        if request.asker is None and request.method not in SAFE:
            raise ApiError(401, "Sign in first.", code="no_key")
        return await self._console(request)

    async def _login(self, request: Request, snapshot: Snapshot) -> Response:
        return self._signed_in(request, (await request.form()).get("key", ""), snapshot)

    def _signed_in(self, request: Request, key: str, snapshot: Snapshot) -> Response:
        """Open a session for a valid key; a page of another site cannot sign anybody in."""
        key_hash = hashlib.sha256(key.strip().encode()).digest()
        foreign = request.raw_header(b"sec-fetch-site") in (b"cross-site", b"same-site")
        if foreign or by_hash(key_hash, snapshot, self.context.backend.now_ms()) is None:
            return redirect("/login?failed=1")
        secure = "; Secure" if request.scope.get("scheme") == "https" else ""
        value = self.context.sessions.open(key_hash)
        cookie = f"{COOKIE}={value}; Path=/; HttpOnly; SameSite=Strict{secure}"
        return redirect("/", headers={"set-cookie": cookie, "referrer-policy": "no-referrer"})

    async def _refuse(self, request: Request, error: ColonnadeError) -> None:
        status = error.http_status
        body = NOT_FOUND if status == 404 and error.code == "not_found" else error_body(error)
        if request.path.startswith("/v2/"):
            body = protocol_error(error)
        elif request.path.startswith(MLFLOW):
            body = mlflow_error(error)
        response = Response(body, status, content_type=JSON)
        if isinstance(error, ApiError):
            response.headers += [(n.encode("latin-1"), v.encode("latin-1")) for n, v in error.headers.items()]
        elif status == 503:
            response.headers.append((b"retry-after", b"1"))
        if isinstance(error, ApiError) and error.close:
            await self._send_and_drain(request, response)
        else:
            await self._send(request, response)

    def _complete(self, request: Request, headers: Headers) -> Headers:
        """The headers that every response carries."""
        names = {name for name, _ in headers}
        if b"cache-control" not in names:
            headers.append((b"cache-control", b"no-store"))
        if b"x-content-type-options" not in names:
            headers.append((b"x-content-type-options", b"nosniff"))
        headers.append((b"x-request-id", _ref(request).encode("latin-1")))
        if request.noted is not None and request.noted.parent:
            headers += given_back(request.ref, request.noted.parent)
        headers.append((b"server-timing", b"total;dur=%.2f" % ((time.perf_counter() - request.started) * 1000)))
        return headers

    async def _send(self, request: Request, response: Response) -> None:
        request.status = response.status
        headers = self._complete(request, response.headers)
        if response.status not in (204, 304):
            headers.append((b"content-length", b"%d" % len(response.body)))
        body = b"" if request.method == "HEAD" else response.body
        direct = request.direct
        if direct is not None and direct.answer(request.scope, response.status, headers, body):
            return
        await request.send({"type": "http.response.start", "status": response.status, "headers": headers})
        await request.send({"type": "http.response.body", "body": body, "more_body": False})

    async def _send_and_drain(self, request: Request, response: Response) -> None:
        """Refuse a body amid its sending: answer at once, throw away what still comes for a moment, then close."""
        request.status = response.status
        headers = self._complete(request, response.headers)
        headers += [(b"content-length", b"%d" % len(response.body)), (b"connection", b"close")]
        await request.send({"type": "http.response.start", "status": response.status, "headers": headers})
        await request.send({"type": "http.response.body", "body": response.body, "more_body": True})
        left = DRAIN_BYTES
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                while left > 0:
                    message = await request.receive()
                    if message["type"] == "http.disconnect" or not message.get("more_body"):
                        break
                    left -= len(message.get("body", b""))
        except TimeoutError:
            pass
        await request.send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _stream(self, request: Request, response: StreamResponse) -> None:
        request.status = response.status
        headers = self._complete(request, response.headers)
        await request.send({"type": "http.response.start", "status": response.status, "headers": headers})
        stream = Stream(request.send)
        if response.headers[0][1].startswith(b"text/event-stream"):
            self.context.heartbeat.add(stream)
        try:
            with ClientWatch(request.receive):
                async with aclosing(response.chunks) as chunks:  # type: ignore[type-var]
                    async for chunk in chunks:
                        await stream.write(chunk)
                await stream.end()
        except Exception as error:
            log.exception("a stream broke, %s", request.ref)
            await stream.end(_last_words(request, error))
        finally:
            self.context.heartbeat.remove(stream)


def _ref(request: Request) -> str:
    """What the answer is called in `x-request-id`; sorts by time where nothing else names it."""
    if not request.ref:
        request.ref = f"request/{time.time_ns() // 1_000_000:012x}{secrets.token_hex(6)}"
    return request.ref


def _last_words(request: Request, error: Exception) -> bytes:
    """The error event of an API stream that broke; a page's stream just ends, and its browser connects anew."""
    if not request.path.startswith("/v1/"):
        return b""
    body = error_body(error) if isinstance(error, ColonnadeError) else internal(request.ref)
    return b"data: " + body + b"\n\n"
