# SPDX-License-Identifier: Apache-2.0
"""`/admin/...`: what an owner does over HTTP. For everybody else these routes are not there (404). And `/healthz`,
for anybody.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec

from colonnade.gateway.bodies import ApplyRequest, KeyRequest, RevokeRequest
from colonnade.gateway.context import Context, json_response
from colonnade.gateway.failures import not_found
from colonnade.gateway.http import Answered, Request, Response, StreamResponse, iterate, offload, sse
from colonnade.gateway.router import Endpoint, Who


def endpoints(context: Context) -> list[Endpoint]:
    """Status, apply, keys, events, stop, health."""
    backend = context.backend

    async def status(_request: Request) -> Answered:
        return json_response(dict(await offload(backend.status)))

    async def apply(request: Request) -> Answered:
        asked = await context.body(request, ApplyRequest)
        return json_response(dict(await offload(backend.apply, asked.declaration, asked.folder)))

    async def list_keys(_request: Request) -> Answered:
        rows = await offload(backend.keys)
        return json_response({"schema": "colonnade.keys/1", "keys": [dict(row) for row in rows]})

    async def create_key(request: Request) -> Answered:
        asked = await context.body(request, KeyRequest)
        made = await offload(
            backend.create_key, context.asker(request, None), asked.name, asked.person, asked.expires_ms
        )
        return json_response({"schema": "colonnade.key/1", **made}, 201)

    async def revoke_key(request: Request) -> Answered:
        asked = await context.body(request, RevokeRequest)
        if not await offload(backend.revoke_key, context.asker(request, None), asked.id):
            raise not_found()
        return json_response({"schema": "colonnade.key/1", "id": asked.id, "revoked": True})

    async def stop(_request: Request) -> Answered:
        await offload(backend.stop)
        return json_response({"schema": "colonnade.stop/1", "state": "draining"}, 202)

    async def events(_request: Request) -> Answered:
        return StreamResponse(_events(context), headers={"cache-control": "no-store"})

    async def health(_request: Request) -> Answered:
        return Response(b'{"status":"ok"}', content_type="application/json")

    owner = Who.OWNER
    gone = ("not_found",)
    return [
        Endpoint("GET", "/admin/status", status, "What runs: colonnade.status/1.", owner),
        Endpoint(
            "POST",
            "/admin/apply",
            apply,
            "Apply a declaration; answers once it is in force.",
            owner,
            body=ApplyRequest,
            errors=("declaration_invalid",),
        ),
        Endpoint("GET", "/admin/keys", list_keys, "Keys, without their secrets.", owner),
        Endpoint(
            "POST",
            "/admin/keys",
            create_key,
            "A new key, shown once, in force when this answers.",
            owner,
            body=KeyRequest,
            errors=("unknown_person",),
        ),
        Endpoint(
            "POST",
            "/admin/keys/revoke",
            revoke_key,
            "Revoke a key; out of force when this answers.",
            owner,
            body=RevokeRequest,
            errors=gone,
        ),
        Endpoint("POST", "/admin/stop", stop, "Begin to drain.", owner),
        Endpoint("GET", "/admin/events", events, "Progress as it happens.", owner, content=("text/event-stream",)),
        Endpoint("GET", "/healthz", health, "Whether the process answers; no facts.", Who.ANYBODY),
    ]


async def _events(context: Context) -> AsyncIterator[bytes]:
    async for event in iterate(context.backend.events()):
        yield sse(msgspec.json.encode(event).decode())
