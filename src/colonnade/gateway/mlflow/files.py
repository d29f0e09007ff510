# SPDX-License-Identifier: Apache-2.0
"""MLflow's artifacts proxy: files go up and down through the gateway. Parts and presigned addresses answer 501; clients
then send files whole.
"""

from __future__ import annotations

import asyncio

import msgspec

from colonnade.gateway.context import Context
from colonnade.gateway.failures import ApiError, not_found
from colonnade.gateway.http import Answered, Disconnected, Request, Response, offload
from colonnade.gateway.mlflow import requests as r
from colonnade.gateway.mlflow.answers import answer
from colonnade.gateway.mlflow.backend import TrackingBackend
from colonnade.gateway.mlflow.reading import read_fields
from colonnade.gateway.router import Endpoint, Who

ROOT = "/api/2.0/mlflow-artifacts/artifacts"
PART_SECONDS = 30.0
"""A file may take long; no single piece of it longer than this."""


def file_endpoints(context: Context) -> list[Endpoint]:
    """List, upload, download and delete."""

    def backend() -> TrackingBackend:
        found = context.backend.tracking
        if found is None:
            raise not_found()
        return found

    async def upload(request: Request) -> Answered:
        assert request.asker is not None
        here = backend()
        await offload(here.call, request.asker, "files/allowed", {})
        data = await read_file(request, here.most_file_bytes)
        await offload(here.put_file, request.asker, request.params["path"], data)
        return answer({})

    async def download(request: Request) -> Answered:
        assert request.asker is not None
        data = await offload(backend().get_file, request.asker, request.params["path"])
        # A file that somebody uploaded must never be a page of ours.
        headers = {"content-disposition": "attachment", "content-security-policy": "sandbox"}
        return Response(data, content_type="application/octet-stream", headers=headers)

    async def drop(request: Request) -> Answered:
        assert request.asker is not None
        await offload(backend().drop_file, request.asker, request.params["path"])
        return answer({})

    async def listing(request: Request) -> Answered:
        assert request.asker is not None
        given = msgspec.to_builtins(read_fields(dict(request.query), r.Path))
        return answer(await offload(backend().call, request.asker, "files/list", given))

    errors = ("invalid_value", "not_found")
    octets = ("application/octet-stream",)
    return [
        Endpoint("GET", ROOT, listing, "Files below a path.", Who.LOCAL, errors=errors),
        Endpoint("PUT", ROOT + "/{path:path}", upload, "Upload a file.", Who.LOCAL, errors=(*errors, "too_large")),
        Endpoint("GET", ROOT + "/{path:path}", download, "A file.", Who.LOCAL, content=octets, errors=errors),
        Endpoint("DELETE", ROOT + "/{path:path}", drop, "Delete a file or a folder.", Who.LOCAL, errors=errors),
    ]


async def read_file(request: Request, most: int) -> bytes:
    """A body that may be large and slow. Raises `ApiError` 413 beyond `most` bytes, 408 when nothing comes for long."""
    length = request.raw_header(b"content-length")
    parts: list[bytes] = []
    size = int(length) if length.isdigit() else 0
    if size <= most:
        size, more = 0, True
        while more and size <= most:
            try:
                message = await asyncio.wait_for(request.receive(), PART_SECONDS)
            except TimeoutError as gone:
                raise ApiError(408, "The file did not arrive in time.", code="body_timeout", close=True) from gone
            if message["type"] == "http.disconnect":
                raise Disconnected
            part = message.get("body", b"")
            parts.append(part)
            size, more = size + len(part), message.get("more_body", False)
    if size > most:
        text = f"The file is larger than {most} bytes."
        raise ApiError(413, text, code="too_large", hint="tracking.max_file_mib sets the limit", close=True)
    return b"".join(parts)
