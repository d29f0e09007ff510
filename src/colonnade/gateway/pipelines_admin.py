# SPDX-License-Identifier: Apache-2.0
"""`/admin/pipelines`: an owner has a pipeline of Python functions run, and looks what it gave. How it runs is the
business of `lifecycle`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from msgspec import Struct, field

from colonnade.core.answers import Asker
from colonnade.gateway.context import Context, json_response
from colonnade.gateway.http import Answered, Request, offload
from colonnade.gateway.router import Endpoint, Who


class PipelineRequest(Struct, forbid_unknown_fields=True):
    """`POST /admin/pipelines/run`: a declared pipeline's name, or FILE.py:FUNCTION below the declaration's folder."""

    pipeline: str
    parameters: dict[str, Any] = field(default_factory=dict)


class PipelineLook(Struct, forbid_unknown_fields=True):
    """`POST /admin/pipelines/look`: `run/ID`; `files`: with the bytes of files that it gave, in base64."""

    ref: str
    files: bool = False


class PipelinesBackend(Protocol):
    """The pipelines of a house, as the gateway asks for them. Raises `ColonnadeError`."""

    def run(self, asker: Asker, pipeline: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """Begin a run: `colonnade.pipeline_asked/1`, at once."""
        ...

    def look(self, ref: str, *, files: bool) -> Mapping[str, Any]:
        """How a run stands: `colonnade.pipeline_run/1`, with `value` once it is done."""
        ...


def endpoints(context: Context) -> list[Endpoint]:
    """Running, and looking."""

    async def run(request: Request) -> Answered:
        asked = await context.body(request, PipelineRequest)
        asker = context.asker(request, None)
        found = await offload(context.backend.pipelines.run, asker, asked.pipeline, asked.parameters)
        return json_response(dict(found), 202)

    async def look(request: Request) -> Answered:
        asked = await context.body(request, PipelineLook)
        return json_response(dict(await offload(_look, context.backend.pipelines, asked)))

    return [
        Endpoint(
            "POST", "/admin/pipelines/run", run, "Run a pipeline of Python functions; answers at once.", Who.OWNER,
            body=PipelineRequest, errors=("unknown_pipeline",),
        ),
        Endpoint(
            "POST", "/admin/pipelines/look", look, "How a run of a pipeline stands, and what it gave.", Who.OWNER,
            body=PipelineLook, errors=("not_found",),
        ),
    ]  # fmt: skip


def _look(backend: PipelinesBackend, asked: PipelineLook) -> Mapping[str, Any]:
    return backend.look(asked.ref, files=asked.files)
