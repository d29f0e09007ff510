# SPDX-License-Identifier: Apache-2.0
"""One object of Kubernetes with what the cluster cannot keep of it. Every kind is built on this; no kind lives here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from colonnade.fabric.kubernetes.names import label

DOMAIN = "colonnade.dev"


@dataclass(frozen=True, slots=True)
class Lack:
    """Something declared that the cluster does not enforce.

    Attributes:
        ref: whose it is ("job/embed-nightly", "queue/ml.research", "house").
        what: one word; the annotation is colonnade.dev/not-enforced-WHAT.
        message: one sentence.
    """

    ref: str
    what: str
    message: str


@dataclass(frozen=True, slots=True)
class Rendered:
    """An object as it is handed over, and what it lacks."""

    body: dict[str, Any]
    lacks: tuple[Lack, ...] = ()

    @property
    def kind(self) -> str:
        """For example "Job"."""
        return str(self.body["kind"])

    @property
    def name(self) -> str:
        """A DNS-1123 label."""
        return str(self.body["metadata"]["name"])


def made(
    api: str,
    kind: str,
    name: str,
    project: str,
    *,
    component: str,
    spec: Mapping[str, Any] | None = None,
    lacks: Sequence[Lack] = (),
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    cluster: bool = False,
    **fields: Any,
) -> Rendered:
    """An object with its labels; `cluster` where it lies outside our namespace; `fields` stand beside `spec`."""
    meta: dict[str, Any] = {"name": name}
    if not cluster:
        meta["namespace"] = namespace(project)
    meta["labels"] = {**labelled(project, component, name), **(labels or {})}
    told = {**(annotations or {}), **{f"{DOMAIN}/not-enforced-{lack.what}": lack.message for lack in lacks}}
    if told:
        meta["annotations"] = told
    body: dict[str, Any] = {"apiVersion": api, "kind": kind, "metadata": meta, **fields}
    if spec is not None:
        body["spec"] = dict(spec)
    return Rendered(body, tuple(lacks))


def labelled(project: str, component: str, name: str) -> dict[str, str]:
    """The recommended labels (https://kubernetes.io/docs/concepts/overview/working-with-objects/common-labels/)."""
    return {
        "app.kubernetes.io/name": "colonnade",
        "app.kubernetes.io/instance": name,
        "app.kubernetes.io/component": component,
        "app.kubernetes.io/part-of": label(project),
        "app.kubernetes.io/managed-by": "colonnade",
    }


def namespace(project: str) -> str:
    """Where all of a project lies."""
    return label(project)
