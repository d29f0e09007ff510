# SPDX-License-Identifier: Apache-2.0
"""What leaves the machine to be held against it later: checkpoints that are published, evidence for an auditor."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from colonnade.app import wiring
from colonnade.app.lineage import Labels
from colonnade.app.settings.environment import Places
from colonnade.app.stored import reading
from colonnade.core.canonical import canonical_json
from colonnade.core.errors import Refused, StateError
from colonnade.core.leaf import Leaf
from colonnade.core.note import Checkpoint, NoteKey
from colonnade.govern.access.people import EVERYBODY
from colonnade.govern.ledger.export import Exported, export, opened_values
from colonnade.govern.ledger.since import check_since, read_checkpoint
from colonnade.govern.lineage.walk import resolve
from colonnade.ports.outside.keys import Keys
from colonnade.ports.outside.state import State


@dataclass(frozen=True, slots=True)
class Signed:
    """The last signed checkpoint, and the key that signed it."""

    note: str
    checkpoint: Checkpoint
    key: NoteKey

    def to_json(self) -> dict[str, Any]:
        """`colonnade.checkpoint/1`."""
        return {
            "schema": "colonnade.checkpoint/1", "origin": self.key.name, "size": self.checkpoint.size,
            "root": self.checkpoint.root.hex(), "note": self.note, "key": self.key.text(),
        }  # fmt: skip


def signed_checkpoint(places: Places) -> Signed:
    """As it is now. Raises StateError when nothing was ever signed."""
    with reading(places) as (state, _keys):
        return signed_of(places, state)


def publish(places: Places, target: str) -> tuple[Signed, str]:
    """Put the last checkpoint where it is kept outside; (it, where it stands).

    What was put there before is held against the log first: a log that was truncated or rewritten since is not covered
    up by a newer checkpoint. Raises Refused then.
    """
    place = wiring.open_publishing(target)
    with reading(places) as (state, _keys):
        signed = signed_of(places, state)
        before = place.last()
        if before:
            old = read_checkpoint(before, signed.key, wiring.signature_check())
            finding = check_since(state, old)
            if finding is not None:
                raise Refused(
                    f"the checkpoint at {target} does not fit: {finding.message}",
                    hint="`colonnade verify --since` says more; keep that checkpoint, it is evidence",
                    code="log_rewritten",
                )
    return signed, place.put(signed.note)


def export_evidence(
    places: Places, folder: Path, refs: Sequence[str], progress: Callable[[int, int], None]
) -> Exported:  # fmt: skip
    """Write the evidence; `refs`: whose values are opened. Raises UsageError, UnknownName, StateError."""
    with reading(places) as (state, keys):
        projects = state.rows("projects_all")
        if not projects:
            raise StateError("nothing is recorded yet", hint="`colonnade up` begins the log", code="nothing_signed")
        labels = Labels(state, keys)
        subjects = dict.fromkeys(resolve(state, ref, labels.find)[0] for ref in refs)
        values = _Values(places, state, keys, projects[0])
        opened, closed = opened_values(state, keys, subjects, values.of)
        return export(state, folder, projects[0]["id"], opened, closed, progress)


def signed_of(places: Places, state: State) -> Signed:
    """The last signed checkpoint of an open store, its signature checked. Raises StateError, Tampered."""
    rows = state.rows("checkpoint_last")
    if not rows:
        raise StateError("nothing is signed yet", hint="`colonnade up` signs within a second", code="nothing_signed")
    key = wiring.log_key(places, state)
    note = str(rows[0]["note"])
    return Signed(note, read_checkpoint(note, key, wiring.signature_check()), key)


class _Values:
    """What entries may have been made of, from what is stored. The MAC decides which it was."""

    def __init__(self, places: Places, state: State, keys: Keys, project: Any) -> None:
        self._state, self._keys, self._project = state, keys, project
        self._blobs = wiring.open_blobs(places)

    def of(self, leaf: Leaf, field: str) -> Iterable[bytes]:
        """Candidates for one field of an entry. Raises KeyError for what was erased."""
        who = leaf.mac[field][0]
        if leaf.subject.startswith("doc_"):
            yield from self._document(leaf.subject, field)
        elif leaf.subject.startswith("ans_"):
            yield from self._answer(leaf.subject, field)
        elif who.startswith("prn_"):
            yield from self._person(who)
        elif field == "command":
            for row in self._state.rows("run_work_get", run=who):
                argv, _folder = json.loads(self._keys.open((who,), row["command"], f"{who}/command"))
                yield canonical_json(list(argv))
        elif leaf.subject.startswith("rds_"):
            for row in self._state.rows("reader_sets_of_project", project=leaf.project):
                yield canonical_json(sorted(json.loads(row["names"])))
        elif leaf.subject == leaf.project:
            yield str(self._project["name"]).encode()
        else:
            yield from self._named(leaf)

    def _document(self, document: str, field: str) -> Iterable[bytes]:
        for row in self._state.rows("versions_of_document", document=document):
            if field == "path":
                yield self._keys.open((document,), row["path_sealed"], f"{document}/path")
            else:
                content = row["content"]
                kept = self._state.rows("content_get", id=content)[0]
                yield self._keys.open((content,), self._blobs.get(kept["raw"]), f"{content}/raw")

    def _answer(self, answer: str, field: str) -> Iterable[bytes]:
        for row in self._state.rows("answer_get", id=answer):
            if row["sealed"] is not None:
                subjects = (row["asker"], *json.loads(row["given"]))
                body = json.loads(self._keys.open(subjects, row["sealed"], f"{answer}/text"))
                yield str(body["question"] if field == "question" else body["answer"]["answer"]).encode()

    def _person(self, person: str) -> Iterable[bytes]:
        project = self._project["id"]
        for row in self._state.rows("principals_of_project", project=project):
            if row["id"] == person:
                yield self._keys.open((person,), row["name_sealed"], f"{person}/name")
        members = self._state.rows("members_of_project", project=project)
        for who in ({person}, {person, EVERYBODY}):
            yield canonical_json(sorted({row["name"] for row in members if row["principal"] in who}))
        for row in self._state.rows("api_keys_of_project", project=project):
            yield str(row["name"]).encode()

    def _named(self, leaf: Leaf) -> Iterable[bytes]:
        """Queues and devices: their names."""
        for statement in ("queues_of_project", "devices_of_project"):
            for row in self._state.rows(statement, project=leaf.project):
                if row["id"] == leaf.subject:
                    yield str(row["name"]).encode()
