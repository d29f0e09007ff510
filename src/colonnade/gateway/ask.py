# SPDX-License-Identifier: Apache-2.0
"""`POST /v1/ask`, `/v1/search`, `/v1/feedback`, and `GET /v1/why`, `/v1/impact`: what the command line and programs
call.
"""

from __future__ import annotations

from colonnade.core.answers import Answer
from colonnade.gateway.backend import Snapshot
from colonnade.gateway.bodies import AskRequest, ChatMessage, FeedbackRequest, SearchRequest, instant_ms
from colonnade.gateway.context import Context, json_response, only_service
from colonnade.gateway.conversation import split
from colonnade.gateway.failures import ApiError, not_found
from colonnade.gateway.grounded import grounded_answer
from colonnade.gateway.http import Answered, Request, offload
from colonnade.gateway.render import ask_json, found_json, walk_json
from colonnade.gateway.router import Endpoint
from colonnade.ports.noted import note

MODES = ("hybrid", "lexical", "dense")


async def ask(context: Context, request: Request) -> Answered:
    """A grounded answer as `colonnade.ask/1`."""
    asked = await context.body(request, AskRequest)
    answer = await answered(context, request, asked)
    request.ref = answer.ref
    return json_response(ask_json(answer, request.base_url))


async def answered(context: Context, request: Request, asked: AskRequest) -> Answer:
    """The answer of a service with knowledge, by its language model when it has one. Used by MCP as well."""
    if not asked.question.strip():
        raise ApiError(400, "question must not be empty.", code="invalid_value", param="question")
    route = only_service(context.snapshot, asked.service)
    asker = context.asker(request, asked.as_)
    as_of_ms = instant_ms(asked.as_of, "as_of")
    question, history = split([*asked.history, ChatMessage("user", asked.question)])
    note(service=route.name)
    if route.upstream is not None:
        return await grounded_answer(context, asker, route, question, history, as_of_ms)
    answer = await offload(context.backend.ask, asker, route.name, question, history=history, as_of_ms=as_of_ms)
    note(outcome=answer.status)
    return answer


async def search(context: Context, request: Request) -> Answered:
    """Passages as `colonnade.search/1`, best first."""
    asked = await context.body(request, SearchRequest)
    if asked.mode not in MODES:
        raise ApiError(400, f"mode is one of {', '.join(MODES)}.", code="invalid_value", param="mode")
    if not asked.query.strip():
        raise ApiError(400, "query must not be empty.", code="invalid_value", param="query")
    name = only_knowledge(context.snapshot, asked.knowledge)
    asker = context.asker(request, asked.as_)
    as_of_ms = instant_ms(asked.as_of, "as_of")
    note(service=name)
    found = await offload(
        context.backend.search, asker, name, asked.query, k=asked.k, as_of_ms=as_of_ms, mode=asked.mode
    )
    hits = [found_json(f, request.base_url) for f in found]
    return json_response({"schema": "colonnade.search/1", "knowledge": name, "hits": hits})


def only_knowledge(snapshot: Snapshot, name: str | None) -> str:
    """The named knowledge base, or the only one that a service answers from."""
    if name:
        return name
    names = sorted({r.knowledge for r in snapshot.routes.values() if r.knowledge is not None})
    if len(names) != 1:
        message = "Say which knowledge base." if names else "There is no knowledge base here."
        raise ApiError(400, message, code="missing_required_parameter", param="knowledge")
    return names[0]


async def feedback(context: Context, request: Request) -> Answered:
    """Remember whether an answer was right."""
    asked = await context.body(request, FeedbackRequest)
    if asked.verdict not in ("right", "wrong"):
        raise ApiError(400, "verdict is right or wrong.", code="invalid_value", param="verdict")
    asker = context.asker(request, asked.as_)
    if not await offload(context.backend.feedback, asker, asked.ref, asked.verdict, asked.note):
        raise not_found()
    return json_response({"schema": "colonnade.feedback/1", "ref": asked.ref, "verdict": asked.verdict})


def endpoints(context: Context) -> list[Endpoint]:
    """Ask, search, feedback, why, impact."""

    async def do_ask(request: Request) -> Answered:
        return await ask(context, request)

    async def do_search(request: Request) -> Answered:
        return await search(context, request)

    async def do_feedback(request: Request) -> Answered:
        return await feedback(context, request)

    async def why(request: Request) -> Answered:
        walk = await offload(context.backend.why, context.asker(request, None), request.params["ref"])
        if walk is None:
            raise not_found()
        return json_response(walk_json(walk, "colonnade.why/1"))

    async def impact(request: Request) -> Answered:
        walk = await offload(context.backend.impact, context.asker(request, None), request.params["ref"])
        if walk is None:
            raise not_found()
        return json_response(walk_json(walk, "colonnade.impact/1"))

    asking = (
        "model_not_found",
        "missing_required_parameter",
        "no_knowledge",
        "invalid_value",
        "unknown_person",
        "not_owner",
    )
    searching = ("not_found", "missing_required_parameter", "invalid_value", "unknown_person", "not_owner")
    return [
        Endpoint(
            "POST", "/v1/ask", do_ask, "A grounded, cited answer, or an abstention.", body=AskRequest, errors=asking
        ),
        Endpoint("POST", "/v1/search", do_search, "Passages, best first.", body=SearchRequest, errors=searching),
        Endpoint(
            "POST",
            "/v1/feedback",
            do_feedback,
            "Say that an answer was right or wrong.",
            body=FeedbackRequest,
            errors=("not_found", "invalid_value", "unknown_person", "not_owner"),
        ),
        Endpoint("GET", "/v1/why/{ref:path}", why, "What led to it: a lineage walk.", errors=("not_found",)),
        Endpoint("GET", "/v1/impact/{ref:path}", impact, "What it touched: a lineage walk.", errors=("not_found",)),
    ]
