# SPDX-License-Identifier: Apache-2.0
"""`why trace/ID`: a trace among what is kept, who and what it is about, and everything that led to that. From the store
alone.

A trace is named by its 32 digits, or by what it belongs to: `trace/ans_...`, `trace/run_...`, a request's digits.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from colonnade.core.errors import UnknownName
from colonnade.core.ids import is_id
from colonnade.core.lineage import Edge, Node, Walk, ref_of
from colonnade.core.traces import PREFIX, id_moment, is_trace, moment_of
from colonnade.govern.lineage.walk import why
from colonnade.observe.traces.kept import Traces
from colonnade.observe.traces.telling import draw_trace, trace_json
from colonnade.observe.traces.working import trace_of_run
from colonnade.ports.journal import Journal
from colonnade.ports.outside.keys import Keys
from colonnade.ports.outside.state import State


class Found(NamedTuple):
    """A trace. holders: the principals that have a part in it."""

    trace: str
    document: dict[str, Any]
    holders: frozenset[str]


def is_traced(ref: str) -> bool:
    """Whether it names a trace."""
    return ref.startswith(PREFIX)


def find_trace(state: State, kept: Traces, ref: str) -> Found | None:
    """The trace of `trace/ID`, of an answer, a request or a run; None where nothing is kept of it."""
    trace = _trace_of(state, kept, ref.strip())
    records, spans, pieces = kept.find(trace) if trace else ([], [], [])
    if not records and not spans:
        return None
    project = state.rows("projects_all")[0]["id"]
    heard = {holder for _, holder in pieces if holder != project}
    document = trace_json(trace, records, spans, pieces)
    document["principals"] = sorted({*document["principals"], *(ref_of(one) for one in heard)})
    return Found(trace, document, frozenset(heard | {one.principal for one in records}))


def why_trace(state: State, keys: Keys, ref: str) -> tuple[Walk, dict[str, Any], str]:
    """(the walk, the trace, its drawing). Raises UnknownName, saying what may be why."""
    projects = state.rows("projects_all")
    project = projects[0]["id"] if projects else ""
    found = find_trace(state, Traces(state, keys, Journal(state, keys, project), ""), ref) if projects else None
    if found is None:
        raise UnknownName(
            f"{ref[:60]!r} is not among the traces that are kept",
            hint="`traces.keep_days` says how long; the last second is not there yet",
        )
    return _walk(state, found), found.document, draw_trace(found.document)


def _walk(state: State, found: Found) -> Walk:
    document = found.document
    edges = [Edge(person, "asked_by") for person in document["principals"]]
    edges += [Edge(ref, "of") for ref in document["refs"]]
    edges += [Edge(piece, "kept_in") for piece in document["kept_in"]]
    edges += [Edge(one["lease"], "under") for one in document["records"] if one["lease"]]
    edges = list(dict.fromkeys(edges))
    nodes = {document["ref"]: Node(document["ref"], "trace", found.trace, tuple(edges))}
    for edge in edges:
        for node in _before(state, edge.to):
            nodes.setdefault(node.ref, node)
    return Walk("why", document["ref"], list(nodes.values()))


def _before(state: State, ref: str) -> list[Node]:
    try:
        return list(why(state, ref).nodes)
    except UnknownName:  # requests have no entries of their own; what a client names may never have been
        kind, _, ident = ref.partition("/")
        return [Node(ref, kind, ident)]


def _trace_of(state: State, kept: Traces, ref: str) -> str:
    """A trace's digits; "" for what names none."""
    ident = ref.removeprefix(PREFIX)
    bare = ident.rpartition("/")[2].lower()
    if is_trace(bare):
        return bare
    if ident.startswith("request/") or (len(bare) == 24 and "_" not in bare):
        request = f"request/{bare}"
        digits = set(bare) <= set("0123456789abcdef") and len(bare) == 24
        return kept.by_ref(request, moment_of(bare)) if digits else ""
    if is_id(bare) and bare.startswith("ans_"):
        return kept.by_ref(f"answer/{bare}", id_moment(bare))
    if is_id(bare) and bare.startswith("run_"):
        return _root_trace(state, bare)
    return ""


def _root_trace(state: State, run: str) -> str:
    rows = state.rows("run_get", id=run)
    for _ in range(8):
        above = state.rows("run_get", id=rows[0]["parent"]) if rows and rows[0]["parent"] else []
        if not above:
            break
        rows = above
    return trace_of_run(str(rows[0]["id"])) if rows else ""
