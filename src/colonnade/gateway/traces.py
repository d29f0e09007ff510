# SPDX-License-Identifier: Apache-2.0
"""`POST /v1/traces`: spans that other programs send by OTLP/HTTP; and what the gateway tells of each request.

Telling never waits: whoever keeps traces does so later. What a span may hold is `observe.traces`' business.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from colonnade.core.answers import Asker
from colonnade.core.traces import Span, parse_traceparent, span_of
from colonnade.gateway.context import JSON, Context, json_response
from colonnade.gateway.failures import ApiError, not_found
from colonnade.gateway.http import Answered, Headers, Request, Response, offload
from colonnade.gateway.router import Endpoint, Who
from colonnade.observe.traces.otlp_read import Heard, answer, read_json, read_protobuf
from colonnade.observe.traces.protobuf import Malformed
from colonnade.ports.noted import Noted

PROTOBUF = "application/x-protobuf"
TRACED = frozenset(
    {
        "/v1/chat/completions", "/v1/ask", "/v1/search", "/v1/embeddings", "/v1/predict", "/v2/models/{name}/infer",
        "/mcp",
    }
)  # fmt: skip
"""Endpoints each of whose requests leaves a record."""
UNWRAPPED = 4
"""A compressed body may become so many times `gateway.max_body_bytes`."""


class Passed(NamedTuple):
    """A request that was answered. began, ended: by `time.perf_counter`."""

    method: str
    route: str
    code: int
    ref: str
    began: float
    ended: float
    principal: str
    noted: Noted


def given_back(ref: str, parent: bytes) -> Headers:
    """The header `traceparent` of an answer: the caller's trace, and our span in it; nothing for a header that is none.

    Only who asked with one is answered with one.
    """
    told = parse_traceparent(parent)
    if told is None:
        return []
    return [(b"traceparent", f"00-{told.trace}-{span_of(ref)}-{told.flags}".encode())]


class TracesBackend(Protocol):
    """Traces, as the gateway and the console ask for them."""

    def put(self, passed: Passed) -> None:
        """A request was answered; never waits."""
        ...

    def hear(self, asker: Asker, spans: Sequence[Span]) -> bool:
        """Keep another program's spans, durably once this returns; False: there is no room now."""
        ...

    def trace(self, asker: Asker, ref: str) -> Mapping[str, Any] | None:
        """`colonnade.trace/1` of `trace/ID`, an answer, a request, a run; None for what is not kept, or not theirs."""
        ...

    def newest(self, *, service: str, status: str, minutes: int) -> Mapping[str, Any]:
        """Requests of the last minutes, the slow, failing and abstaining first: `{requests, looked_at, whole, stages,
        services}`. Owners only: the caller checks.
        """
        ...

    def figures(self) -> str:
        """What the house's state shows, in Prometheus' text format."""
        ...


def endpoints(context: Context) -> list[Endpoint]:
    """The receiver, and one trace."""

    async def receive(request: Request) -> Answered:
        assert request.asker is not None
        kind = request.header("content-type").partition(";")[0].strip().lower()
        if kind not in (PROTOBUF, JSON):
            raise ApiError(415, f"Spans come as {PROTOBUF} or {JSON}.", code="unsupported_media_type")
        limit = context.snapshot.max_body_bytes
        body = await request.body(limit)
        packed = request.header("content-encoding").strip().lower()
        heard = await offload(_read, body, kind, packed, limit)
        if heard.spans and not await offload(context.backend.traces.hear, request.asker, heard.spans):
            headers = {"retry-after": "5"}
            raise ApiError(503, "More spans wait than can be kept.", code="service_unready", headers=headers)
        done = answer(heard.rejected, heard.why, as_json=kind == JSON)
        return Response(done, content_type=kind)

    async def one(request: Request) -> Answered:
        assert request.asker is not None
        found = await offload(context.backend.traces.trace, request.asker, request.params["ref"])
        if found is None:
            raise not_found()
        return json_response(dict(found))

    return [
        Endpoint(
            "POST", "/v1/traces", receive, "Spans by OTLP/HTTP: protobuf or JSON, gzip or not.", Who.KEY,
            content=(PROTOBUF, JSON),
            errors=("unsupported_media_type", "invalid_value", "too_large", "body_timeout", "service_unready"),
        ),
        Endpoint(
            "GET", "/v1/traces/{ref:path}", one, "One trace: stages, spans, tokens, cost.", Who.KEY,
            errors=("not_found",),
        ),
    ]  # fmt: skip


def _read(body: bytes, kind: str, packed: str, limit: int) -> Heard:
    if packed in ("gzip", "deflate"):
        body = _unpacked(body, limit * UNWRAPPED)
    elif packed not in ("", "identity"):
        raise ApiError(415, "Bodies come plain or in gzip.", code="unsupported_media_type")
    try:
        return read_protobuf(body) if kind == PROTOBUF else read_json(body)
    except Malformed as wrong:
        raise ApiError(400, f"This is no OTLP request: {wrong}.", code="invalid_value") from wrong


def _unpacked(body: bytes, limit: int) -> bytes:
    """A body without its compression. Raises `ApiError` 400, 413: a small body may be very large inside."""
    opened = zlib.decompressobj(zlib.MAX_WBITS | 32)
    try:
        data = opened.decompress(body, limit)
    except zlib.error as wrong:
        raise ApiError(400, "The body is not compressed as it says.", code="invalid_value") from wrong
    if opened.unconsumed_tail:
        raise ApiError(413, f"The body is larger than {limit} bytes inside.", code="too_large")
    if not opened.eof:
        raise ApiError(400, "The compressed body ends too early.", code="invalid_value")
    return data
