# SPDX-License-Identifier: Apache-2.0
"""`GET /openapi.json`: the API's description, made from the table of endpoints and the structs. Nothing is written
twice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from colonnade.gateway.http import Answered, Request, Response
from colonnade.gateway.router import Endpoint, Who

TITLE = "Colonnade gateway"
VERSION = "0.1.0"
ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": "string"},
            },
        }
    },
}
EVERYWHERE = ("no_key", "invalid_key", "host_not_allowed", "origin_not_allowed", "internal")
"""Codes that any endpoint with a key may answer with; those with a body add `WITH_BODY`."""
WITH_BODY = ("invalid_json", "invalid_type", "missing_required_parameter", "too_large", "body_timeout")


def codes(endpoint: Endpoint) -> tuple[str, ...]:
    """Every error code that an endpoint may answer with."""
    if endpoint.who is Who.ANYBODY:
        return ()
    own = (
        *endpoint.errors,
        *(WITH_BODY if endpoint.body else ()),
        *(("not_found",) if endpoint.who is Who.OWNER else ()),
    )
    return tuple(dict.fromkeys((*own, *EVERYWHERE)))


def document(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """The OpenAPI 3.1 document for a table of endpoints."""
    bodies = [e.body for e in endpoints if e.body is not None]
    _, schemas = msgspec.json.schema_components(bodies, ref_template="#/components/schemas/{name}")
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        path = re.sub(r"\{(\w+):path\}", r"{\1}", endpoint.path)
        paths.setdefault(path, {})[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {"title": TITLE, "version": VERSION, "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": {**schemas, "Error": ERROR},
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer"},
                "header": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
        },
    }


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    name = re.sub(r"\W+", "_", f"{endpoint.method.lower()}{endpoint.path}").strip("_")
    content: Mapping[str, Any] = {kind: {"schema": _schema(kind)} for kind in endpoint.content}
    operation: dict[str, Any] = {
        "operationId": name,
        "summary": endpoint.summary,
        "responses": {"200": {"description": "Done.", "content": content}},
    }
    names = re.findall(r"\{(\w+)", endpoint.path)
    if names:
        schema = {"type": "string"}
        operation["parameters"] = [{"name": n, "in": "path", "required": True, "schema": schema} for n in names]
    if endpoint.body is not None:
        reference = {"$ref": f"#/components/schemas/{endpoint.body.__name__}"}
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": reference}}}
    if endpoint.who is not Who.ANYBODY:
        operation["security"] = [{"key": []}, {"header": []}]
        error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
        description = "`error.code` is one of " + ", ".join(codes(endpoint)) + "."
        operation["responses"]["default"] = {"description": description, "content": error}
    if endpoint.who is Who.OWNER:
        operation["description"] = "For owners; answers 404 to others."
    return operation


def _schema(kind: str) -> dict[str, Any]:
    return {"type": "object"} if kind == "application/json" else {"type": "string"}


def endpoints(described: Sequence[Endpoint]) -> list[Endpoint]:
    """The route itself; the document is made once, when it is first asked for."""
    made: list[bytes] = []

    async def openapi(_request: Request) -> Answered:
        if not made:
            made.append(msgspec.json.encode(document([*described, own])))
        return Response(made[0], content_type="application/json")

    own = Endpoint("GET", "/openapi.json", openapi, "This description.", Who.ANYBODY)
    return [own]
