# SPDX-License-Identifier: Apache-2.0
"""Where each thing has its page. Pure; the only place that spells the console's paths besides the route table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from colonnade.core.answers import Citation
from colonnade.core.ids import PREFIXES, is_id

_PAGES = {
    "answer": "/answers/",
    "document": "/documents/",
    "run": "/runs/",
    "lease": "/gpus/leases/",
    "trace": "/traces/",
}


def with_query(path: str, **query: object) -> str:
    """A path with those parameters that have a value."""
    kept = {name: str(value) for name, value in query.items() if value not in (None, "")}
    return f"{path}?{urlencode(kept)}" if kept else path


def ref_url(ref: str, person: str = "") -> str:
    """The page of a ref `kind/id`; kinds without a page of their own have their lineage page."""
    kind, _, name = ref.partition("/")
    path = _PAGES.get(kind, f"/refs/{quote(kind)}/") + quote(name, safe="@")
    return with_query(path, **{"as": person})


def lineage_url(ref: str, person: str = "") -> str:
    """The lineage page of a ref: what led to it and what it touched."""
    return with_query(f"/refs/{quote(ref, safe='/@')}", **{"as": person})


def source_url(citation: Citation, person: str = "") -> str:
    """The source page with the quote marked. Made from ids, never from text that a document could hold."""
    path = f"/documents/{quote(citation.document)}@{quote(citation.content)}"
    return with_query(path, start=citation.start, end=citation.end, **{"as": person}) + "#span"


def entry_ref(entry: Mapping[str, Any]) -> str:
    """What a ledger entry is about, as a ref `kind/id`; leaves name it by its id alone."""
    subject = str(entry.get("ref") or entry.get("subject") or "")
    if "/" in subject or not is_id(subject):
        return subject
    kind = PREFIXES[subject[:3]]
    return f"{'person' if kind == 'principal' else kind}/{subject}"


def local(place: str) -> str:
    """A path of ours, fit for a Location header, or "": never another site, whatever was typed.

    >>> local("/runs?q=a b"), local("//elsewhere.example"), local("/\\\\elsewhere.example")
    ('/runs?q=a%20b', '', '')
    """
    ours = place.startswith("/") and not place.startswith(("//", "/\\"))
    return quote(place, safe="/?&=%@#+:,;~!*'()$") if ours and place.isprintable() else ""
