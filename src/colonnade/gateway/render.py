# SPDX-License-Identifier: Apache-2.0
"""Answers, passages and walks of the house as the JSON that CONTRACT.md promises. Shapes only; nothing is decided
here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from colonnade.core.answers import Answer, Citation, Found
from colonnade.gateway.backend import Walk

MARKER = re.compile(r"\[(\d{1,3})\]")


def citation(cited: Citation, base: str = "") -> dict[str, Any]:
    """One citation. `base` is put before a URL that is a path."""
    shown: dict[str, Any] = {
        "document": cited.document,
        "path": cited.path,
        "url": absolute(cited.url, base),
        "encoding": cited.encoding,
        "start": cited.start,
        "end": cited.end,
        "quote": cited.quote,
        "title": cited.title,
    }
    if cited.page is not None:
        shown["page"] = cited.page
    return shown


def absolute(url: str, base: str) -> str:
    """A path of ours as a URL that can be opened."""
    return base + url if url.startswith("/") else url


def ask_json(answer: Answer, base: str) -> dict[str, Any]:
    """`colonnade.ask/1`."""
    return {
        "schema": "colonnade.ask/1",
        "ref": answer.ref,
        "status": answer.status,
        "answer": answer.answer,
        "citations": [citation(c, base) for c in answer.citations],
        "reason": answer.reason,
        "signals": dict(answer.signals),
        "note": answer.note,
        "ms": answer.ms,
    }


def found_json(found: Found, base: str) -> dict[str, Any]:
    """One passage of `colonnade.search/1`."""
    shown: dict[str, Any] = {
        "document": found.document,
        "path": found.path,
        "url": absolute(found.url, base),
        "encoding": found.encoding,
        "start": found.start,
        "end": found.end,
        "text": found.text,
        "score": found.score,
        "headings": list(found.headings),
        "title": found.title,
    }
    if found.page is not None:
        shown["page"] = found.page
    return shown


def url_citations(text: str, citations: Sequence[Citation], base: str) -> list[dict[str, Any]]:
    """OpenAI's `url_citation`s: `text[start_index:end_index]` is the marker `[n]`, in code points."""
    found = []
    for mark in MARKER.finditer(text):
        number = int(mark.group(1))
        if 1 <= number <= len(citations):
            cited = citations[number - 1]
            where = {"start_index": mark.start(), "end_index": mark.end()}
            link = {"url": absolute(cited.url, base), "title": cited.title or cited.path}
            found.append({"type": "url_citation", "url_citation": {**where, **link}})
    return found


def colonnade_part(answer: Answer, base: str) -> dict[str, Any]:
    """What a chat answer carries under `colonnade`."""
    part: dict[str, Any] = {
        "ref": answer.ref,
        "status": answer.status,
        "citations": [citation(c, base) for c in answer.citations],
    }
    if answer.reason:
        part["reason"] = answer.reason
    if answer.note:
        part["note"] = answer.note
    return part


def walk_json(walk: Walk, schema: str) -> dict[str, Any]:
    """`colonnade.why/1` or `colonnade.impact/1`."""
    return {"schema": schema, "ref": walk.ref, "nodes": [dict(node) for node in walk.nodes]}
