# SPDX-License-Identifier: Apache-2.0
"""`/admin/gpu`, `/admin/runs`, `/admin/leases`, `/admin/devices`: what an owner does with GPUs over HTTP. What a share
is and who gets one is the fabric's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Protocol

from msgspec import Meta, Struct

from colonnade.core.answers import Asker
from colonnade.gateway.context import Context, json_response
from colonnade.gateway.failures import ApiError
from colonnade.gateway.http import Answered, Request, offload
from colonnade.gateway.router import Endpoint, Who


class RunRequest(Struct, forbid_unknown_fields=True):
    """`POST /admin/runs`: a command and the share that it asks for; or the name of a declared job."""

    command: list[str] = []
    job: str | None = None
    folder: str = "/"
    environment: dict[str, str] = {}
    gpus: Annotated[int, Meta(ge=0, le=1024)] | None = None
    gpu_milli: Annotated[int, Meta(ge=1, le=1000)] | None = None
    gpu_mib: Annotated[int, Meta(ge=0)] | None = None
    cpu_milli: Annotated[int, Meta(ge=0)] | None = None
    memory_mib: Annotated[int, Meta(ge=0)] | None = None
    models: list[str] | None = None
    isolation_at_least: str | None = None
    queue: str | None = None
    priority: str | None = None
    workers: Annotated[int, Meta(ge=1, le=10_000)] | None = None
    preemptible: bool | None = None
    attached: bool = False


class LeaseRequest(Struct, forbid_unknown_fields=True):
    """`POST /admin/leases/release`: the lease, its run, or its id."""

    ref: str


class CordonRequest(Struct, forbid_unknown_fields=True):
    """`POST /admin/devices/cordon`: close a device to new work, or open it again."""

    device: str
    cordoned: bool


class ComputeBackend(Protocol):
    """The fabric, as the gateway asks for it. Raises `ColonnadeError`."""

    def run(self, asker: Asker, asked: RunRequest) -> Mapping[str, Any]:
        """Ask for a share and run a command under it: `colonnade.asked/1`, at once, while it still waits."""
        ...

    def gpu(self) -> Mapping[str, Any]:
        """`colonnade.gpu/1`, with how busy each device is now."""
        ...

    def wait(self, ref: str) -> Mapping[str, Any] | None:
        """What a pending lease waits for: `wait` of `colonnade why`; None for one that does not wait."""
        ...

    def release(self, asker: Asker, ref: str) -> Mapping[str, Any]:
        """Take a share back, or withdraw the wish for one."""
        ...

    def cordon(self, asker: Asker, device: str, cordoned: bool) -> Mapping[str, Any]:
        """Close a device to new work, or open it again."""
        ...


def endpoints(context: Context) -> list[Endpoint]:
    """Runs, leases, devices."""

    def fabric() -> ComputeBackend:
        found = context.backend.compute
        if found is None:
            message = "The declaration has no section `compute`."
            raise ApiError(404, message, code="no_compute", hint="add `compute: {devices: nvml}`, then `colonnade up`")
        return found

    async def run(request: Request) -> Answered:
        asked = await context.body(request, RunRequest)
        return json_response(dict(await offload(fabric().run, context.asker(request, None), asked)), 201)

    async def gpu(_request: Request) -> Answered:
        return json_response(dict(await offload(fabric().gpu)))

    async def release(request: Request) -> Answered:
        asked = await context.body(request, LeaseRequest)
        return json_response(dict(await offload(fabric().release, context.asker(request, None), asked.ref)))

    async def cordon(request: Request) -> Answered:
        asked = await context.body(request, CordonRequest)
        asker = context.asker(request, None)
        return json_response(dict(await offload(fabric().cordon, asker, asked.device, asked.cordoned)))

    owner, none = Who.OWNER, ("no_compute",)
    refused = ("no_compute", "isolation_unavailable", "claim_impossible", "unknown_queue", "unknown_job")
    return [
        Endpoint("GET", "/admin/gpu", gpu, "Devices and leases: colonnade.gpu/1.", owner, errors=none),
        Endpoint(
            "POST", "/admin/runs", run, "Run a command under a share of the devices; answers at once.", owner,
            body=RunRequest, errors=refused,
        ),
        Endpoint(
            "POST", "/admin/leases/release", release, "Take a share back; answers once that has begun.", owner,
            body=LeaseRequest, errors=("no_compute", "unknown_lease"),
        ),
        Endpoint(
            "POST", "/admin/devices/cordon", cordon, "Close a device to new work, or open it again.", owner,
            body=CordonRequest, errors=("no_compute", "unknown_device"),
        ),
    ]  # fmt: skip
