# SPDX-License-Identifier: Apache-2.0
"""`why` and `impact`: walks over the edges of the log that keep to time.

An edge stands at a place in the log, and a cause lies before its effect: a document that changed *after* an answer had
been given did not lead to it. So each node is reached with a bound (the newest place at which it mattered; for
`impact`, the oldest), and only edges within it are followed. The node with the widest bound goes first: bounds only
narrow along a path, so each node is expanded once (Dijkstra's argument, 1959).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable

from colonnade.core.errors import UnknownName
from colonnade.core.lineage import Edge, Node, Walk, kind_of, parse_ref, ref_of
from colonnade.ports.outside.state import State

END = (1 << 63) - 1
"""After every entry."""
Names = Callable[[str, str], str | None]
"""(kind, name) -> id, or None."""
Step = tuple[int, str, str]
"""(place in the log, role, id of the other end)."""


def why(state: State, ref: str, names: Names = lambda _kind, _name: None) -> Walk:
    """Everything that led to the ref, nearest first. Raises UnknownName."""
    ident, role, place = resolve(state, ref, names)
    place = END if place is None else place

    def causes(node: str, bound: int) -> list[Step]:
        return [
            (row["seq"], row["role"], row["ref"]) for row in state.rows("edges_of_subject", subject=node, seq=bound)
        ]

    return _walk(state, "why", (ident, role), place, causes, backwards=True)


def impact(state: State, ref: str, names: Names = lambda _kind, _name: None) -> Walk:
    """Everything that the ref touched, nearest first. Raises UnknownName."""
    ident, role, place = resolve(state, ref, names)

    def effects(node: str, bound: int) -> list[Step]:
        return [(row["seq"], row["role"], row["subject"]) for row in state.rows("edges_to_ref", ref=node, seq=bound)]

    return _walk(state, "impact", (ident, role), place or 0, effects, backwards=False)


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
        elif (
            state.rows("edges_of_subject", subject=ident, seq=END)
            or state.rows("entries_of_subject", subject=ident)
            or state.rows("edges_to_ref", ref=ident, seq=0)
        ):
            return ident, ref.kind, None
    raise UnknownName(
        f"nothing is recorded about {text!r}", hint="give an answer's ref, any id, a document's path or person/NAME"
    )


def _walk(
    state: State,
    verb: str,
    start: tuple[str, str],
    place: int,
    steps: Callable[[str, int], list[Step]],
    *,
    backwards: bool,
) -> Walk:
    """Expand nodes, widest bound first; list them in breadth-first order."""
    sign = -1 if backwards else 1
    roles = {start[0]: start[1]}
    found: dict[str, dict[tuple[str, str], None]] = {}
    waiting = [(sign * place, start[0])]
    while waiting:
        bound, node = heapq.heappop(waiting)
        if node in found:
            continue
        edges: dict[tuple[str, str], None] = {}
        for at, role, other in steps(node, sign * bound):
            edges[other, role] = None
            roles.setdefault(other, role if backwards else "")
            if other not in found:
                heapq.heappush(waiting, (sign * at, other))
        found[node] = edges
    order = _nearest_first(start[0], found)
    refs = {node: ref_of(node, roles[node]) for node in order}
    nodes = [_node(state, node, refs, found[node]) for node in order]
    return Walk(verb, refs[start[0]], nodes)


def _node(state: State, ident: str, refs: dict[str, str], edges: Iterable[tuple[str, str]]) -> Node:
    ref = refs[ident]
    kept = tuple(Edge(refs[other], role) for other, role in edges)
    kind = ref.partition("/")[0]
    return Node(ref, kind if kind else kind_of(ident), ident, kept, erased=_is_erased(state, ident))


def _is_erased(state: State, ident: str) -> bool:
    found = state.rows("subject_key_get", subject=ident)
    return bool(found) and found[0]["wrapped"] is None


def _nearest_first(start: str, edges: dict[str, dict[tuple[str, str], None]]) -> list[str]:
    order = dict.fromkeys([start])
    level = [start]
    while level:
        following = dict.fromkeys(other for node in level for other, _ in edges[node] if other not in order)
        order.update(following)
        level = list(following)
    return list(order)
