# SPDX-License-Identifier: Apache-2.0
"""The house behind the gateway: the `Backend` that `gateway` asks for, put together from asking, pages and
administration.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colonnade.app.answering import Answering
from colonnade.app.house import SYSTEM, House
from colonnade.app.offers import HouseOffers
from colonnade.app.pages import Pages
from colonnade.app.runtime import Runtime
from colonnade.app.settings.declaration import PERSON, parse_declaration
from colonnade.app.settings.environment import places_of
from colonnade.app.snapshots import take_snapshot
from colonnade.app.status import read_status
from colonnade.core import entries
from colonnade.core.answers import Answer, Asker, Found
from colonnade.core.errors import UnknownName, UsageError
from colonnade.core.ids import is_id
from colonnade.gateway.backend import (
    AnswerView,
    Capture,
    KnowledgeView,
    LedgerView,
    RunView,
    Snapshot,
    Source,
    Version,
    Walk,
)
from colonnade.knowledge.asking import Mode
from colonnade.ports.outside.state import Row, Transaction

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MODES: Mapping[str, Mode] = {"hybrid": "hybrid", "lexical": "lexical", "dense": "dense"}
VERDICTS = {"right": "up", "wrong": "down"}
LATEST_MS = 253_402_300_799_999
"""The end of the year 9999: no time is written after it."""
USED_EVERY_MS = 60_000
_log = logging.getLogger("colonnade.backend")


class HouseBackend(HouseOffers):
    """Implements `gateway.backend.Backend`."""

    def __init__(self, house: House, runtime: Runtime, port: int) -> None:
        super().__init__(house)
        self._runtime, self._port = runtime, port
        self._answering = Answering(house, runtime.writer)
        self._pages = Pages(house)
        self._changes = threading.Condition()
        self._version = 0
        self._used: dict[str, int] = {}
        self._refreshing = threading.Lock()
        self.stopping = threading.Event()
        self.on_stop: Callable[[], None] = lambda: None
        house.on_change = self._changed
        self.refresh()

    def refresh(self) -> None:
        """Load keys, rights and routes anew; in force when this returns."""
        with self._refreshing:
            self._version += 1
            self._snapshot = take_snapshot(self._house, self._version, self._port)

    def _reload(self) -> None:
        self.refresh()

    # the hot path
    def snapshot(self) -> Snapshot:
        """The current snapshot."""
        return self._snapshot

    def now_ms(self) -> int:
        """The store's time."""
        return self._house.state.now_ms()

    def record(self, capture: Capture) -> None:
        """Hand a capture to the writer."""
        self._answering.capture(self._snapshot, capture)

    def used(self, key: str) -> None:
        """Remember when a key was last used, to the minute: one small write a key and minute."""
        now = self.now_ms()
        if now - self._used.get(key, 0) >= USED_EVERY_MS:
            self._used[key] = now
            self._runtime.writer.submit(lambda tx: _use(tx, key, now))

    def new_ref(self) -> str:
        """A fresh answer's ref."""
        return f"answer/{self._house.state.new_id('ans')}"

    # knowledge
    def ask(
        self,
        asker: Asker,
        service: str,
        question: str,
        *,
        history: Sequence[Mapping[str, str]] = (),
        as_of_ms: int | None = None,
    ) -> Answer:
        """An extractive answer, recorded."""
        return self._answering.ask(self._snapshot, asker, service, question, history, as_of_ms)

    def passages(
        self,
        asker: Asker,
        service: str,
        question: str,
        *,
        history: Sequence[Mapping[str, str]] = (),
        as_of_ms: int | None = None,
        k: int = 8,
    ) -> tuple[str, list[Found], Answer]:
        """For a language model."""
        return self._answering.passages(self._snapshot, asker, service, question, history, as_of_ms, k)

    def record_answer(
        self,
        asker: Asker,
        service: str,
        question: str,
        answer: Answer,
        *,
        way: str,
        as_of_ms: int | None = None,
        tokens_in: int = 0,
        tokens_out: int = 0,
    ) -> None:
        """Record an answer that the gateway composed."""
        self._answering.record(
            self._snapshot,
            asker,
            service,
            question,
            answer,
            way=way,
            as_of_ms=as_of_ms,
            tokens_in=tokens_in,
            tokens_out=tokens_out,
        )

    def search(
        self,
        asker: Asker,
        knowledge: str,
        query: str,
        *,
        k: int = 10,
        as_of_ms: int | None = None,
        mode: str = "hybrid",
    ) -> list[Found]:
        """Passages that the asker may read."""
        if mode not in MODES:
            raise UsageError(f"there is no mode {mode!r}", hint=f"one of {', '.join(MODES)}")
        return self._answering.search(self._snapshot, asker, knowledge, query, k, as_of_ms, MODES[mode])

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors by the default embedder."""
        embedder = self._house.embedders.get("")
        if embedder is None:
            raise UnknownName(
                "no embedding weights are installed", hint="`colonnade doctor` prints the command that installs them"
            )
        return embedder.embed(texts)

    def embedding_model(self) -> str:
        """Its name."""
        embedder = self._house.embedders.get("")
        return embedder.id.partition("@")[0] if embedder is not None else ""

    def source(self, asker: Asker, document: str, content: str | None) -> Source | None:
        """A document's text."""
        found = self._pages.source(asker, document, content)
        if found is not None:
            self._answering.acting(self._snapshot, asker, document)
        return found

    def versions(self, asker: Asker, document: str) -> Sequence[Version]:
        """A document's contents."""
        return self._pages.versions(asker, document)

    def raw(self, asker: Asker, document: str, content: str | None) -> bytes | None:
        """A document's bytes."""
        found = self._pages.raw(asker, document, content)
        if found is not None:
            self._answering.acting(self._snapshot, asker, document)
        return found

    # pages
    def knowledge(self, asker: Asker) -> list[KnowledgeView]:
        """Every knowledge base."""
        return self._pages.knowledge(asker)

    def knowledge_page(self, asker: Asker, name: str) -> KnowledgeView | None:
        """One knowledge base."""
        return self._pages.knowledge_page(asker, name)

    def runs(self, asker: Asker, *, before: str = "", limit: int = 50) -> list[RunView]:
        """Runs."""
        return self._pages.runs(asker, before, limit)

    def run(self, asker: Asker, run: str) -> RunView | None:
        """One run."""
        return self._pages.run(asker, run)

    def answers(self, asker: Asker, *, before: str = "", limit: int = 50) -> list[AnswerView]:
        """Answers."""
        return self._pages.answers(asker, before, limit)

    def answer(self, asker: Asker, answer: str) -> AnswerView | None:
        """One answer."""
        return self._pages.answer(asker, answer)

    def feedback(self, asker: Asker, answer: str, verdict: str, note: str) -> bool:
        """Remember what somebody says of an answer."""
        ident = answer.removeprefix("answer/")
        if self._pages.answer(asker, ident) is None:
            return False
        if verdict not in VERDICTS:
            raise UsageError(f"there is no verdict {verdict!r}", hint="right or wrong")
        house = self._house
        feedback = house.state.new_id("fbk")
        with house.state.transaction() as tx:
            tx.run(
                "feedback_add",
                id=feedback,
                project=house.project,
                answer=ident,
                principal=asker.principal,
                verdict=verdict,
                sealed=house.keys.seal((asker.principal,), note.encode(), f"{feedback}/note"),
                at_ms=house.state.now_ms(),
            )
            stamp = house.journal.stamp(asker.acting_for or asker.principal)
            tx.append(
                entries.feedback_given(
                    stamp,
                    house.journal.mac,
                    feedback=feedback,
                    answer=ident,
                    person=asker.principal,
                    verdict=VERDICTS[verdict],
                    note=note,
                )
            )
        return True

    def why(self, asker: Asker, ref: str) -> Walk | None:
        """What led to it."""
        return self._pages.walk(asker, ref, "why")

    def impact(self, asker: Asker, ref: str) -> Walk | None:
        """What it touched."""
        return self._pages.walk(asker, ref, "impact")

    def ledger(self, asker: Asker, *, before: int | None = None, limit: int = 50) -> LedgerView | None:
        """The log."""
        return self._pages.ledger(asker, before, limit)

    def find(self, asker: Asker, text: str) -> str | None:
        """The page of a pasted id or ref."""
        ident = text.strip().rpartition("/")[2]
        pages = {"ans": "/answers/", "run": "/runs/", "doc": "/documents/"}
        document, at, content = ident.partition("@")
        prefix = pages.get(ident[:3]) if is_id(document) and (is_id(content) or not at) else None
        if prefix == "/answers/" and self._pages.answer(asker, ident) is not None:
            return prefix + ident
        if prefix == "/runs/" and self._pages.run(asker, ident) is not None:
            return prefix + ident
        if prefix == "/documents/" and self._pages.source(asker, document, None) is not None:
            return prefix + ident
        walk = self._pages.walk(asker, text.strip(), "why")
        return f"/refs/{walk.ref}" if walk is not None else None

    # administration
    def status(self) -> Mapping[str, Any]:
        """`colonnade.status/1`."""
        document = read_status(self._house.state, self._house.keys, running=True, url=self._house.url)
        document["alarms"] += self._runtime.alarms.all()
        return document

    def apply(self, declaration: str, folder: str) -> Mapping[str, Any]:
        """Bring a handed-over declaration into force."""
        places = places_of(Path(folder) / "colonnade.yaml")
        if places.folder != self._house.places.folder:
            raise UsageError(
                f"this daemon serves {self._house.places.folder}, not {places.folder}",
                hint="stop it first: `colonnade down`",
            )
        wanted = parse_declaration(declaration, str(places.declaration))
        difference = self._house.apply(wanted)
        self.refresh()
        self._runtime.start()
        last = self._house.state.rows("checkpoint_last")
        return {"changes": [change.as_dict() for change in difference], "checkpoint": last[0]["note"] if last else None}

    def create_key(self, asker: Asker, name: str, person: str, expires_ms: int | None) -> Mapping[str, Any]:
        """A new key, in force when this returns. Raises UsageError for a name that no declaration could hold."""
        house = self._house
        if PERSON.fullmatch(person) is None or person == SYSTEM:
            raise UsageError(
                "that is no name of a person",
                hint="letters, digits and . _ @ + -, as in access: of the declaration",
                code="invalid_value",
            )
        if expires_ms is not None and not house.state.now_ms() < expires_ms <= LATEST_MS:
            raise UsageError("a key must end in the future, before the year 10000", code="invalid_value")
        with house.state.transaction() as tx:
            principal = house.people.ensure(tx, person, "person")
            key = house.api_keys.create(tx, principal, name, actor=asker.principal, expires_ms=expires_ms)
        self.refresh()
        made = {"key": key.secret, "id": key.id, "ref": f"key/{key.id}"}
        return {**made, "name": name, "person": person, "expires_ms": expires_ms}

    def keys(self) -> list[Mapping[str, Any]]:
        """Keys without secrets."""
        names = self._house.people.names()
        return [_key(row, names) for row in self._house.api_keys.all()]

    def revoke_key(self, asker: Asker, key: str) -> bool:
        """Out of force when this returns."""
        try:
            with self._house.state.transaction() as tx:
                self._house.api_keys.revoke(tx, key.removeprefix("key/"), actor=asker.principal)
        except UnknownName:
            return False
        self.refresh()
        return True

    def events(self) -> Iterator[Mapping[str, Any]]:
        """The status whenever it changes, at most a few times a second; ends when the daemon drains."""
        last: Mapping[str, Any] | None = None
        while not self.stopping.is_set():
            now = self.status()
            if now != last:
                last = now
                yield now
            with self._changes:
                self._changes.wait(1.0)
            self.stopping.wait(0.2)

    def stop(self) -> None:
        """Begin to drain."""
        self.stopping.set()
        self._changed()
        self.on_stop()

    def _changed(self) -> None:
        with self._changes:
            self._changes.notify_all()


def _use(tx: Transaction, key: str, now_ms: int) -> None:
    tx.run("api_key_used", id=key, now_ms=now_ms)


def _key(row: Row, names: Mapping[str, str]) -> dict[str, Any]:
    told = {"id": row["id"], "ref": f"key/{row['id']}", "name": row["name"], "owner": bool(row["owner"])}
    times = {when: row[when] for when in ("created_ms", "expires_ms", "revoked_ms", "last_used_ms")}
    return {**told, "person": names.get(row["principal"], "(erased)"), **times}
