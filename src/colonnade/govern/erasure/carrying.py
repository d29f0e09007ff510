# SPDX-License-Identifier: Apache-2.0
"""Take away what was found: keys, rows and the entry in one transaction, sealed files after it.

Killed before the transaction nothing has happened, killed after it the rest is done again: deleting what is gone is
done. What lies outside of the store (indices, caches, folders) is handed back to whoever owns it.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from colonnade.core.erasing import TOMBSTONE, stone_at, stone_of
from colonnade.core.erasure_entries import LISTED_AT_ONCE, erasure_done, erasure_listed
from colonnade.core.errors import StateError, Tampered
from colonnade.govern.erasure.finding import Found, find
from colonnade.ports.journal import Journal
from colonnade.ports.outside.blobs import Blobs
from colonnade.ports.outside.state import Row, State, Transaction

REASON = "it was erased on request, and is never read again; delete the file"
DECLARATION = "declaration"
_TRACKED = ("tracked_inputs_erase", "tracked_files_erase", "tracked_points_erase", "tracked_latest_erase")


@dataclass(frozen=True, slots=True)
class Order:
    """An erasure to carry out.

    Attributes:
        id: `ers_...`; subjects: documents and persons.
        run, decision: what carries it out and what allowed it; None after a restore.
        stones: tombstones that are known already, from before a restore.
    """

    id: str
    subjects: tuple[str, ...]
    run: str | None
    decision: str | None
    stones: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is read while its keys are there.

    Attributes:
        found: what goes.
        stones: tombstones: MACs of bytes, and of bytes at a place where others hold the same. Bytes that cannot be
            read any more have none.
        paths: document -> where its file lies.
        declarations: digests of declarations of before that name one of the persons.
    """

    found: Found
    stones: tuple[bytes, ...]
    paths: Mapping[str, bytes]
    declarations: tuple[str, ...]


class Outdated(Exception):
    """Rows changed since the order was prepared: prepare it anew."""


class Carrying:
    """Carries erasures out, for one project."""

    def __init__(self, journal: Journal, blobs: Blobs, actor: str) -> None:
        self._journal, self._blobs, self._actor = journal, blobs, actor
        self._state, self._keys, self._project = journal.state, journal.keys, journal.project

    def prepare(self, order: Order) -> Prepared:
        """Read what is needed while the keys are there. Raises Tampered for rows that do not open."""
        found = find(self._state, self._project, self._here(self._state, order.subjects))
        paths = self._open_paths(found.documents)
        stones = [stone_of(raw) for content in found.contents for raw in self._raw(content)]
        for content, document, _ in found.shared:
            stones += self._at(content, document, paths)
        macs = (*order.stones, *(self._keys.project_mac(self._project, TOMBSTONE, one) for one in stones))
        return Prepared(found, tuple(dict.fromkeys(macs)), paths, self._declarations(found.persons))

    def take_away(self, tx: Transaction, order: Order, prepared: Prepared) -> Found:
        """Keys, rows, tombstones and the entry; what went, as it was found now. Raises Outdated."""
        found = find(tx, self._project, self._here(tx, order.subjects))
        if (found.contents, found.shared) != (prepared.found.contents, prepared.found.shared):
            raise Outdated
        for subject in (*order.subjects, *found.keys):
            self._keys.destroy(tx, subject)
        now = self._state.now_ms()
        tx.many(
            "tombstone_add",
            [{"project": self._project, "mac": one, "erasure": order.id, "at_ms": now} for one in prepared.stones],
        )
        self._documents(tx, found, prepared.paths)
        for digest in prepared.declarations:
            tx.run("artifact_erase", digest=digest)
        for answer in found.answers:
            tx.run("answer_erase", id=answer)
            tx.run("feedback_erase", answer=answer)
        for person in found.persons:
            self._person(tx, person, now)
        for run in found.runs:
            self._run(tx, run)
        self._entries(tx, order, found)
        body = json.loads(tx.rows("erasure_get", id=order.id)[0]["plan"])
        tx.run("erasure_plan", id=order.id, plan=json.dumps({**body, "found": found.to_json(), "carried": True}))
        return found

    def check(self, found: Found) -> None:
        """Look that it is gone. Raises StateError for what is still there."""
        state = self._state
        left = [one for one in found.keys for row in state.rows("subject_key_get", subject=one) if row["wrapped"]]
        left += [one for one in found.contents if state.rows("content_get", id=one)]
        for blob in found.blobs:
            with contextlib.suppress(KeyError):
                self._blobs.get(blob)
                left.append(blob)
        if left:
            hint = "`colonnade logs` says more; ask for the erasure again and it goes on"
            raise StateError(
                f"{len(left)} things are still there, {left[0]} first", hint=hint, code="erasure_unfinished"
            )

    def delete(self, found: Found) -> int:
        """The sealed files; durable when this returns."""
        for blob in found.blobs:
            self._blobs.delete(blob)
        return len(found.blobs)

    def _documents(self, tx: Transaction, found: Found, paths: Mapping[str, bytes]) -> None:
        for document in found.documents:
            for file in tx.rows("file_of_document", document=document):
                self._hold(tx, file, paths.get(document))
            tx.run("versions_erase", document=document)
            tx.run("document_erase", document=document)
        for content in found.contents:
            tx.run("vectors_erase", content=content)
            tx.run("content_erase", content=content)
        for knowledge in found.knowledge:
            tx.run("knowledge_changed", id=knowledge)

    def _hold(self, tx: Transaction, file: Row, path: bytes | None) -> None:
        """The file lies there still: its owner is told where, under the base's key, until it is deleted."""
        knowledge, mac = file["knowledge"], file["path_mac"]
        if path is None:
            tx.run("file_drop", knowledge=knowledge, path_mac=mac)
            return
        sealed = self._keys.seal((knowledge,), path, "file/path")
        tx.run("files_hold", knowledge=knowledge, path_mac=mac, reason=REASON, path_sealed=sealed)

    def _open_paths(self, documents: Sequence[str]) -> dict[str, bytes]:
        paths: dict[str, bytes] = {}
        for document in documents:
            for file in self._state.rows("file_of_document", document=document):
                with contextlib.suppress(KeyError):
                    paths[document] = self._keys.open((document,), file["path_sealed"], "file/path")
        return paths

    def _person(self, tx: Transaction, person: str, now: int) -> None:
        tx.run("members_erase", principal=person)
        tx.run("api_keys_erase", principal=person, now_ms=now)
        tx.run("feedback_erase_by", principal=person)
        tx.run("trace_places_erase", holder=person)
        tx.run("traces_erase", holder=person)
        tx.run("principal_erase", id=person, name_mac=b"erased:" + os.urandom(25))

    def _declarations(self, persons: Sequence[str]) -> tuple[str, ...]:
        names = set(self._names(persons))
        found = []
        for row in self._state.rows("artifacts_of_kind", project=self._project, kind=DECLARATION) if names else ():
            body = json.loads(self._keys.open((self._project,), row["body"], "declaration"))
            groups: Mapping[str, Sequence[str]] = body.get("access", {}).get("groups", {})
            if any(names & set(people) for people in groups.values()):
                found.append(str(row["digest"]))
        return tuple(found)

    def _names(self, persons: Sequence[str]) -> list[str]:
        rows = self._state.rows("principals_of_project", project=self._project)
        held = {row["id"]: row["name_sealed"] for row in rows}
        return [self._keys.open((one,), held[one], f"{one}/name").decode() for one in persons if held[one]]

    def _run(self, tx: Transaction, run: str) -> None:
        tx.run("run_work_erase", run=run)
        for statement in (*_TRACKED, "tracked_erase"):
            tx.run(statement, id=run)

    def _entries(self, tx: Transaction, order: Order, found: Found) -> None:
        erased = (*found.answers, *found.contents, *found.runs)
        while len(erased) > LISTED_AT_ONCE:
            part, erased = erased[:LISTED_AT_ONCE], erased[LISTED_AT_ONCE:]
            tx.append(erasure_listed(self._journal.stamp(self._actor), erasure=order.id, erased=part))
        tx.append(
            erasure_done(
                self._journal.stamp(self._actor), erasure=order.id, run=order.run, decision=order.decision,
                about=order.subjects, erased=erased, answers=len(found.answers), contents=len(found.contents),
                keys=len(set(order.subjects) | set(found.keys)), way="approved" if order.decision else "replayed",
            )
        )  # fmt: skip

    def _here(self, tx: State | Transaction, subjects: Sequence[str]) -> list[str]:
        """Those that the state knows: a backup may be older than a document."""
        return [
            one
            for one in subjects
            if tx.rows("document_get", id=one)
            or any(
                row["declared"] or tx.rows("subject_key_get", subject=one)[0]["wrapped"]
                for row in tx.rows("principal_get", id=one, project=self._project)
            )
        ]

    def _raw(self, content: str) -> list[bytes]:
        """A content's bytes, if they can be read."""
        try:
            rows = self._state.rows("content_get", id=content)
            return [self._keys.open((content,), self._blobs.get(row["raw"]), f"{content}/raw") for row in rows]
        except (KeyError, Tampered):
            return []

    def _at(self, content: str, document: str, paths: Mapping[str, bytes]) -> list[bytes]:
        path = paths.get(document)
        rows = self._state.rows("document_get", id=document)
        if path is None or not rows:
            return []
        where = path.decode("utf-8", "surrogateescape")
        return [stone_at(str(rows[0]["knowledge"]), where, raw) for raw in self._raw(content)]
