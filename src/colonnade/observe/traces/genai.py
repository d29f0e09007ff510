# SPDX-License-Identifier: Apache-2.0
"""Records in OpenTelemetry's words: the GenAI and HTTP conventions, mapped here and nowhere else.

`SCHEMA_URL` is pinned to 1.41.0, the last release of the conventions that holds `gen_ai.*` and has a published schema
(they have a repository of their own since, whose 0.1.0 names none). All of `gen_ai.*` is in development there. What no
convention has a name for begins with `colonnade.`. No text of a question, a document or an answer is ever told.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from colonnade.core.traces import FAILING, Record, span_of

SCHEMA_URL = "https://opentelemetry.io/schemas/1.41.0"
PROVIDER = "colonnade"
"""For `gen_ai.provider.name`, where the answer is made here; an OpenAI-compatible language model is `openai`."""
INTERNAL, SERVER, CLIENT = 1, 2, 3
OPERATIONS = {
    "/v1/chat/completions": "chat", "/v1/ask": "chat", "/ask": "chat", "/mcp": "execute_tool",
    "/v1/search": "retrieval", "/v1/embeddings": "embeddings",
}  # fmt: skip
STAGES = {"upstream": ("chat", CLIENT), "retrieve": ("retrieval", INTERNAL)}
"""Stages that the conventions have an operation for."""
Attributes = dict[str, str | int | float | bool]


class Told(NamedTuple):
    """A span as it is exported: times in nanoseconds, kinds and statuses in OpenTelemetry's numbers."""

    trace: str
    span: str
    parent: str
    name: str
    kind: int
    start_ns: int
    end_ns: int
    status: int
    attributes: Attributes


def told(record: Record) -> Iterator[Told]:
    """A record's own span, and one for each of its stages."""
    start = record.at_us * 1000
    status = 2 if record.outcome in FAILING or record.code >= 500 else 0
    attributes = _request(record) if record.kind == "request" else _work(record)
    attributes |= _costs(record)
    if status == 2:
        attributes["error.type"] = str(record.code) if record.code >= 400 else record.outcome
    yield Told(
        record.trace, record.span, record.parent, _name(record), SERVER if record.kind == "request" else INTERNAL,
        start, start + record.us * 1000, status, attributes,
    )  # fmt: skip
    for place, stage in enumerate(record.stages):
        begins = start + stage.after_us * 1000
        operation, kind = STAGES.get(stage.name, ("", INTERNAL))
        yield Told(
            record.trace, span_of(f"{record.span}/{place}"), record.span, _stage_name(record, stage.name, operation),
            kind, begins, begins + stage.us * 1000, 0, _stage(record, stage.name, operation),
        )  # fmt: skip


def _name(record: Record) -> str:
    operation = OPERATIONS.get(record.name.partition(" ")[2])
    return f"{operation} {record.service}" if operation and record.service else record.name


def _stage_name(record: Record, name: str, operation: str) -> str:
    whom = record.model if name == "upstream" else record.service
    return f"{operation} {whom}" if operation and whom else name


def _request(record: Record) -> Attributes:
    method, _, route = record.name.partition(" ")
    found: Attributes = {
        "http.request.method": method, "http.route": route, "http.response.status_code": record.code,
        "colonnade.outcome": record.outcome,
    }  # fmt: skip
    operation = OPERATIONS.get(route)
    if operation:
        found |= {"gen_ai.operation.name": operation, "gen_ai.provider.name": PROVIDER}
        if operation == "retrieval":
            found["gen_ai.data_source.id"] = record.service
        elif record.service:
            found["gen_ai.request.model"] = record.service
        if record.ref.startswith("answer/"):
            found["gen_ai.response.id"] = record.ref
        found |= _tokens(record)
    elif record.service:
        found["colonnade.service"] = record.service
    if record.model.startswith("sha256:"):
        found["colonnade.model.version"] = record.model
    return {**found, **({"colonnade.ref": record.ref} if record.ref else {})}


def _tokens(record: Record) -> Attributes:
    if not (record.tokens_in or record.tokens_out):
        return {}
    return {"gen_ai.usage.input_tokens": record.tokens_in, "gen_ai.usage.output_tokens": record.tokens_out}


def _work(record: Record) -> Attributes:
    return {"colonnade.run": record.ref, "colonnade.subject": record.service, "colonnade.outcome": record.outcome}


def _costs(record: Record) -> Attributes:
    found: Attributes = {}
    if record.principal:
        found["user.id"] = record.principal
    if record.lease:
        found |= {"colonnade.lease": record.lease, "colonnade.device_seconds": record.device_us / 1e6}
    if record.cost_micro >= 0:
        found["colonnade.cost"] = record.cost_micro / 1e6
    return found


def _stage(record: Record, name: str, operation: str) -> Attributes:
    found: Attributes = {"colonnade.stage": name}
    if name == "upstream":
        found |= {"gen_ai.operation.name": operation, "gen_ai.provider.name": "openai", **_tokens(record)}
        found |= {"gen_ai.request.model": record.model} if record.model else {}
    elif operation:
        found |= {"gen_ai.operation.name": operation, "gen_ai.provider.name": PROVIDER}
        found |= {"gen_ai.data_source.id": record.service} if record.service else {}
    return found
