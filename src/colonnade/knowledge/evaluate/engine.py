# SPDX-License-Identifier: Apache-2.0
"""The engine in this process, over a collection read from files: what `colonnade evaluate` asks when no daemon runs.

It indexes, searches, calibrates and answers by the same code as a served knowledge base; only ingestion is left
out, since a collection's documents are short texts already. No rights here: one reader may read all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from colonnade.core.search import Hit, IndexedChunk, Visibility
from colonnade.knowledge.answer import PRIOR, Calibration, Extract, Passage, calibrate, extract, pseudo_questions
from colonnade.knowledge.answer.calibration import SAMPLE
from colonnade.knowledge.answer.topic import DEPTH, question_score
from colonnade.knowledge.evaluate.measure import Reply
from colonnade.knowledge.index import Index
from colonnade.ports.outside.models import Embedder
from colonnade.ports.outside.vectors import Vectors

_READERS = frozenset({"all"})
_SECRET = b"evaluate"
_BATCH = 256

Progress = Callable[[int, int], None]
"""Called with (documents done, documents in all)."""


@dataclass(frozen=True, slots=True)
class Item:
    """One short document: an id and its whole text, which becomes one chunk."""

    id: str
    text: str


class Engine:
    """An index over items, with an embedder or by words alone.

    Args:
        items: what is indexed; ids are unique.
        engine: makes an empty vector engine of a dimension.
        embedder: None: words alone.
        vectors: [len(items), dimensions] where they are known already, so that a bench need not embed again.
        progress: told while it embeds.
    """

    def __init__(
        self,
        items: Sequence[Item],
        engine: Callable[[int], Vectors],
        embedder: Embedder | None,
        *,
        vectors: NDArray[np.float32] | None = None,
        progress: Progress | None = None,
    ) -> None:
        dimensions = embedder.dimensions if embedder is not None else 1
        self._embedder = embedder
        self._texts = {item.id: item.text for item in items}
        self.index = Index(dimensions, engine(dimensions), _SECRET)
        for at in range(0, len(items), _BATCH):
            batch = items[at : at + _BATCH]
            for item in batch:
                self.index.add(item.id, [IndexedChunk(0, item.text, item.id.encode())])
            self.index.set_visibility([Visibility(item.id, item.id, "all", 0, None) for item in batch])
            self._embed(batch, vectors[at : at + _BATCH] if vectors is not None else None)
            if progress is not None:
                progress(min(at + _BATCH, len(items)), len(items))
        self.calibration: Calibration = PRIOR

    def _embed(self, batch: Sequence[Item], known: NDArray[np.float32] | None) -> None:
        if self._embedder is None:
            return
        vectors = known if known is not None else self._embedder.embed([item.text for item in batch])
        for item, vector in zip(batch, vectors, strict=True):
            self.index.set_vectors(item.id, 0, np.asarray(vector, np.float32)[None, :])

    def vector(self, question: str) -> NDArray[np.float32] | None:
        """The question's vector, None by words alone."""
        return self._embedder.embed([question])[0] if self._embedder is not None else None

    def hits(self, question: str, vector: NDArray[np.float32] | None, k: int, *, collapse: bool = True) -> list[Hit]:
        """The `k` best chunks; `collapse` leaves out those that say the same as a better one."""
        return self.index.search(question, vector, readers=_READERS, k=k, collapse=collapse)

    def search(self, question: str, k: int = 100) -> list[tuple[str, float]]:
        """(document id, score), best first: what `evaluate_beir` asks for. Every document is judged, copies too."""
        hits = self.hits(question, self.vector(question), k, collapse=False)
        return [(hit.content, hit.score) for hit in hits]

    def idf(self, question: str) -> Mapping[str, float]:
        """Weights of the question's terms."""
        return self.index.idf(question, _READERS)

    def passages(self, question: str, vector: NDArray[np.float32] | None, k: int) -> list[Passage]:
        """What `extract` is given."""
        return [
            Passage(h.content, h.content, h.order, self._texts[h.content], 0, (), "", h.score, h.lexical, h.dense)
            for h in self.hits(question, vector, k)
        ]

    def calibrate(self, samples: int = SAMPLE) -> Calibration:
        """Take the thresholds from the items themselves, by so many pseudo-questions at most, and keep them."""
        embed = self._embedder.embed if self._embedder is not None else None
        drawn = pseudo_questions(((item.encode(), text) for item, text in self._texts.items()), samples)
        self.calibration = calibrate(drawn, embed=embed, find=self.topic_score, chunks=len(self._texts))
        return self.calibration

    def topic_score(self, question: str, vector: NDArray[np.float32] | None) -> float:
        """How much the items speak of the question's topic."""
        found = self.passages(question, vector, DEPTH)
        return question_score(question, found, self.idf(question), dense=vector is not None)

    def extract(self, question: str, *, vector: NDArray[np.float32] | None = None, k: int = 8) -> Extract:
        """A cited answer or an abstention, as `ask` gives it."""
        vector = self.vector(question) if vector is None else vector
        embed = self._embedder.embed if self._embedder is not None else None
        found = self.passages(question, vector, k)
        return extract(question, vector, found, embed=embed, idf=self.idf(question), calibration=self.calibration)

    def ask(self, question: str, _reader: str | None = None) -> Reply:
        """The same as a `Reply`, for `evaluate_squad`. Who asks is not looked at: a collection has no rights."""
        vector = self.vector(question)
        found = self.passages(question, vector, 8)
        embed = self._embedder.embed if self._embedder is not None else None
        given = extract(question, vector, found, embed=embed, idf=self.idf(question), calibration=self.calibration)
        documents = tuple(found[source.passage].document for source in given.citations)
        exact = all(self._texts[d][s.start : s.end] == s.text for d, s in zip(documents, given.citations, strict=True))
        return Reply(
            answered=given.status == "answered",
            quotes=tuple(quote.text for quote in given.quotes),
            documents=documents,
            exact=exact,
            reason=given.reason.kind if given.reason is not None else "",
            topic=given.signals["topic"],
            twisted=given.signals.get("twisted"),
        )
