# SPDX-License-Identifier: Apache-2.0
"""A walk as a small tree for a terminal. What a node is called is handed in; nothing is opened or looked up here."""

from __future__ import annotations

from collections.abc import Callable

from colonnade.core.lineage import Node, Walk

ERASED = "(erased)"
DEPTH = 40
"""Levels drawn; `--json` has them all."""
Label = Callable[[Node], str]
"""A node -> what the reader may know of it (a path, a name), or ""."""


def draw(walk: Walk, label: Label = lambda _node: "") -> str:
    """The tree, one line a node; a node that was drawn already is named again with `(above)`.

    answer/ans_1
    ├── under epoch/epc_1
    │   └── embedder embedder/sha256:ab...
    └── given document/doc_1  docs/leave.md
    """
    nodes = {node.ref: node for node in walk.nodes}
    drawn = {walk.ref}
    lines = [_line(nodes[walk.ref], label)]
    _branches(nodes[walk.ref], nodes, drawn, "", lines, label)
    if len(lines) == 1:
        lines.append("└── (nothing is recorded before it)" if walk.verb == "why" else "└── (it touched nothing yet)")
    return "\n".join(lines)


def _branches(node: Node, nodes: dict[str, Node], drawn: set[str], indent: str, lines: list[str], label: Label) -> None:
    roles: dict[str, list[str]] = {}
    for edge in node.edges:
        roles.setdefault(edge.to, []).append(edge.role)
    for number, (to, said) in enumerate(roles.items(), start=1):
        last = number == len(roles)
        child, seen = nodes[to], to in drawn
        drawn.add(to)
        above = " (above)" if seen and child.edges else ""
        lines.append(f"{indent}{'└── ' if last else '├── '}{', '.join(said)} {_line(child, label)}{above}")
        if not seen and len(indent) >= 4 * DEPTH:
            lines.append(f"{indent}    ... and further")
        elif not seen:
            _branches(child, nodes, drawn, indent + ("    " if last else "│   "), lines, label)


def _line(node: Node, label: Label) -> str:
    said = ERASED if node.erased else label(node)
    return f"{node.ref}  {said}" if said else node.ref
