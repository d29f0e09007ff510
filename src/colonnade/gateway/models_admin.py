# SPDX-License-Identifier: Apache-2.0
"""`/admin/models`: what an owner does with models that train themselves. How they are made is the business of
`lifecycle`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from msgspec import Struct

from colonnade.core.answers import Asker
from colonnade.gateway.context import Context, json_response
from colonnade.gateway.failures import ApiError
from colonnade.gateway.http import Answered, Request, offload
from colonnade.gateway.router import Endpoint, Who


class TrainRequest(Struct, forbid_unknown_fields=True):
    """`POST /admin/models/train`: a declared model's name, or its ref."""

    model: str


class TrainingBackend(Protocol):
    """The models of a house, as the gateway asks for them. Raises `ColonnadeError`."""

    def train(self, asker: Asker, model: str) -> Mapping[str, Any]:
        """Begin a pipeline now, or after the one that runs: `colonnade.training/1`, at once. `after` is the newest
        pipeline of before.
        """
        ...


def endpoints(context: Context) -> list[Endpoint]:
    """Training by hand."""

    async def train(request: Request) -> Answered:
        found = context.backend.training
        if found is None:
            hint = "add one under `models:`, then `colonnade up`"
            raise ApiError(404, "The declaration has no models.", code="not_found", hint=hint)
        asked = await context.body(request, TrainRequest)
        return json_response(dict(await offload(found.train, context.asker(request, None), asked.model)), 202)

    return [
        Endpoint(
            "POST", "/admin/models/train", train, "Train a model now, by hand; answers at once.", Who.OWNER,
            body=TrainRequest, errors=("not_found",),
        ),
    ]  # fmt: skip
