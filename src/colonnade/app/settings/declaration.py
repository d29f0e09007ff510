# SPDX-License-Identifier: Apache-2.0
"""The declaration, version 1: its model (also its JSON Schema), and errors with file, line, what and how to mend."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StringConstraints, ValidationError, model_validator

from colonnade.app.settings.compute import Compute, DepartmentQueue, Job, TeamQueue
from colonnade.app.settings.data import Contract, DataSource
from colonnade.app.settings.flows import Flow
from colonnade.app.settings.models import Model, Script
from colonnade.app.settings.notify import Notify
from colonnade.app.settings.replicas import MOST, ReplicaClaim, Replicas
from colonnade.app.settings.retention import Retention
from colonnade.app.settings.retrain import Retrain
from colonnade.app.settings.rollout import Rollout, Tolerances, differing
from colonnade.app.settings.strict import Name, Strict
from colonnade.app.settings.traces import Price, Sink, Traces
from colonnade.app.settings.tracking import Tracking
from colonnade.app.settings.use_cases import Approval, Incident, UseCase
from colonnade.app.settings.watch import Alarms, Capture, Labels
from colonnade.app.settings.wording import shown, wording
from colonnade.app.settings.yamlfile import Located, load_yaml
from colonnade.core.errors import DeclarationError

PERSON = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._@+-]{0,126})?")
"""What a person may be called, whole."""
Person = Annotated[str, StringConstraints(pattern=rf"^{PERSON.pattern}$")]
EVERYBODY = "*"
ONLY_MODELS = {"replicas", "limit", *ReplicaClaim.model_fields}
"""Keys of a service that mean nothing without a model."""


class Access(Strict):
    """Who belongs to which group."""

    groups: dict[Name, list[Person | Literal["*"]]] = Field(
        default_factory=lambda: {"everyone": [EVERYBODY]},
        description='Group -> people. "*" means every person of the project.',
    )
    approvers: list[Person] = Field(
        default_factory=list,
        description="Whose word an erasure needs, beside whoever asks for it; left out, that of any other person.",
    )


class Source(Strict):
    """Where files come from, and who may read them."""

    path: str | None = Field(None, min_length=1, description="A folder or a file, relative to the declaration.")
    builtin: Literal["python-topics"] | None = Field(
        None, description="Text that every CPython carries: the language reference."
    )
    readers: list[Name] = Field(
        default_factory=lambda: ["everyone"], min_length=1, description="Groups that may read it; left out, everyone."
    )
    include: list[str] = Field(
        default_factory=list, description='Glob patterns of paths to take, for example "**/*.md"; empty: all.'
    )
    exclude: list[str] = Field(default_factory=list, description="Glob patterns of paths to leave out.")

    @model_validator(mode="after")
    def _one_kind(self) -> Source:
        if (self.path is None) == (self.builtin is None):
            raise ValueError("a source has either `path` or `builtin`")
        return self

    @property
    def key(self) -> str:
        """What names this source within its knowledge base."""
        if self.builtin:
            return self.builtin
        return Path(str(self.path)).as_posix().removeprefix("./").rstrip("/") or "."


class EmbedWith(Strict):
    """Another embedding model: a folder with weights, or an OpenAI-compatible endpoint."""

    folder: str | None = Field(None, description="A folder with a BERT-like sentence-transformers model (safetensors).")
    url: str | None = Field(None, description="An OpenAI-compatible endpoint, up to and with /v1.")
    model: str | None = Field(None, description="The model's name at that endpoint.")
    key_env: str | None = Field(None, description="The environment variable that holds the endpoint's key.")

    @model_validator(mode="after")
    def _one_kind(self) -> EmbedWith:
        if (self.folder is None) == (self.url is None):
            raise ValueError("give either `folder` or `url` (with `model`)")
        if self.url is not None and not self.model:
            raise ValueError("an endpoint needs `model`")
        return self


class Knowledge(Strict):
    """A knowledge base: sources that become one index."""

    sources: list[Source] = Field(min_length=1)
    embed_with: EmbedWith | None = Field(None, description="Default: all-MiniLM-L6-v2 on this machine.")
    watch: bool = Field(True, description="Pick up changes of files within seconds.")


class AnswerWith(Strict):
    """An OpenAI-compatible language model that words the answers."""

    url: str = Field(min_length=1, description="Up to and with /v1.")
    model: str = Field(min_length=1)
    key_env: str | None = Field(None, description="The environment variable that holds the key.")
    timeout_s: int = Field(60, ge=1, le=3600)
    first_byte_s: int = Field(20, ge=1, le=3600)


class Service(ReplicaClaim):
    """What is served under a name, which is also the model's id for OpenAI clients."""

    knowledge: Name | None = None
    answer_with: AnswerWith | None = None
    model: Name | None = Field(None, description="A model of `models`, whose live version answers.")
    serve: Script | None = Field(
        None, description="A script with load(folder) or build(tensors), predict(model, rows), for classes of yours."
    )
    replicas: Annotated[int, Field(ge=1, le=MOST)] | Replicas = Field(
        1, description="Processes that answer with the model: a number, or `{min: 1, max: 4}`, which follows the load."
    )
    limit: int = Field(128, ge=1, le=100_000, description="Requests under way at once, for each replica; then 429.")
    capture: Capture | Literal["none"] | None = Field(
        None, description="What is kept of requests and answers; `none` keeps nothing. Default: all, for 30 days."
    )
    labels: Labels | None = Field(None, description="How truths find the predictions that they are about.")
    alarms: Alarms | None = Field(None, description="What rings; left out, the defaults.")
    rollout: Rollout | Literal["none"] | None = Field(
        None, description="How a new version is tried; `none`: it answers everything at once. Default: the defaults."
    )

    @model_validator(mode="after")
    def _something(self) -> Service:
        if self.model is not None and (self.knowledge is not None or self.answer_with is not None):
            raise ValueError("a service has either a `model`, or `knowledge` and `answer_with`")
        if self.knowledge is None and self.answer_with is None and self.model is None:
            raise ValueError("a service needs `knowledge`, `answer_with`, or both; or a `model`")
        if self.model is None and any(part is not None for part in (self.capture, self.labels, self.alarms)):
            raise ValueError("`capture`, `labels` and `alarms` go with a `model`, and there is none")
        if self.model is None and self.rollout is not None:
            raise ValueError("`rollout` says how a `model` is let loose, and there is none")
        if self.serve is not None and self.model is None:
            raise ValueError("`serve` says how a `model` is asked, and there is none")
        if self.model is None and (given := sorted(self.model_fields_set & ONLY_MODELS)):
            raise ValueError(f"`{given[0]}` goes with a `model`")
        return self

    @property
    def between(self) -> Replicas:
        """How many replicas."""
        count = self.replicas
        return count if isinstance(count, Replicas) else Replicas(min=count, max=count)


class Gateway(Strict):
    """Where we listen."""

    host: str = Field("127.0.0.1", description="Only this machine by default.")
    port: int = Field(8700, ge=0, le=65535)
    hosts: list[str] = Field(
        default_factory=list, description="Further names that clients call us by (the Host header)."
    )
    max_body_bytes: int = Field(10 * 1024 * 1024, ge=1024)


class Platform(Strict):
    """URLs of engines; the defaults are embedded. Others come with later releases."""

    state: Literal["sqlite"] = "sqlite"
    blobs: Literal["file"] = "file"
    vectors: Literal["embedded"] = "embedded"
    executor: Literal["local"] = "local"
    telemetry: Sink | None = Field(
        None, description="An OTLP/HTTP collector that traces are sent to, up to and with /v1/traces."
    )
    openlineage: Sink | None = Field(
        None, description="Where OpenLineage events of runs are sent to, for example Marquez' /api/v1/lineage."
    )


class Declaration(Strict):
    """colonnade.yaml, version 1."""

    version: Literal[1]
    project: Name
    access: Access = Field(default_factory=Access)
    knowledge: dict[Name, Knowledge] = Field(default_factory=dict)
    services: dict[Name, Service] = Field(default_factory=dict)
    models: dict[Name, Model] = Field(default_factory=dict)
    pipelines: dict[Name, Flow] = Field(default_factory=dict)
    compute: Compute | None = None
    tracking: Tracking = Field(default_factory=Tracking)
    traces: Traces = Field(default_factory=Traces)
    use_cases: dict[Name, UseCase] = Field(default_factory=dict)
    retention: Retention = Field(default_factory=Retention)
    notify: list[Notify] = Field(default_factory=list, description="Who is told what happens to models.")
    gateway: Gateway = Field(default_factory=Gateway)
    platform: Platform = Field(default_factory=Platform)

    def canonical(self) -> bytes:
        """Equal declarations give equal bytes."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, ensure_ascii=False).encode()

    def digest(self) -> str:
        """SHA-256 of `canonical`."""
        return "sha256:" + hashlib.sha256(self.canonical()).hexdigest()

    def people(self) -> list[str]:
        """Everybody whom a group names."""
        return sorted({person for members in self.access.groups.values() for person in members if person != EVERYBODY})


def read_declaration(path: Path) -> Declaration:
    """Read and check a declaration file. Raises DeclarationError."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError as error:
        raise DeclarationError(
            "no declaration here", file=str(path), line=1, hint="`colonnade init` writes one to start from"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise DeclarationError(
            f"cannot be read: {error}", file=str(path), line=1, hint="it must be UTF-8 text that you may read"
        ) from error
    return parse_declaration(text, str(path))


def parse_declaration(text: str, file: str) -> Declaration:
    """Check a declaration's text; `file` is for messages only."""
    located = load_yaml(text, file)
    if not isinstance(located.value, dict):
        raise DeclarationError(
            "a declaration is a mapping of sections",
            file=file,
            line=1,
            hint="start with `version: 1` and `project: NAME`",
        )
    try:
        declaration = Declaration.model_validate(located.value)
    except ValidationError as error:
        raise _first_problem(error, located, file) from error
    _check_names(declaration, located, file)
    _check_rollouts(declaration, located, file)
    return declaration


def declaration_schema() -> dict[str, Any]:
    """The published JSON Schema (draft 2020-12)."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Declaration.model_json_schema()}


def _first_problem(error: ValidationError, located: Located, file: str) -> DeclarationError:
    problems = error.errors(include_url=False)
    problem = min(problems, key=lambda p: (p["type"] != "extra_forbidden", located.line(_written(p["loc"], located))))
    path = _written(problem["loc"], located)
    where = ".".join(str(step) for step in path) or "the file"
    message, hint = (
        f"{where}: {problem['msg'].removeprefix('Value error, ')}",
        "docs/reference/declaration.md names every key and what it takes",
    )
    if problem["type"] == "extra_forbidden":
        key = str(path[-1])
        message = f"{key!r} is not a key here"
        near = difflib.get_close_matches(key, _siblings(path[:-1]), n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"the keys here are {', '.join(_siblings(path[:-1]))}"
    elif problem["type"] == "missing":
        message, hint = f"{where} is missing", f"add `{path[-1]}:`"
    elif problem["type"] == "literal_error":
        message = f"{where} cannot be {shown(problem['input'])}"
        hint = f"write {problem.get('ctx', {}).get('expected', 'one of the allowed values')}"
    elif (words := wording(problem, path)) is not None:
        message, hint = words
    return DeclarationError(message, file=file, line=located.line(path), hint=hint)


def _written(loc: tuple[str | int, ...], located: Located) -> tuple[str | int, ...]:
    """pydantic's location without the steps that the file does not have (`[key]`, union members)."""
    path: tuple[str | int, ...] = ()
    value = located.value
    for step in loc:
        if isinstance(value, dict) and step in value:
            value = value[str(step)]
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
        elif step != loc[-1] or step == "[key]" or not isinstance(value, dict):
            continue
        path = (*path, step)
    return path


def _siblings(path: tuple[str | int, ...]) -> list[str]:
    """The keys that a section allows."""
    model: type[BaseModel] | None = Declaration
    sections: dict[str, type[BaseModel]] = {
        "access": Access, "knowledge": Knowledge, "services": Service, "gateway": Gateway, "platform": Platform,
        "sources": Source, "embed_with": EmbedWith, "answer_with": AnswerWith, "compute": Compute, "jobs": Job,
        "models": Model, "data": DataSource, "contract": Contract, "tracking": Tracking, "retrain": Retrain,
        "retention": Retention, "capture": Capture, "labels": Labels, "alarms": Alarms, "replicas": Replicas,
        "rollout": Rollout, "tolerances": Tolerances, "notify": Notify, "use_cases": UseCase,
        "approvals": Approval, "incidents": Incident,
        "traces": Traces, "prices": Price, "telemetry": Sink, "openlineage": Sink,
    }  # fmt: skip
    for place, step in enumerate(path):
        model = sections.get(str(step), model)
        if step == "queues":
            model = TeamQueue if "queues" in path[:place] else DepartmentQueue
    return list(model.model_fields) if model else []


def _check_names(declaration: Declaration, located: Located, file: str) -> None:
    groups = declaration.access.groups
    for place, person in enumerate(declaration.access.approvers):
        if person not in declaration.people():
            line = located.line(("access", "approvers", place))
            raise _unknown("person", person, declaration.people(), file, line, "access.groups")
    for group in declaration.tracking.groups:
        if group not in groups:
            line = located.line(("tracking", "groups"))
            raise _unknown("group", group, list(groups), file, line, "access.groups")
    for name, use in declaration.use_cases.items():
        for model in use.models:
            if model not in declaration.models:
                line = located.line(("use_cases", name, "models"))
                raise _unknown("model", model, list(declaration.models), file, line, "models")
    for name, base in declaration.knowledge.items():
        keys: set[str] = set()
        for place, source in enumerate(base.sources):
            path = ("knowledge", name, "sources", place)
            for group in source.readers:
                if group not in groups:
                    raise _unknown(
                        "group", group, list(groups), file, located.line((*path, "readers")), "access.groups"
                    )
            if source.key in keys:
                raise DeclarationError(
                    f"the source {source.key!r} stands twice",
                    file=file,
                    line=located.line(path),
                    hint="keep one of them",
                )
            keys.add(source.key)
    for name, flow in declaration.pipelines.items():
        queues = (declaration.compute or Compute()).queue_names()
        if flow.queue is not None and flow.queue not in queues:
            line = located.line(("pipelines", name, "queue"))
            raise _unknown("queue", flow.queue, list(queues), file, line, "compute.queues")
    for name, service in declaration.services.items():
        if service.knowledge is not None and service.knowledge not in declaration.knowledge:
            line = located.line(("services", name, "knowledge"))
            raise _unknown("knowledge base", service.knowledge, list(declaration.knowledge), file, line, "knowledge")
        for group in service.labels.writers if service.labels else ():
            if group not in groups:
                line = located.line(("services", name, "labels", "writers"))
                raise _unknown("group", group, list(groups), file, line, "access.groups")
        if service.model is not None and service.model not in declaration.models:
            line = located.line(("services", name, "model"))
            raise _unknown("model", service.model, list(declaration.models), file, line, "models")
        queues = (declaration.compute or Compute()).queue_names()
        if service.queue is not None and service.queue not in queues:
            line = located.line(("services", name, "queue"))
            raise _unknown("queue", service.queue, list(queues), file, line, "compute.queues")


def _check_rollouts(declaration: Declaration, located: Located, file: str) -> None:
    serving = {name: one for name, one in declaration.services.items() if one.model is not None}
    pair = differing({name: (str(one.model), one.rollout) for name, one in serving.items()})
    if pair is not None:
        line = located.line(("services", pair[0], "rollout"))
        message = f"{pair[0]} and {pair[1]} answer with the same model, and roll it out differently"
        raise DeclarationError(message, file=file, line=line, hint="give both the same `rollout`")
    for name, service in serving.items():
        for place, person in enumerate(service.rollout.approve if isinstance(service.rollout, Rollout) else ()):
            if person not in declaration.people():
                line = located.line(("services", name, "rollout", "approve", place))
                raise _unknown("person", person, declaration.people(), file, line, "access.groups")


def _unknown(kind: str, name: str, known: list[str], file: str, line: int, section: str) -> DeclarationError:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"declare it under `{section}:`"
    return DeclarationError(f"there is no {kind} {name!r}", file=file, line=line, hint=hint)
