# SPDX-License-Identifier: Apache-2.0
"""`why` and `impact`: walks over the edges of the log that keep to time.

An edge stands at a place in the log, and a cause lies before its effect: a document that changed *after* an answer had
been given did not lead to it. So each node is reached with a bound (the newest place at which it mattered; for
`impact`, the oldest), and only edges within it are followed. Nodes of one distance are expanded together, in one
question to the store; one that is reached again with a wider bound is expanded again, so that each ends with the widest
bound of all its paths.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

from colonnade.core.errors import UnknownName
from colonnade.core.lineage import Edge, Node, Walk, kind_of, parse_ref, ref_of
from colonnade.ports.outside.state import State

END = (1 << 63) - 1
"""After every entry."""
Names = Callable[[str, str], str | None]
"""(kind, name) -> id, or None."""


def why(state: State, ref: str, names: Names = lambda _kind, _name: None) -> Walk:
    """Everything that led to the ref, nearest first. Raises UnknownName."""
    ident, role, place = resolve(state, ref, names)
    return _walk(state, "why", (ident, role), END if place is None else place, backwards=True)


def impact(state: State, ref: str, names: Names = lambda _kind, _name: None) -> Walk:
    """Everything that the ref touched, nearest first. Raises UnknownName."""
    ident, role, place = resolve(state, ref, names)
    return _walk(state, "impact", (ident, role), place or 0, backwards=False)


def resolve(state: State, text: str, names: Names) -> tuple[str, str, int | None]:
    """(id, role for a digest, place in the log for an entry's id).

    Raises UnknownName for what the log never heard of.
    """
    ref = parse_ref(text)
    ident = ref.id or names(ref.kind, ref.name)
    if ident:
        if ident.startswith("evt_"):
            if entry := state.rows("entry_by_id", id=ident):
                return entry[0]["subject"], "", entry[0]["seq"]
        elif state.rows("id_known", id=ident):
            return ident, ref.kind, None
    raise UnknownName(
        f"nothing is recorded about {text!r}",
        hint="give any ref that `status` or an answer shows, model/NAME, person/NAME or a document's path",
    )


def _walk(state: State, verb: str, start: tuple[str, str], place: int, *, backwards: bool) -> Walk:
    """Expand nodes, a whole distance at a time; list them in breadth-first order."""
    statement, sign = ("edges_of_subjects", 1) if backwards else ("edges_to_refs", -1)
    roles = {start[0]: start[1]}
    bounds = {start[0]: sign * place}  # the wider, the larger
    found: dict[str, dict[tuple[str, str], None]] = {}
    level = [start[0]]
    while level:
        widest = max(bounds[node] for node in level)
        edges: dict[str, dict[tuple[str, str], None]] = {node: {} for node in level}
        wider: dict[str, None] = {}
        for row in state.rows(statement, ids=json.dumps(level), seq=sign * widest):
            node, at, role, other = row["node"], row["seq"], row["role"], row["other"]
            bound = sign * at
            if bound > bounds[node]:
                continue
            edges[node][other, role] = None
            known = bounds.get(other)
            if known is None:
                roles[other] = role if backwards else ""
            elif bound <= known:
                continue
            bounds[other] = bound
            wider[other] = None
        found |= edges
        level = list(wider)
    order = _nearest_first(start[0], found)
    erased = {row["subject"] for row in state.rows("erased_of", ids=json.dumps(order))}
    refs = {node: ref_of(node, roles[node]) for node in order}
    return Walk(verb, refs[start[0]], [_node(node, refs, found[node], erased=node in erased) for node in order])


def _node(ident: str, refs: dict[str, str], edges: Iterable[tuple[str, str]], *, erased: bool) -> Node:
    ref = refs[ident]
    kept = tuple([Edge(refs[other], role) for other, role in edges])
    return Node(ref, ref.partition("/")[0] or kind_of(ident), ident, kept, erased)


def _nearest_first(start: str, edges: dict[str, dict[tuple[str, str], None]]) -> list[str]:
    order = dict.fromkeys([start])
    level = [start]
    while level:
        following = dict.fromkeys(other for node in level for other, _ in edges[node] if other not in order)
        order.update(following)
        level = list(following)
    return list(order)
