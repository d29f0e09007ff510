# SPDX-License-Identifier: Apache-2.0
"""The source page: a document's own text with the quoted span marked, its versions, and who may read it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from colonnade.gateway.backend import Source, Version
from colonnade.gateway.console import present, render, sourcetext
from colonnade.gateway.console.visit import Reply, Visit, redirect

_CODE = re.compile(
    r"\.(py|js|ts|c|h|cpp|go|rs|java|rb|sh|sql|json|ya?ml|toml|ini|cfg|csv|tsv|xlsx?|log|xml)$", re.IGNORECASE
)


def source_page(visit: Visit, name: str) -> Reply | None:
    """`/documents/DOC` (now) or `/documents/DOC@CNT` (that content); `?start=&end=` marks a span, `?chunks=1` draws
    borders.
    """
    document, _, content = name.partition("@")
    typed = visit.query.get("as_of", "")
    if typed:
        return _as_of(visit, document, content, typed)
    source = visit.backend.source(visit.asker, document, content or None)
    if source is None:
        return None
    return _show(visit, source, visit.backend.versions(visit.asker, document))


def _as_of(visit: Visit, document: str, content: str, typed: str) -> Reply | None:
    """Go to the content that was valid then; stay where we are, saying so, when there was none."""
    at = present.parse_moment(typed)
    versions = visit.backend.versions(visit.asker, document)
    if not versions:
        return None
    for version in versions if at is not None else ():
        if at is not None and version.valid_from_ms <= at < (version.valid_to_ms or at + 1):
            return redirect(visit.url(f"/documents/{document}@{version.content}"))
    source = visit.backend.source(visit.asker, document, content or versions[0].content)
    message = "It was not among the sources at that time." if at is not None else "That is not a date and time."
    return None if source is None else _show(visit, source, versions, message)


def _show(visit: Visit, source: Source, versions: Sequence[Version], message: str = "") -> Reply:
    mark = _span(visit, len(source.text))
    at = mark[0] if mark is not None else _number(visit.query.get("at", ""))
    part = sourcetext.window(source.text, at)
    chunks = source.chunks if visit.query.get("chunks") == "1" else ()
    return render.page(
        "source.html",
        visit,
        section="knowledge",
        source=source,
        versions=versions,
        message=message,
        mark=mark,
        part=part,
        body=sourcetext.render(source.text, part, mark=mark, chunks=chunks, pages=source.pages),
        code=_CODE.search(source.path) is not None,
        cli=present.command("colonnade", "impact", f"document/{source.document}"),
    )


def _span(visit: Visit, length: int) -> tuple[int, int] | None:
    """The span asked for, where it is one: numbers, in order, inside the text."""
    start, end = _number(visit.query.get("start", "")), _number(visit.query.get("end", ""))
    return (start, min(end, length)) if 0 <= start < min(end, length) else None


def _number(typed: str) -> int:
    return int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 16 else 0
