# SPDX-License-Identifier: Apache-2.0
"""Search and answer over one knowledge base, for one asker. Nothing is recorded here: `recording` does that.

Everything that reaches the answer went through the index under the asker's rights; what cannot be read is never opened.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from colonnade.core.answers import Answer, Asker, Citation, Found
from colonnade.core.errors import ColonnadeError
from colonnade.knowledge.answer.extract import extract
from colonnade.knowledge.answer.passages import Extract, Passage
from colonnade.knowledge.base import KnowledgeBase
from colonnade.knowledge.calibrating import Calibrations, InForce
from colonnade.knowledge.index import Index
from colonnade.ports.noted import stage
from colonnade.ports.outside.models import Embedder

if TYPE_CHECKING:
    from numpy.typing import NDArray

PASSAGES = 8
HYBRID_FROM = 0.8
"""Share of the chunks that may be read which must be embedded before vectors take part."""

Mode = Literal["hybrid", "lexical", "dense"]
Link = Callable[[str, str], str]
"""(document, content) -> URL of the source."""


@dataclass(frozen=True, slots=True)
class Draft:
    """An answer that is not recorded yet, with the passages that it was made from."""

    answer: Answer
    passages: tuple[Found, ...]


class Asking:
    """Answers from one knowledge base."""

    def __init__(self, base: KnowledgeBase, link: Link) -> None:
        self._base, self._link = base, link
        self._calibrations = Calibrations(base.shelf)
        self._paths: dict[tuple[str, int], str] = {}

    def search(
        self,
        asker: Asker,
        query: str,
        *,
        k: int,
        at_ms: int | None = None,
        mode: Mode = "hybrid",
        vector: NDArray[np.float32] | None = None,
    ) -> list[Found]:
        """Passages that the asker may read, best first."""
        index, embedder = self._base.live()
        if vector is None and mode != "lexical":
            with stage("embed"):
                vector = self._vector(index, embedder, asker, query, at_ms)
        with stage("retrieve"):
            return self._search(index, asker, query, vector, mode, k, at_ms)

    def _search(
        self,
        index: Index,
        asker: Asker,
        query: str,
        vector: NDArray[np.float32] | None,
        mode: Mode,
        k: int,
        at_ms: int | None,
    ) -> list[Found]:
        used: Mode = mode if vector is not None else "lexical"
        found = []
        for hit in index.search(query, vector, readers=asker.readers, at_ms=at_ms, k=k, mode=used):
            try:
                content = self._base.shelf.get(hit.content)
            except KeyError:
                continue
            standing = self._standing(index, asker, hit.content, at_ms)
            if standing is None:
                continue
            document, path = standing
            chunk = content.chunks[hit.order]
            found.append(
                Found(
                    document=document,
                    content=hit.content,
                    path=path,
                    url=self._link(document, hit.content),
                    encoding=content.encoding,
                    start=chunk.start,
                    end=chunk.end,
                    text=content.text[chunk.start : chunk.end],
                    score=hit.score,
                    headings=chunk.headings,
                    page=chunk.page,
                    title=content.title,
                    context=chunk.context,
                    order=hit.order,
                    lexical=hit.lexical,
                    dense=hit.dense,
                )
            )
        return found

    def answer(self, asker: Asker, question: str, *, at_ms: int | None = None, k: int = PASSAGES) -> Draft:
        """A cited extractive answer, or an abstention."""
        index, embedder = self._base.live()
        with stage("embed"):
            vector = self._vector(index, embedder, asker, question, at_ms)
        with stage("retrieve"):
            found = self._search(index, asker, question, vector, "hybrid", k, at_ms)
        used = embedder if vector is not None else None
        with stage("calibrate"):
            thresholds = self._calibrations.in_force(index, used, asker.readers, at_ms)
        with stage("answer"):
            extracted = extract(
                question,
                vector,
                [_passage(f) for f in found],
                embed=used.embed if used is not None else None,
                idf=index.idf(question, asker.readers, at_ms),
                calibration=thresholds.calibration,
            )
        return Draft(_answer(extracted, found, thresholds), tuple(found))

    def forget(self) -> None:
        """Rights changed: no threshold of before holds any more."""
        self._calibrations.forget()

    def close(self) -> None:
        """End what works in the background."""
        self._calibrations.close()

    def _vector(
        self, index: Index, embedder: Embedder | None, asker: Asker, query: str, at_ms: int | None
    ) -> NDArray[np.float32] | None:
        """The query's vector, of the model whose vectors this index holds.

        None while too few have one of the chunks that the asker may read: what others may read is not counted.
        """
        if embedder is None:
            return None
        readable = index.readable(asker.readers, at_ms)
        if readable.embedded < HYBRID_FROM * readable.chunks:
            return None
        try:
            rows: NDArray[np.float32] = embedder.embed([query])
        except ColonnadeError:
            return None
        return np.asarray(rows[0])

    def _standing(self, index: Index, asker: Asker, content: str, at_ms: int | None) -> tuple[str, str] | None:
        """The document to cite: of those that hold the content and may be read, the one with the first path.

        None when the last of them went, or its readers did, since the search looked.
        """
        standing = index.standing(content, asker.readers, at_ms)
        return min(
            ((v.document, self._path(v.document, v.valid_from_ms)) for v in standing),
            key=lambda pair: (pair[1], pair[0]),
            default=None,
        )

    def _path(self, document: str, valid_from_ms: int) -> str:
        if (document, valid_from_ms) not in self._paths:
            for row in self._base.tools.state.rows("versions_of_document", document=document):
                self._paths[document, row["valid_from_ms"]] = self._base.path(row)
        return self._paths[document, valid_from_ms]


def _passage(found: Found) -> Passage:
    return Passage(
        document=found.document,
        content=found.content,
        order=found.order,
        text=found.text,
        start=found.start,
        headings=found.headings,
        context=found.context,
        score=found.score,
        lexical=found.lexical,
        dense=found.dense,
        page=found.page,
    )


def _answer(extracted: Extract, found: Sequence[Found], thresholds: InForce) -> Answer:
    citations = []
    for source in extracted.citations:
        passage = found[source.passage]
        citations.append(
            Citation(
                document=passage.document,
                content=passage.content,
                path=passage.path,
                url=passage.url,
                encoding=passage.encoding,
                start=source.start,
                end=source.end,
                quote=source.text,
                page=passage.page,
                title=passage.title,
            )
        )
    reason = extracted.reason.kind if extracted.reason is not None and extracted.status == "abstained" else ""
    held = {f.document: f.content for f in reversed(found)}
    held = dict(reversed(held.items()))
    return Answer(
        ref="",
        status=extracted.status,
        answer=extracted.answer,
        citations=tuple(citations),
        reason=reason,
        signals={
            **extracted.signals,
            "pseudo_questions": float(thresholds.calibration.samples),
            "settled": float(thresholds.settled),
        },
        note=extracted.note.message if extracted.note is not None else "",
        given=tuple(held),
        contents=tuple(held.values()),
    )
