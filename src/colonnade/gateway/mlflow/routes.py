# SPDX-License-Identifier: Apache-2.0
"""The routes of MLflow's REST API that are served, as one table; every other of its paths answers 501 with a hint.

`/ajax-api/...` is the same for the pages of MLflow's own console and for some clients.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

import msgspec
from msgspec import Struct

from colonnade.gateway.context import Context
from colonnade.gateway.failures import ApiError, not_found
from colonnade.gateway.http import Answered, Handler, Request, Response, offload
from colonnade.gateway.mlflow import registering as g
from colonnade.gateway.mlflow import requests as r
from colonnade.gateway.mlflow.answers import answer
from colonnade.gateway.mlflow.files import file_endpoints
from colonnade.gateway.mlflow.reading import read_body, read_fields
from colonnade.gateway.router import Endpoint, Router, Who

ROOT = "/api/2.0/mlflow/"
SPEAKS = "3.17.2"
"""The release of MLflow whose clients were run against this; told under `/version`, which they ask for."""
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

ROUTES: tuple[tuple[str, str, str, type[Struct], str], ...] = (
    ("POST", "experiments/create", "", r.NewExperiment, "A new experiment."),
    ("GET", "experiments/get", "", r.Experiment, "An experiment."),
    ("GET", "experiments/get-by-name", "", r.ExperimentName, "An experiment by its name."),
    ("POST", "experiments/search", "", r.SearchExperiments, "Experiments that fulfil a filter."),
    ("GET", "experiments/search", "", r.SearchExperiments, "The same by GET."),
    ("POST", "experiments/update", "", r.RenameExperiment, "Rename an experiment."),
    ("POST", "experiments/delete", "", r.Experiment, "Delete an experiment and its runs, until they are restored."),
    ("POST", "experiments/restore", "", r.Experiment, "Restore an experiment and its runs."),
    ("POST", "experiments/set-experiment-tag", "", r.ExperimentTag, "Tag an experiment."),
    ("POST", "experiments/delete-experiment-tag", "", r.ExperimentTagKey, "Take a tag from an experiment."),
    ("POST", "experiments/search-datasets", "", r.ExperimentIds, "Data sets that runs read."),
    ("POST", "runs/create", "", r.NewRun, "A new run."),
    ("GET", "runs/get", "", r.Run, "A run."),
    ("POST", "runs/update", "", r.UpdateRun, "A run's status, end or name."),
    ("POST", "runs/delete", "", r.RunId, "Delete a run, until it is restored."),
    ("POST", "runs/restore", "", r.RunId, "Restore a run."),
    ("POST", "runs/search", "", r.SearchRuns, "Runs that fulfil a filter."),
    ("POST", "runs/log-metric", "", r.LogMetric, "One measurement."),
    ("POST", "runs/log-parameter", "", r.RunPair, "One parameter."),
    ("POST", "runs/log-batch", "", r.LogBatch, "Up to 1,000 measurements, parameters and tags, in one transaction."),
    ("POST", "runs/set-tag", "", r.RunPair, "Tag a run."),
    ("POST", "runs/delete-tag", "", r.RunKey, "Take a tag from a run."),
    ("POST", "runs/log-inputs", "", r.LogInputs, "Data sets and models that a run read."),
    ("POST", "runs/outputs", "", r.LogOutputs, "Models that a run gave."),
    ("POST", "runs/log-model", "", r.LogModel, "A model's description, as MLflow 2 logs it."),
    ("GET", "metrics/get-history", "", r.History, "A series of a run."),
    ("GET", "metrics/get-history-bulk", "", r.Histories, "The same series of several runs."),
    ("GET", "metrics/get-history-bulk-interval", "", r.Sampled, "The same, thinned out between two steps."),
    ("GET", "artifacts/list", "", r.ListFiles, "Files of a run."),
    ("POST", "logged-models", "logged-models/create", r.NewModel, "A model that a run gives."),
    ("POST", "logged-models/search", "", r.SearchModels, "Models that fulfil a filter."),
    ("GET", "logged-models/{model_id}", "logged-models/get", r.Nothing, "A model."),
    ("PATCH", "logged-models/{model_id}", "logged-models/finalize", r.Finalize, "A model's files are there."),
    ("DELETE", "logged-models/{model_id}", "logged-models/delete", r.Nothing, "Delete a model."),
    ("PATCH", "logged-models/{model_id}/tags", "logged-models/set-tags", r.Tags, "Tag a model."),
    ("DELETE", "logged-models/{model_id}/tags/{tag_key}", "logged-models/delete-tag", r.Nothing, "Take a tag away."),
    ("POST", "logged-models/{model_id}/params", "logged-models/log-params", r.Params, "A model's parameters."),
    ("GET", "logged-models/{model_id}/artifacts/directories", "logged-models/list", r.ModelFiles, "A model's files."),
    ("POST", "registered-models/create", "", g.NewRegistered, "Register a model's name."),
    ("GET", "registered-models/get", "", g.Registered, "A registered model."),
    ("POST", "registered-models/rename", "", g.Rename, "Rename a registered model."),
    ("PATCH", "registered-models/update", "", g.Describe, "Describe a registered model."),
    ("DELETE", "registered-models/delete", "", g.Registered, "Delete a registered model with its versions."),
    ("GET", "registered-models/search", "", r.Search, "Registered models that fulfil a filter."),
    ("POST", "registered-models/get-latest-versions", "", g.Latest, "The newest version."),
    ("GET", "registered-models/get-latest-versions", "", g.Latest, "The same by GET."),
    ("POST", "registered-models/set-tag", "", g.NamedPair, "Tag a registered model."),
    ("DELETE", "registered-models/delete-tag", "", g.NamedKey, "Take a tag from a registered model."),
    ("POST", "registered-models/alias", "registered-models/set-alias", g.SetAlias, "Point an alias to a version."),
    ("DELETE", "registered-models/alias", "registered-models/delete-alias", g.Alias, "An alias points to nothing."),
    ("GET", "registered-models/alias", "registered-models/by-alias", g.Alias, "The version of an alias."),
    ("POST", "model-versions/create", "", g.NewVersion, "A version of a registered model."),
    ("GET", "model-versions/get", "", g.Version, "A version."),
    ("PATCH", "model-versions/update", "", g.DescribeVersion, "Describe a version."),
    ("DELETE", "model-versions/delete", "", g.Version, "Delete a version with the aliases that point to it."),
    ("GET", "model-versions/search", "", r.Search, "Versions that fulfil a filter."),
    ("GET", "model-versions/get-download-uri", "", g.Version, "Where a version's files are read."),
    ("POST", "model-versions/set-tag", "", g.VersionPair, "Tag a version."),
    ("DELETE", "model-versions/delete-tag", "", g.VersionKey, "Take a tag from a version."),
)
"""Method, path below `ROOT`, operation ("" = the path), body or query, summary."""


def endpoints(context: Context) -> list[Endpoint]:
    """The routes, the files, and 501 for the rest."""

    def handler(operation: str, kind: type[Struct]) -> Handler:
        async def handle(request: Request) -> Answered:
            backend = context.backend.tracking
            if backend is None:
                raise not_found()
            if request.method in {"GET", "HEAD"}:
                given = read_fields(_query(request, kind), kind)
            else:
                given = read_body(await request.body(context.snapshot.max_body_bytes), kind)
            fields = {**msgspec.to_builtins(given), **request.params}
            assert request.asker is not None
            return answer(await offload(backend.call, request.asker, operation, fields))

        return handle

    async def version(_request: Request) -> Answered:
        return Response(SPEAKS, content_type="text/plain; charset=utf-8")

    async def health(_request: Request) -> Answered:
        return Response("OK", content_type="text/plain; charset=utf-8")

    async def server_info(_request: Request) -> Answered:
        return answer({"store_type": "SqlStore", "workspaces_enabled": False, "multipart_uploads_enabled": False,
                       "multipart_downloads_enabled": False})  # fmt: skip

    async def absent(request: Request) -> Answered:
        message = f"{request.method} {request.path} is not served here."
        hint = "docs/how-to/track-with-mlflow.md lists what is: runs, metrics, files, models, versions, aliases, tags"
        raise ApiError(501, message, code="not_implemented", hint=hint)

    errors = ("invalid_value", "not_found", "exists")
    served = [
        Endpoint(method, ROOT + path, handler(operation or path, kind), text, Who.LOCAL,
                 body=kind if method != "GET" and kind is not r.Nothing else None, errors=errors)
        for method, path, operation, kind, text in ROUTES
    ]  # fmt: skip
    served += file_endpoints(context)
    served.append(Endpoint("GET", "/api/3.0/mlflow/server-info", server_info, "What this server can.", Who.LOCAL))
    rest = [
        Endpoint(method, "/api/{rest:path}", absent, "The rest of MLflow's API: 501.", Who.LOCAL,
                 errors=("not_implemented",))
        for method in METHODS
    ]  # fmt: skip
    again = Router([*served, *rest])

    async def ajax(request: Request) -> Answered:
        request.path = request.path.removeprefix("/ajax-api").join(("/api", ""))
        match = again.match(request.method, request.path)
        if match.endpoint is None:
            return await absent(request)
        request.params = match.params
        return await match.endpoint.handler(request)

    aside = [
        Endpoint(method, "/ajax-api/{rest:path}", ajax, "The same as /api/..., for MLflow's console.", Who.LOCAL)
        for method in METHODS
    ]
    public = [
        Endpoint("GET", "/version", version, "The release of MLflow whose clients are served.", Who.ANYBODY),
        Endpoint("GET", "/health", health, "Whether the gateway answers.", Who.ANYBODY),
    ]
    return [*served, *rest, *aside, *public]


def _query(request: Request, kind: type[Struct]) -> Mapping[str, Any]:
    """The query string; fields that hold lists may be repeated."""
    text = request.scope.get("query_string", b"").decode("latin-1")
    many = {one.name for one in msgspec.structs.fields(kind) if getattr(one.type, "__origin__", None) is list}
    return {name: values if name in many else values[-1]
            for name, values in parse_qs(text, keep_blank_values=True).items()}  # fmt: skip
