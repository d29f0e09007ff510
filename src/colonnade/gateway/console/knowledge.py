# SPDX-License-Identifier: Apache-2.0
"""Pages about knowledge bases and runs: what was read, what was not and why, and what is being done now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from colonnade.gateway.backend import FileView, KnowledgeView, RunView
from colonnade.gateway.console import present, render, words
from colonnade.gateway.console.visit import Reply, Visit

FILES = 100
RUNS = 30


@dataclass(frozen=True, slots=True)
class Shelf:
    """One page of a knowledge base's files after filtering."""

    files: tuple[FileView, ...]
    matching: int
    number: int
    pages: int


def shelf(view: KnowledgeView, wanted: str, number: int) -> Shelf:
    """Files whose path holds every word wanted, a page at a time, in the backend's order."""
    terms = wanted.casefold().split()
    matching = [f for f in view.files if all(t in f.path.casefold() for t in terms)] if terms else list(view.files)
    pages = max(1, -(-len(matching) // FILES))
    number = min(max(1, number), pages)
    return Shelf(tuple(matching[(number - 1) * FILES : number * FILES]), len(matching), number, pages)


def knowledge_list(visit: Visit) -> Reply:
    """Every knowledge base."""
    views = visit.backend.knowledge(visit.asker)
    return render.page("knowledge_list.html", visit, section="knowledge", views=views, cli=_status())


def knowledge_page(visit: Visit, name: str) -> Reply | None:
    """One knowledge base: what could not be read first, then its files."""
    view = visit.backend.knowledge_page(visit.asker, name)
    if view is None:
        return None
    typed = visit.query.get("page", "")
    number = int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 9 else 1
    return render.page(
        "knowledge.html",
        visit,
        section="knowledge",
        view=view,
        live=words.is_live(view.state),
        shelf=shelf(view, visit.query.get("q", ""), number),
        mending=words.mending,
        cli=_status(),
    )


def runs(visit: Visit) -> Reply | None:
    """Runs, newest first; owners only, for others there is no such page."""
    if not visit.asker.owner:
        return None
    views = visit.backend.runs(visit.asker, before=visit.query.get("before", ""), limit=RUNS + 1)
    following = views[RUNS - 1].id if len(views) > RUNS else ""
    return render.page(
        "runs.html",
        visit,
        section="runs",
        views=views[:RUNS],
        following=following,
        cli=present.command("colonnade", "logs", "-f"),
    )


def run_page(visit: Visit, run: str) -> Reply | None:
    """One run, watched while it moves."""
    view = visit.backend.run(visit.asker, run)
    if view is None:
        return None
    cli = present.command("colonnade", "why", f"run/{view.id}")
    return render.page("run.html", visit, section="runs", view=view, live=words.is_live(view.state), cli=cli)


def run_progress(visit: Visit, run: str) -> Callable[[], tuple[str, bool]] | None:
    """Draws the moving part of a run's page; the flag says that it moves no more. None when there is no such run."""
    return _progress(lambda: visit.backend.run(visit.asker, run), "run_progress.html", visit)


def knowledge_progress(visit: Visit, name: str) -> Callable[[], tuple[str, bool]] | None:
    """Draws the figures of a knowledge base's page; the flag says that they move no more. None when there is no such
    one.
    """

    def look() -> KnowledgeView | None:
        return next((v for v in visit.backend.knowledge(visit.asker) if v.name == name), None)

    return _progress(look, "knowledge_progress.html", visit)


def _progress(
    look: Callable[[], RunView | KnowledgeView | None], template: str, visit: Visit
) -> Callable[[], tuple[str, bool]] | None:
    if look() is None:
        return None

    def draw() -> tuple[str, bool]:
        view = look()
        if view is None:
            return "", True
        return render.text(template, visit, view=view), not words.is_live(view.state)

    return draw


def _status() -> str:
    return present.command("colonnade", "status")
