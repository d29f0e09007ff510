# SPDX-License-Identifier: Apache-2.0
"""Pages about answers: the question box, one answer, the list of answers, feedback. How to answer is the backend's
business.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from colonnade.core.answers import Answer
from colonnade.gateway.backend import AnswerView, Backend, Route
from colonnade.gateway.console import lineage, present, render, words
from colonnade.gateway.console.visit import Reply, Visit, redirect

PAGE = 30
RECENT = 5
EXAMPLES = 4
LOOKED_AT = 8
_HEADING = re.compile(r"^#{2,3} +(?P<words>[^\W\d_][^\n`<>\[\]]{2,38})$", re.MULTILINE)
_VERDICTS = ("right", "wrong")


def home(visit: Visit, error: str = "", status: int = 200) -> Reply:
    """The question box, with examples out of the documents and the latest answers."""
    typed = {**visit.query, **visit.form}
    as_of = present.parse_moment(typed.get("as_of", ""))
    return render.page(
        "ask.html",
        visit,
        section="ask",
        status=status,
        error=error,
        question=typed.get("q", ""),
        as_of_ms=as_of,
        service=typed.get("service", ""),
        services=services(visit),
        people=sorted(visit.snapshot.people),
        examples=examples(visit),
        recent=visit.backend.answers(visit.asker, limit=RECENT),
        cli=present.ask_command(
            typed.get("q") or "your question", service=typed.get("service", ""), person=visit.acting, as_of_ms=as_of
        ),
    )


def services(visit: Visit) -> list[str]:
    """Services that answer from knowledge, in the order of their names."""
    return sorted(name for name, route in visit.snapshot.routes.items() if route.knowledge is not None)


def examples(visit: Visit) -> list[str]:
    """A few questions whose answers stand in the documents: a subheading each, from documents that the asker may
    read.
    """
    made: list[str] = []
    for view in visit.backend.knowledge(visit.asker):
        page = visit.backend.knowledge_page(visit.asker, view.name)
        pages = [f.document for f in page.files if f.path.endswith(".md") and f.chunks] if page is not None else []
        step = max(1, len(pages) // LOOKED_AT)
        for document in pages[step // 2 :: step][:LOOKED_AT]:
            if len(made) == EXAMPLES:
                return made
            made += _example(visit.backend, visit, document)
    return made


def _example(backend: Backend, visit: Visit, document: str) -> list[str]:
    source = backend.source(visit.asker, document, None)
    heading = _HEADING.search(source.text[:20_000]) if source is not None else None
    if source is None or heading is None or not source.title:
        return []
    return [f"What does “{source.title}” say under “{heading['words'].strip().rstrip('.:')}”?"]


@dataclass(frozen=True, slots=True)
class Question:
    """What was typed, understood."""

    text: str
    route: Route
    as_of_ms: int | None


def question(visit: Visit) -> Question | Reply:
    """The question out of a posted form; or the form again, saying what is wrong with it."""
    text, typed = visit.form.get("q", "").strip(), visit.form.get("as_of", "").strip()
    as_of = present.parse_moment(typed)
    choices = services(visit)
    service = visit.form.get("service", "") or (choices[0] if choices else "")
    if not text:
        return home(visit, "Type a question first.", 400)
    if typed and as_of is None:
        return home(visit, "“As of” needs a date and time, like 2026-03-01 09:00 (UTC).", 400)
    if service not in choices:
        message = "There is no service with knowledge to ask. Declare one under services: in colonnade.yaml."
        return home(visit, message, 404)
    return Question(text, visit.snapshot.routes[service], as_of)


def answered(visit: Visit, answer: Answer) -> Reply:
    """Go to the answer's own page, so that reloading asks nothing twice."""
    name = answer.ref.partition("/")[2]
    place = visit.url(f"/answers/{name}")
    view = visit.backend.answer(visit.asker, name) if visit.partial else None
    return redirect(place) if view is None else _answer_page(visit, view, place)


def answer_page(visit: Visit, answer: str) -> Reply | None:
    """One answer, with what it cites and what led to it."""
    view = visit.backend.answer(visit.asker, answer)
    return None if view is None else _answer_page(visit, view)


def _answer_page(visit: Visit, view: AnswerView, place: str = "") -> Reply:
    walk = visit.backend.why(visit.asker, view.answer.ref)
    person = visit.acting or (view.asker_name if visit.asker.owner and view.asker_name != visit.asker.name else "")
    several = view.service if len(services(visit)) > 1 else ""
    reply = render.page(
        "answer.html",
        visit,
        section="ask" if place else "answers",
        view=view,
        hidden=_hidden(view),
        epoch=view.epoch if "/" in view.epoch or not view.epoch else f"epoch/{view.epoch}",
        abstention=words.abstention(view.answer.reason),
        branches=lineage.tree(walk) if walk is not None else (),
        signals=_signals(view),
        question=view.question,
        several=several,
        as_of_ms=view.as_of_ms,
        service=view.service,
        services=services(visit),
        people=sorted(visit.snapshot.people),
        cli=present.ask_command(
            view.question or "your question",
            service=several,
            person=person if person in visit.snapshot.people else "",
            as_of_ms=view.as_of_ms,
        ),
    )
    if not place:
        return reply
    return Reply(reply.body, reply.status, reply.content_type, (*reply.headers, ("hx-push-url", place)))


def _hidden(view: AnswerView) -> str:
    """Why an answer's text is not there, or "" when it is. The backend writes such stand-ins in brackets."""
    text = view.answer.answer
    if view.answer.citations or (text and not re.fullmatch(r"\([a-z ]+\)", text)):
        return ""
    if text == "(erased)":
        return "It was erased, on request."
    return "Its text is not shown, because you may not read every document that it was given."


def _signals(view: AnswerView) -> list[tuple[str, float, float | None]]:
    """(name, value, threshold) of what decided; a threshold stands beside its signal as `NAME_threshold`."""
    given = view.answer.signals
    return [
        (name.replace("_", " "), value, given.get(f"{name}_threshold"))
        for name, value in given.items()
        if not name.endswith("_threshold")
    ]


def answers(visit: Visit) -> Reply:
    """The asker's answers, newest first; for an owner everybody's."""
    views = visit.backend.answers(visit.asker, before=visit.query.get("before", ""), limit=PAGE + 1)
    following = views[PAGE - 1].answer.ref.partition("/")[2] if len(views) > PAGE else ""
    return render.page("answers.html", visit, section="answers", views=views[:PAGE], following=following)


def feedback(visit: Visit, answer: str) -> Reply | None:
    """Remember whether an answer was right."""
    verdict = visit.form.get("verdict", "")
    note = visit.form.get("note", "").strip()[:2000]
    if verdict not in _VERDICTS or not visit.backend.feedback(visit.asker, answer, verdict, note):
        return None
    if not visit.partial:
        return redirect(visit.url(f"/answers/{answer}"))
    view = visit.backend.answer(visit.asker, answer)
    return None if view is None else render.page("feedback.html", visit, view=view)
