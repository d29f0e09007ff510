# SPDX-License-Identifier: Apache-2.0
"""`POST /v1/labels`: what predicted rows turned out to be. How truths are kept, and what they show, is the business of
`lifecycle.watching`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct

from colonnade.core.answers import Asker
from colonnade.gateway.context import Context, json_response
from colonnade.gateway.failures import ApiError
from colonnade.gateway.http import Answered, Request, offload
from colonnade.gateway.router import Endpoint, Who

MOST = 10_000


class OneLabel(Struct, forbid_unknown_fields=True):
    """The truth about a row of a request: `ref` as the answer named it, `row` its place from 0."""

    ref: str
    label: str | int | float | bool
    row: int = 0


class LabelsRequest(Struct, forbid_unknown_fields=True):
    """`POST /v1/labels`: truths about answers of a service."""

    service: str
    labels: list[OneLabel]


class LabelsBackend(Protocol):
    """Whoever takes truths in. Raises `ColonnadeError`."""

    def label(self, asker: Asker, service: str, labels: Sequence[tuple[str, int, Any]]) -> Mapping[str, Any]:
        """(ref, row, label) each: `colonnade.labels/1`, once they are kept. Again changes nothing. Raises Refused for
        an asker who may not, UnknownName for a service that is not watched.
        """
        ...


def endpoints(context: Context) -> list[Endpoint]:
    """Truths."""

    async def label(request: Request) -> Answered:
        asked = await context.body(request, LabelsRequest)
        found = context.backend.labels
        if found is None:
            raise ApiError(404, "No service here has a model.", code="model_not_found", param="service")
        if not 0 < len(asked.labels) <= MOST:
            raise ApiError(400, f"1 to {MOST:,} labels are taken at once.", code="invalid_value", param="labels")
        labels = [(one.ref, one.row, one.label) for one in asked.labels]
        return json_response(dict(await offload(found.label, context.asker(request, None), asked.service, labels)))

    return [
        Endpoint(
            "POST", "/v1/labels", label, "What predicted rows turned out to be: owners, and `labels.writers`.", Who.KEY,
            body=LabelsRequest, errors=("model_not_found", "invalid_value", "refused"),
        ),
    ]  # fmt: skip
