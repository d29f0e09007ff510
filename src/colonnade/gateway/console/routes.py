# SPDX-License-Identifier: Apache-2.0
"""The console as one handler: which page a request is for, and the headers that every page carries.

Signing in and out is the gateway's. Rights are the backend's; what a page function answers with None is the one 404
page, whether it is unknown or forbidden.
"""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from colonnade.core.answers import Answer, Asker
from colonnade.core.errors import ColonnadeError, UnknownName
from colonnade.gateway.backend import Backend, Route
from colonnade.gateway.console import (
    ask,
    assets,
    gpus,
    keys,
    knowledge,
    ledger,
    links,
    live,
    models,
    render,
    source,
    traces,
    usecases,
)
from colonnade.gateway.console.visit import Reply, Visit, redirect
from colonnade.gateway.http import Request, Response, StreamResponse, offload

log = logging.getLogger("colonnade.gateway")
THEME_COOKIE = "colonnade_theme"
THEMES = ("auto", "light", "dark")
YEAR_S = 31_536_000
SECURITY = {
    "content-security-policy": (
        "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "x-frame-options": "DENY",
}

Page = Callable[..., Reply | None]
Drawer = Callable[..., Callable[[], tuple[str, bool]] | None]
_GET: tuple[tuple[str, Page], ...] = (
    (r"/", ask.home),
    (r"/answers", ask.answers),
    (r"/answers/([\w-]+)", ask.answer_page),
    (r"/documents/([\w@-]+)", source.source_page),
    (r"/knowledge", knowledge.knowledge_list),
    (r"/knowledge/([^/]+)", knowledge.knowledge_page),
    (r"/runs", knowledge.runs),
    (r"/runs/([\w-]+)", knowledge.run_page),
    (r"/models", models.models),
    (r"/models/([\w-]+)", models.model_page),
    (r"/models/([\w-]+)/rollback", models.back_page),
    (r"/traces", traces.traces),
    (r"/traces/([0-9a-f]{32})", traces.trace_page),
    (r"/use-cases", usecases.use_cases),
    (r"/use-cases/reports/([\w-]+)", usecases.report),
    (r"/gpus", gpus.gpus),
    (r"/gpus/leases/([\w-]+)", gpus.lease_page),
    (r"/ledger", ledger.ledger),
    (r"/refs/(.+)", ledger.ref_page),
    (r"/find", ledger.find),
    (r"/keys", keys.keys),
)
_POST: tuple[tuple[str, Page], ...] = (
    (r"/answers/([\w-]+)/feedback", ask.feedback),
    (r"/models/([\w-]+)/train", models.train),
    (r"/models/([\w-]+)/rollback", models.go_back),
    (r"/models/([\w-]+)/word", models.word),
    (r"/gpus/leases/([\w-]+)/release", gpus.release),
    (r"/gpus/devices/([\w-]+)/(cordon|uncordon)", gpus.cordon),
    (r"/keys", keys.create),
    (r"/keys/([\w-]+)/revoke", keys.revoke),
)
_LIVE: tuple[tuple[str, Drawer, float], ...] = (
    (r"/runs/([\w-]+)/live", knowledge.run_progress, live.EVERY_S),
    (r"/knowledge/([^/]+)/live", knowledge.knowledge_progress, live.EVERY_S),
    (r"/models/([\w-]+)/live", models.model_live, models.EVERY_S),
    (r"/gpus/live", gpus.gpus_live, 1.0),
)
"""Path, who draws it, and how often it is looked whether something moved."""


Asking = Callable[[Asker, Route, str, int | None], Awaitable[Answer]]


class Console:
    """The console over a house: the `ConsoleApp` that the gateway calls for every path that is not the API's.

    Args:
        backend: the house.
        asking: how a service with a language model answers (asker, route, question, as_of_ms); without it the console
        asks the
            backend, whose answers are quotes.
    """

    def __init__(self, backend: Backend, asking: Asking | None = None) -> None:
        self.backend = backend
        self.asking = asking

    async def __call__(self, request: Request) -> Response | StreamResponse:
        """The page, fragment, static file or stream for a request."""
        reply = await self._reply(request)
        headers = {**SECURITY, **dict(reply.headers)}
        if reply.events is not None:
            return StreamResponse(reply.events, headers={**headers, "cache-control": "no-store"})
        content_type = reply.content_type if reply.status != 303 else ""
        return Response(reply.body, reply.status, content_type=content_type, headers=headers)

    async def _reply(self, request: Request) -> Reply:
        path, theme = request.path, _theme(request)
        if path.startswith("/static/") and request.method in ("GET", "HEAD"):
            return assets.serve(path.removeprefix("/static/"), request.query.get("v", "")) or _missing(None, theme)
        if path == "/login":
            return keys.login_page(theme, failed="failed" in request.query)
        if request.asker is None:
            return redirect("/login")
        form = await request.form() if request.method == "POST" else {}
        if path == "/theme" and request.method == "POST":
            return _set_theme(form)
        visit = _visit(self.backend, request, request.asker, form, theme)
        try:
            if path == "/ask" and request.method == "POST":
                return await self._ask(visit)
            return await _page(visit, request.method)
        except UnknownName:
            return _missing(visit)
        except ColonnadeError as error:
            return render.page("error.html", visit, status=error.http_status, error=error)
        except Exception:
            request.ref = request.ref or f"request/{secrets.token_hex(8)}"
            log.exception("unexpected error, %s", request.ref)
            message = f"Something went wrong here; the daemon's log has it under {request.ref}."
            return render.page("error.html", visit, status=500, error=ColonnadeError(message, code="internal"))

    async def _ask(self, visit: Visit) -> Reply:
        asked = await offload(ask.question, visit)
        if isinstance(asked, Reply):
            return asked
        if asked.route.upstream is not None and self.asking is not None:
            answer = await self.asking(visit.asker, asked.route, asked.text, asked.as_of_ms)
        else:
            answer = await offload(self.backend.ask, visit.asker, asked.route.name, asked.text, as_of_ms=asked.as_of_ms)
        return await offload(ask.answered, visit, answer)


def make_console(backend: Backend, asking: Asking | None = None) -> Console:
    """The console, to be handed to `make_app`."""
    return Console(backend, asking)


async def _page(visit: Visit, method: str) -> Reply:
    table = _POST if method == "POST" else _GET
    for pattern, page in table if method in ("GET", "HEAD", "POST") else ():
        if match := re.fullmatch(pattern, visit.path):
            return await offload(page, visit, *match.groups()) or _missing(visit)
    for pattern, drawer, every_s in _LIVE if method == "GET" else ():
        if match := re.fullmatch(pattern, visit.path):
            draw = await offload(drawer, visit, *match.groups())
            return _missing(visit) if draw is None else Reply(events=live.watch(draw, every_s))
    return _missing(visit)


def _missing(visit: Visit | None, theme: str = "auto") -> Reply:
    """The one 404 page. It names nothing that was asked for, and no state of the page that was asked from."""
    if visit is None:
        return render.page("missing.html", None, status=404, theme=theme)
    bare = replace(visit, path="/", query={}, form={}, partial=False)
    return render.page("missing.html", bare, status=404)


def _visit(backend: Backend, request: Request, asker: Asker, form: Mapping[str, str], theme: str) -> Visit:
    """Who looks at what. An owner may look `as` somebody: with that person's rights, and recorded as the owner's
    doing.
    """
    snapshot = backend.snapshot()
    name = form.get("as", "") or request.query.get("as", "")
    person = snapshot.people.get(name) if asker.owner and name else None
    acting = name if person is not None else ""
    if person is not None:
        asker = replace(person, key=asker.key, acting_for=asker.principal)
    partial = request.header("hx-request") == "true" and request.header("hx-request-type") != "full"
    return Visit(backend, snapshot, asker, request.path, request.query, form, acting, theme, partial, backend.now_ms())


def _set_theme(form: Mapping[str, str]) -> Reply:
    theme = form.get("theme", "auto")
    chosen = theme if theme in THEMES else "auto"
    cookie = f"{THEME_COOKIE}={chosen}; Path=/; Max-Age={YEAR_S}; SameSite=Lax"
    return redirect(links.local(form.get("next", "")) or "/", ("set-cookie", cookie))


def _theme(request: Request) -> str:
    theme = request.cookies.get(THEME_COOKIE, "auto")
    return theme if theme in THEMES else "auto"
