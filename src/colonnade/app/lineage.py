# SPDX-License-Identifier: Apache-2.0
"""`why` and `impact` from the store alone, with the labels that the owner of the store may read."""

from __future__ import annotations

import time
from typing import Any

from colonnade.app.decided import findings_label, findings_of
from colonnade.app.presence import pause
from colonnade.app.requested import is_request, why_request
from colonnade.app.rolled import label_of, told_of
from colonnade.app.settings.environment import Places
from colonnade.app.status import path_of
from colonnade.app.stored import reading
from colonnade.app.traced import is_traced, why_trace
from colonnade.app.tracked import tracked_name
from colonnade.app.waiting import waiting
from colonnade.core.errors import UnknownName
from colonnade.core.lineage import Node, Walk, kind_of, ref_of
from colonnade.govern.access.people import People
from colonnade.govern.lineage.drawing import draw
from colonnade.govern.lineage.walk import impact, why
from colonnade.lifecycle.rollout.rows import Rollout, read
from colonnade.ports.journal import Journal
from colonnade.ports.outside.keys import Keys
from colonnade.ports.outside.state import State

JUST_NOW_S = 1.0
"""An entry may be in the making: what is not found is looked for so long."""

SHORTEST = 6
"""The last characters of a lease's or run's id that stand for it, if no other ends so."""

NAMED = {
    "knowledge": "knowledge_of_project",
    "service": "services_of_project",
    "model": "models_of_project",
    "pipeline": "flows_of_project",
    "queue": "queues_of_project",
    "device": "devices_of_project",
    "alias": "aliases_of_project",
}
"""Kinds that people name -> the statement that lists them."""


def walk(places: Places, ref: str, verb: str) -> tuple[dict[str, Any], str]:
    """The walk as a document (with `wait` for a lease that waits), and its drawing. Raises UnknownName."""
    with reading(places) as (state, keys):
        labels = Labels(state, keys)
        step = why if verb == "why" else impact
        end = time.monotonic() + JUST_NOW_S
        while True:
            try:
                if verb == "why" and is_traced(ref):
                    found, told, drawn = why_trace(state, keys, ref)
                    return {**labels.told(found), "trace": told}, f"{draw(found, labels.label)}\n\n{drawn}"
                if verb == "why" and is_request(ref):
                    found, told = why_request(state, keys, ref)
                    return {**found.to_json(), "request": told}, draw(found, labels.label)
                found = step(state, ref, labels.find)
                document, drawing = labels.told(found), draw(found, labels.label)
                if verb == "why" and (wait := waiting(state, keys, found.ref.partition("/")[2])) is not None:
                    return {**document, "wait": wait}, f"{drawing}\n\n{wait['sentence']}"
                return document, drawing
            except UnknownName:
                if time.monotonic() > end:
                    raise
                pause(0.05)


def find_named(state: State, people: People, project: str, kind: str, name: str) -> str | None:
    """The id behind `person/NAME`, `knowledge/NAME`, `service/NAME`, `queue/NAME`, `device/UUID`, or behind the last
    characters of a lease's or a run's id; None for other kinds and unknown names.
    """
    if kind == "person":
        return people.find(name)
    if kind in {"lease", "run"} and len(name) >= SHORTEST:
        found = state.rows("leases_ending_in", project=project, suffix=name)
        return str(found[0]["id" if kind == "lease" else "run"]) if len(found) == 1 else None
    statement = NAMED.get(kind)
    rows = state.rows(statement, project=project) if statement else []
    return next((str(row["id"]) for row in rows if row["name"] == name), None)


class Labels:
    """Names of ids, for people."""

    def __init__(self, state: State, keys: Keys) -> None:
        self._state, self._keys = state, keys
        projects = state.rows("projects_all")
        self._project = projects[0]["id"] if projects else ""
        self._people = People(state, keys, Journal(state, keys, self._project))
        self._names = {row["id"]: row["name"] for row in projects}
        for statement in NAMED.values():
            self._names |= {row["id"]: row["name"] for row in state.rows(statement, project=self._project)}
        self._names |= self._people.names()
        self._paths: dict[str, str] | None = None

    def find(self, kind: str, name: str) -> str | None:
        """The id behind `kind/name`, `document/PATH` or a document's path alone."""
        found = find_named(self._state, self._people, self._project, kind, name)
        if kind == "person":
            return found
        return found or self._documents().get(name if kind in {"", "document"} else f"{kind}/{name}")

    def name_of(self, ident: str) -> str:
        """`document/PATH`, `person/NAME`; the ref where there is no name."""
        node = Node(ref_of(ident), kind_of(ident), ident, ())
        said = self.label(node)
        return f"{node.kind}/{said}" if said else node.ref

    def people(self) -> dict[str, str]:
        """Id -> name of everybody who is declared or has a key."""
        return self._people.names()

    def _documents(self) -> dict[str, str]:
        """Path -> id of every document of now. Opened once: each path is sealed by itself."""
        if self._paths is None:
            self._paths = {
                path_of(self._keys, base["id"], file): str(file["document"])
                for base in self._state.rows("knowledge_of_project", project=self._project)
                for file in self._state.rows("files_of_knowledge", knowledge=base["id"])
                if file["document"]
            }
        return self._paths

    def told(self, walk: Walk) -> dict[str, Any]:
        """The walk as a document; what a node is called stands beside it as `label`."""
        document = walk.to_json()
        for node, one in zip(walk.nodes, document["nodes"], strict=True):
            if not node.erased and (label := self.label(node)):
                one["label"] = label
            if (rollout := self._rollout(node)) is not None:
                one["told"] = told_of(rollout)
            if node.kind == "decision" and (findings := findings_of(self._state, node.id)):
                one["gates"] = findings
        return document

    def _rollout(self, node: Node) -> Rollout | None:
        rows = self._state.rows("rollout_get", id=node.id) if node.kind == "rollout" else []
        return read(rows[0]) if rows else None

    def label(self, node: Node) -> str:
        """What a node is called, or ""."""
        if (rollout := self._rollout(node)) is not None:
            return label_of(rollout)
        if node.kind == "decision" and (findings := findings_of(self._state, node.id)):
            return findings_label(findings)
        if node.kind == "run":
            return tracked_name(self._state, self._keys, self._project, node.id)
        if node.id.startswith("doc_"):
            versions = self._state.rows("versions_of_document", document=node.id)
            try:
                return (
                    self._keys.open((node.id,), versions[-1]["path_sealed"], f"{node.id}/path").decode(
                        "utf-8", "replace"
                    )
                    if versions
                    else ""
                )
            except KeyError:
                return ""
        return str(self._names.get(node.id, ""))
