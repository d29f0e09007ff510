# SPDX-License-Identifier: Apache-2.0
"""`why request/HEX`: the request among what is kept, and everything that led to the version that answered it. From the
store alone.

Requests have no entries of their own: one entry stands for a piece of many. So the request's own edges are read from
the piece, and its walk begins at the decision that let its version answer.
"""

from __future__ import annotations

from typing import Any

from colonnade.core.errors import UnknownName
from colonnade.core.exchanges import Exchange
from colonnade.core.leaf import parse_leaf
from colonnade.core.lineage import Edge, Node, Walk, kind_of, ref_of
from colonnade.core.quantities import rfc3339
from colonnade.govern.lineage.walk import why
from colonnade.lifecycle.watching.captures import Captures
from colonnade.lifecycle.watching.live import decision_of
from colonnade.lifecycle.watching.packed import PREFIX, is_ref, moment_of
from colonnade.lifecycle.watching.truths import Truths
from colonnade.ports.journal import Journal
from colonnade.ports.outside.keys import Keys
from colonnade.ports.outside.state import State


def is_request(ref: str) -> bool:
    """Whether it names a request."""
    return ref.startswith(PREFIX)


def why_request(state: State, keys: Keys, ref: str) -> tuple[Walk, dict[str, Any]]:
    """(the walk, what is known of the request). Raises UnknownName for one that is not kept, saying what may be why."""
    projects = state.rows("projects_all")
    project = projects[0]["id"] if projects else ""
    journal = Journal(state, keys, project)
    for service in state.rows("services_of_project", project=project) if is_ref(ref) else ():
        moment = moment_of(ref)
        for row in state.rows("captures_between", service=service["id"], from_ms=moment, to_ms=moment):
            piece, model = row["id"], _model_of(state, row["id"])
            captures = Captures(state, keys, journal, "", (service["id"], service["name"]), model)
            one = next((one for one in captures.opened(piece) if one.ref == ref), None)
            if one is not None:
                truths = Truths(state, keys, project, service["id"], model).of(ref)
                told = _told(one, {place: truth.labels[-1][1] for place, truth in truths.items()})
                return _walk(state, one, service["id"], model, piece), told
    shape = "" if is_ref(ref) else ": a request's ref is `request/` and 24 hexadecimal digits"
    raise UnknownName(
        f"{ref[:60]!r} is not among the requests that are kept{shape}",
        hint="`services.NAME.capture` says how long and which share; the last half second is not there yet",
    )


def _model_of(state: State, piece: str) -> str:
    """The model under whose key a piece lies: its entry says so."""
    leaf = parse_leaf(state.rows("entries_of_subject", subject=piece)[0]["bytes"])
    return leaf.mac["content"][0]


def _walk(state: State, one: Exchange, service: str, model: str, piece: str) -> Walk:
    reply = one.challenger if one.sent == "challenger" else one.champion
    starts = [("asked_of", service), ("kept_in", piece)]
    if reply is not None and reply.version:
        starts.append(("model", reply.version))
        if (decision := decision_of(state, model, reply.version)) is not None:
            starts.append(("decided_by", decision))
    if one.rollout:
        starts.append(("in", one.rollout))
    edges = tuple(Edge(ref_of(ident, role), role) for role, ident in starts)
    nodes = {one.ref: Node(one.ref, "request", one.ref, edges)}
    for role, ident in starts:
        if role in {"decided_by", "in"}:
            for node in why(state, ref_of(ident, role)).nodes:
                nodes.setdefault(node.ref, node)
        ref = ref_of(ident, role)
        nodes.setdefault(ref, Node(ref, kind_of(ident, role), ident))
    return Walk("why", one.ref, list(nodes.values()))


def _told(one: Exchange, truths: dict[int, Any]) -> dict[str, Any]:
    reply = one.challenger if one.sent == "challenger" else one.champion
    return {
        "service": one.service, "at": rfc3339(one.at_ms), "sent": one.sent, "rollout": one.rollout or None,
        "version": reply.version if reply else None, "ms": round(reply.ms, 3) if reply else None,
        "failed": reply is None or reply.error,
        "truths": [{"row": row, "label": truths[row]} for row in sorted(truths)],
    }  # fmt: skip
