# SPDX-License-Identifier: Apache-2.0
"""Refs as people write them, and the graph that a walk gives. Pure: nothing is looked up here.

A ref is `kind/id` (`answer/ans_...`, `embedder/sha256:...`); in rows and leaves the id stands alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from colonnade.core.ids import PREFIXES, is_id

DIGEST = "sha256:"
_SAID = {"prn": "person"}
"""Where people say another word than the noun of the id."""
_UNSAID = {word: prefix for prefix, word in PREFIXES.items()} | {word: prefix for prefix, word in _SAID.items()}


@dataclass(frozen=True, slots=True)
class Ref:
    """What somebody asks about: a kind ("" if they gave a bare id), and an id, a digest, or a name to be looked up."""

    kind: str
    id: str = ""
    name: str = ""


class Edge(NamedTuple):
    """To another node (its ref), in a role."""

    to: str
    role: str


class Node(NamedTuple):
    """One thing in a walk.

    Attributes:
        ref: `kind/id`.
        kind: of the ref.
        id: as in rows.
        edges: to its causes (`why`) or its consequences (`impact`), each pair once, oldest first.
        erased: its key was destroyed: only ids, numbers and states are left.
    """

    ref: str
    kind: str
    id: str
    edges: tuple[Edge, ...] = ()
    erased: bool = False

    def to_json(self) -> dict[str, Any]:
        """`ref, kind, edges[].{to, role}`, and `erased` where it is."""
        edges = [{"to": edge.to, "role": edge.role} for edge in self.edges]
        return {"ref": self.ref, "kind": self.kind, "edges": edges, **({"erased": True} if self.erased else {})}


@dataclass(frozen=True, slots=True)
class Walk:
    """What led to a ref (`why`), or what it touched (`impact`).

    The ref itself first, then exactly those, nearest first.
    """

    verb: str
    ref: str
    nodes: Sequence[Node]

    def to_json(self) -> dict[str, Any]:
        """`colonnade.why/1` or `colonnade.impact/1`."""
        schema = f"colonnade.{self.verb}/1"
        return {"schema": schema, "ref": self.ref, "nodes": [node.to_json() for node in self.nodes]}


def kind_of(ident: str, role: str = "") -> str:
    """The kind of an id, by its prefix; of a digest, the role in which it stands."""
    if ident.startswith(DIGEST):
        return role or "artifact"
    prefix = ident[:3]
    return _SAID.get(prefix) or PREFIXES.get(prefix, "thing")


def ref_of(ident: str, role: str = "") -> str:
    """`kind/id`, as it can be pasted back."""
    return f"{kind_of(ident, role)}/{ident}"


def parse_ref(text: str) -> Ref:
    """Read `kind/id`, `kind/name`, `kind/name@digest` or a bare id. A name stays to be looked up.

    >>> parse_ref("person/anna")
    Ref(kind='person', id='', name='anna')
    """
    kind, slash, rest = text.strip().partition("/")
    if not slash:
        kind, rest = "", kind
    ident = rest.rpartition("@")[2] if f"@{DIGEST}" in rest else rest
    if is_id(ident):
        if kind and _UNSAID.get(kind) != ident[:3]:
            return Ref(kind, name=rest)
        return Ref(kind_of(ident), ident)
    if ident.startswith(DIGEST):
        return Ref(kind or "artifact", ident)
    return Ref(kind, name=rest)
