# SPDX-License-Identifier: Apache-2.0
"""The thresholds in force for one reader of one knowledge base: made beside the requests, kept by what may be read.

Non-interference: a calibration is a pure function of what the reader may read, and so is when it is asked for and
whether it counts. Nothing about what others read, or about ingestion, may enter here.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from colonnade.core.errors import ColonnadeError
from colonnade.core.search import Hit
from colonnade.knowledge.answer.calibration import PRIOR, Calibration, calibrate, pseudo_questions
from colonnade.knowledge.answer.passages import Passage
from colonnade.knowledge.answer.topic import DEPTH, question_score
from colonnade.knowledge.contents import Content, Shelf
from colonnade.knowledge.index import Index, Readable
from colonnade.ports.outside.models import Embedder

if TYPE_CHECKING:
    from numpy.typing import NDArray

SAMPLE = 200
"""Pseudo-questions of one calibration: under one CPU second with the default embedder."""

QUIET_S = 1.0
"""What a reader may read must stay as it is for so long before it is calibrated again: not at each file of a run."""

FIRST_WAIT_S = 3.0
"""The first question of a class of readers waits so long at most for its thresholds."""

_BATCH = 16
"""Pseudo-questions embedded at once, so that a question that comes meanwhile waits for few."""
_KEPT = 256
_KEPT_VECTORS = 20 * SAMPLE

_K = TypeVar("_K")
_V = TypeVar("_V")

Print = tuple[str, tuple[int, int, int, int]]
"""The embedder's id and the fingerprint of what may be read."""


_log = logging.getLogger("colonnade.knowledge")


@dataclass(frozen=True, slots=True)
class Class:
    """Readers who may read the same, at one instant, in one index."""

    index: Index
    embedder: Embedder
    readers: frozenset[str]
    at_ms: int | None

    def readable(self) -> Readable:
        """What they may read now."""
        return self.index.readable(self.readers, self.at_ms)

    def key(self) -> Print:
        """Equal for classes that may read the same."""
        return self.embedder.id, self.readable().fingerprint


@dataclass(frozen=True, slots=True)
class InForce:
    """Thresholds, and whether they are those of what may be read now (`settled`) or older ones, or the prior."""

    calibration: Calibration
    settled: bool


class Calibrations:
    """Thresholds by what may be read. Thread-safe; one thread of its own, which ends when there is nothing to do."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._changed = threading.Condition()
        self._made: OrderedDict[Print, Calibration] = OrderedDict()
        self._latest: OrderedDict[tuple[str, frozenset[str]], Calibration] = OrderedDict()
        self._wanted: deque[tuple[Class, Print, float]] = deque()
        self._vectors: OrderedDict[tuple[str, str], NDArray[np.float32]] = OrderedDict()
        self._thread: threading.Thread | None = None
        self._closed = False

    def in_force(self, index: Index, embedder: Embedder | None, readers: frozenset[str], at_ms: int | None) -> InForce:
        """What holds for a question now.

        By words alone it is computed at once, as only the number of chunks counts. With vectors it was made before; if
        not, it is begun, and until it is there the last one of the same reader sets holds. Where there is none, the
        first question waits for it, `FIRST_WAIT_S` at most, and takes the prior then.
        """
        if embedder is None:
            chunks = index.readable(readers, at_ms).chunks
            return InForce(calibrate([], embed=None, find=lambda _q, _v: 0.0, chunks=chunks), settled=True)
        asked = Class(index, embedder, readers, at_ms)
        key = asked.key()
        with self._changed:
            made = self._kept(asked, key)
            if made is None:
                latest = self._latest.get((embedder.id, readers))
                self._want(asked, key, 0.0 if latest is None else QUIET_S)
                if latest is not None:
                    return InForce(latest, settled=False)
                self._changed.wait_for(lambda: self._closed or not self._waited_for(key), FIRST_WAIT_S)
                made = self._kept(asked, key)
            return InForce(PRIOR, settled=False) if made is None else InForce(made, settled=True)

    def forget(self) -> None:
        """Rights changed: what held before holds for nobody, not even until the next is there."""
        with self._changed:
            self._latest.clear()

    def close(self) -> None:
        """End the work under way; the prior holds from then on."""
        with self._changed:
            self._closed = True
            self._wanted.clear()
            self._changed.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join()

    # ---- under the lock

    def _kept(self, asked: Class, key: Print) -> Calibration | None:
        made = self._made.get(key)
        if made is not None:
            self._made.move_to_end(key)
            if asked.at_ms is None:
                _keep(self._latest, (asked.embedder.id, asked.readers), made, _KEPT)
        return made

    def _want(self, asked: Class, key: Print, quiet_s: float) -> None:
        if self._closed or self._waited_for(key):
            return
        self._wanted.append((asked, key, time.monotonic() + quiet_s))
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="calibrating", daemon=True)
            self._thread.start()

    def _waited_for(self, key: Print) -> bool:
        return any(other == key for _, other, _ in self._wanted)

    # ---- in the thread

    def _work(self) -> None:
        while (job := self._next()) is not None:
            asked, key = job
            made = self._make(asked, key)
            with self._changed:
                if made is not None:
                    _keep(self._made, key, made, _KEPT)
                self._wanted = deque(one for one in self._wanted if one[1] != key)
                self._changed.notify_all()

    def _next(self) -> tuple[Class, Print] | None:
        """The class whose time came first, once it came; it stays wanted while it is made. None when there is none."""
        with self._changed:
            while self._wanted and not self._closed:
                asked, key, due = min(self._wanted, key=lambda one: one[2])
                left = due - time.monotonic()
                if left <= 0:
                    return asked, key
                self._changed.wait(left)
            self._thread = None
            return None

    def _make(self, asked: Class, key: Print) -> Calibration | None:
        """None when what may be read changed meanwhile, or cannot be embedded: the next question asks again."""
        if asked.key() != key:
            return None
        try:
            questions = pseudo_questions(self._texts(asked), SAMPLE)
            made = calibrate(
                questions,
                embed=lambda words: self._embed(asked.embedder, words),
                find=lambda words, vector: self._score(asked, words, vector),
                chunks=asked.readable().chunks,
            )
        except (ColonnadeError, _Closed):
            return None
        except Exception:
            _log.exception("thresholds could not be made; the prior holds")
            return None
        return made if asked.key() == key else None

    def _texts(self, asked: Class) -> Iterator[tuple[bytes, str]]:
        for content, order, draw in asked.index.sample(asked.readers, asked.at_ms, 2 * SAMPLE):
            self._go_on()
            opened = self._open(content)
            if opened is not None:
                chunk = opened.chunks[order]
                yield draw, opened.text[chunk.start : chunk.end]

    def _embed(self, embedder: Embedder, words: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of pseudo-questions; those of unchanged chunks are known from before."""
        missing = [one for one in dict.fromkeys(words) if (embedder.id, one) not in self._vectors]
        for at in range(0, len(missing), _BATCH):
            self._go_on()
            batch = missing[at : at + _BATCH]
            for one, vector in zip(batch, embedder.embed(batch), strict=True):
                _keep(self._vectors, (embedder.id, one), np.asarray(vector, np.float32), _KEPT_VECTORS)
        return np.stack([self._vectors[embedder.id, one] for one in words])

    def _score(self, asked: Class, words: str, vector: NDArray[np.float32] | None) -> float:
        self._go_on()
        hits = asked.index.search(words, vector, readers=asked.readers, at_ms=asked.at_ms, k=DEPTH)
        opened = [(hit, self._open(hit.content)) for hit in hits]
        passages = [_passage(hit, content) for hit, content in opened if content is not None]
        return question_score(words, passages, asked.index.idf(words, asked.readers, asked.at_ms), dense=True)

    def _open(self, content: str) -> Content | None:
        """None when it went since the index was looked at."""
        try:
            return self._shelf.get(content)
        except KeyError:
            return None

    def _go_on(self) -> None:
        """Let questions go first; raises when the house closes."""
        if self._closed:
            raise _Closed
        time.sleep(0)


class _Closed(Exception):
    """The house closes."""


def _passage(hit: Hit, content: Content) -> Passage:
    chunk = content.chunks[hit.order]
    return Passage(
        document=hit.content,
        content=hit.content,
        order=hit.order,
        text=content.text[chunk.start : chunk.end],
        start=chunk.start,
        headings=chunk.headings,
        context=chunk.context,
        score=hit.score,
        lexical=hit.lexical,
        dense=hit.dense,
    )


def _keep(kept: OrderedDict[_K, _V], key: _K, value: _V, most: int) -> None:
    kept[key] = value
    kept.move_to_end(key)
    while len(kept) > most:
        kept.popitem(last=False)
