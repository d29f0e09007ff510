# SPDX-License-Identifier: Apache-2.0
"""A service without knowledge: the request goes to the language model and its bytes come back. The gateway's hot path.

The model's name and key are replaced, usage is always asked for, each frame's border is checked, one capture is
handed to the writer. No store is touched, no thread is entered, no chunk is re-encoded.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec
from msgspec import Raw, Struct

from colonnade.core.errors import UpstreamDown
from colonnade.gateway.backend import Capture, Route, Upstream
from colonnade.gateway.bodies import ChatRequest
from colonnade.gateway.chunks import DONE
from colonnade.gateway.context import Context
from colonnade.gateway.failures import ApiError, error_type
from colonnade.gateway.frames import BrokenStream, Frames, Usage, error_event, normal_error
from colonnade.gateway.http import Answered, Handled, Headers, Request
from colonnade.gateway.streaming import ClientWatch, Stream
from colonnade.gateway.traces import given_back
from colonnade.gateway.upstream import LONGEST_ANSWER

if TYPE_CHECKING:
    import aiohttp

OURS = ("colonnade", "as")
RETRIES = ("retry-after", "retry-after-ms", "x-should-retry")
_fields = msgspec.json.Decoder(dict[str, Raw]).decode
_USAGE = Raw(b'{"include_usage":true}')
_TRUE = Raw(b"true")


class _Completion(Struct):
    choices: list[Raw]
    usage: Usage | None = None


_completion = msgspec.json.Decoder(_Completion).decode


def outgoing(body: bytes, upstream: Upstream, *, stream: bool) -> bytes:
    """The body for the language model: its own model's name, usage asked for, our fields left out, all else as it
    came.
    """
    fields = _fields(body)
    for name in OURS:
        fields.pop(name, None)
    fields["model"] = Raw(msgspec.json.encode(upstream.model))
    if stream:
        given = fields.get("stream_options")
        if given is None or bytes(given) == b"null":
            fields["stream_options"] = _USAGE
        else:
            fields["stream_options"] = Raw(msgspec.json.encode({**_fields(bytes(given)), "include_usage": _TRUE}))
    return msgspec.json.encode(fields)


async def passthrough(context: Context, request: Request, route: Route, asked: ChatRequest, body: bytes) -> Answered:
    """Answer a chat request by the route's language model alone; the response is sent from here."""
    upstream = route.upstream
    if upstream is None:
        raise ApiError(404, "This service answers no chat.", code="model_not_found", param="model")
    if asked.as_ is not None:
        request.asker = context.asker(request, asked.as_)
    exchange = Exchange(context, request, route, upstream)
    with ClientWatch(request.receive) as client:
        try:
            sent = outgoing(body, upstream, stream=bool(asked.stream))
            async with context.upstreams.chat(upstream, sent) as response:
                if response.status != 200:
                    raise await refusal(response)
                if asked.stream:
                    include_usage = bool(asked.stream_options and asked.stream_options.include_usage)
                    await exchange.stream(response, include_usage)
                else:
                    await exchange.whole(response)
        finally:
            exchange.record(client_gone=client.gone)
    return Handled()


class Exchange:
    """One request on its way through: what was sent, what it cost."""

    __slots__ = ("_context", "_names", "_request", "_route", "_upstream", "_waited", "status", "usage")

    def __init__(self, context: Context, request: Request, route: Route, upstream: Upstream) -> None:
        self._context = context
        self._request = request
        self._route = route
        self._upstream = upstream
        self._waited = time.perf_counter()
        self._names = (msgspec.json.encode(upstream.model)[1:-1], msgspec.json.encode(route.name)[1:-1])
        self.usage: Usage | None = None
        self.status = "failed"
        request.ref = context.backend.new_ref()

    def _headers(self, kind: bytes) -> Headers:
        """Response headers, with our own share of the time until now."""
        now = time.perf_counter()
        own_ms = (self._waited - self._request.started) * 1000
        waited_ms = (now - self._waited) * 1000
        parent = self._request.noted.parent if self._request.noted is not None else b""
        self._request.status = 200
        return [
            *given_back(self._request.ref, parent),
            (b"content-type", kind),
            (b"cache-control", b"no-store"),
            (b"x-content-type-options", b"nosniff"),
            (b"x-request-id", self._request.ref.encode()),
            (b"server-timing", b"gateway;dur=%.2f, upstream;dur=%.1f" % (own_ms, waited_ms)),
        ]

    async def whole(self, response: aiohttp.ClientResponse) -> None:
        """A completion that comes in one piece."""
        if (response.content_length or 0) > LONGEST_ANSWER:
            raise UpstreamDown("The language model's answer is too long.", code="upstream_error")
        data = await response.read()
        try:
            seen = _completion(data)
        except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
            raise UpstreamDown("The language model answered nonsense.", code="upstream_error") from wrong
        self.usage = seen.usage
        theirs, ours = self._names
        for space in (b"", b" "):
            data = data.replace(b'"model":%b"%b"' % (space, theirs), b'"model":%b"%b"' % (space, ours), 1)
        self.status = "answered"
        headers = self._headers(b"application/json")
        headers.append((b"content-length", b"%d" % len(data)))
        send = self._request.send
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": data, "more_body": False})

    async def stream(self, response: aiohttp.ClientResponse, include_usage: bool) -> None:
        """Chunks as they come. An end before its time becomes an error event, never a short answer."""
        if not response.content_type.endswith("event-stream"):
            raise UpstreamDown("The language model did not stream.", code="upstream_error")
        frames = Frames(self._names, keep_usage=include_usage)
        send = self._request.send
        await send({"type": "http.response.start", "status": 200, "headers": self._headers(b"text/event-stream")})
        stream = Stream(send)
        self._context.heartbeat.add(stream)
        try:
            last = await self._copy(response, frames, stream)
            await stream.end(last)
        finally:
            self._context.heartbeat.remove(stream)
            self.usage = frames.usage

    async def _copy(self, response: aiohttp.ClientResponse, frames: Frames, stream: Stream) -> bytes:
        """Copy frames; what is left to send at the end."""
        import aiohttp

        feed, write = frames.feed, stream.write
        try:
            async for block in response.content.iter_any():
                out = feed(block)
                if out:
                    await write(out)
        except BrokenStream as wrong:
            message = f"The language model's stream is broken: {wrong}."
            return wrong.before + error_event(message, "upstream_error", 502)
        except TimeoutError:
            return error_event("The language model stopped amid its answer.", "upstream_timeout", 504)
        except (aiohttp.ClientError, ConnectionError):
            return error_event("The language model broke off its answer.", "upstream_down", 503)
        if frames.failed:
            return b""
        if frames.done or frames.finished:
            self.status = "answered"
            return b"" if frames.done else DONE
        return error_event("The language model broke off its answer.", "upstream_down", 503)

    def record(self, *, client_gone: bool) -> None:
        """Hand what it cost to the writer."""
        asker = self._request.asker
        assert asker is not None
        usage = self.usage or Usage()
        ms = int((time.perf_counter() - self._request.started) * 1000)
        status = "cancelled" if client_gone else self.status
        if (noted := self._request.noted) is not None:
            noted.service, noted.outcome, noted.model = self._route.name, status, self._upstream.model
            noted.tokens_in, noted.tokens_out = usage.prompt_tokens, usage.completion_tokens
            noted.stages.append(("upstream", self._waited, time.perf_counter()))
        tokens = (usage.prompt_tokens, usage.completion_tokens)
        self._context.backend.record(Capture(self._request.ref, asker, self._route.name, status, ms, *tokens))


async def refusal(response: aiohttp.ClientResponse) -> ApiError:
    """What an upstream's status means for our caller: its own mistakes pass, those of `answer_with` become 502."""
    status = response.status
    text = await response.content.read(64 * 1024)
    try:
        error = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        error = None
    given = error.get("error", error) if isinstance(error, dict) else None
    headers = {
        n: response.headers[n] for n in ("retry-after", "retry-after-ms", "x-should-retry") if n in response.headers
    }
    if status in (401, 403, 404):
        message = "The language model refused this gateway; its owner must look at answer_with."
        return ApiError(502, message, code="upstream_refused")
    passed = status if 400 <= status < 600 else 502
    shown = normal_error(given, passed)["error"]
    assert isinstance(shown, dict)
    answer = ApiError(passed, shown["message"], code=shown["code"], param=shown["param"], headers=headers)
    assert error_type(passed) == shown["type"]
    return answer
