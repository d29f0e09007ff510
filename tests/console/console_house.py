# SPDX-License-Identifier: Apache-2.0
"""The house that the console is looked at in: a small made-up company with hostile, long, coded and replaced documents.

Shared by the browser tests and the screenshots. Data and a thin subclass of the fake; no assertion here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from colonnade.core.answers import Answer, Asker
from colonnade.gateway.backend import LedgerView, RunView, Source
from colonnade.testing import backend_documents as data
from colonnade.testing.backend import FakeBackend
from colonnade.testing.backend_documents import DAY_MS, DOCUMENTS, EVERYONE, HR, NOW_MS, UNREADABLE, Doc, fixed_id

ATTACK = "<script>window.owned=1</script><img src=x onerror=window.owned=1>"
HANDBOOK = """# Travel and expenses

This page says what Acme pays when you travel for work, and how to get it back.

## Trains and flights

Trips by train are booked in second class; first class is paid when the journey takes longer than four hours.
Flights under 700 kilometres need a reason, in writing, from your lead.

## Hotels

A hotel night may cost up to 140 euros, breakfast included. In London, Paris and Zurich the limit is 210 euros.

## Receipts

Hand in receipts within 30 days of the trip. Receipts older than 30 days are not paid.
Photographs of receipts are fine as long as every line can be read.
"""
OLDER = HANDBOOK.replace("140 euros", "120 euros").replace("210 euros", "190 euros")
ONBOARDING = """# Onboarding

## The first week

Every new colleague gets a laptop, a badge and a mentor on the first day.
The mentor is asked by the team, never chosen by lot.

## Security training

Security training takes two hours and must be done before the tenth working day.
"""
SUPPORT = """# Support

## Response times

Severity one incidents are answered within 15 minutes, around the clock.
Severity two is answered within four working hours.

## Escalation

If a severity one incident lasts longer than an hour, the head of engineering is called.
"""
HOSTILE = f"# Hostile page {ATTACK}\n\nThe vault code is {ATTACK} and nothing else.\r\nA second line of it.\n"
LONG = "# Long log\n\n" + "".join(f"Line {n} of the long log says nothing new.\n" for n in range(1, 4001))
CODE = 'def greet(name: str) -> str:\n\t"""Say hello politely to a name."""\n\treturn f"hello, {name}"\n'
EXTRA = (
    Doc(
        11,
        1,
        "docs/travel-and-expenses.md",
        "Travel and expenses",
        EVERYONE,
        OLDER,
        NOW_MS - 90 * DAY_MS,
        NOW_MS - 12 * DAY_MS,
    ),
    Doc(11, 2, "docs/travel-and-expenses.md", "Travel and expenses", EVERYONE, HANDBOOK, NOW_MS - 12 * DAY_MS),
    Doc(12, 1, "docs/onboarding.md", "Onboarding", EVERYONE, ONBOARDING),
    Doc(13, 1, "docs/support.md", "Support", EVERYONE, SUPPORT),
    Doc(14, 1, f"docs/{ATTACK}.md", f"Hostile {ATTACK}", EVERYONE, HOSTILE),
    Doc(15, 1, "logs/long.txt", "Long log", EVERYONE, LONG),
    Doc(16, 1, "src/greet.py", "greet.py", EVERYONE, CODE),
)
MORE_UNREADABLE = (
    ("docs/contract-2019.pdf", "encrypted", "The PDF asks for a password.", EVERYONE, 812_004),
    (f"docs/{ATTACK}.docx", "corrupt", "Not a zip file.", EVERYONE, 912),
)
_REAL = tuple(d for d in DOCUMENTS if d.path != "docs/travel.md")
FRIENDLY: Sequence[Doc] = tuple(d for d in (*_REAL, *EXTRA) if ATTACK not in d.path and d.number != 15)


class House(FakeBackend):
    """The fake with our documents, a moving run, and as-of remembered on answers."""

    documents: Sequence[Doc] = (*_REAL, *EXTRA)
    unreadable = (*UNREADABLE, *MORE_UNREADABLE)

    def __init__(self, *, friendly: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.progress = 3
        if friendly:
            self.documents = FRIENDLY
            self.unreadable = (*UNREADABLE, MORE_UNREADABLE[0])

    def ask(
        self,
        asker: Asker,
        service: str,
        question: str,
        *,
        history: Sequence[Mapping[str, str]] = (),
        as_of_ms: int | None = None,
    ) -> Answer:
        answer = super().ask(asker, service, question, history=history, as_of_ms=as_of_ms)
        self._answers[answer.ref] = replace(self._answers[answer.ref], as_of_ms=as_of_ms)
        return answer

    def source(self, asker: Asker, document: str, content: str | None) -> Source | None:
        found = super().source(asker, document, content)
        paged = found is not None and document == fixed_id("doc", 12)
        return replace(found, pages=((1, 0), (1, 14), (2, 90))) if found is not None and paged else found

    def runs(self, asker: Asker, *, before: str = "", limit: int = 50) -> list[RunView]:
        if not asker.owner:
            return []
        state = "running" if self.progress < 9 else "done"
        finished = None if self.progress < 9 else self.now_ms()
        moving = RunView(
            fixed_id("run", 9),
            "embed",
            "knowledge/handbook",
            state,
            "the embedding model changed",
            self.now_ms() - 41_000,
            finished,
            self.progress,
            9,
            {"embedded": self.progress},
        )
        broken = RunView(
            fixed_id("run", 8),
            "ingest",
            "knowledge/handbook",
            "failed",
            "a file changed",
            self.now_ms() - 7_300_000,
            self.now_ms() - 7_200_000,
            2,
            12,
            {},
            "No space left on the device; it begins again when there is some.",
        )
        return [r for r in (moving, broken, *super().runs(asker)[1:]) if not before or r.id < before][:limit]

    def ledger(self, asker: Asker, *, before: int | None = None, limit: int = 50) -> LedgerView | None:
        view = super().ledger(asker, before=before, limit=limit)
        if view is None:
            return None
        root = "9f2c51e07b44d0c6a1f3be8d75a02c9e4418fd3b6c70ea95d2471c0b8e5fa361"
        note = (
            f"acme.colonnade/ledger\n{view.size}\nnyxR4HtE0Mah876NdaAsnkQY/Ttscos3l0scC45f6jYQ=\n\n"
            "— acme.colonnade/ledger bm90IGEgcmVhbCBzaWduYXR1cmU=\n"
        )
        return replace(view, origin="acme.colonnade/ledger", root=root, note=note)


__all__ = ["ATTACK", "CODE", "FRIENDLY", "HANDBOOK", "HR", "LONG", "House", "data", "fixed_id"]
