# SPDX-License-Identifier: Apache-2.0
"""`GET /metrics` in Prometheus' text format: what the gateway counted, and what the house's state shows (leases, the
ledger, alarms), which is looked up when somebody asks.
"""

from __future__ import annotations

from colonnade.gateway.context import Context
from colonnade.gateway.http import Answered, Request, Response, offload
from colonnade.gateway.router import Endpoint, Who

TEXT = "text/plain; version=0.0.4; charset=utf-8"


def endpoints(context: Context) -> list[Endpoint]:
    """The one page."""

    async def metrics(_request: Request) -> Answered:
        figures = await offload(context.backend.traces.figures)
        return Response(context.counters.text() + figures, content_type=TEXT)

    return [
        Endpoint(
            "GET", "/metrics", metrics, "Counters and gauges for Prometheus.", Who.LOCAL,
            content=("text/plain",),
        )
    ]  # fmt: skip
