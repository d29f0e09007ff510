# SPDX-License-Identifier: Apache-2.0
"""`/admin/approvals`: what waits for a person's word, and that word. Said with the person's own key only.

An owner's token is nobody's, and `--as` looks but never approves. What is decided by it, and whose word counts, is
the business of whoever asks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

from msgspec import Struct

from colonnade.core.answers import Asker
from colonnade.gateway.context import Context, json_response
from colonnade.gateway.http import Answered, Request, offload
from colonnade.gateway.router import Endpoint, Who


class ApproveRequest(Struct, forbid_unknown_fields=True):
    """`POST /admin/approvals`: a ref that waits (`rollout/ID`), and the word."""

    ref: str
    verdict: Literal["allow", "deny"] = "allow"


class ApprovingBackend(Protocol):
    """What waits for a person. Raises `ColonnadeError`."""

    def waiting(self, asker: Asker) -> Sequence[Mapping[str, Any]]:
        """`{ref, kind, about, reason, persons, since, mine}` for each thing; `mine`: this asker's word counts.

        Owners see all, others what waits for them.
        """
        ...

    def approve(self, asker: Asker, ref: str, *, allow: bool) -> Mapping[str, Any]:
        """Say the word: `colonnade.approval/1`. Raises UnknownName, UsageError, Refused (`may_not_approve`)."""
        ...


def endpoints(context: Context) -> list[Endpoint]:
    """What waits, and the word."""

    async def waiting(request: Request) -> Answered:
        asker = context.asker(request, None)
        found = await offload(context.backend.approving.waiting, asker)
        return json_response({"schema": "colonnade.approvals/1", "waiting": [dict(one) for one in found]})

    async def approve(request: Request) -> Answered:
        asked = await context.body(request, ApproveRequest)
        asker = context.asker(request, None)

        def say() -> Mapping[str, Any]:
            return context.backend.approving.approve(asker, asked.ref, allow=asked.verdict == "allow")

        return json_response(dict(await offload(say)))

    return [
        Endpoint("GET", "/admin/approvals", waiting, "What waits for a person's word.", Who.KEY),
        Endpoint(
            "POST", "/admin/approvals", approve, "Say yes or no to what waits, with one's own key.", Who.KEY,
            body=ApproveRequest, errors=("not_found", "may_not_approve"),
        ),
    ]  # fmt: skip
