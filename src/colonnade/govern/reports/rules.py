# SPDX-License-Identifier: Apache-2.0
"""How a number follows from entries: which entries count, and what is taken from them. Data, so that a stranger can do
it again; `standalone` does, without a line of this.

    where   {"kind": K, "is": {key: value}, "refs": {role: id}, "subject": id, "id": id}; a list means any
            of it, "@name" a set of ids that the report lists
    take    count, sum, distinct, each, first, last
    of      n.KEY, is.KEY, refs.ROLE, at_ms, subject, actor, id
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Fields = Mapping[str, Any]
"""An entry as JSON reads it."""
Sets = Mapping[str, Sequence[str]]


def matches(entry: Fields, where: Mapping[str, Any], sets: Sets) -> bool:
    """Whether the entry counts. A ref matches when one of its role does."""
    if entry["kind"] != where["kind"]:
        return False
    if any(name in where and entry[name] not in _any(where[name], sets) for name in ("subject", "id")):
        return False
    status = entry.get("is", {})
    if any(status.get(key) not in _any(value, sets) for key, value in where.get("is", {}).items()):
        return False
    return all(
        any(role == wanted and ref in _any(value, sets) for role, ref in entry.get("refs", ()))
        for wanted, value in where.get("refs", {}).items()
    )


def taken(entries: Sequence[Fields], take: str, of: str) -> Any:
    """The value of a rule over the entries that count, in the log's order; None for the first or last of none.

    >>> taken([{"n": {"rows": 3}}, {"n": {"rows": 4}}], "sum", "n.rows")
    7
    """
    if take == "count":
        return len(entries)
    values = [value for entry in entries if (value := part(entry, of)) is not None]
    if take == "sum":
        return sum(values)
    if take == "distinct":
        return len(set(values))
    if take == "each":
        return values
    return (values[0] if take == "first" else values[-1]) if values else None


def part(entry: Fields, of: str) -> Any:
    """A part of an entry; None where it has none. Of several refs with a role, the first."""
    name, _, key = of.partition(".")
    if name == "refs":
        return next((ref for role, ref in entry.get("refs", ()) if role == key), None)
    return entry.get(name, {}).get(key) if key else entry.get(name)


def _any(value: Any, sets: Sets) -> Sequence[Any] | frozenset[Any]:
    if isinstance(value, list):
        return value
    return sets[value[1:]] if isinstance(value, str) and value.startswith("@") else [value]
