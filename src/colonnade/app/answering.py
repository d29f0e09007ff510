# SPDX-License-Identifier: Apache-2.0
"""Ask a service on somebody's behalf and record what was answered, under which epoch, by which decision."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from colonnade.app.house import House
from colonnade.app.writer import GroupWriter
from colonnade.core import entries
from colonnade.core.answers import Answer, Asker, Found
from colonnade.core.errors import UnknownName
from colonnade.gateway.backend import Capture, Route, Snapshot
from colonnade.knowledge.asking import Asking, Mode
from colonnade.knowledge.ground.followup import standalone
from colonnade.knowledge.recording import ANSWERER, Recording
from colonnade.ports.noted import stage
from colonnade.ports.outside.state import Transaction

DURABLE_S = 30.0
UNRECORDED = 10_000
"""Answers in the making whose index is remembered."""


class Answering:
    """The asking half of the backend. Thread-safe."""

    def __init__(self, house: House, writer: GroupWriter) -> None:
        self._house, self._writer = house, writer
        self._acted: set[tuple[str, str, str, int]] = set()
        self._given_by: OrderedDict[str, dict[str, str | int]] = OrderedDict()

    def ask(
        self,
        snapshot: Snapshot,
        asker: Asker,
        service: str,
        question: str,
        history: Sequence[Mapping[str, str]],
        as_of_ms: int | None,
    ) -> Answer:
        """An extractive answer, recorded and durable when this returns."""
        began = time.monotonic()
        _, found, answer = self.passages(snapshot, asker, service, question, history, as_of_ms, 8)
        del found
        answer = replace(answer, ms=round((time.monotonic() - began) * 1000))
        self.record(snapshot, asker, service, question, answer, as_of_ms=as_of_ms, way="extractive")
        return answer

    def passages(
        self,
        snapshot: Snapshot,
        asker: Asker,
        service: str,
        question: str,
        history: Sequence[Mapping[str, str]],
        as_of_ms: int | None,
        k: int,
    ) -> tuple[str, list[Found], Answer]:
        """The question as understood, passages, and the extractive answer with a fresh ref, not recorded yet."""
        route = self._route(snapshot, service)
        understood = standalone(question, history)
        began = time.monotonic()
        asking, given_by = self._asking(route), self._index(route)
        draft = asking.answer(asker, understood, at_ms=as_of_ms, k=k)
        ms = round((time.monotonic() - began) * 1000)
        ref = f"answer/{self._house.state.new_id('ans')}"
        self._given_by[ref] = given_by
        while len(self._given_by) > UNRECORDED:
            self._given_by.popitem(last=False)
        return understood, list(draft.passages), replace(draft.answer, ref=ref, ms=ms)

    def search(
        self,
        snapshot: Snapshot,
        asker: Asker,
        knowledge: str,
        query: str,
        k: int,
        as_of_ms: int | None,
        mode: Mode,
    ) -> list[Found]:
        """Passages that the asker may read."""
        asking = self._house.asking.get(knowledge)
        if asking is None or self._house.declaration is None or knowledge not in self._house.declaration.knowledge:
            raise UnknownName(f"there is no knowledge base {knowledge!r}", hint="`colonnade status` lists them")
        self.acting(snapshot, asker, self._house.loops[knowledge].base.id)
        return asking.search(asker, query, k=k, at_ms=as_of_ms, mode=mode)

    def acting(self, snapshot: Snapshot, asker: Asker, resource: str) -> None:
        """Record that somebody looks at a resource as somebody else, once a version of the rights; then durable."""
        known = (asker.acting_for, asker.principal, resource, snapshot.version)
        if not asker.acting_for or known in self._acted:
            return
        recording, policy = self._house.recording, str(snapshot.version)
        self._writer.submit(lambda tx: _decide(recording, tx, asker, resource, policy)).result(DURABLE_S)
        self._acted.add(known)

    def record(
        self,
        snapshot: Snapshot,
        asker: Asker,
        service: str,
        question: str,
        answer: Answer,
        *,
        way: str,
        as_of_ms: int | None = None,
        tokens_in: int | None = None,
        tokens_out: int | None = None,
    ) -> None:
        """Write the answer; durable when this returns."""
        route = self._route(snapshot, service)
        recording = self._house.recording
        given_by = self._given_by.pop(answer.ref, None) or self._index(route)

        def write(tx: Transaction) -> None:
            epoch, decision = self._standing(tx, recording, snapshot, route, asker, given_by)
            recording.answer(
                tx,
                asker,
                route.service,
                question,
                answer,
                epoch,
                decision,
                way=way,
                as_of_ms=as_of_ms,
                tokens_in=tokens_in,
                tokens_out=tokens_out,
            )

        with stage("record"):
            self._writer.submit(write).result(DURABLE_S)

    def capture(self, snapshot: Snapshot, capture: Capture) -> None:
        """Write what a request without knowledge leaves; does not wait."""
        recording = self._house.recording

        def write(tx: Transaction) -> None:
            route = snapshot.routes[capture.service]
            epoch, decision = self._standing(tx, recording, snapshot, route, capture.asker, {})
            tx.append(
                entries.answer_given(
                    self._house.journal.stamp(capture.asker.acting_for or capture.asker.principal),
                    self._house.journal.mac,
                    answer=capture.ref.removeprefix("answer/"),
                    asker=capture.asker.principal,
                    service=route.service,
                    status=capture.status,
                    ms=capture.ms,
                    epoch=epoch,
                    decision=decision,
                    tokens_in=capture.tokens_in,
                    tokens_out=capture.tokens_out,
                    way="model",
                )
            )

        self._writer.submit(write)

    def _index(self, route: Route) -> dict[str, str | int]:
        """Which index answers now: its knowledge base, generation and embedder; nothing for a service without
        knowledge.
        """
        if route.knowledge is None:
            return {}
        row = self._house.loops[route.knowledge].base.row()
        return {"knowledge": row["id"], "generation": row["generation"], "embedder": row["embedder"] or ""}

    def _standing(
        self,
        tx: Transaction,
        recording: Recording,
        snapshot: Snapshot,
        route: Route,
        asker: Asker,
        given_by: Mapping[str, str | int],
    ) -> tuple[str, str]:
        """(epoch, decision) under which this answer was given."""
        body: dict[str, str | int] = {
            "service": route.service,
            "answerer": ANSWERER,
            "model": route.upstream.model if route.upstream else "",
        }
        body |= given_by
        knowledge = given_by.get("knowledge")
        epoch = recording.epoch(tx, body, route.service, str(knowledge) if knowledge else None)
        return epoch, recording.decision(tx, asker, route.service, str(snapshot.version))

    def _asking(self, route: Route) -> Asking:
        if route.knowledge is None or route.knowledge not in self._house.asking:
            raise UnknownName(
                f"the service {route.name!r} has no knowledge",
                hint="use it as a language model: POST /v1/chat/completions",
            )
        return self._house.asking[route.knowledge]

    def _route(self, snapshot: Snapshot, service: str) -> Route:
        route = snapshot.routes.get(service)
        if route is None:
            raise UnknownName(
                f"there is no service {service!r}",
                hint=f"the services are {', '.join(sorted(snapshot.routes)) or 'none'}",
            )
        return route


def _decide(recording: Recording, tx: Transaction, asker: Asker, resource: str, policy: str) -> None:
    recording.decision(tx, asker, resource, policy)
