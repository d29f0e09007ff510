# SPDX-License-Identifier: Apache-2.0
"""Pages about who one is: signing in with a key, and for owners the keys of others. A secret is shown once and never
stored here.
"""

from __future__ import annotations

from colonnade.core.errors import ColonnadeError
from colonnade.gateway.console import present, render
from colonnade.gateway.console.visit import Reply, Visit, redirect

DAY_MS = 86_400_000
LONGEST_DAYS = 3650


def keys(visit: Visit, error: str = "", made: object = None, status: int = 200) -> Reply | None:
    """Keys without their secrets, and the form for a new one; owners only."""
    if not visit.asker.owner:
        return None
    return render.page(
        "keys.html",
        visit,
        section="keys",
        status=status,
        rows=visit.backend.keys(),
        people=sorted(visit.snapshot.people),
        made=made,
        error=error,
        cli=present.command("colonnade", "keys", "list"),
    )


def create(visit: Visit) -> Reply | None:
    """Make a key and show it this once."""
    if not visit.asker.owner:
        return None
    name, person, days = (visit.form.get(field, "").strip() for field in ("name", "person", "days"))
    if not name or len(name) > 100:
        return keys(visit, "Give the key a name of at most 100 characters.", status=400)
    if days and not (days.isascii() and days.isdigit() and 1 <= int(days[:6]) <= LONGEST_DAYS):
        return keys(
            visit, f"Days must be a number from 1 to {LONGEST_DAYS}, or empty for a key that does not end.", status=400
        )
    expires = visit.now_ms + int(days) * DAY_MS if days else None
    try:
        made = visit.backend.create_key(visit.asker, name, person, expires)
    except ColonnadeError as refused:
        return keys(visit, refused.message, status=refused.http_status)
    return keys(visit, made=made)


def revoke(visit: Visit, key: str) -> Reply | None:
    """Take a key out of force; it is so when the page comes back."""
    if not visit.asker.owner or not visit.backend.revoke_key(visit.asker, key):
        return None
    return redirect(visit.url("/keys"))


def login_page(theme: str, *, failed: bool) -> Reply:
    """Where a key is pasted, for somebody unknown; the gateway reads it and opens the session."""
    error = "This key opens nothing here: it is mistyped, revoked, or past its end." if failed else ""
    return render.page("login.html", None, status=401 if failed else 200, theme=theme, error=error)
