# SPDX-License-Identifier: Apache-2.0
"""A lineage walk as a tree to be read. Pure: it reorders what `why` and `impact` give and leaves nothing out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from colonnade.gateway.backend import Walk


@dataclass(frozen=True, slots=True)
class Branch:
    """One node where the reader meets it.

    Attributes:
        ref, kind, label: as in the walk.
        role: what it was to the node above it; "" at the root.
        again: shown in full further up; its branches are not repeated.
    """

    ref: str
    kind: str
    label: str
    role: str
    branches: tuple[Branch, ...] = ()
    again: bool = False


def tree(walk: Walk) -> tuple[Branch, ...]:
    """The walk from its root, first meeting in full; then whatever the root does not reach, so that nothing is
    hidden.
    """
    nodes = {str(n["ref"]): n for n in walk.nodes}
    seen: set[str] = set()
    edges = _edges(walk)
    roots = [_branch(walk.ref, "", nodes, edges, seen)] if walk.ref in nodes else []
    return (*roots, *(_branch(ref, "", nodes, edges, seen) for ref in nodes if ref not in seen))


def _edges(walk: Walk) -> Mapping[str, list[tuple[str, str]]]:
    """Edges leading away from the root, whichever way round the walk states them."""
    forward: dict[str, list[tuple[str, str]]] = {}
    backward: dict[str, list[tuple[str, str]]] = {}
    for node in walk.nodes:
        for edge in node.get("edges", ()):
            forward.setdefault(str(node["ref"]), []).append((str(edge["to"]), str(edge.get("role", ""))))
            backward.setdefault(str(edge["to"]), []).append((str(node["ref"]), str(edge.get("role", ""))))
    return forward if walk.ref in forward or walk.ref not in backward else backward


def _branch(
    ref: str,
    role: str,
    nodes: Mapping[str, Mapping[str, Any]],
    edges: Mapping[str, list[tuple[str, str]]],
    seen: set[str],
) -> Branch:
    node = nodes.get(ref, {})
    kind, label = str(node.get("kind", ref.partition("/")[0])), str(node.get("label", "") or "")
    if ref in seen:
        return Branch(ref, kind, label, role, again=bool(edges.get(ref)))
    seen.add(ref)
    below = tuple(_branch(to, how, nodes, edges, seen) for to, how in edges.get(ref, ()))
    return Branch(ref, kind, label, role, below)


def size(branches: tuple[Branch, ...]) -> int:
    """How many places the tree shows."""
    return sum(1 + size(b.branches) for b in branches)
