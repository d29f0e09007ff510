# SPDX-License-Identifier: Apache-2.0
"""Record an answer: its row (sealed under the asker's key and the key of every document given), its epoch, its decision, its entry."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from colonnade.core.answers import Answer, Asker, Citation
from colonnade.core.canonical import canonical_json
from colonnade.ports.journal import Journal
from colonnade.ports.outside.keys import Keys
from colonnade.ports.outside.state import Row, State, Transaction

ANSWERER = "extractive/1"


@dataclass(frozen=True, slots=True)
class Opened:
    """An answer's sealed half."""

    question: str
    answer: Answer


class Recording:
    """Writes and opens answers of a project. Used by the one writer thread; opening is thread-safe."""

    def __init__(self, state: State, keys: Keys, journal: Journal, actor: str) -> None:
        self._state, self._keys, self._journal, self._actor = state, keys, journal, actor
        self._epochs: dict[str, str] = {}
        self._decisions: dict[tuple[str, str, str], str] = {}

    def epoch(self, tx: Transaction, body: Mapping[str, str | int], index: str) -> str:
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
        refs = [("is", digest), *([("index", index)] if index else [])]
        if body.get("embedder"):
            refs.append(("embedder", "sha256:" + hashlib.sha256(str(body["embedder"]).encode()).hexdigest()))
        n = {"generation": int(body["generation"])} if "generation" in body else {}
        self._journal.append(tx, "epoch.opened", epoch, actor=self._actor, refs=refs, n=n)
        self._epochs[digest] = epoch
        return epoch

    def decision(self, tx: Transaction, asker: Asker, resource: str, policy: str) -> str:
        """The decision that let the asker in: one entry for each asker, resource and version of the rights."""
        known = (asker.principal + asker.acting_for, resource, policy)
        if known in self._decisions:
            return self._decisions[known]
        decision = self._state.new_id("dec")
        refs = [("who", asker.principal), ("what", resource), ("under", policy)]
        if asker.acting_for:
            refs.append(("for", asker.acting_for))
        self._journal.append(
            tx, "decision.made", decision, actor=self._actor, refs=refs, n={"reader_sets": len(asker.readers)}, status={"decision": "allow"}
        )
        self._decisions[known] = decision
        return decision

    def answer(
        self, tx: Transaction, asker: Asker, service: str, question: str, answer: Answer, epoch: str, decision: str, n: Mapping[str, int]
    ) -> None:
        """Write an answer's row and entry."""
        ident = answer.ref.removeprefix("answer/")
        self._keys.create(tx, ident, self._journal.project)
        sealed = json.dumps({"question": question, "answer": asdict(answer)}, ensure_ascii=False).encode()
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
            sealed=self._keys.seal((asker.principal, *answer.given), sealed, f"{ident}/text"),
            ms=answer.ms,
        )
        cited = dict.fromkeys(c.document for c in answer.citations)
        refs = [
            ("by", asker.principal),
            ("under", epoch),
            ("decided_by", decision),
            ("from", service),
            *(("given", document) for document in answer.given),
            *(("cites", document) for document in cited),
        ]
        if asker.acting_for:
            refs.append(("asked_as_by", asker.acting_for))
        self._journal.append(
            tx,
            "answer.given",
            ident,
            actor=asker.acting_for or asker.principal,
            refs=refs,
            mac={"question": (asker.principal, question.encode()), "text": (ident, answer.answer.encode())},
            n={"ms": answer.ms, "citations": len(answer.citations), **n},
            status={"status": answer.status, **({"reason": answer.reason} if answer.reason else {})},
        )

    def open(self, row: Row) -> Opened:
        """An answer's question and text. Raises Erased when any key that it needs was destroyed."""
        subjects = (row["asker"], *json.loads(row["given"]))
        body = json.loads(self._keys.open(subjects, row["sealed"], f"{row['id']}/text"))
        fields = body["answer"]
        citations = tuple(Citation(**citation) for citation in fields.pop("citations"))
        fields["given"] = tuple(fields["given"])
        return Opened(body["question"], Answer(**fields, citations=citations))
