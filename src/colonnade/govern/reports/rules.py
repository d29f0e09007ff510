# SPDX-License-Identifier: Apache-2.0
"""How a number follows from entries: which entries count, and what is taken from them. Data, so that a stranger can do
it again; `standalone` does, without a line of this.

    where   {"kind": K, "is": {key: value}, "refs": {role: id}, "subject": id, "id": id}; a list means any
            of it, "@name" a set of ids that the report lists
    take    count, sum, distinct, each, tally (value -> how often), first, last
    of      n.KEY, is.KEY, refs.ROLE, at_ms, subject, actor, id
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Fields = Mapping[str, Any]
"""An entry as JSON reads it."""
Sets = Mapping[str, Sequence[str]]


def matcher(where: Mapping[str, Any], sets: Sets) -> Callable[[Fields], bool]:
    """Whether an entry counts; made once for a rule, asked for each entry. A ref matches when one of its role does."""
    named = [(name, _any(where[name], sets)) for name in ("subject", "id") if name in where]
    status = [(key, _any(value, sets)) for key, value in where.get("is", {}).items()]
    refs = [(role, _any(value, sets)) for role, value in where.get("refs", {}).items()]
    kind = where["kind"]

    def matches(entry: Fields) -> bool:
        if entry["kind"] != kind:
            return False
        for name, wanted in named:
            if entry[name] not in wanted:
                return False
        if status:
            said = entry.get("is", {})
            for key, wanted in status:
                if said.get(key) not in wanted:
                    return False
        for role, wanted in refs:
            for one, ref in entry.get("refs", ()):
                if one == role and ref in wanted:
                    break
            else:
                return False
        return True

    return matches


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
    if take == "tally":
        return dict(sorted(Counter(values).items()))
    return (values[0] if take == "first" else values[-1]) if values else None


def part(entry: Fields, of: str) -> Any:
    """A part of an entry; None where it has none. Of several refs with a role, the first."""
    name, _, key = of.partition(".")
    if name == "refs":
        return next((ref for role, ref in entry.get("refs", ()) if role == key), None)
    return entry.get(name, {}).get(key) if key else entry.get(name)


def _any(value: Any, sets: Sets) -> frozenset[Any]:
    if isinstance(value, list):
        return frozenset(value)
    return frozenset(sets[value[1:]] if isinstance(value, str) and value.startswith("@") else [value])
