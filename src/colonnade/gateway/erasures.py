# SPDX-License-Identifier: Apache-2.0
"""`/admin/erasures`: ask for an erasure, and see how it stands. The word of the second person goes through
`/admin/approvals`; carrying it out is the house's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct

from colonnade.core.answers import Asker
from colonnade.gateway.context import Context, json_response
from colonnade.gateway.http import Answered, Request, offload
from colonnade.gateway.router import Endpoint, Who


class EraseRequest(Struct, forbid_unknown_fields=True):
    """`POST /admin/erasures`: documents and persons, by ref. `dry_run`: only the plan."""

    refs: list[str]
    dry_run: bool = False


class SweepRequest(Struct, forbid_unknown_fields=True):
    """`POST /admin/gc`: `dry_run` only tells."""

    dry_run: bool = False


class ErasingBackend(Protocol):
    """Erasures of a house. Raises `ColonnadeError`."""

    def erase(self, asker: Asker, refs: Sequence[str], *, dry_run: bool) -> Mapping[str, Any]:
        """Ask, or see how what was asked for in these words stands: `colonnade.erasure/1`.

        Raises UnknownName, UsageError; Refused for who is neither the owner nor the only person concerned.
        """
        ...

    def sweep(self, asker: Asker, *, dry_run: bool) -> Mapping[str, Any]:
        """Let go what was kept long enough and what nothing needs any more: `colonnade.gc/1`."""
        ...


def endpoints(context: Context) -> list[Endpoint]:
    """Asking, and sweeping."""

    async def erase(request: Request) -> Answered:
        asked = await context.body(request, EraseRequest)
        asker = context.asker(request, None)
        done = await offload(lambda: context.backend.erasing.erase(asker, asked.refs, dry_run=asked.dry_run))
        return json_response(dict(done))

    async def sweep(request: Request) -> Answered:
        asked = await context.body(request, SweepRequest)
        asker = context.asker(request, None)
        return json_response(dict(await offload(lambda: context.backend.erasing.sweep(asker, dry_run=asked.dry_run))))

    return [
        Endpoint(
            "POST", "/admin/erasures", erase, "Ask that documents and persons be erased, or see how that stands.",
            Who.KEY, body=EraseRequest, errors=("not_found", "may_not_erase", "erasure_busy", "nobody_approves"),
        ),
        Endpoint(
            "POST", "/admin/gc", sweep, "Let go what was kept long enough and what nothing needs any more.",
            Who.OWNER, body=SweepRequest,
        ),
    ]  # fmt: skip
