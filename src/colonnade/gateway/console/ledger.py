# SPDX-License-Identifier: Apache-2.0
"""Pages about what happened: the ledger, what led to a ref and what it touched, and the box that finds any id."""

from __future__ import annotations

from colonnade.gateway.console import lineage, links, present, render
from colonnade.gateway.console.visit import Reply, Visit, redirect

PAGE = 40


def ledger(visit: Visit) -> Reply | None:
    """The log's size, root and last checkpoint, and its newest entries; owners only."""
    typed = visit.query.get("before", "")
    before = int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 19 else None
    view = visit.backend.ledger(visit.asker, before=before, limit=PAGE)
    if view is None:
        return None
    oldest = int(view.entries[-1]["index"]) if view.entries else 0
    return render.page(
        "ledger.html",
        visit,
        section="ledger",
        view=view,
        following=oldest if oldest > 0 else None,
        cli=present.command("colonnade", "verify"),
    )


def ref_page(visit: Visit, ref: str) -> Reply | None:
    """What led to a ref, and what it touched."""
    why, impact = visit.backend.why(visit.asker, ref), visit.backend.impact(visit.asker, ref)
    if why is None and impact is None:
        return None
    return render.page(
        "ref.html",
        visit,
        section="ledger",
        ref=ref,
        why=lineage.tree(why) if why is not None else (),
        impact=lineage.tree(impact) if impact is not None else (),
        cli=present.command("colonnade", "why", ref),
        cli_impact=present.command("colonnade", "impact", ref),
    )


def find(visit: Visit) -> Reply:
    """Go to the page of whatever was pasted; what is unknown and what may not be seen are not found alike."""
    text = visit.query.get("q", "").strip()
    place = links.local(visit.backend.find(visit.asker, text) or "") if text else ""
    if place:
        return redirect(visit.url(place))
    return render.page("find.html", visit, status=404 if text else 200, text=text)
