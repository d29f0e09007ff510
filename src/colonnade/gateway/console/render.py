# SPDX-License-Identifier: Apache-2.0
"""Templates to bytes: one Jinja environment that escapes everything and refuses unknown names. No backend call here."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from colonnade.core.answers import Answer
from colonnade.gateway.console import assets, links, present, words
from colonnade.gateway.console.modelaccess import sees_models
from colonnade.gateway.console.visit import HTML, Reply, Visit

_MARKER = re.compile(r"\[(\d{1,3})\]")
_SECTIONS = (
    ("ask", "/", "Ask", "a", False),
    ("answers", "/answers", "Answers", "h", False),
    ("knowledge", "/knowledge", "Knowledge", "k", False),
    ("models", "/models", "Models", "m", False),
    ("runs", "/runs", "Runs", "r", True),
    ("gpus", "/gpus", "GPUs", "g", True),
    ("traces", "/traces", "Traces", "t", True),
    ("usecases", "/use-cases", "Use cases", "u", True),
    ("ledger", "/ledger", "Ledger", "l", True),
    ("keys", "/keys", "Keys", "e", True),
)


def with_markers(answer: Answer, person: str = "") -> Markup:
    """An answer's text, escaped, whose [n] markers lead to the quoted span."""
    pieces: list[str] = []
    position = 0
    for match in _MARKER.finditer(answer.answer):
        number = int(match[1])
        if not 1 <= number <= len(answer.citations):
            continue
        cited = answer.citations[number - 1]
        link = Markup('<a class="marker" href="{}" title="{}" aria-label="source {}">{}</a>').format(
            links.source_url(cited, person), cited.path, number, number
        )
        pieces += [str(escape(answer.answer[position : match.start()].rstrip(" "))), str(link)]
        position = match.end()
    return Markup("".join([*pieces, str(escape(answer.answer[position:]))]))  # noqa: S704 - all are escaped


@functools.cache
def environment() -> Environment:
    """The one environment; its templates are package data."""
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters.update(
        {name: getattr(present, name) for name in ("rfc3339", "clock", "ago", "duration", "size", "grouped", "short")}
    )
    made.globals.update(
        asset=assets.url,
        command=present.command,
        moment_field=present.moment_field,
        state_words=words.state,
        ref_url=links.ref_url,
        entry_ref=links.entry_ref,
        lineage_url=links.lineage_url,
        source_url=links.source_url,
        with_query=links.with_query,
        with_markers=with_markers,
    )
    return made


def text(template: str, visit: Visit | None, **values: Any) -> str:
    """A template's text. Without a visit it is a page for somebody unknown: no navigation."""
    return environment().get_template(template).render(visit=visit, sections=_sections(visit), **values)


def page(template: str, visit: Visit | None, *, status: int = 200, section: str = "", **values: Any) -> Reply:
    """A page as a reply; only its main part when htmx asked for that."""
    layout = "partial.html" if visit is not None and visit.partial else "base.html"
    theme = values.pop("theme", visit.theme if visit is not None else "auto")
    body = text(template, visit, layout=layout, section=section, theme=theme, **values)
    return Reply(body.encode("utf-8", "replace"), status, HTML, (("cache-control", "no-store"),))


def _sections(visit: Visit | None) -> list[tuple[str, str, str, str]]:
    if visit is None:
        return []
    absent = {"gpus"} if visit.backend.compute is None else set()
    absent |= set() if sees_models(visit) else {"models"}
    return [
        (key, path, name, letter)
        for key, path, name, letter, owners in _SECTIONS
        if key not in absent and (visit.asker.owner or not owners)
    ]
