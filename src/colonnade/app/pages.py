# SPDX-License-Identifier: Apache-2.0
"""What the console's pages show, each restricted to what the asker may read. Reads only."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

from colonnade.app.house import House
from colonnade.app.lineage import NAMED, find_named
from colonnade.app.status import ready_mark
from colonnade.app.tracked import tracked_name
from colonnade.core.answers import Answer, Asker
from colonnade.core.errors import UnknownName
from colonnade.core.lineage import Node, ref_of
from colonnade.gateway.backend import AnswerView, FileView, KnowledgeView, LedgerView, RunView, Source, Version, Walk
from colonnade.govern.lineage.walk import impact, resolve, why
from colonnade.knowledge.base import KnowledgeBase
from colonnade.ports.outside.keys import Erased
from colonnade.ports.outside.state import Row

HIDDEN = "(not readable by you)"
OTHERS = frozenset({"answer", "decision", "feedback", "key", "person"})
"""Kinds that tell what somebody did."""


class Pages:
    """Views of a house."""

    def __init__(self, house: House) -> None:
        self._house = house

    # documents
    def source(self, asker: Asker, document: str, content: str | None) -> Source | None:
        """A document's text; None for what does not exist or may not be read, alike."""
        version = self._version(asker, document, content)
        if version is None:
            return None
        base = self._base_of(document)
        if base is None:
            return None
        try:
            opened = base.shelf.get(version["content"])
            path = base.path(version)
        except KeyError:
            return None
        return Source(
            document=document,
            content=opened.id,
            path=path,
            title=opened.title or path.rpartition("/")[2],
            knowledge=base.name,
            text=opened.text,
            encoding=opened.encoding,
            readers=self._group_names(version["readers"]),
            valid_from_ms=version["valid_from_ms"],
            valid_to_ms=version["valid_to_ms"],
            chunks=tuple((c.start, c.end) for c in opened.chunks),
            pages=tuple((c.page, c.start) for c in opened.chunks if c.page is not None),
        )

    def versions(self, asker: Asker, document: str) -> Sequence[Version]:
        """A document's contents, newest first."""
        base = self._base_of(document)
        if base is None or self._version(asker, document, None) is None:
            return []
        found = []
        for row in reversed(self._house.state.rows("versions_of_document", document=document)):
            try:
                found.append(Version(row["content"], base.path(row), row["valid_from_ms"], row["valid_to_ms"]))
            except KeyError:
                continue
        return found

    def raw(self, asker: Asker, document: str, content: str | None) -> bytes | None:
        """A document's original bytes."""
        version = self._version(asker, document, content)
        base = self._base_of(document)
        if version is None or base is None:
            return None
        try:
            return base.shelf.raw(version["content"])
        except KeyError:
            return None

    # knowledge
    def knowledge(self, asker: Asker) -> list[KnowledgeView]:
        """Every declared knowledge base of which the asker may read something, or all for an owner."""
        declared = self._house.declaration.knowledge if self._house.declaration else {}
        views = [self._knowledge(asker, name, files=False) for name in declared]
        return [view for view in views if view.documents or asker.owner]

    def knowledge_page(self, asker: Asker, name: str) -> KnowledgeView | None:
        """One knowledge base with the files that the asker may read."""
        declared = self._house.declaration.knowledge if self._house.declaration else {}
        if name not in declared or name not in self._house.loops:
            return None
        view = self._knowledge(asker, name, files=True)
        return view if view.documents or view.unreadable or asker.owner else None

    def _knowledge(self, asker: Asker, name: str, *, files: bool) -> KnowledgeView:
        house, base = self._house, self._house.loops[name].base
        row = base.row()
        allowed = {
            v["document"]: v
            for v in house.state.rows("versions_live", knowledge=base.id)
            if self._may(asker, v["readers"])
        }
        sizes = {c["id"]: c["chunks"] for c in house.state.rows("contents_sizes", knowledge=base.id)}
        chunks = sum(sizes.get(c, 0) for c in {v["content"] for v in allowed.values()})
        counts = house.state.rows("vectors_count", knowledge=base.id, embedder=row["embedder"] or "")[0]
        share = counts["embedded"] / counts["chunks"] if counts["chunks"] else 1.0
        listed: list[FileView] = []
        unreadable: list[FileView] = []
        by_source = {source.key: source.readers for source in house.loops[name].sources}
        if files:
            for path, known in sorted(dict(house.loops[name].known()).items()):
                version = allowed.get(known.document or "")
                readers = version["readers"] if version else by_source.get(known.source, "")
                if not (asker.owner or self._may(asker, readers)):
                    continue
                shown = self._group_names(readers) if readers else ()
                view = FileView(
                    path=path if version or self._may(asker, readers) or asker.owner else HIDDEN,
                    document=known.document or "",
                    state="unreadable" if known.code else "read",
                    code=known.code,
                    reason=known.reason,
                    chunks=sizes.get(version["content"], 0) if version else 0,
                    readers=shown,
                    size=known.size,
                )
                (unreadable if known.code else listed).append(view)
        ready = ready_mark(house.state, base.id) is not None
        state = "ready" if ready else "embedding" if share < 1.0 and counts["chunks"] else "ingesting"
        return KnowledgeView(
            name=name,
            state=state,
            documents=len(allowed),
            chunks=chunks,
            embedded=round(chunks * share),
            embedder=row["embedder"] or "",
            files=tuple(listed),
            unreadable=tuple(unreadable),
        )

    # runs
    def runs(self, asker: Asker, before: str, limit: int) -> list[RunView]:
        """Newest first; owners only."""
        rows = self._house.state.rows("runs_before", before=before, limit=limit) if asker.owner else []
        return [self._run(row) for row in rows]

    def run(self, asker: Asker, run: str) -> RunView | None:
        """One run; owners only."""
        rows = self._house.state.rows("run_get", id=run.removeprefix("run/")) if asker.owner else []
        return self._run(rows[0]) if rows else None

    def _run(self, row: Row) -> RunView:
        names = {
            r["id"]: r["name"] for r in self._house.state.rows("knowledge_of_project", project=self._house.project)
        }
        known = names.get(row["subject"])
        subject = f"knowledge/{known}" if known else ref_of(row["subject"])
        if row["kind"] == "tracked":
            subject = tracked_name(self._house.state, self._house.keys, self._house.project, row["id"])
        return RunView(
            id=row["id"],
            kind=row["kind"],
            subject=subject,
            state=row["state"],
            why=row["why"],
            created_ms=row["created_ms"],
            finished_ms=row["finished_ms"],
            done=row["done"],
            total=row["total"],
            counts=json.loads(row["counts"]),
            error=row["error"],
        )

    # answers
    def answers(self, asker: Asker, before: str, limit: int) -> list[AnswerView]:
        """The asker's own, newest first; for an owner everybody's."""
        rows = self._house.state.rows(
            "answers_before", before=before, asker="" if asker.owner else asker.principal, limit=limit
        )
        return [self._answer(asker, row) for row in rows]

    def answer(self, asker: Asker, answer: str) -> AnswerView | None:
        """One answer: the asker's own, or any for an owner."""
        rows = self._house.state.rows("answer_get", id=answer.removeprefix("answer/"))
        if not rows or not (asker.owner or rows[0]["asker"] == asker.principal):
            return None
        return self._answer(asker, rows[0])

    def _answer(self, asker: Asker, row: Row) -> AnswerView:
        services = {
            r["id"]: r["name"] for r in self._house.state.rows("services_of_project", project=self._house.project)
        }
        said = self._house.state.rows("feedback_of_answer", answer=row["id"])
        question, answer, as_of = HIDDEN, Answer(f"answer/{row['id']}", row["status"], HIDDEN, ms=row["ms"]), None
        if self._may_see(asker, row):
            try:
                opened = self._house.recording.open(row)
                question, answer, as_of = opened.question, opened.answer, opened.as_of_ms
            except Erased:
                question, answer = "(erased)", Answer(f"answer/{row['id']}", row["status"], "(erased)", ms=row["ms"])
        return AnswerView(
            answer=answer,
            question=question,
            at_ms=row["at_ms"],
            service=str(services.get(row["service"], row["service"])),
            asker_name=self._house.people.names().get(row["asker"], "(erased)"),
            epoch=f"epoch/{row['epoch']}",
            feedback=said[0]["verdict"] if said else "",
            as_of_ms=as_of,
        )

    def _may_see(self, asker: Asker, row: Row) -> bool:
        """Rights of now: every document that was given must still be readable by who looks."""
        for document in json.loads(row["given"]):
            rows = self._house.state.rows("document_get", id=document)
            if not rows or not self._may(asker, rows[0]["readers"]):
                return False
        return True

    # lineage
    def walk(self, asker: Asker, ref: str, verb: str) -> Walk | None:
        """`why` or `impact` with labels; nodes that the asker may not see keep their id only. None for what is not
        recorded.
        """
        try:
            ident, role, _ = resolve(self._house.state, ref, self.find_name)
            if not asker.owner and not self._is_theirs(asker, ref_of(ident, role)):
                return None  # Before the walk: how long it takes must not tell how much there is.
            found = (why if verb == "why" else impact)(self._house.state, ref, self.find_name)
        except UnknownName:
            return None
        shown = found.nodes if asker.owner or verb == "why" else self._their_consequences(asker, found.nodes)
        return Walk(found.ref, tuple({**node.to_json(), "label": self._label(asker, node.ref)} for node in shown))

    def _their_consequences(self, asker: Asker, nodes: Sequence[Node]) -> list[Node]:
        """What came of something, without what came of it for others: when and how often they asked is theirs."""
        seen = {node.ref for node in nodes if node.kind not in OTHERS or self._is_theirs(asker, node.ref)}
        kept = [node for node in nodes if node.ref in seen]
        return [node._replace(edges=tuple(edge for edge in node.edges if edge.to in seen)) for node in kept]

    def find_name(self, kind: str, name: str) -> str | None:
        """The id behind `kind/name`."""
        return find_named(self._house.state, self._house.people, self._house.project, kind, name)

    def _is_theirs(self, asker: Asker, ref: str) -> bool:
        kind, _, ident = ref.partition("/")
        if kind == "answer":
            return self.answer(asker, ident) is not None
        if kind == "document":
            return self._version(asker, ident, None) is not None
        return ident == asker.principal

    def _label(self, asker: Asker, ref: str) -> str:
        kind, _, ident = ref.partition("/")
        if kind == "document":
            source = self._version(asker, ident, None)
            base = self._base_of(ident)
            try:
                return base.path(source) if source is not None and base is not None else ""
            except KeyError:
                return "(erased)"
        if kind == "run":
            house = self._house
            return tracked_name(house.state, house.keys, house.project, ident) if asker.owner else ""
        if kind == "person":
            return self._house.people.names().get(ident, "") if asker.owner or ident == asker.principal else ""
        statement = NAMED.get(kind)
        rows = self._house.state.rows(statement, project=self._house.project) if statement else []
        return next((str(row["name"]) for row in rows if row["id"] == ident), "")

    # the log
    def ledger(self, asker: Asker, before: int | None, limit: int) -> LedgerView | None:
        """The log, newest entries first; owners only."""
        if not asker.owner:
            return None
        state = self._house.state
        counts, last = state.rows("entries_count")[0], state.rows("checkpoint_last")
        rows = state.rows("entries_before", before=counts["sequenced"] if before is None else before, limit=limit)
        entries = tuple({"index": row["idx"], **_summary(row["bytes"])} for row in rows)
        root = base64.b64encode(last[0]["root"]).decode() if last else ""
        return LedgerView(self._house.origin(), counts["sequenced"], root, last[0]["note"] if last else "", entries)

    # rights
    def _version(self, asker: Asker, document: str, content: str | None) -> Row | None:
        rows = [
            v
            for v in self._house.state.rows("versions_of_document", document=document)
            if self._may(asker, v["readers"])
        ]
        if content is not None:
            rows = [v for v in rows if v["content"] == content]
        return rows[-1] if rows else None

    def _base_of(self, document: str) -> KnowledgeBase | None:
        rows = self._house.state.rows("document_get", id=document)
        return next(
            (loop.base for loop in self._house.loops.values() if rows and loop.base.id == rows[0]["knowledge"]), None
        )

    @staticmethod
    def _may(asker: Asker, readers: str) -> bool:
        return readers in asker.readers

    def _group_names(self, readers: str) -> tuple[str, ...]:
        for row in self._house.state.rows("reader_sets_of_project", project=self._house.project):
            if row["id"] == readers:
                return tuple(json.loads(row["names"]))
        return ()


def _summary(leaf: bytes) -> Mapping[str, Any]:
    entry = json.loads(leaf)
    return {key: entry[key] for key in ("kind", "id", "at_ms", "subject", "actor")} | {
        "refs": entry.get("refs", []),
        "is": entry.get("is", {}),
    }
