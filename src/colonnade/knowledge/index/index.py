# SPDX-License-Identifier: Apache-2.0
"""The index of one knowledge base: chunks in, permitted and ranked chunks out. Derived from the state rows, rebuilt at
any time.

Non-interference is its law: ids and scores equal those of an index that holds only what the asker may read, built in
any order by any process. Every statistic is therefore taken over a `View`; nothing here may look at a row outside of
it. No text is kept, no I/O here.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from colonnade.core.search import Hit, IndexedChunk, Visibility
from colonnade.knowledge.index import lexical, stored
from colonnade.knowledge.index.analyse import Analyser
from colonnade.knowledge.index.postings import Postings, Segment, closed_up, merge
from colonnade.knowledge.index.rights import Rights
from colonnade.knowledge.index.rows import Rows
from colonnade.knowledge.index.search import Question, find
from colonnade.knowledge.index.view import View
from colonnade.knowledge.index.words import terms
from colonnade.ports.outside.vectors import Vectors

Mode = Literal["hybrid", "lexical", "dense"]
Recall = Literal["default", "wide"]
_VIEWS_KEPT = 256
_VIEW_BYTES_KEPT = 256 * 1024 * 1024
_COMPACT_FROM = 4096


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much an index holds, readable by anyone who may see its status."""

    contents: int
    chunks: int
    embedded: int
    documents: int


@dataclass(frozen=True, slots=True)
class Readable:
    """What one reader may read at one instant, in numbers; equal for equal chunks, whatever else the index holds.

    Attributes:
        chunks, embedded: how many may be read, and how many of those have vectors.
        fingerprint: of their keys, and of which have vectors; their order does not matter.
    """

    chunks: int
    embedded: int
    fingerprint: tuple[int, int, int, int]


class Index:
    """Chunks, vectors and visibilities of one knowledge base. Thread-safe; searches run while rows are added.

    Args:
        dimensions: length of a vector.
        vectors: the engine that holds them; this index is its only user.
        secret: keys the hashes of terms, so that no word stands in a stored file.
    """

    def __init__(self, dimensions: int, vectors: Vectors, secret: bytes) -> None:
        self.dimensions = dimensions
        self.vectors = vectors
        self._secret = secret
        self._analyser = Analyser(secret)
        self._writing = threading.RLock()
        self._lock = threading.RLock()
        self._idle = threading.Condition(self._lock)
        self._rows = Rows()
        self._spans: dict[str, tuple[int, int]] = {}
        self._postings = Postings()
        self._rights = Rights()
        self._views: OrderedDict[tuple[frozenset[str], int | None], View] = OrderedDict()
        self._view_bytes = 0
        self._searching = 0
        self._closed = False

    # ---- what stands in it

    def add(self, content: str, chunks: Sequence[IndexedChunk]) -> None:
        """Take in a content's chunks, found at once; what stood for the content before goes, vectors too."""
        passages = [self._analyser.passage(chunk.words) for chunk in chunks]
        with self._writing:
            with self._lock:
                if content in self._spans:
                    self.remove(content)
                number = self._rights.contents.number(content)
                first = self._rows.append(number, [c.order for c in chunks], [c.key for c in chunks], passages)
                self._spans[content] = (first, len(chunks))
                self._postings.add(first, [passage.terms for passage in passages])
                self._changed(self._rights.readers_of(content))
            self._merge()

    def set_vectors(self, content: str, first: int, rows: NDArray[np.float32]) -> None:
        """Vectors [n, dimensions] for the content's chunks first..first+n, by position in what `add` was given.

        Raises:
            KeyError: the content is not in the index.
            ValueError: more rows than chunks, or of another length.
        """
        with self._lock:
            begin, count = self._spans[content]
            if rows.ndim != 2 or rows.shape[1] != self.dimensions or first < 0 or first + len(rows) > count:
                raise ValueError(
                    f"{rows.shape} vectors from {first} do not fit {count} chunks of {self.dimensions} dimensions"
                )
            self.vectors.put(begin + first, np.ascontiguousarray(rows, np.float32))
            self._rows.has_vector[begin + first : begin + first + len(rows)] = True
            self._changed(self._rights.readers_of(content))

    def remove(self, content: str) -> None:
        """Forget a content's chunks; its visibilities stay until replaced or dropped. Unknown ones are fine."""
        with self._writing, self._lock:
            begin, count = self._spans.pop(content, (0, 0))
            if count:
                self._rows.live[begin : begin + count] = False
                self._changed(self._rights.readers_of(content))
                self._compact()

    def erase(self, contents: Iterable[str]) -> int:
        """Remove contents and close the gaps at once: nothing of them is left in memory; how many rows went.

        Postings are renumbered while searches go on, which skip the removed rows; only the swap makes them wait.
        """
        with self._writing:
            with self._lock:
                known = [content for content in contents if content in self._spans]
                if not known:
                    return 0
                for content in known:
                    begin, count = self._spans.pop(content)
                    self._rows.live[begin : begin + count] = False
                self._changed()
                segments, alive = self._postings.flush(), self._rows.alive.copy()
            closed = closed_up(segments, np.where(alive, np.cumsum(alive) - 1, -1))
            with self._idle:
                self._closed = True  # else searches that follow each other closely would never let us in
                try:
                    self._idle.wait_for(lambda: not self._searching)
                    self._close_gaps(alive, closed)
                finally:
                    self._closed = False
                    self._idle.notify_all()
            return len(alive) - int(np.count_nonzero(alive))

    def set_visibility(self, rows: Iterable[Visibility]) -> None:
        """Replace all that stands for the documents named in the rows."""
        with self._lock:
            self._changed(self._rights.replace(rows))

    def drop_visibility(self, document: str) -> None:
        """Nothing stands for the document any more."""
        with self._lock:
            self._changed(self._rights.drop(document))

    def sizes(self) -> Sizes:
        """What is in it now."""
        with self._lock:
            alive = self._rows.alive
            embedded = int(np.count_nonzero(alive & self._rows.embedded))
            return Sizes(len(self._spans), int(np.count_nonzero(alive)), embedded, self._rights.document_count)

    # ---- what is asked of it

    def search(
        self,
        words: str,
        vector: NDArray[np.float32] | None,
        *,
        readers: frozenset[str],
        at_ms: int | None = None,
        k: int = 10,
        mode: Mode = "hybrid",
        recall: Recall = "default",
        only: Collection[str] | None = None,
        collapse: bool = True,
    ) -> list[Hit]:
        """The k best permitted chunks, best first.

        Args:
            words: the question, searched lexically.
            vector: its unit vector, or None: then only words are searched.
            readers: the reader sets of which the asker is a member, now.
            at_ms: content as of this instant (store ms), or None for now.
            k: how many at most.
            mode: which legs.
            recall: "wide" looks a second time with what the first look found.
            only: search inside these contents only; statistics stay those of all that is permitted.
            collapse: of chunks that say the same, give only the best.
        """
        if k < 1 or (mode == "dense" and vector is None):
            return []
        asked = lexical.asked(self._analyser.question(words))
        question = Question(asked, vector, k, mode, recall == "wide", collapse)
        with self._snapshot(readers, at_ms, only) as (view, segments):
            found = find(question, view, segments, self.vectors, self._rows)
            content, order, names = self._rows.content, self._rows.order, self._rights.contents.names
            return [Hit(names[content[f.row]], int(order[f.row]), f.score, f.lexical, f.dense) for f in found]

    def standing(self, content: str, readers: frozenset[str], at_ms: int | None = None) -> list[Visibility]:
        """The permitted standings of a content at the instant, oldest first: which document to cite."""
        with self._lock:
            return self._rights.standing(content, readers, at_ms)

    def idf(self, words: str, readers: frozenset[str], at_ms: int | None = None) -> Mapping[str, float]:
        """Each distinct term of the words (as `words.terms` gives them) with its idf over what the reader may see."""
        distinct = list(dict.fromkeys(terms(words)))
        with self._snapshot(readers, at_ms, None) as (view, segments):
            found = lexical.frequencies(segments, self._analyser.hashed(distinct), view.field)
            return {term: lexical.idf(view.field.count, n) for term, n in zip(distinct, found, strict=True)}

    def readable(self, readers: frozenset[str], at_ms: int | None = None) -> Readable:
        """How much the readers may read, and a fingerprint of it."""
        with self._lock:
            prints = self._view(readers, at_ms).prints
        return Readable(prints[0], prints[2], prints)

    def sample(self, readers: frozenset[str], at_ms: int | None, most: int) -> list[tuple[str, int, bytes]]:
        """(content, order, draw) of about `most` permitted chunks: those of the smallest draws, which keys decide."""
        with self._lock:
            rows = self._view(readers, at_ms).field.rows
            draws = self._rows.draw[rows]
            if len(rows) > most:
                kept = draws <= np.partition(draws, most - 1)[most - 1]
                rows, draws = rows[kept], draws[kept]
            content, order, names = self._rows.content, self._rows.order, self._rights.contents.names
            triples = zip(rows, draws, strict=True)
            return [(names[content[row]], int(order[row]), draw.tobytes()) for row, draw in triples]

    # ---- kept in a file

    def save(self, path: Path, stamp: str = "") -> None:
        """Write all of it to a file, replaced whole. `stamp` comes back from `load`: say in it what the index stands
        for.

        Raises:
            StorageFull: no space left.
        """
        with self._lock:
            meta, arrays = self._arrays()
        stored.write(path, meta | {"stamp": stamp, "dimensions": self.dimensions}, arrays, self._secret)

    def load(self, path: Path) -> str:
        """Replace all of it by what a file holds; its stamp.

        Raises:
            StateError: absent, damaged, of another version, key or length of vectors; the index is as it was before.
        """
        meta, arrays = stored.read(path, self._secret)
        if meta["dimensions"] != self.dimensions:
            raise stored.unusable("holds vectors of another length")
        with self._writing, self._idle:
            self._idle.wait_for(lambda: not self._searching)
            self._rows = Rows.restored(arrays, self._secret)
            self._postings = Postings.restored(arrays)
            self._rights = Rights.restored(arrays)
            names = self._rights.contents.names
            spans = zip(*(arrays[f"spans.{n}"].tolist() for n in ("content", "begin", "count")), strict=True)
            self._spans = {names[number]: (begin, count) for number, begin, count in spans}
            own = meta["engine"] == self.vectors.id
            self.vectors.restore(arrays["vectors"], arrays["vectors.derived"] if own else None)
            self._changed()
        return str(meta["stamp"])

    # ---- inside

    @contextmanager
    def _snapshot(
        self, readers: frozenset[str], at_ms: int | None, only: Collection[str] | None
    ) -> Iterator[tuple[View, tuple[Segment, ...]]]:
        """A view and the segments to search it in; while it is held, rows are added but never renumbered."""
        with self._idle:
            self._idle.wait_for(lambda: not self._closed)
            segments = self._postings.flush()
            self._rows.sketch()
            view = self._view(readers, at_ms)
            if only is not None:
                view = view.narrowed(self._mask_of(only))
            self._searching += 1
        try:
            yield view, segments
        finally:
            with self._idle:
                self._searching -= 1
                self._idle.notify_all()

    def _view(self, readers: frozenset[str], at_ms: int | None) -> View:
        view = self._views.get((readers, at_ms))
        if view is not None:
            self._views.move_to_end((readers, at_ms))
            return view
        contents = self._rights.permitted(readers, at_ms)
        rows = self._rows
        permitted = contents[rows.content[: rows.count]] & rows.alive if len(contents) else np.zeros(rows.count, bool)
        view = self._views[readers, at_ms] = View.of(permitted, rows, self.vectors)
        self._view_bytes += view.size
        while (self._view_bytes > _VIEW_BYTES_KEPT and len(self._views) > 1) or len(self._views) > _VIEWS_KEPT:
            self._view_bytes -= self._views.popitem(last=False)[1].size
        return view

    def _changed(self, readers: Set[str] | None = None) -> None:
        """Forget the views of whoever is in one of these reader sets, or (None) all."""
        gone = [key for key in self._views if readers is None or not readers.isdisjoint(key[0])]
        for key in gone:
            self._view_bytes -= self._views.pop(key).size

    def _arrays(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        self._postings.flush()
        numbers = [self._rights.contents.number(name) for name in self._spans]
        spans = np.array([(n, *span) for n, span in zip(numbers, self._spans.values(), strict=True)], np.int64).reshape(
            -1, 3
        )
        arrays = self._rows.arrays(self._secret) | self._postings.arrays() | self._rights.arrays()
        arrays |= {f"spans.{name}": spans[:, i] for i, name in enumerate(("content", "begin", "count"))}
        count = self._rows.count
        arrays |= {"vectors": self.vectors.stored(count), "vectors.derived": self.vectors.derived(count)}
        return {"engine": self.vectors.id}, arrays

    def _mask_of(self, contents: Collection[str]) -> NDArray[np.bool_]:
        mask = np.zeros(self._rows.count, bool)
        for begin, count in (self._spans[c] for c in set(contents) if c in self._spans):
            mask[begin : begin + count] = True
        return mask

    def _merge(self) -> None:
        """Merge segments while searches run; only other writers wait."""
        while True:
            with self._lock:
                pair = self._postings.mergeable()
            if pair is None:
                return
            merged = merge(*pair)
            with self._lock:
                self._postings.swap(pair, merged)

    def _compact(self) -> None:
        """Close the gaps of removed rows once they are half of all, when no search looks."""
        alive = self._rows.alive
        if self._searching or len(alive) < _COMPACT_FROM or 2 * np.count_nonzero(alive) > len(alive):
            return
        self._close_gaps(alive, closed_up(self._postings.flush(), np.where(alive, np.cumsum(alive) - 1, -1)))

    def _close_gaps(self, alive: NDArray[np.bool_], closed: tuple[Segment, ...]) -> None:
        new_row = np.where(alive, np.cumsum(alive) - 1, -1)
        vectors, derived = self.vectors.stored(len(alive))[alive], self.vectors.derived(len(alive))[alive]
        self._postings.segments = closed
        self._rows.keep(alive)
        self.vectors.restore(vectors, derived)
        self._spans = {name: (int(new_row[begin]) if many else 0, many) for name, (begin, many) in self._spans.items()}
        self._changed()
