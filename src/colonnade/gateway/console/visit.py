# SPDX-License-Identifier: Apache-2.0
"""What a page is given and what it gives back. No HTTP library, no template and no backend call here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

from colonnade.core.answers import Asker
from colonnade.gateway.backend import Backend, Snapshot
from colonnade.gateway.console.links import with_query

HTML = "text/html; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Visit:
    """One request to the console by somebody who is known.

    Attributes:
        asker: whose rights count; for an owner who looks `as` somebody, that person.
        acting: the name that the owner looks as, or "".
        path: decoded path, without the query.
        query: last value of each query parameter.
        form: last value of each field of a posted form; empty for GET.
        theme: "light", "dark" or "auto", from the cookie.
        partial: htmx asks for the main part only.
        now_ms: the store's time.
    """

    backend: Backend
    snapshot: Snapshot
    asker: Asker
    path: str
    query: Mapping[str, str]
    form: Mapping[str, str]
    acting: str = ""
    theme: str = "auto"
    partial: bool = False
    now_ms: int = 0

    def here(self, **changes: str | None) -> str:
        """This page's URL with some query parameters changed; None takes one away. Keeps every other part of the
        state.
        """
        merged = {k: v for k, v in {**self.query, **changes}.items() if v}
        return f"{self.path}?{urlencode(merged)}" if merged else self.path

    def url(self, path: str, **query: object) -> str:
        """Another page's URL, seen as the same person as this one."""
        return with_query(path, **query, **{"as": self.acting})


@dataclass(frozen=True, slots=True)
class Reply:
    """A page, a redirect (303 with `location`), bytes, or a stream of server-sent events (`events`)."""

    body: bytes = b""
    status: int = 200
    content_type: str = HTML
    headers: tuple[tuple[str, str], ...] = ()
    events: AsyncIterator[bytes] | None = field(default=None, repr=False)


def redirect(location: str, *headers: tuple[str, str]) -> Reply:
    """See other: after a form, so that reloading does not send it twice."""
    return Reply(status=303, headers=(("location", location), *headers))
