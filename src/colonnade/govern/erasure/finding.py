# SPDX-License-Identifier: Apache-2.0
"""What an erasure takes away: keys that die, contents that no other document holds, and everything that carries them.

Reads only. Found twice: when somebody asks, for whoever decides; and in the transaction that carries it out, because
answers are given meanwhile. The same rows give the same finding.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from colonnade.core.errors import UsageError
from colonnade.ports.outside.state import State, Transaction

DOCUMENT, PERSON = "document", "person"
_END = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Found:
    """What an erasure takes away, by ids. Nothing in it is a name, a path or a text.

    Attributes:
        documents, persons: what is to be erased.
        contents: texts of files that no other document holds: they go, with their vectors and chunks.
        shared: (content, documents that go, documents that hold it too): these stay, and so does the text.
        answers: whose text needs one of the keys that go; all of them.
        runs: ended runs of the persons: what they executed and printed. `busy`: those that have not ended.
        feedback: how many words about answers, or by the persons, go.
        blobs: digests of the sealed files that go.
        knowledge: bases whose index is to be rewritten.
        folders: leases of the runs: names of their folders.
        chunks: how many passages leave an index.
    """

    documents: tuple[str, ...] = ()
    persons: tuple[str, ...] = ()
    contents: tuple[str, ...] = ()
    shared: tuple[tuple[str, str, tuple[str, ...]], ...] = ()
    answers: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    busy: tuple[str, ...] = ()
    feedback: int = 0
    blobs: tuple[str, ...] = ()
    knowledge: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    chunks: int = 0

    @property
    def subjects(self) -> tuple[str, ...]:
        """What is to be erased."""
        return self.documents + self.persons

    @property
    def keys(self) -> tuple[str, ...]:
        """Subjects whose keys are destroyed."""
        return self.subjects + self.contents + self.answers + self.runs

    def to_json(self) -> dict[str, Any]:
        """For the row of the erasure."""
        return {name: getattr(self, name) for name in self.__slots__}

    @staticmethod
    def of_json(body: dict[str, Any]) -> Found:
        """From what `to_json` gave."""
        kept = {name: _tuples(body[name]) for name in Found.__slots__ if name in body}
        return Found(**kept)


def find(state: State | Transaction, project: str, subjects: Iterable[str]) -> Found:
    """What erasing these documents and persons takes away. Raises UsageError for what is neither."""
    distinct = list(dict.fromkeys(subjects))
    documents = tuple(one for one in distinct if one.startswith("doc_"))
    persons = tuple(one for one in distinct if one.startswith("prn_"))
    if len(documents) + len(persons) != len(distinct):
        raise UsageError(
            "only documents and persons are erased", hint="colonnade erase document/PATH, colonnade erase person/NAME"
        )
    for person in persons:
        rows = state.rows("principal_get", id=person, project=project)
        if not rows or rows[0]["kind"] != "person":
            raise UsageError("that is no person", hint="the house itself and its owner are not erased")
    held = _held(state, documents)
    gone = tuple(content for content, holders in held.items() if holders <= set(documents))
    shared = tuple(
        (content, document, tuple(sorted(holders - set(documents))))
        for content, holders in held.items()
        if not holders <= set(documents)
        for document in documents
        if document in holders
    )
    rows = [row for content in gone for row in state.rows("content_get", id=content)]
    answers = _answers(state, documents, persons)
    runs, busy, folders = _runs(state, persons)
    return Found(
        documents, persons, gone, shared, answers, runs, busy, _feedback(state, answers, persons),
        tuple(blob for row in rows for blob in (row["raw"], row["text"]) if blob),
        tuple(sorted({row["knowledge"] for one in documents for row in state.rows("document_get", id=one)})),
        folders, sum(row["chunks"] for row in rows),
    )  # fmt: skip


def _held(state: State | Transaction, documents: Sequence[str]) -> dict[str, set[str]]:
    """Content -> every document that holds or held it."""
    contents = dict.fromkeys(
        str(row["content"]) for one in documents for row in state.rows("versions_of_document", document=one)
    )
    return {one: {str(row["document"]) for row in state.rows("content_holders", content=one)} for one in contents}


def _answers(state: State | Transaction, documents: Sequence[str], persons: Sequence[str]) -> tuple[str, ...]:
    """Every answer that was given one of the documents, or asked for by one of the persons."""
    given = {
        str(row["subject"])
        for document in documents
        for row in state.rows("edges_to_ref", ref=document, seq=0)
        if row["role"] == "given" and row["subject"].startswith("ans_")
    }
    asked = {str(row["id"]) for person in persons for row in state.rows("answers_of_asker", asker=person)}
    return tuple(sorted(given | asked))


def _runs(
    state: State | Transaction, persons: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """(ended runs, runs that have not ended, folders of the ended) of the persons."""
    runs: dict[str, None] = {}
    busy: dict[str, None] = {}
    folders: dict[str, str] = {}
    for person in persons:
        for lease in state.rows("leases_of_principal", principal=person):
            (runs if lease["state"] == "ended" else busy)[lease["run"]] = None
            folders[lease["id"]] = lease["run"]
        for edge in state.rows("edges_to_ref", ref=person, seq=0):
            if edge["role"] == "for" and edge["subject"].startswith("run_"):
                ended = any(row["finished_ms"] for row in state.rows("run_get", id=edge["subject"]))
                (runs if ended else busy)[edge["subject"]] = None
    ended_runs = tuple(sorted(set(runs) - set(busy)))
    return ended_runs, tuple(sorted(busy)), tuple(sorted(one for one, run in folders.items() if run not in busy))


def _feedback(state: State | Transaction, answers: Sequence[str], persons: Sequence[str]) -> int:
    about = {row["id"] for answer in answers for row in state.rows("feedback_of_answer", answer=answer)}
    by = {row["id"] for person in persons for row in state.rows("feedback_by", principal=person)}
    return len(about | by)


def _tuples(value: Any) -> Any:
    return tuple(_tuples(one) for one in value) if isinstance(value, list) else value
