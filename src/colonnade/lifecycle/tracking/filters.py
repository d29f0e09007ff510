# SPDX-License-Identifier: Apache-2.0
"""MLflow's search language: comparisons joined by AND, and `order_by`. Read into clauses here, judged here; what a key
means for runs, models and so on is handed in. Pure.

    filter     := comparison ("AND" comparison)*
    comparison := name op value | name ["NOT"] "IN" "(" string ("," string)* ")" | name "IS" ["NOT"] "NULL"
    name       := [entity "."] key          key: a word with dots, slashes, dashes; or in `backticks` or "quotes"
    op         := = != < <= > >= LIKE ILIKE
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from colonnade.lifecycle.tracking.checks import wrong

Value = str | float | int | tuple[str | float, ...] | None
Look = Callable[[str, str], "Value"]
"""(entity, key) -> what stands there, or None."""

NUMERIC = frozenset({"=", "!=", "<", "<=", ">", ">="})
WORDS = frozenset({"=", "!=", "LIKE", "ILIKE"})
PRESENCE = frozenset({"IS NULL", "IS NOT NULL"})
LISTS = frozenset({"IN", "NOT IN"})
_TOKEN = re.compile(
    r"""\s*(?:(?P<text>'(?:[^'\\]|\\.|'')*')
      | (?P<name>(?:[A-Za-z_][\w]*|"[^"]*"|`[^`]*`)(?:\.(?:"[^"]*"|`[^`]*`|[\w\-/:]+))*)
      | (?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
      | (?P<op>!=|<>|<=|>=|=|<|>)
      | (?P<mark>[(),]))""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Language:
    """What may be asked of a kind of thing.

    Attributes:
        entities: word -> entity ("attribute", "metric", "param", "tag", "dataset"); attributes need no word.
        texts, numbers: attributes that hold a text, a number; another name -> its own name.
        lists: attributes that take IN.
        sortable: attributes that `order_by` takes, or None for all.
        unread, unfit: how MLflow words what cannot be read, and a comparison that its key does not take.
    """

    entities: Mapping[str, str]
    texts: Mapping[str, str]
    numbers: Mapping[str, str]
    lists: frozenset[str]
    sortable: frozenset[str] | None = None
    unread: str = "Invalid clause(s) in filter string"
    unfit: str = "Invalid comparator"


@dataclass(frozen=True, slots=True)
class Clause:
    """One comparison."""

    entity: str
    key: str
    op: str
    value: Value


@dataclass(frozen=True, slots=True)
class Order:
    """One key to sort by."""

    entity: str
    key: str
    ascending: bool


def parse_filter(text: str | None, language: Language) -> list[Clause]:
    """The comparisons of a filter. Raises UsageError that says where it could not go on."""
    tokens = _tokens(text or "", language)
    found: list[Clause] = []
    at = 0
    while at < len(tokens):
        if found:
            if tokens[at] != ("name", "AND") and tokens[at][1].upper() != "AND":
                raise wrong(f"{language.unread}: {tokens[at][1]!r}. Join comparisons by AND.")
            at += 1
        clause, at = _comparison(tokens, at, language)
        found.append(clause)
    return found


def parse_order(given: Sequence[str], language: Language) -> list[Order]:
    """`order_by` clauses. Raises UsageError."""
    found: list[Order] = []
    for text in given:
        tokens = _tokens(text, language)
        words = [word for _, word in tokens]
        if not tokens or tokens[0][0] != "name" or len(tokens) > 2:
            raise wrong(f"Invalid order_by clause '{text}'. Could not be parsed.")
        if len(tokens) == 2 and words[1].lower() not in {"asc", "desc"}:
            raise wrong(f"Invalid ordering key in order_by clause '{text}'.")
        entity, key = _identifier(words[0], language, sorting=True)
        if any((one.entity, one.key) == (entity, key) for one in found):
            raise wrong(f"`order_by` contains duplicate fields: {list(given)}")
        found.append(Order(entity, key, len(tokens) == 1 or words[1].lower() == "asc"))
    return found


def matches(clauses: Sequence[Clause], look: Look) -> bool:
    """Whether all comparisons hold. What is absent fulfils none but IS NULL, as in SQL."""
    return all(_holds(clause, look(clause.entity, clause.key)) for clause in clauses)


def sort_key(orders: Sequence[Order]) -> Callable[[Look], tuple[object, ...]]:
    """A key for `sorted`: what is absent comes last, before it NaN, whichever way the rest is sorted."""

    def of(look: Look) -> tuple[object, ...]:
        return tuple(_Place(look(order.entity, order.key), order.ascending) for order in orders)

    return of


@functools.total_ordering
class _Place:
    """A value in an order."""

    __slots__ = ("rank", "up", "value")

    def __init__(self, value: Value, up: bool) -> None:
        nan = isinstance(value, float) and math.isnan(value)
        self.rank = 2 if value is None else 1 if nan else 0
        self.value = 0 if self.rank else value
        self.up = up

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Place) and (self.rank, self.value) == (other.rank, other.value)

    def __lt__(self, other: _Place) -> bool:
        if self.rank != other.rank or self.rank:
            return self.rank < other.rank
        below = self.value < other.value  # type: ignore[operator]  # one key has one type
        return bool(below) if self.up else bool(other.value < self.value)  # type: ignore[operator]

    __hash__ = None  # type: ignore[assignment]


def _tokens(text: str, language: Language) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    at, end = 0, len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None:
            raise wrong(f"{language.unread}: {text[at : at + 60]!r}")
        found.append((str(match.lastgroup), match.group(str(match.lastgroup))))
        at = match.end()
    return found


def _comparison(tokens: list[tuple[str, str]], at: int, language: Language) -> tuple[Clause, int]:
    words = [word.upper() for _, word in tokens[at + 1 : at + 4]]
    if tokens[at : at + 1] and tokens[at][0] == "name" and words:
        entity, key = _identifier(tokens[at][1], language)
        value: Value = None
        if words[:2] == ["IS", "NULL"] or words == ["IS", "NOT", "NULL"]:
            op, after = ("IS NULL", at + 3) if words[1] == "NULL" else ("IS NOT NULL", at + 4)
        elif words[0] == "IN" or words[:2] == ["NOT", "IN"]:
            op = "IN" if words[0] == "IN" else "NOT IN"
            value, after = _list(tokens, at + (2 if op == "IN" else 3))
        else:
            op, after = ("!=" if words[0] == "<>" else words[0]), at + 3
            value = _value(tokens[at + 2] if at + 2 < len(tokens) else ("", ""), entity, key, language)
        _check(entity, key, op, language)
        return Clause(entity, key, op, value), after
    said = " ".join(word for _, word in tokens[at : at + 3])
    raise wrong(f"{language.unread}: expected a comparison, found {said!r}")


def _identifier(text: str, language: Language, *, sorting: bool = False) -> tuple[str, str]:
    word, dot, key = text.partition(".") if text[0] not in '`"' else (text, "", "")
    if not dot:
        entity, key = "attribute", _bare(word)
    elif word in language.entities:
        entity, key = language.entities[word], _bare(key)
    else:
        raise wrong(f"Invalid entity type '{word}'. Valid values are {sorted(set(language.entities))}")
    if entity != "attribute":
        return entity, key
    known = {**language.texts, **language.numbers}
    if key not in known or (sorting and language.sortable is not None and known[key] not in language.sortable):
        raise wrong(f"Invalid attribute key '{key}' specified. Valid keys are '{sorted(known)}'")
    return entity, known[key]


def _bare(key: str) -> str:
    return key[1:-1] if len(key) > 1 and key[0] == key[-1] and key[0] in '`"' else key


def _is_number(entity: str, key: str, language: Language) -> bool:
    return entity == "metric" or (entity == "attribute" and key in language.numbers.values())


def _value(token: tuple[str, str], entity: str, key: str, language: Language) -> Value:
    kind, text = token
    if _is_number(entity, key, language):
        if kind != "number":
            raise wrong(f"Expected numeric value type for {entity} {key!r}. Found {text!r}")
        return float(text) if entity == "metric" or not text.lstrip("+-").isdecimal() else int(text)
    if kind == "text" or (kind == "name" and text[0] == '"' and text[-1] == '"'):
        return _string(text)
    raise wrong(f"Expected a quoted string value for {entity} {key!r} (e.g. 'my-value'). Got value {text}")


def _string(text: str) -> str:
    return text[1:-1].replace("''", "'") if text[0] == "'" else text[1:-1]


def _list(tokens: list[tuple[str, str]], at: int) -> tuple[tuple[str, ...], int]:
    """(`'a'`, `'b'`) from a place on, and the place after it."""
    found: list[str] = []
    if at < len(tokens) and tokens[at][1] == "(":
        at += 1
        while at + 1 < len(tokens) and (tokens[at][0] == "text" or tokens[at][1][0] == '"'):
            found.append(_string(tokens[at][1]))
            at += 1
            if at < len(tokens) and tokens[at][1] == ",":
                at += 1
            elif at < len(tokens) and tokens[at][1] != ")":
                break
            if at < len(tokens) and tokens[at][1] == ")":  # a comma may stand before it, as Python writes one
                return tuple(found), at + 1
    raise wrong("While parsing a list in the filter: expected a non-empty list of quoted strings in parentheses")


def _check(entity: str, key: str, op: str, language: Language) -> None:
    if _is_number(entity, key, language):
        allowed = NUMERIC
    elif entity == "attribute":
        allowed = WORDS | LISTS if key in language.lists else WORDS
    elif entity == "dataset":
        allowed = WORDS | LISTS
    else:
        allowed = WORDS | PRESENCE
    if op not in allowed:
        raise wrong(f"{language.unfit} '{op}' for {entity} {key!r}: not one of {sorted(allowed)}")


def _holds(clause: Clause, here: Value) -> bool:
    op, value = clause.op, clause.value
    if op in PRESENCE:
        return (here is None) == (op == "IS NULL")
    if here is None:
        return False
    if isinstance(here, tuple):  # several stand there: one is enough
        return any(_holds(clause, one) for one in here)
    if op in LISTS:
        assert isinstance(value, tuple)
        return (here in value) == (op == "IN")
    if op in {"LIKE", "ILIKE"}:
        return _like(str(value), op == "ILIKE").fullmatch(str(here)) is not None
    return _compare(op, here, value)


def _compare(op: str, here: Value, value: Value) -> bool:
    if op in {"=", "!="}:
        return (here == value) == (op == "=")
    below, above = here < value, here > value  # type: ignore[operator]  # both are numbers: see `_check`
    return bool(below if op == "<" else above if op == ">" else here == value or (below if op == "<=" else above))


@functools.lru_cache(maxsize=256)
def _like(pattern: str, fold: bool) -> re.Pattern[str]:
    parts = {"%": ".*", "_": "."}
    text = "".join(parts.get(c, re.escape(c)) for c in pattern)
    return re.compile(text, re.DOTALL | (re.IGNORECASE if fold else 0))
