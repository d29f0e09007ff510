# SPDX-License-Identifier: Apache-2.0
"""Documents, readers, keys and answers of the in-memory house: real search over a handful of documents.

Deterministic: ids count up, the clock stands still until it is turned. No pages and no administration here.
"""

from __future__ import annotations

import hashlib
import queue
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from colonnade.core.answers import Answer, Asker, Citation, Found
from colonnade.core.errors import UnknownName
from colonnade.gateway.approvals import ApprovingBackend
from colonnade.gateway.backend import (
    AnswerView,
    Capture,
    KeyHolder,
    Route,
    Snapshot,
    Source,
    Upstream,
    Version,
)
from colonnade.gateway.compute import ComputeBackend
from colonnade.gateway.erasures import ErasingBackend
from colonnade.gateway.inference import ServingBackend
from colonnade.gateway.labels import LabelsBackend
from colonnade.gateway.mlflow.backend import TrackingBackend
from colonnade.gateway.models_admin import TrainingBackend
from colonnade.gateway.pipelines_admin import PipelinesBackend
from colonnade.gateway.reporting import ReportingBackend
from colonnade.gateway.standing import StandingBackend
from colonnade.gateway.traces import TracesBackend
from colonnade.testing import backend_documents as data
from colonnade.testing.backend_documents import Doc, fixed_id
from colonnade.testing.reports import TypedReports
from colonnade.testing.traces import PassedTraces

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DIMENSIONS = 384
_WORD = re.compile(r"[a-z0-9]+")
_STOP_WORDS = """
a an the of in on at by for to from with and or is are was be it its do does did what which who when where why
how many much i my we our you your there their he she they can may must that this up not
"""
_STOP = frozenset(_STOP_WORDS.split())
OWNER = Asker(
    fixed_id("prn", 1),
    data.PROJECT,
    "owner",
    frozenset({"everyone"}),
    frozenset({data.EVERYONE}),
    owner=True,
    key=fixed_id("key", 1),
)


def _person(name: str, number: int) -> Asker:
    return Asker(
        fixed_id("prn", number),
        data.PROJECT,
        name,
        frozenset(data.GROUPS[name]),
        frozenset(data.PEOPLE[name]),
        key=fixed_id("key", number),
    )


ANNA = _person("anna", 2)
HEIDI = _person("heidi", 3)


def _words(text: str) -> list[str]:
    return [w[:-1] if w.endswith("s") and len(w) > 3 else w for w in _WORD.findall(text.lower()) if w not in _STOP]


def spans(text: str) -> list[tuple[int, int]]:
    """Sentences and lines, as spans."""
    return [(m.start(), m.end()) for m in re.finditer(r"[^\s#][^\n]*?(?:[.!?](?=\s)|(?=\n)|$)", text)]


class NobodyAsked:
    """`ApprovingBackend` of a house where nothing waits."""

    def waiting(self, asker: Asker) -> Sequence[Mapping[str, Any]]:  # noqa: ARG002
        """Nothing."""
        return []

    def approve(self, asker: Asker, ref: str, *, allow: bool) -> Mapping[str, Any]:  # noqa: ARG002
        """Nothing to say."""
        raise UnknownName(f"{ref!r} waits for nobody")


class NothingErased:
    """`ErasingBackend` of a house where nothing is."""

    def erase(self, asker: Asker, refs: Sequence[str], *, dry_run: bool) -> Mapping[str, Any]:  # noqa: ARG002
        """Nothing is there."""
        raise UnknownName(f"nothing is recorded about {refs!r}")

    def sweep(self, asker: Asker, *, dry_run: bool) -> Mapping[str, Any]:  # noqa: ARG002
        """Nothing to let go."""
        return {"schema": "colonnade.gc/1", "dry_run": dry_run, "counts": {}}


class NoPipelines:
    """`PipelinesBackend` of a house where none is declared."""

    def run(self, asker: Asker, pipeline: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: ARG002
        """None."""
        raise UnknownName(f"no pipeline {pipeline!r} is declared")

    def look(self, ref: str, *, files: bool) -> Mapping[str, Any]:  # noqa: ARG002
        """None."""
        raise UnknownName(f"there is no run of a pipeline {ref!r}")


class FakeHouse:
    """Documents, rights and answers in memory; `FakeBackend` adds pages and administration.

    Args:
        upstream: the language model of the services `writer` (with knowledge) and `chat` (without); None leaves
            those two out.
        max_body_bytes: as in the snapshot.
        hosts: further values of the Host header to answer to.
    """

    documents: Sequence[Doc] = data.DOCUMENTS
    unreadable: Sequence[tuple[str, str, str, str, int]] = data.UNREADABLE

    def __init__(
        self, *, upstream: Upstream | None = None, max_body_bytes: int = 10 * 1024 * 1024, hosts: Sequence[str] = ()
    ) -> None:
        self._lock = threading.Lock()
        self.compute: ComputeBackend | None = None
        self.training: TrainingBackend | None = None
        self.standing: StandingBackend | None = None
        self.reporting: ReportingBackend = TypedReports()
        self.serving: ServingBackend | None = None
        self.labels: LabelsBackend | None = None
        self.approving: ApprovingBackend = NobodyAsked()
        self.traces: TracesBackend = PassedTraces()
        self.erasing: ErasingBackend = NothingErased()
        self.tracking: TrackingBackend | None = None
        self.pipelines: PipelinesBackend = NoPipelines()
        self._now = data.NOW_MS
        self._count = 0
        self._answers: dict[str, AnswerView] = {}
        self._askers: dict[str, Asker] = {}
        self._key_rows: dict[str, dict[str, Any]] = {}
        self._watchers: list[queue.Queue[Mapping[str, Any] | None]] = []
        self.captures: list[Capture] = []
        self.used_keys: set[str] = set()
        self.notes: dict[str, str] = {}
        self.recorded: list[Answer] = []
        self.tokens: list[tuple[int, int]] = []
        self.ways: list[tuple[str, int | None]] = []
        self.stopped = threading.Event()
        keys: dict[bytes, KeyHolder] = {}
        for secret, asker, expires in (
            (data.OWNER_KEY, OWNER, None),
            (data.ANNA_KEY, ANNA, None),
            (data.HEIDI_KEY, HEIDI, None),
            (data.EXPIRED_KEY, ANNA, data.NOW_MS - 1),
        ):
            keys[hashlib.sha256(secret.encode()).digest()] = KeyHolder(asker, expires)
        routes = {"assistant": Route(fixed_id("svc", 1), "assistant", "handbook", None, data.NOW_MS // 1000)}
        if upstream is not None:
            routes["writer"] = Route(fixed_id("svc", 2), "writer", "handbook", upstream, data.NOW_MS // 1000)
            routes["chat"] = Route(fixed_id("svc", 3), "chat", None, upstream, data.NOW_MS // 1000)
        names = frozenset({"127.0.0.1", "localhost", "testserver", *hosts})
        self._snapshot = Snapshot(
            1, data.PROJECT, "acme", keys, {"anna": ANNA, "heidi": HEIDI}, routes, names, max_body_bytes
        )

    # what tests turn
    def advance(self, ms: int) -> None:
        """Let time pass."""
        self._now += ms

    def change(self, **fields: Any) -> None:
        """Replace fields of the snapshot."""
        with self._lock:
            self._snapshot = replace(self._snapshot, version=self._snapshot.version + 1, **fields)

    # the hot path
    def snapshot(self) -> Snapshot:
        return self._snapshot

    def now_ms(self) -> int:
        return self._now

    def record(self, capture: Capture) -> None:
        self.captures.append(capture)

    def used(self, key: str) -> None:
        self.used_keys.add(key)

    def new_ref(self) -> str:
        self._count += 1
        return f"answer/{fixed_id('ans', self._count)}"

    # knowledge
    def _readable(self, asker: Asker, as_of_ms: int | None) -> list[Doc]:
        at = self._now if as_of_ms is None else as_of_ms
        return [
            d
            for d in self.documents
            if d.readers in asker.readers and d.valid_from_ms <= at and (d.valid_to_ms is None or at < d.valid_to_ms)
        ]

    def _knowledge_of(self, service: str) -> str:
        route = self._snapshot.routes.get(service)
        if route is None or route.knowledge is None:
            raise UnknownName(
                f"No service named {service!r} with knowledge.", hint="colonnade status lists the services."
            )
        return route.knowledge

    def search(
        self,
        asker: Asker,
        knowledge: str,
        query: str,
        *,
        k: int = 10,
        as_of_ms: int | None = None,
        mode: str = "hybrid",  # noqa: ARG002 - one way of searching here
    ) -> list[Found]:
        if knowledge != "handbook":
            raise UnknownName(f"No knowledge base named {knowledge!r}.")
        wanted = set(_words(query))
        found: list[Found] = []
        for doc in self._readable(asker, as_of_ms):
            for start, end in spans(doc.text):
                text = doc.text[start:end]
                heading = {w for line in doc.text.splitlines() if line.startswith("#") for w in _words(line)}
                score = (len(wanted & set(_words(text))) + 0.25 * len(wanted & heading)) / max(1, len(wanted))
                if score > 0 and not doc.text[:start].endswith("# "):
                    found.append(self._found(doc, start, end, score))
        return sorted(found, key=lambda f: (-f.score, f.document, f.start))[:k]

    def _found(self, doc: Doc, start: int, end: int, score: float) -> Found:
        return Found(
            doc.document,
            doc.content,
            doc.path,
            f"/documents/{doc.document}@{doc.content}",
            "utf-8",
            start,
            end,
            doc.text[start:end],
            score,
            headings=(doc.title,),
            title=doc.title,
            order=start,
            lexical=score,
        )

    def _extract(self, found: Sequence[Found]) -> Answer:
        best = found[0].score if found else 0.0
        signals = {"topic": best, "topic_threshold": 0.5}
        if best < 0.5:
            message = "The sources that you may read do not speak of this."
            return Answer(self.new_ref(), "abstained", message, reason="topic", signals=signals)
        chosen = [f for f in found if f.score >= best - 0.05][:3]
        citations = tuple(
            Citation(f.document, f.content, f.path, f.url, f.encoding, f.start, f.end, f.text, title=f.title)
            for f in chosen
        )
        text = "\n".join(f"{c.quote} [{n}]" for n, c in enumerate(citations, 1))
        given = tuple(dict.fromkeys(f.document for f in found))
        return Answer(self.new_ref(), "answered", text, citations, signals=signals, given=given, ms=3)

    def ask(
        self,
        asker: Asker,
        service: str,
        question: str,
        *,
        history: Sequence[Mapping[str, str]] = (),
        as_of_ms: int | None = None,
    ) -> Answer:
        understood, _, answer = self.passages(asker, service, question, history=history, as_of_ms=as_of_ms)
        self.record_answer(asker, service, understood, answer, way="extractive")
        return answer

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
        from colonnade.knowledge.ground.followup import standalone

        understood = standalone(question, history)
        found = self.search(asker, self._knowledge_of(service), understood, k=k, as_of_ms=as_of_ms)
        return understood, found, self._extract(found)

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
        with self._lock:
            self.recorded.append(answer)
            self.tokens.append((tokens_in, tokens_out))
            self.ways.append((way, as_of_ms))
            self._answers[answer.ref] = AnswerView(answer, question, self._now, service, asker.name, fixed_id("epc", 1))
            self._askers[answer.ref] = asker

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        import numpy as np

        rows = np.zeros((len(texts), DIMENSIONS), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in _words(text) or ["-"]:
                row[int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "big") % DIMENSIONS] += 1.0
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)  # type: ignore[no-any-return]

    def embedding_model(self) -> str:
        return "all-MiniLM-L6-v2"

    def _document(self, asker: Asker, document: str, content: str | None) -> Doc | None:
        versions = [d for d in self.documents if d.document == document and d.readers in asker.readers]
        if content is None:
            return next((d for d in versions if d.valid_to_ms is None), None)
        return next((d for d in versions if d.content == content), None)

    def source(self, asker: Asker, document: str, content: str | None) -> Source | None:
        doc = self._document(asker, document, content)
        if doc is None:
            return None
        readers = (data.READER_NAMES[doc.readers],)
        return Source(
            doc.document,
            doc.content,
            doc.path,
            doc.title,
            "handbook",
            doc.text,
            "utf-8",
            readers,
            doc.valid_from_ms,
            doc.valid_to_ms,
            tuple(spans(doc.text)),
        )

    def versions(self, asker: Asker, document: str) -> Sequence[Version]:
        mine = [d for d in self.documents if d.document == document and d.readers in asker.readers]
        newest = sorted(mine, key=lambda d: -d.valid_from_ms)
        return [Version(d.content, d.path, d.valid_from_ms, d.valid_to_ms) for d in newest]

    def raw(self, asker: Asker, document: str, content: str | None) -> bytes | None:
        doc = self._document(asker, document, content)
        return None if doc is None else doc.text.encode()
