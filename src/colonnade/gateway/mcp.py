# SPDX-License-Identifier: Apache-2.0
"""`POST /mcp`: a Model Context Protocol server with four tools, on both wires: 2025-11-25 (initialize) and 2026-07-28
(stateless).

One JSON-RPC message a request, one JSON answer: no session, no stream. Key and Origin are checked as everywhere. A
tool's failure stands in its result (`isError`), as the protocol asks.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from colonnade.core.errors import ColonnadeError
from colonnade.gateway.ask import answered, only_knowledge
from colonnade.gateway.bodies import AskRequest, SearchRequest, instant_ms, wrong_type
from colonnade.gateway.context import Context, json_response
from colonnade.gateway.failures import ApiError, not_found
from colonnade.gateway.http import Answered, Request, Response, offload
from colonnade.gateway.render import ask_json, found_json, walk_json
from colonnade.gateway.router import Endpoint

MODERN = "2026-07-28"
LEGACY = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
CACHED_MS = 60_000
HEADER_MISMATCH = -32020
VERSION = "0.1.0"
_TEXT = {"type": "string"}
_AS_OF = {"type": "string", "description": "RFC 3339: content as of that time, rights as of now"}
TOOLS: list[dict[str, Any]] = [
    {
        "name": "ask",
        "description": "Answer a question from the company's documents, with citations; or say that they do not.",
        "inputSchema": {
            "type": "object",
            "properties": {"question": _TEXT, "service": _TEXT, "as_of": _AS_OF},
            "required": ["question"],
        },
        "annotations": {"readOnlyHint": True},
    },
    {
        "name": "search",
        "description": "Find passages of the company's documents, best first.",
        "inputSchema": {
            "type": "object",
            "properties": {
                "query": _TEXT,
                "knowledge": _TEXT,
                "k": {"type": "integer", "minimum": 1, "maximum": 100},
                "as_of": _AS_OF,
            },
            "required": ["query"],
        },
        "annotations": {"readOnlyHint": True},
    },
    {
        "name": "why",
        "description": "What led to an answer or another ref: the lineage behind it.",
        "inputSchema": {"type": "object", "properties": {"ref": _TEXT}, "required": ["ref"]},
        "annotations": {"readOnlyHint": True},
    },
    {
        "name": "status",
        "description": "Which knowledge bases and services there are, and whether they are ready.",
        "inputSchema": {"type": "object", "properties": {}},
        "annotations": {"readOnlyHint": True},
    },
]
INFO = {"name": "colonnade", "version": VERSION}


class RpcError(Exception):
    """A JSON-RPC error with its code, and the HTTP status of the modern wire."""

    def __init__(self, code: int, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


async def handle(context: Context, request: Request) -> Answered:
    """One message."""
    body = await request.body(context.snapshot.max_body_bytes)
    modern = request.header("mcp-protocol-version") == MODERN
    try:
        message = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return _failed(None, RpcError(-32700, "The message is not JSON."))
    if not isinstance(message, dict) or not isinstance(message.get("method"), str):
        return _failed(None, RpcError(-32600, "One JSON-RPC request a POST."))
    if "id" not in message:
        return Response(status=202, content_type="")
    number = message["id"]
    try:
        params = message.get("params") or {}
        if not isinstance(params, dict):
            raise RpcError(-32602, "params must be an object.")
        _headers_agree(request, message["method"], params, modern)
        result = await _call(context, request, message["method"], params)
    except RpcError as error:
        return _failed(number, error, modern=modern)
    return json_response({"jsonrpc": "2.0", "id": number, "result": result})


def _failed(number: Any, error: RpcError, *, modern: bool = True) -> Response:
    value = {"jsonrpc": "2.0", "id": number, "error": {"code": error.code, "message": str(error)}}
    return json_response(value, error.status if modern else 200)


def _headers_agree(request: Request, method: str, params: dict[str, Any], modern: bool) -> None:
    """The modern wire repeats method and tool in headers: a gateway on the way may have judged by them."""
    if not modern:
        return
    said = request.header("mcp-method")
    if said and said != method:
        raise RpcError(HEADER_MISMATCH, "The header mcp-method and the body disagree.")
    name = request.header("mcp-name")
    if name and method == "tools/call" and name != params.get("name"):
        raise RpcError(HEADER_MISMATCH, "The header mcp-name and the body disagree.")


async def _call(context: Context, request: Request, method: str, params: dict[str, Any]) -> dict[str, Any]:
    if method == "server/discover":
        return {
            "supportedVersions": [MODERN],
            "capabilities": {"tools": {}},
            "serverInfo": INFO,
            "resultType": "complete",
            "ttlMs": CACHED_MS,
            "cacheScope": "private",
        }
    if method == "initialize":
        wanted = params.get("protocolVersion")
        version = wanted if wanted in LEGACY else LEGACY[0]
        return {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": INFO}
    if method == "ping":
        return {"resultType": "complete"}
    if method == "tools/list":
        return {"tools": TOOLS, "resultType": "complete", "ttlMs": CACHED_MS, "cacheScope": "private"}
    if method == "tools/call":
        return await _tool(context, request, params)
    raise RpcError(-32601, "There is no such method.", 404)


async def _tool(context: Context, request: Request, params: dict[str, Any]) -> dict[str, Any]:
    tools: dict[str, Callable[[Context, Request, dict[str, Any]], Awaitable[tuple[str, Any]]]] = {
        "ask": _ask,
        "search": _search,
        "why": _why,
        "status": _status,
    }
    name, arguments = params.get("name"), params.get("arguments") or {}
    tool = tools.get(name) if isinstance(name, str) else None
    if tool is None:
        raise RpcError(-32602, "There is no such tool.")
    if not isinstance(arguments, dict):
        raise RpcError(-32602, "arguments must be an object.")
    try:
        text, value = await tool(context, request, arguments)
    except ColonnadeError as error:
        return {"content": [{"type": "text", "text": str(error)}], "isError": True, "resultType": "complete"}
    content = [{"type": "text", "text": text}]
    return {"content": content, "structuredContent": value, "isError": False, "resultType": "complete"}


def _struct(arguments: dict[str, Any], kind: type[Any]) -> Any:
    try:
        return msgspec.convert(arguments, kind)
    except msgspec.ValidationError as wrong:
        raise wrong_type(str(wrong)) from None


async def _ask(context: Context, request: Request, arguments: dict[str, Any]) -> tuple[str, Any]:
    answer = await answered(context, request, _struct(arguments, AskRequest))
    request.ref = answer.ref
    value = ask_json(answer, request.base_url)
    sources = [f"[{n}] {c['path']}: {c['url']}" for n, c in enumerate(value["citations"], 1)]
    return "\n".join([answer.answer, *([""] if sources else []), *sources, "", f"ref: {answer.ref}"]), value


async def _search(context: Context, request: Request, arguments: dict[str, Any]) -> tuple[str, Any]:
    asked: SearchRequest = _struct(arguments, SearchRequest)
    name = only_knowledge(context.snapshot, asked.knowledge)
    asker = context.asker(request, asked.as_)
    as_of_ms = instant_ms(asked.as_of, "as_of")
    found = await offload(
        context.backend.search, asker, name, asked.query, k=asked.k, as_of_ms=as_of_ms, mode=asked.mode
    )
    hits = [found_json(f, request.base_url) for f in found]
    text = "\n\n".join(f"{hit['path']} ({hit['url']})\n{hit['text']}" for hit in hits)
    return text or "Nothing found.", {"schema": "colonnade.search/1", "knowledge": name, "hits": hits}


async def _why(context: Context, request: Request, arguments: dict[str, Any]) -> tuple[str, Any]:
    ref = arguments.get("ref")
    if not isinstance(ref, str):
        raise ApiError(400, "The parameter ref is missing.", code="missing_required_parameter", param="ref")
    walk = await offload(context.backend.why, context.asker(request, None), ref)
    if walk is None:
        raise not_found()
    value = walk_json(walk, "colonnade.why/1")
    lines = [f"{node.get('ref')} {node.get('label', '')}".rstrip() for node in walk.nodes]
    return "\n".join(lines), value


async def _status(context: Context, request: Request, _arguments: dict[str, Any]) -> tuple[str, Any]:
    """What the asker may know: their knowledge bases and the services; the owner's status has more."""
    views = await offload(context.backend.knowledge, context.asker(request, None))
    knowledge = {v.name: {"state": v.state, "documents": v.documents, "chunks": v.chunks} for v in views}
    services = sorted(context.snapshot.routes)
    lines = [f"{name}: {v['state']}, {v['documents']} documents" for name, v in knowledge.items()]
    value = {"schema": "colonnade.mcp.status/1", "knowledge": knowledge, "services": services}
    return "\n".join([*lines, "services: " + ", ".join(services)]), value


def endpoints(context: Context) -> list[Endpoint]:
    """The one route; GET answers 405, as the protocol allows."""

    async def mcp(request: Request) -> Answered:
        return await handle(context, request)

    summary = "Model Context Protocol: tools ask, search, why, status."
    return [Endpoint("POST", "/mcp", mcp, summary)]
