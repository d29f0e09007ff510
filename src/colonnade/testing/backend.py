# SPDX-License-Identifier: Apache-2.0
"""An in-memory house behind the gateway: pages and administration over `backend_house`. For tests and the console.

Deterministic: ids count up, the clock stands still until it is turned. No file, no network, no engine.
"""

from __future__ import annotations

import hashlib
import queue
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from colonnade.core.answers import Asker
from colonnade.core.errors import Unavailable, UnknownName
from colonnade.gateway.backend import (
    AnswerView,
    Backend,
    FileView,
    KeyHolder,
    KnowledgeView,
    LedgerView,
    RunView,
    Walk,
)
from colonnade.testing import backend_documents as data
from colonnade.testing.backend_documents import fixed_id
from colonnade.testing.backend_house import ANNA, DIMENSIONS, HEIDI, OWNER, FakeHouse, spans

__all__ = ["ANNA", "DIMENSIONS", "HEIDI", "OWNER", "FakeBackend"]


class FakeBackend(FakeHouse):
    """A `Backend` in memory; see `FakeHouse` for its arguments."""

    # pages
    def knowledge(self, asker: Asker) -> list[KnowledgeView]:
        docs = self._readable(asker, None)
        chunks = sum(len(spans(d.text)) for d in docs)
        return [KnowledgeView("handbook", "ready", len(docs), chunks, chunks, "all-MiniLM-L6-v2")]

    def knowledge_page(self, asker: Asker, name: str) -> KnowledgeView | None:
        if name != "handbook":
            return None
        files = tuple(
            FileView(
                d.path, d.document, "read", "", "", len(spans(d.text)), (data.READER_NAMES[d.readers],), len(d.text)
            )
            for d in self._readable(asker, None)
        )
        unreadable = tuple(
            FileView(path, "", "unreadable", code, reason, 0, (data.READER_NAMES[readers],), size)
            for path, code, reason, readers, size in self.unreadable
            if readers in asker.readers
        )
        return replace(self.knowledge(asker)[0], files=files, unreadable=unreadable)

    def runs(self, asker: Asker, *, before: str = "", limit: int = 50) -> list[RunView]:
        if not asker.owner:
            return []
        counts = {"added": 5, "unreadable": 2}
        done = RunView(
            fixed_id("run", 1),
            "ingest",
            "knowledge/handbook",
            "done",
            "first",
            self._now - 9000,
            self._now - 4000,
            7,
            7,
            counts,
        )
        going = RunView(
            fixed_id("run", 2),
            "embed",
            "knowledge/handbook",
            "running",
            "model changed",
            self._now - 1000,
            None,
            3,
            9,
            {},
        )
        return [r for r in (going, done) if not before or r.id < before][:limit]

    def run(self, asker: Asker, run: str) -> RunView | None:
        return next((r for r in self.runs(asker) if r.id == run.removeprefix("run/")), None)

    def _may_see(self, asker: Asker, ref: str) -> bool:
        return asker.owner or self._askers[ref].principal == asker.principal

    def _shown(self, asker: Asker, view: AnswerView) -> AnswerView:
        """The text only for who may still read what was given."""
        if all(self._document(asker, d, None) for d in view.answer.given):
            return view
        return replace(view, answer=replace(view.answer, answer="", citations=(), given=()), question="")

    def answers(self, asker: Asker, *, before: str = "", limit: int = 50) -> list[AnswerView]:
        views = [
            v
            for ref, v in self._answers.items()
            if self._may_see(asker, ref) and (not before or ref < f"answer/{before}")
        ]
        return [self._shown(asker, v) for v in reversed(views)][:limit]

    def answer(self, asker: Asker, answer: str) -> AnswerView | None:
        ref = f"answer/{answer.removeprefix('answer/')}"
        view = self._answers.get(ref)
        return self._shown(asker, view) if view is not None and self._may_see(asker, ref) else None

    def feedback(self, asker: Asker, answer: str, verdict: str, note: str) -> bool:
        ref = f"answer/{answer.removeprefix('answer/')}"
        if ref not in self._answers or not self._may_see(asker, ref):
            return False
        self._answers[ref] = replace(self._answers[ref], feedback=verdict)
        self.notes[ref] = note
        return True

    def why(self, asker: Asker, ref: str) -> Walk | None:
        view = self.answer(asker, ref)
        if view is None:
            return None
        top = {
            "ref": view.answer.ref,
            "kind": "answer",
            "label": view.question,
            "edges": [{"to": f"epoch/{view.epoch}", "role": "in"}]
            + [{"to": f"document/{d}", "role": "given"} for d in view.answer.given],
        }
        docs = [{"ref": f"document/{d}", "kind": "document", "label": d, "edges": []} for d in view.answer.given]
        return Walk(
            view.answer.ref, (top, {"ref": f"epoch/{view.epoch}", "kind": "epoch", "label": "", "edges": []}, *docs)
        )

    def impact(self, asker: Asker, ref: str) -> Walk | None:
        document = ref.removeprefix("document/")
        if self._document(asker, document, None) is None:
            return None
        touched = [v.answer.ref for v in self.answers(asker) if document in v.answer.given]
        top = {
            "ref": f"document/{document}",
            "kind": "document",
            "label": document,
            "edges": [{"to": r, "role": "given"} for r in touched],
        }
        return Walk(
            f"document/{document}", (top, *({"ref": r, "kind": "answer", "label": "", "edges": []} for r in touched))
        )

    def ledger(self, asker: Asker, *, before: int | None = None, limit: int = 50) -> LedgerView | None:
        if not asker.owner:
            return None
        entries = tuple(
            {"index": n, "kind": "answer.given", "ref": r, "at_ms": self._now} for n, r in enumerate(self._answers)
        )
        chosen = tuple(e for e in reversed(entries) if before is None or int(str(e["index"])) < before)[:limit]
        return LedgerView("acme", len(entries), "0" * 64, f"acme\n{len(entries)}\n", chosen)

    def find(self, asker: Asker, text: str) -> str | None:
        text = text.strip()
        if self.answer(asker, text) is not None:
            return f"/answers/{text.removeprefix('answer/')}"
        if self._document(asker, text.removeprefix("document/"), None) is not None:
            return f"/documents/{text.removeprefix('document/')}"
        run = self.run(asker, text)
        return f"/runs/{run.id}" if run is not None else None

    # administration
    def status(self) -> Mapping[str, Any]:
        view = self.knowledge_page(HEIDI, "handbook")
        assert view is not None
        return {
            "schema": "colonnade.status/1",
            "project": "acme",
            "state": "running",
            "knowledge": {
                "handbook": {
                    "state": "ready",
                    "documents": view.documents,
                    "chunks": view.chunks,
                    "embedded_total": view.embedded,
                    "unreadable": [{"path": f.path, "code": f.code} for f in view.unreadable],
                    "content_digest": "0" * 64,
                }
            },
            "services": sorted(self._snapshot.routes),
            "alarms": [],
        }

    def apply(self, declaration: str, folder: str) -> Mapping[str, Any]:
        if "version: 1" not in declaration:
            raise Unavailable("This fake applies only declarations of version 1.", code="declaration_invalid")
        self._publish({"event": "applied", "folder": folder})
        return {"changes": []}

    def create_key(self, asker: Asker, name: str, person: str, expires_ms: int | None) -> Mapping[str, Any]:
        holder = self._snapshot.people.get(person)
        if holder is None:
            raise UnknownName(f"No person named {person!r}.", code="unknown_person")
        self._count += 1
        key, secret = fixed_id("key", 100 + self._count), f"col_made_{self._count}"
        row = {
            "id": key,
            "name": name,
            "person": person,
            "expires_ms": expires_ms,
            "created_ms": self._now,
            "by": asker.name,
        }
        self._key_rows[key] = {**row, "hash": hashlib.sha256(secret.encode()).digest()}
        self.change(
            keys={**self._snapshot.keys, self._key_rows[key]["hash"]: KeyHolder(replace(holder, key=key), expires_ms)}
        )
        return {**row, "key": secret}

    def keys(self) -> list[Mapping[str, Any]]:
        return [{k: v for k, v in row.items() if k != "hash"} for row in self._key_rows.values()]

    def revoke_key(self, asker: Asker, key: str) -> bool:
        row = self._key_rows.pop(key, None) if asker.owner else None
        if row is None:
            return False
        self.change(keys={k: v for k, v in self._snapshot.keys.items() if k != row["hash"]})
        return True

    def _publish(self, event: Mapping[str, Any] | None) -> None:
        for watcher in list(self._watchers):
            watcher.put(event)

    def events(self) -> Iterator[Mapping[str, Any]]:
        watcher: queue.Queue[Mapping[str, Any] | None] = queue.Queue()
        watcher.put({"event": "hello", "version": self._snapshot.version})
        self._watchers.append(watcher)
        try:
            while not self.stopped.is_set():
                event = watcher.get()
                if event is None:
                    return
                yield event
        finally:
            self._watchers.remove(watcher)

    def stop(self) -> None:
        self.stopped.set()
        self._publish(None)


if TYPE_CHECKING:
    _complete: Backend = FakeBackend()
