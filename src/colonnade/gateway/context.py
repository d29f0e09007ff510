# SPDX-License-Identifier: Apache-2.0
"""What every handler of the gateway needs, and the few steps that they share. No routes here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from colonnade.core.answers import Asker
from colonnade.gateway.auth import Sessions, acting_as
from colonnade.gateway.backend import Backend, Route, Snapshot
from colonnade.gateway.bodies import S, decode
from colonnade.gateway.counters import Counters
from colonnade.gateway.failures import ApiError
from colonnade.gateway.http import Request, Response
from colonnade.gateway.streaming import Heartbeat

if TYPE_CHECKING:
    from colonnade.gateway.upstream import Upstreams

JSON = "application/json"


@dataclass(slots=True)
class Context:
    """The house, the signed-in browsers, and the connections to language models."""

    backend: Backend
    upstreams: Upstreams
    sessions: Sessions = field(default_factory=Sessions)
    heartbeat: Heartbeat = field(default_factory=Heartbeat)
    counters: Counters = field(default_factory=Counters)

    @property
    def snapshot(self) -> Snapshot:
        """Keys, routes and limits of now."""
        return self.backend.snapshot()

    async def body(self, request: Request, kind: type[S]) -> S:
        """The request's JSON body as a struct."""
        return decode(await request.body(self.snapshot.max_body_bytes), kind)

    def asker(self, request: Request, name: str | None) -> Asker:
        """Who asks; an owner may name somebody in the body's `as` (the header's is resolved already)."""
        assert request.asker is not None
        return acting_as(request.asker, name, self.snapshot) if name else request.asker


def json_response(value: Any, status: int = 200, *, headers: dict[str, str] | None = None) -> Response:
    """A value as JSON."""
    return Response(msgspec.json.encode(value), status, content_type=JSON, headers=headers)


def service_route(snapshot: Snapshot, name: str, *, param: str = "model") -> Route:
    """The service of that name. Raises `ApiError` 404 `model_not_found`."""
    route = snapshot.routes.get(name)
    if route is None:
        message = f"There is no service named {name[:200]!r} here."
        raise ApiError(404, message, code="model_not_found", param=param, hint="GET /v1/models lists them.")
    return route


def only_service(snapshot: Snapshot, name: str | None) -> Route:
    """The named service with knowledge, or the only one. Raises `ApiError` 404, or 400 when there are several."""
    if name:
        route = service_route(snapshot, name, param="service")
        if route.knowledge is None:
            message = f"The service {name!r} has no knowledge to answer from."
            raise ApiError(400, message, code="no_knowledge", param="service")
        return route
    routes = [r for r in snapshot.routes.values() if r.knowledge is not None]
    if len(routes) == 1:
        return routes[0]
    if not routes:
        raise ApiError(404, "No service here has knowledge.", code="model_not_found", param="service")
    names = ", ".join(sorted(r.name for r in routes))
    raise ApiError(
        400, f"Several services have knowledge: {names}.", code="missing_required_parameter", param="service"
    )
