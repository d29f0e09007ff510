# SPDX-License-Identifier: Apache-2.0
"""`POST /v1/chat/completions`: to whom a request goes. From knowledge by quotes, from knowledge by a language model,
or straight through.

The three ways have files of their own; here is only what they share, and the quoting one, which is the shortest.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from colonnade.core.answers import Answer
from colonnade.gateway.backend import Route
from colonnade.gateway.bodies import ChatRequest, decode, instant_ms
from colonnade.gateway.chunks import ChunkWriter, completion, estimated_tokens, pieces
from colonnade.gateway.context import Context, json_response, service_route
from colonnade.gateway.conversation import refuse_unsupported, split
from colonnade.gateway.failures import ApiError
from colonnade.gateway.grounded import grounded
from colonnade.gateway.http import Answered, Request, StreamResponse, offload
from colonnade.gateway.passthrough import passthrough
from colonnade.gateway.router import Endpoint
from colonnade.ports.noted import note

STREAM_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}


async def chat_completions(context: Context, request: Request) -> Answered:
    """A chat completion, streamed or whole."""
    snapshot = context.snapshot
    body = await request.body(snapshot.max_body_bytes)
    asked = decode(body, ChatRequest)
    route = service_route(snapshot, asked.model)
    if not asked.messages:
        raise ApiError(400, "messages must not be empty.", code="invalid_value", param="messages")
    if route.knowledge is None:
        return await passthrough(context, request, route, asked, body)
    refuse_unsupported(asked)
    if route.upstream is not None:
        return await grounded(context, request, route, asked)
    return await quoted(context, request, route, asked)


async def quoted(context: Context, request: Request, route: Route, asked: ChatRequest) -> Answered:
    """The extractive answer, as a completion or as chunks."""
    question, history = split(asked.messages)
    as_of_ms = instant_ms(asked.colonnade.as_of, "colonnade.as_of") if asked.colonnade else None
    asker = context.asker(request, asked.as_)
    note(service=route.name)
    answer = await offload(context.backend.ask, asker, route.name, question, history=history, as_of_ms=as_of_ms)
    note(outcome=answer.status)
    request.ref = answer.ref
    created_s = context.backend.now_ms() // 1000
    tokens_in, tokens_out = estimated_tokens(question), estimated_tokens(answer.answer)
    if not asked.stream:
        return json_response(completion(answer, route.name, created_s, request.base_url, tokens_in, tokens_out))
    include_usage = bool(asked.stream_options and asked.stream_options.include_usage)
    writer = ChunkWriter(answer.ref, route.name, created_s, include_usage=include_usage)
    chunks = _stream(writer, answer, request.base_url, tokens_in, tokens_out)
    return StreamResponse(chunks, headers=STREAM_HEADERS)


async def _stream(
    writer: ChunkWriter, answer: Answer, base: str, tokens_in: int, tokens_out: int
) -> AsyncIterator[bytes]:
    yield writer.start()
    for piece in pieces(answer.answer):
        yield writer.text(piece)
    yield writer.finish(answer, base, tokens_in, tokens_out)


def endpoints(context: Context) -> list[Endpoint]:
    """The route of chat, and those of OpenAI's API that are not served, with a hint."""

    async def chat(request: Request) -> Answered:
        return await chat_completions(context, request)

    async def elsewhere(_request: Request) -> Answered:
        message = "This API is not served here."
        raise ApiError(404, message, code="unknown_route", hint="Use POST /v1/chat/completions.")

    summary = "A chat completion: grounded and cited for a service with knowledge, passed through otherwise."
    errors = (
        "model_not_found",
        "invalid_value",
        "unsupported_parameter",
        "unknown_person",
        "upstream_down",
        "upstream_timeout",
        "upstream_error",
    )
    kinds = ("application/json", "text/event-stream")
    return [
        Endpoint("POST", "/v1/chat/completions", chat, summary, body=ChatRequest, content=kinds, errors=errors),
        Endpoint(
            "POST", "/v1/completions", elsewhere, "Not served; the error says what to use.", errors=("unknown_route",)
        ),
        Endpoint(
            "POST", "/v1/responses", elsewhere, "Not served; the error says what to use.", errors=("unknown_route",)
        ),
    ]
