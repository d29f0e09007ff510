# SPDX-License-Identifier: Apache-2.0
"""`GET /documents/...`: what a citation leads to. Originals are untrusted: they are never shown as a page of ours.

What may not be read answers exactly as what does not exist.
"""

from __future__ import annotations

import hashlib
from pathlib import PurePosixPath
from urllib.parse import quote

from colonnade.core.ids import is_id
from colonnade.gateway.backend import Source
from colonnade.gateway.context import Context, json_response
from colonnade.gateway.failures import not_found
from colonnade.gateway.http import Answered, Request, Response, offload
from colonnade.gateway.router import Endpoint

UNTRUSTED = {
    "x-content-type-options": "nosniff",
    "content-security-policy": "sandbox; default-src 'none'",
    "cache-control": "private, no-store",
    "cross-origin-resource-policy": "same-origin",
}


def split_ref(ref: str) -> tuple[str, str | None]:
    """`doc_...` or `doc_...@cnt_...` to its parts. Raises `ApiError` 404 for another shape."""
    document, at, content = ref.partition("@")
    if not is_id(document) or not document.startswith("doc_") or (at and not is_id(content)):
        raise not_found()
    return document, content or None


async def _source(context: Context, request: Request) -> Source:
    document, content = split_ref(request.params["ref"])
    source = await offload(context.backend.source, context.asker(request, None), document, content)
    if source is None:
        raise not_found()
    return source


def endpoints(context: Context) -> list[Endpoint]:
    """A document's facts, its text, its original bytes."""

    async def facts(request: Request) -> Answered:
        source = await _source(context, request)
        shown = {
            "schema": "colonnade.document/1",
            "ref": f"document/{source.document}",
            "document": source.document,
            "content": source.content,
            "path": source.path,
            "title": source.title,
            "knowledge": source.knowledge,
            "encoding": source.encoding,
            "readers": list(source.readers),
            "characters": len(source.text),
            "valid_from_ms": source.valid_from_ms,
            "valid_to_ms": source.valid_to_ms,
        }
        return json_response(shown)

    async def text(request: Request) -> Answered:
        source = await _source(context, request)
        return Response(
            source.text.encode("utf-8", "surrogatepass"), content_type="text/plain; charset=utf-8", headers=UNTRUSTED
        )

    async def raw(request: Request) -> Answered:
        source = await _source(context, request)
        document, content = split_ref(request.params["ref"])
        bytes_ = await offload(context.backend.raw, context.asker(request, None), document, content)
        if bytes_ is None:
            raise not_found()
        name = quote(PurePosixPath(source.path).name, safe="")
        headers = {
            **UNTRUSTED,
            "content-disposition": f"attachment; filename*=UTF-8''{name}",
            "etag": f'"{hashlib.sha256(bytes_).hexdigest()}"',
        }
        return Response(bytes_, content_type="application/octet-stream", headers=headers)

    gone = ("not_found",)
    return [
        Endpoint(
            "GET", "/documents/{ref}", facts, "A document's facts; a browser gets the console's page.", errors=gone
        ),
        Endpoint(
            "GET", "/documents/{ref}/text", text, "The text that spans count in.", content=("text/plain",), errors=gone
        ),
        Endpoint(
            "GET",
            "/documents/{ref}/raw",
            raw,
            "The original bytes, as an attachment.",
            content=("application/octet-stream",),
            errors=gone,
        ),
    ]
