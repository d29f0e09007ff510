# SPDX-License-Identifier: Apache-2.0
"""A request and its responses, over bare ASGI: what the API and the console share.

Bodies and forms are read with limits. No routing, no authentication, no knowledge of the house here.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast
from urllib.parse import parse_qsl, unquote

from colonnade.core.answers import Asker
from colonnade.gateway.failures import ApiError
from colonnade.ports.noted import Noted

if TYPE_CHECKING:
    from colonnade.gateway.router import Endpoint

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]
T = TypeVar("T")

DIRECT = "colonnade.direct"
"""The ASGI extension by that name is a `Direct`; other servers have none."""
FORM_BYTES = 256 * 1024
FORM_FIELDS = 100
BODY_SECONDS = 30.0
"""A body that has not arrived after this long is given up (408): slow senders must not hold memory."""


class Direct(Protocol):
    """A shorter way between the server and the app, for what is whole."""

    def body(self, scope: Scope) -> bytes | None:
        """The request's body, taken, where all of it is here; None: it must be received."""
        ...

    def answer(self, scope: Scope, status: int, headers: Headers, body: bytes) -> bool:
        """Send a whole answer, with its content-length among the headers; False: it must be sent as ASGI has it."""
        ...


class Request:
    """One HTTP request. `asker` is who asks once the gateway has looked; None on pages before signing in.

    `params` are the named parts of the path, for API routes. `status` is that of the answer once it was sent; `noted`
    is there for requests that leave a trace.
    """

    __slots__ = (
        "_body",
        "_cookies",
        "_headers",
        "_query",
        "asker",
        "direct",
        "endpoint",
        "method",
        "noted",
        "params",
        "path",
        "receive",
        "ref",
        "scope",
        "send",
        "started",
        "status",
    )

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.direct: Direct | None = scope.get("extensions", {}).get(DIRECT)
        self.receive = receive
        self.send = send
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.asker: Asker | None = None
        self.params: Mapping[str, str] = {}
        self.ref = ""
        self.status = 0
        self.endpoint: Endpoint | None = None
        self.noted: Noted | None = None
        self.started = time.perf_counter()
        self._headers: dict[bytes, bytes] = dict(scope["headers"])
        self._query: dict[str, str] | None = None
        self._cookies: dict[str, str] | None = None
        self._body: bytes | None = None

    def header(self, name: str) -> str:
        """A header's value, or "". Names in lower case."""
        return self._headers.get(name.encode("latin-1"), b"").decode("latin-1")

    def raw_header(self, name: bytes) -> bytes:
        """The same, undecoded: for the hot path."""
        return self._headers.get(name, b"")

    @property
    def repeats(self) -> bool:
        """Whether some header came twice."""
        return len(self._headers) != len(self.scope["headers"])

    @property
    def query(self) -> Mapping[str, str]:
        """The query string's fields; of a repeated field the last."""
        if self._query is None:
            text = self.scope.get("query_string", b"").decode("latin-1")
            self._query = dict(parse_qsl(text, keep_blank_values=True)) if text else {}
        return self._query

    @property
    def cookies(self) -> Mapping[str, str]:
        """Cookies by name."""
        if self._cookies is None:
            pairs = (part.partition("=") for part in self.header("cookie").split(";"))
            self._cookies = {name.strip(): unquote(value.strip()) for name, _, value in pairs if name.strip()}
        return self._cookies

    @property
    def wants_html(self) -> bool:
        """Whether a browser asks for a page (`Accept` names text/html)."""
        return b"text/html" in self.raw_header(b"accept")

    @property
    def base_url(self) -> str:
        """`http://host:port`, as the caller reached us; made only of a Host that was checked."""
        return f"{self.scope.get('scheme', 'http')}://{self.header('host')}"

    async def body(self, limit: int) -> bytes:
        """The whole body. Raises `ApiError` 413 once it is longer than `limit` bytes (the rest is not kept), 408 when
        it does not come.
        """
        if self._body is None:
            length = self.raw_header(b"content-length")
            if length.isdigit() and int(length) > limit:
                raise _too_large(limit)
            if self.direct is not None and (body := self.direct.body(self.scope)) is not None:
                if len(body) > limit:
                    raise _too_large(limit)
                self._body = body
                return body
            try:
                async with asyncio.timeout(BODY_SECONDS):
                    self._body = await self._read(limit)
            except TimeoutError as gone:
                raise ApiError(
                    408, "The request's body did not arrive in time.", code="body_timeout", close=True
                ) from gone
        return self._body

    async def _read(self, limit: int) -> bytes:
        message = await self.receive()
        first: bytes = message.get("body", b"")
        if not message.get("more_body"):
            if message["type"] == "http.disconnect":
                raise Disconnected
            if len(first) > limit:
                raise _too_large(limit)
            return first
        parts, size = [first], len(first)
        while message.get("more_body"):
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise Disconnected
            part = message.get("body", b"")
            size += len(part)
            if size > limit:
                raise _too_large(limit)
            parts.append(part)
        return b"".join(parts)

    async def form(self) -> dict[str, str]:
        """The fields of a urlencoded form, bounded: 256 KiB, 100 fields. Raises `ApiError` 400, 413, 415."""
        kind = self.header("content-type").partition(";")[0].strip().lower()
        if kind != "application/x-www-form-urlencoded":
            raise ApiError(415, "A form must be application/x-www-form-urlencoded.", code="unsupported_media_type")
        text = (await self.body(FORM_BYTES)).decode("utf-8", "replace")
        try:
            return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=FORM_FIELDS))
        except ValueError as wrong:
            raise ApiError(400, "The form has too many fields.", code="invalid_form") from wrong


class Disconnected(Exception):
    """The client has gone: nobody is left to answer."""


def _too_large(limit: int) -> ApiError:
    message = f"The request's body is larger than {limit} bytes."
    return ApiError(413, message, code="too_large", hint="gateway.max_body_bytes sets the limit.", close=True)


class Response:
    """A whole response. `headers` are lower-case names to values; content-length is added."""

    __slots__ = ("body", "headers", "status")

    def __init__(
        self,
        body: bytes | str = b"",
        status: int = 200,
        *,
        content_type: str = "text/html; charset=utf-8",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.body = body.encode() if isinstance(body, str) else body
        self.status = status
        self.headers: Headers = [(b"content-type", content_type.encode("latin-1"))] if content_type else []
        for name, value in (headers or {}).items():
            self.headers.append((name.encode("latin-1"), value.encode("latin-1")))


def redirect(path: str, *, headers: Mapping[str, str] | None = None) -> Response:
    """See other: the answer to a form that was posted."""
    return Response(
        status=303, content_type="", headers={"location": path, "cache-control": "no-store", **(headers or {})}
    )


class StreamResponse:
    """A response whose pieces come one by one. The iterator is closed when the client goes.

    With `content_type` text/event-stream the gateway sends a comment after 15 s of silence.
    """

    __slots__ = ("chunks", "headers", "status")

    def __init__(
        self,
        chunks: AsyncIterator[bytes],
        status: int = 200,
        *,
        content_type: str = "text/event-stream",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.chunks = chunks
        self.status = status
        self.headers: Headers = [(b"content-type", content_type.encode("latin-1"))]
        for name, value in (headers or {}).items():
            self.headers.append((name.encode("latin-1"), value.encode("latin-1")))


class Handled:
    """What a handler returns that has already sent its response itself (the hot path)."""

    __slots__ = ()


Answered = Response | StreamResponse | Handled
Handler = Callable[[Request], Awaitable[Answered]]


class ConsoleApp(Protocol):
    """The console's pages: called for every path that is not the API's. `request.asker` is None before signing in.

    POSTs reach it only when their Origin was checked. It reads the house through its own `Backend`, in threads
    (`offload`).
    """

    async def __call__(self, request: Request) -> Response | StreamResponse:
        """The page, fragment, static file or stream for a request."""
        ...


def sse(data: str, *, event: str = "") -> bytes:
    """One server-sent event; each line of `data` becomes a `data:` line.

    >>> sse("a\\nb", event="progress")
    b'event: progress\\ndata: a\\ndata: b\\n\\n'
    """
    head = f"event: {event}\n" if event else ""
    return (head + "".join(f"data: {line}\n" for line in data.split("\n")) + "\n").encode()


async def offload(call: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Run a call of the house in a thread, so that the loop goes on."""
    return await asyncio.to_thread(call, *args, **kwargs)


async def iterate(iterator: Iterator[T]) -> AsyncIterator[T]:
    """Items of a blocking iterator, which gets a thread of its own: waiting streams never keep `offload` from working.

    When the client goes, the thread ends at the iterator's next item.
    """
    loop = asyncio.get_running_loop()
    items: asyncio.Queue[tuple[bool, T | None]] = asyncio.Queue(maxsize=64)
    gone = threading.Event()

    def pump() -> None:
        try:
            for item in iterator:
                if gone.is_set():
                    break
                asyncio.run_coroutine_threadsafe(items.put((True, item)), loop).result()
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                close()
            if not gone.is_set():
                asyncio.run_coroutine_threadsafe(items.put((False, None)), loop)

    threading.Thread(target=pump, name="gateway-stream", daemon=True).start()
    try:
        while True:
            more, item = await items.get()
            if not more:
                return
            yield cast(T, item)
    finally:
        gone.set()
        while not items.empty():
            items.get_nowait()
