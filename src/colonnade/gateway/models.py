# SPDX-License-Identifier: Apache-2.0
"""`GET /v1/models` and `POST /v1/embeddings`. A service is a model; so is the embedder, when there are weights."""

from __future__ import annotations

import base64
from typing import Any

from colonnade.core.errors import Unavailable
from colonnade.gateway.bodies import EmbeddingsRequest
from colonnade.gateway.chunks import estimated_tokens
from colonnade.gateway.context import Context, json_response
from colonnade.gateway.failures import ApiError
from colonnade.gateway.http import Answered, Request, offload
from colonnade.gateway.router import Endpoint

MOST_INPUTS = 2048


def listed(context: Context) -> list[dict[str, Any]]:
    """Services by name, then the embedder."""
    snapshot = context.snapshot
    owner = f"colonnade:{snapshot.project_name}"
    rows = [_row(r.name, r.created_s, owner) for r in sorted(snapshot.routes.values(), key=lambda r: r.name)]
    embedder = context.backend.embedding_model()
    if embedder and embedder not in snapshot.routes:
        rows.append(_row(embedder, min((r["created"] for r in rows), default=0), owner))
    return rows


def _row(name: str, created_s: int, owner: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": created_s, "owned_by": owner}


async def embeddings(context: Context, request: Request) -> Answered:
    """Vectors of length 1, as base64 of little-endian float32 or as lists of floats."""
    asked = await context.body(request, EmbeddingsRequest)
    model = context.backend.embedding_model()
    if not model:
        message = "There is no embedding model here: its weights are not installed."
        raise Unavailable(message, hint="colonnade doctor prints the command.", code="no_embedder")
    if asked.model != model:
        message = f"There is no embedding model named {asked.model[:200]!r} here."
        raise ApiError(404, message, code="model_not_found", param="model", hint=f"Use {model}.")
    if asked.encoding_format not in (None, "float", "base64"):
        raise ApiError(400, "encoding_format is float or base64.", code="invalid_value", param="encoding_format")
    texts = _texts(asked)
    vectors = await offload(context.backend.embed, texts)
    width = int(vectors.shape[1])
    if asked.dimensions is not None and asked.dimensions != width:
        message = f"{model} gives {width} dimensions and no others."
        raise ApiError(400, message, code="invalid_value", param="dimensions")
    rows = vectors.astype("<f4", copy=False)
    if asked.encoding_format == "base64":
        shown: list[Any] = [base64.b64encode(row.tobytes()).decode() for row in rows]
    else:
        shown = rows.tolist()
    data = [{"object": "embedding", "index": n, "embedding": value} for n, value in enumerate(shown)]
    tokens = sum(estimated_tokens(text) for text in texts)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return json_response({"object": "list", "data": data, "model": model, "usage": usage})


def _texts(asked: EmbeddingsRequest) -> list[str]:
    given = [asked.input] if isinstance(asked.input, str) else asked.input
    texts = [t for t in given if isinstance(t, str)]
    if len(texts) != len(given):
        message = "input must be text: token numbers of another tokenizer mean nothing here."
        raise ApiError(400, message, code="invalid_type", param="input")
    if not texts or len(texts) > MOST_INPUTS:
        raise ApiError(400, f"input must hold 1 to {MOST_INPUTS} texts.", code="invalid_value", param="input")
    if not all(texts):
        raise ApiError(400, "input must not hold an empty text.", code="invalid_value", param="input")
    return texts


def endpoints(context: Context) -> list[Endpoint]:
    """Models and embeddings."""

    async def models(_request: Request) -> Answered:
        return json_response({"object": "list", "data": listed(context)})

    async def model(request: Request) -> Answered:
        name = request.params["id"]
        found = next((row for row in listed(context) if row["id"] == name), None)
        if found is None:
            message = f"There is no model named {name[:200]!r} here."
            raise ApiError(404, message, code="model_not_found", param="model", hint="GET /v1/models lists them.")
        return json_response(found)

    async def embed(request: Request) -> Answered:
        return await embeddings(context, request)

    return [
        Endpoint("GET", "/v1/models", models, "Services, and the embedding model."),
        Endpoint("GET", "/v1/models/{id:path}", model, "One of them.", errors=("model_not_found",)),
        Endpoint(
            "POST",
            "/v1/embeddings",
            embed,
            "Unit vectors of texts.",
            body=EmbeddingsRequest,
            errors=("model_not_found", "invalid_value", "no_embedder"),
        ),
    ]
