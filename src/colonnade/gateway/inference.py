# SPDX-License-Identifier: Apache-2.0
"""Predictions over HTTP: plain JSON (`POST /v1/predict`) and the Open Inference Protocol v2 (`/v2/...`).

Bodies go to a replica as they came; only which service is asked is read here. How requests wait, are gathered and are
refused stands in `lanes`.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from typing import Any, Protocol

import msgspec
from msgspec import Raw, Struct

from colonnade.core.answers import Asker
from colonnade.core.exchanges import Exchange
from colonnade.core.predicting import ANSWERED, ROWS, TENSORS, WRONG, Item
from colonnade.gateway.context import JSON, Context, json_response
from colonnade.gateway.failures import ApiError
from colonnade.gateway.http import Answered, Request, Response, offload
from colonnade.gateway.lanes import Given, Lanes, Served
from colonnade.gateway.router import Endpoint, Who
from colonnade.gateway.trial import Asked

BINARY = b"inference-header-content-length"
KEY = b"x-colonnade-key"


class PredictRequest(Struct, forbid_unknown_fields=True):
    """`POST /v1/predict`: rows for a service with a model; the only one by default. `key`: what stays with one version
    while another is tried (a customer, a session); also as the header `x-colonnade-key`.
    """

    rows: Raw
    service: str | None = None
    key: str | None = None


class RollbackRequest(Struct, forbid_unknown_fields=True):
    """`POST /admin/rollback`: `service/NAME` or `model/NAME`, and a version, or the one that was live before."""

    ref: str
    to: str | None = None


class ServingBackend(Protocol):
    """Models that are served, as the gateway asks for them. Raises `ColonnadeError`."""

    @property
    def served(self) -> Mapping[str, Served]:
        """Service -> who answers now; never waits."""
        ...

    @property
    def lanes(self) -> Lanes:
        """Where requests wait; the backend's, for the number of replicas follows what waits there."""
        ...

    def exchanged(self, exchange: Exchange) -> None:
        """A request was answered. Never waits: whoever keeps it does so later."""
        ...

    def rollback(self, asker: Asker, ref: str, to: str | None) -> Mapping[str, Any]:
        """Go back to an earlier version: `colonnade.rollback/1`, once new requests are answered by it."""
        ...


_predict = msgspec.json.Decoder(PredictRequest).decode
_string = msgspec.json.Encoder().encode


def endpoints(context: Context) -> list[Endpoint]:
    """Predictions, the protocol's health and metadata, roll back."""

    random_hex = _Random()

    def backend() -> ServingBackend:
        found = context.backend.serving
        if found is None:
            message = "No service here has a model."
            raise ApiError(404, message, code="model_not_found", hint="declare one: services: {NAME: {model: MODEL}}")
        return found

    def served(name: str) -> Served:
        found = backend().served.get(name)
        if found is None:
            message = f"There is no service named {name[:200]!r} with a model here."
            raise ApiError(404, message, code="model_not_found", param="service")
        return found

    async def asked(request: Request, name: str, item: Item, key: str) -> Given:
        serving, here = backend(), served(name)
        at_ms = time.time_ns() // 1_000_000
        ref = request.ref = f"request/{at_ms:012x}{random_hex()}"  # sorts by time
        asking = Asked(serving, name, lambda: serving.served.get(name), item, ref, key or ref, at_ms)
        try:
            given = await asking.answer(here)
        except ApiError as refused:
            if refused.http_status == 429:
                await serving.lanes.hold()
            raise
        if (noted := request.noted) is not None:
            now = time.perf_counter()
            noted.service, noted.model, noted.place, noted.shared = name, given.version, given.place, given.shared
            noted.stages = [("queue", now - given.ms / 1000, given.sent), ("replica", given.sent, now)]
        found = given.item
        if found.kind == ANSWERED:
            return given
        text = found.data.decode("utf-8", "replace")
        if found.kind == WRONG:
            raise ApiError(400, text, code="invalid_value", param="rows" if item.kind == ROWS else "inputs")
        raise ApiError(500, text, code="model_failed", hint="the replica's run has the details: `colonnade logs`.")

    async def predict(request: Request) -> Answered:
        body = await request.body(context.snapshot.max_body_bytes)
        try:
            wanted = _predict(body)
        except msgspec.MsgspecError:
            wanted = await context.body(request, PredictRequest)  # says what is wrong
        name = wanted.service if wanted.service is not None else _only(backend().served)
        key = request.raw_header(KEY).decode("latin-1") or wanted.key or ""
        given = await asked(request, name, Item(ROWS, 0, bytes(wanted.rows)), key)
        data = b'{"ref":"%b","service":%b,"version":"%b","predictions":%b}' % (
            request.ref.encode(), _string(name), given.version.encode(), given.item.data,
        )  # fmt: skip
        return _answer(data, given.version)

    async def infer(request: Request) -> Answered:
        name = request.params["name"]
        body = await request.body(context.snapshot.max_body_bytes)
        length = request.raw_header(BINARY)
        mark = int(length) if length.isdigit() and int(length) <= len(body) else 0
        given = await asked(request, name, Item(TENSORS, mark, body), request.raw_header(KEY).decode("latin-1"))
        found = given.item
        response = _answer(found.data, given.version)
        if found.mark:
            response.headers[0] = (b"content-type", b"application/octet-stream")
            response.headers.append((BINARY, b"%d" % found.mark))
        return response

    async def live(_request: Request) -> Answered:
        return json_response({"live": True})

    async def ready(_request: Request) -> Answered:
        found = context.backend.serving
        here = [] if found is None else list(found.served.values())
        good = all(one.state == "ready" for one in here)
        return json_response({"ready": good}, 200 if good else 503)

    async def server(_request: Request) -> Answered:
        return json_response({"name": "colonnade", "version": "2", "extensions": ["binary_tensor_data"]})

    async def model(request: Request) -> Answered:
        found = served(request.params["name"])
        told = {part: found.about.get(part, []) for part in ("inputs", "outputs")}
        platform = str(found.about.get("platform", ""))
        versions = [found.version] if found.version else []
        return json_response({"name": found.service, "versions": versions, "platform": platform, **told})

    async def model_ready(request: Request) -> Answered:
        found = served(request.params["name"])
        good = found.state == "ready"
        return json_response({"name": found.service, "ready": good}, 200 if good else 503)

    async def rollback(request: Request) -> Answered:
        body = await context.body(request, RollbackRequest)
        done = await offload(backend().rollback, context.asker(request, None), body.ref, body.to)
        return json_response(dict(done))

    errors = ("model_not_found", "invalid_value", "model_failed", "overloaded", "service_unready", "model_timeout")
    key, octets = Who.KEY, (JSON, "application/octet-stream")
    return [
        Endpoint("POST", "/v1/predict", predict, "Predictions for rows.", key, body=PredictRequest, errors=errors),
        Endpoint("GET", "/v2/health/live", live, "Whether the server lives.", Who.ANYBODY),
        Endpoint("GET", "/v2/health/ready", ready, "Whether every served model answers.", Who.ANYBODY),
        Endpoint("GET", "/v2", server, "The server, as the Open Inference Protocol names it."),
        Endpoint("GET", "/v2/models/{name}", model, "A served model's inputs and outputs.", errors=errors[:1]),
        Endpoint("GET", "/v2/models/{name}/ready", model_ready, "Whether it answers.", errors=errors[:1]),
        Endpoint(
            "POST", "/v2/models/{name}/infer", infer, "Inference: tensors as JSON, or binary after the JSON.",
            content=octets, errors=errors,
        ),
        Endpoint(
            "POST", "/admin/rollback", rollback, "Back to the version that was live before, or to a given one.",
            Who.OWNER, body=RollbackRequest, errors=("no_way_back", "nothing_live", "nothing_to_do", "service_unready"),
        ),
    ]  # fmt: skip


class _Random:
    """Six random bytes at a time, as hex; the system is asked for many at once. For one loop's thread alone."""

    def __init__(self) -> None:
        self._left: list[str] = []

    def __call__(self) -> str:
        if not self._left:
            many = secrets.token_hex(6 * 256)
            self._left = [many[at : at + 12] for at in range(0, len(many), 12)]
        return self._left.pop()


def _answer(data: bytes, version: str) -> Response:
    return Response(data, content_type=JSON, headers={"x-colonnade-version": version})


def _only(here: Mapping[str, Served]) -> str:
    """The only service with a model. Raises `ApiError` where there are several."""
    if len(here) == 1:
        return next(iter(here))
    message = f"Several services have a model: {', '.join(sorted(here))}." if here else "No service here has a model."
    raise ApiError(400, message, code="missing_required_parameter", param="service")
