# SPDX-License-Identifier: Apache-2.0
"""Record an answer: its row (sealed under the asker's key and the key of every document given), its epoch, its
decision, its entry.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from colonnade.core import entries
from colonnade.core.answers import Answer, Asker, Citation
from colonnade.core.canonical import canonical_json
from colonnade.ports.journal import Journal
from colonnade.ports.outside.keys import Erased, Keys
from colonnade.ports.outside.state import Row, State, Transaction

ANSWERER = "extractive/1"


@dataclass(frozen=True, slots=True)
class Opened:
    """An answer's sealed half."""

    question: str
    answer: Answer
    as_of_ms: int | None


class Recording:
    """Writes and opens answers of a project. Used by the one writer thread; opening is thread-safe."""

    def __init__(self, state: State, keys: Keys, journal: Journal, actor: str) -> None:
        self._state, self._keys, self._journal, self._actor = state, keys, journal, actor
        self._epochs: dict[str, str] = {}
        self._decisions: dict[tuple[str, str, str], str] = {}

    def forget(self) -> None:
        """A transaction was rolled back: what was noted within it may not be there."""
        self._epochs.clear()
        self._decisions.clear()

    def epoch(self, tx: Transaction, body: Mapping[str, str | int], service: str, knowledge: str | None) -> str:
        """The epoch of exactly this state: opened with an entry when it is new.

        `body` names embedder, index generation, service settings, declaration and answerer; no person, path or text.
        """
        digest = "sha256:" + hashlib.sha256(canonical_json(dict(body))).hexdigest()
        if digest in self._epochs:
            return self._epochs[digest]
        rows = tx.rows("epoch_by_digest", project=self._journal.project, digest=digest)
        if rows:
            self._epochs[digest] = rows[0]["id"]
            return str(rows[0]["id"])
        epoch = self._state.new_id("epc")
        tx.run(
            "epoch_add",
            id=epoch,
            project=self._journal.project,
            digest=digest,
            body=json.dumps(dict(body), sort_keys=True),
            opened_ms=self._state.now_ms(),
        )
        embedder = body.get("embedder")
        digests = {"embedder": "sha256:" + hashlib.sha256(str(embedder).encode()).hexdigest()} if embedder else None
        tx.append(
            entries.epoch_opened(
                self._journal.stamp(self._actor),
                self._journal.mac,
                epoch=epoch,
                service=service,
                knowledge=knowledge or None,
                generation=int(body["generation"]) if "generation" in body else None,
                settings=dict(body),
                digests=digests,
            )
        )
        self._epochs[digest] = epoch
        return epoch

    def decision(self, tx: Transaction, asker: Asker, resource: str, policy: str) -> str:
        """The decision that let the asker in: one entry for each asker, resource and version of the rights."""
        known = (asker.principal + asker.acting_for, resource, policy)
        if known in self._decisions:
            return self._decisions[known]
        decision = self._state.new_id("dec")
        tx.append(
            entries.decision_made(
                self._journal.stamp(self._actor),
                decision=decision,
                person=asker.principal,
                on=resource,
                action="impersonate" if asker.acting_for else "ask",
                verdict="allow",
                readers=len(asker.readers),
                by=asker.acting_for or None,
            )
        )
        self._decisions[known] = decision
        return decision

    def answer(
        self,
        tx: Transaction,
        asker: Asker,
        service: str,
        question: str,
        answer: Answer,
        epoch: str,
        decision: str,
        *,
        way: str,
        tokens_in: int | None = None,
        tokens_out: int | None = None,
        as_of_ms: int | None = None,
    ) -> None:
        """Write an answer's row and entry."""
        ident = answer.ref.removeprefix("answer/")
        self._keys.create(tx, ident, self._journal.project)
        sealed = json.dumps(
            {"question": question, "answer": asdict(answer), "as_of_ms": as_of_ms}, ensure_ascii=False
        ).encode()
        try:
            kept = self._keys.seal((asker.principal, *answer.given), sealed, f"{ident}/text")
        except Erased:  # a document went while the answer was made: its text is not kept
            kept = None
        tx.run(
            "answer_add",
            id=ident,
            project=self._journal.project,
            service=service,
            asker=asker.principal,
            at_ms=self._state.now_ms(),
            status=answer.status,
            epoch=epoch,
            decision=decision,
            given=json.dumps(answer.given),
            sealed=kept,
            ms=answer.ms,
        )
        tx.append(
            entries.answer_given(
                self._journal.stamp(asker.acting_for or asker.principal),
                self._journal.mac,
                answer=ident,
                asker=asker.principal,
                service=service,
                status=answer.status,
                ms=answer.ms,
                epoch=epoch,
                decision=decision,
                given=list(zip(answer.given, answer.contents or ("",) * len(answer.given), strict=True)),
                cites=dict.fromkeys(c.document for c in answer.citations),
                question=question,
                text=answer.answer,
                reason=answer.reason or None,
                tokens_in=tokens_in,
                tokens_out=tokens_out,
                as_of_ms=as_of_ms,
                way=way,
            )
        )
        if kept is None:
            self._keys.destroy(tx, ident)

    def open(self, row: Row) -> Opened:
        """An answer's question and text. Raises Erased when any key that it needs was destroyed."""
        subjects = (row["asker"], *json.loads(row["given"]))
        body = json.loads(self._keys.open(subjects, row["sealed"], f"{row['id']}/text"))
        fields = body["answer"]
        citations = tuple(Citation(**citation) for citation in fields.pop("citations"))
        fields["given"], fields["contents"] = tuple(fields["given"]), tuple(fields["contents"])
        return Opened(body["question"], Answer(**fields, citations=citations), body["as_of_ms"])
