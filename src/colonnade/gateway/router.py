# SPDX-License-Identifier: Apache-2.0
"""From method and path to a handler: one table of endpoints, which the OpenAPI document is made from as well.

Matching only; no handler's logic here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from colonnade.gateway.http import Handler


class Who(StrEnum):
    """Who may call an endpoint; LOCAL: a key, or without one a program of the user who runs the daemon (`sameuser`)."""

    ANYBODY = "anybody"
    KEY = "key"
    OWNER = "owner"
    LOCAL = "local"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One route of the API.

    Attributes:
        method: GET or POST or DELETE.
        path: with `{name}` for a segment, `{name:path}` for the rest.
        handler: what answers.
        summary: one sentence, for OpenAPI and the docs.
        who: an endpoint for owners answers 404 to others, as if it were not there.
        body: the struct of the JSON body, or None.
        answer: the struct or plain schema of the JSON answer, or None for another content type.
        content: content types of the answer.
        query: names of query parameters -> one sentence.
        errors: codes that this endpoint may answer with, beside those of every endpoint.
    """

    method: str
    path: str
    handler: Handler
    summary: str
    who: Who = Who.KEY
    body: type | None = None
    answer: Any = None
    content: tuple[str, ...] = ("application/json",)
    query: Mapping[str, str] = field(default_factory=dict)
    errors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Match:
    """What a path led to: an endpoint with its parameters, or the methods that the path does know."""

    endpoint: Endpoint | None
    params: Mapping[str, str]
    allowed: tuple[str, ...] = ()


NOTHING = Match(None, {})


class Router:
    """Finds the endpoint of a request: exact paths by a dictionary, the others by patterns in the order given."""

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        self.endpoints = tuple(endpoints)
        self._exact: dict[str, dict[str, Endpoint]] = {}
        self._patterns: list[tuple[re.Pattern[str], dict[str, Endpoint]]] = []
        patterns: dict[str, dict[str, Endpoint]] = {}
        for endpoint in self.endpoints:
            table = patterns if "{" in endpoint.path else self._exact
            methods = table.setdefault(endpoint.path, {})
            if endpoint.method in methods:
                raise ValueError(f"two endpoints for {endpoint.method} {endpoint.path}")
            methods[endpoint.method] = endpoint
        self._patterns = [(_pattern(path), methods) for path, methods in patterns.items()]

    def match(self, method: str, path: str) -> Match:
        """The endpoint for a request; HEAD counts as GET."""
        if method == "HEAD":
            method = "GET"
        methods = self._exact.get(path)
        if methods is not None:
            return _chosen(methods, method, {})
        for pattern, methods in self._patterns:
            found = pattern.fullmatch(path)
            if found:
                return _chosen(methods, method, found.groupdict())
        return NOTHING


def _chosen(methods: Mapping[str, Endpoint], method: str, params: Mapping[str, str]) -> Match:
    endpoint = methods.get(method)
    return Match(endpoint, params, () if endpoint else tuple(sorted(methods)))


def _pattern(path: str) -> re.Pattern[str]:
    """`/a/{b}` to a pattern; a segment holds no slash and is never empty.

    >>> _pattern("/documents/{ref}/text").fullmatch("/documents/doc_1@cnt_2/text").groupdict()
    {'ref': 'doc_1@cnt_2'}
    """
    parts = re.split(r"\{(\w+)(:path)?\}", path)
    out = re.escape(parts[0])
    for name, rest, literal in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        out += f"(?P<{name}>{'.+' if rest else '[^/]+'})" + re.escape(literal)
    return re.compile(out)
