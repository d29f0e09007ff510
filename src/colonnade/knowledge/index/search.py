# SPDX-License-Identifier: Apache-2.0
"""One search over one view: two legs, their union, one order. Nothing outside of the view may be looked at here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from colonnade.knowledge.index import fusion
from colonnade.knowledge.index.alike import Kept
from colonnade.knowledge.index.lexical import Words
from colonnade.knowledge.index.postings import Segment
from colonnade.knowledge.index.rows import Rows, ranked
from colonnade.knowledge.index.view import View
from colonnade.knowledge.index.worded import Worded
from colonnade.ports.outside.vectors import Vectors

_DEPTH_DENSE = 250
_DEPTH_WORDS = 200
_DEPTH_A_RESULT = 4


@dataclass(frozen=True, slots=True)
class Question:
    """What is searched: words, the vector, how many, which legs, whether to look a second time, whether to collapse."""

    words: Words
    vector: NDArray[np.float32] | None
    k: int
    mode: str
    wide: bool = False
    collapse: bool = True

    @property
    def depth_words(self) -> int:
        """How many candidates the lexical leg gives."""
        return max(_DEPTH_WORDS, _DEPTH_A_RESULT * self.k)

    @property
    def depth_dense(self) -> int:
        """How many candidates the dense leg gives: more, because its shortlist is by estimated angles."""
        return max(_DEPTH_DENSE, _DEPTH_A_RESULT * self.k)


@dataclass(frozen=True, slots=True)
class Found:
    """A found row with its score and what each leg said."""

    row: int
    score: float
    lexical: float
    dense: float


@dataclass(slots=True)
class Candidates:
    """The union of both legs, rows ascending, with what each leg says of every one."""

    rows: NDArray[np.int64]
    words: NDArray[np.float64]
    has_vector: NDArray[np.bool_]
    vectors: NDArray[np.float64]
    dense: NDArray[np.float64]


def find(question: Question, view: View, segments: Sequence[Segment], vectors: Vectors, rows: Rows) -> list[Found]:
    """The best, best first; `rows` is read at permitted rows only."""
    worded = None
    if question.mode != "dense":
        worded = Worded(view.field, segments, question.words, question.depth_words, view.wanted)
    query = None if question.vector is None else question.vector.astype(np.float64)
    if query is None or question.mode == "lexical" or view.mean is None or not len(view.scope.rows):
        if worded is None:
            return []
        scores = worded.scores
        return _chosen(question, rows, worded.rows, np.round(scores, 9), scores, np.zeros(len(scores)))
    held = _candidates(question, view, vectors, worded, query)
    if worded is None:
        return _chosen(question, rows, held.rows, held.dense, held.words, held.dense)
    held, scores = _fuse(question, view, vectors, worded, query, held, rows)
    return _chosen(question, rows, held.rows, scores, held.words, held.dense)


def _candidates(
    question: Question,
    view: View,
    vectors: Vectors,
    worded: Worded | None,
    query: NDArray[np.float64],
    second: NDArray[np.float64] | None = None,
) -> Candidates:
    looks = [query] if second is None else [query, second]
    near = [vectors.shortlist(look.astype(np.float32), view.scope, question.depth_dense) for look in looks]
    rows = _union(near if worded is None else [*near, worded.rows])
    words = np.zeros(len(rows)) if worded is None else worded.of(rows)
    has_vector = view.scope.mask[rows]
    stored = vectors.vectors(rows)
    dense = np.where(has_vector, np.round(stored @ query, 9), 0.0)
    return Candidates(rows, words, has_vector, stored, dense)


def _fuse(
    question: Question,
    view: View,
    vectors: Vectors,
    worded: Worded,
    query: NDArray[np.float64],
    held: Candidates,
    rows: Rows,
) -> tuple[Candidates, NDArray[np.float64]]:
    recipe = fusion.WIDE if question.wide else fusion.DEFAULT
    words = fusion.scaled(held.words, 0.0, worded.top)
    first = fusion.fused(recipe, words, _meaning(view, held, query, held.dense))
    best = ranked(held.rows, first, rows.keys, recipe.teachers)
    best = best[held.has_vector[best]]
    if not len(best):
        return held, first
    moved = fusion.moved(recipe, query, held.vectors[best], first[best])
    if question.wide:
        held = _candidates(question, view, vectors, worded, query, moved)
        words = fusion.scaled(held.words, 0.0, worded.top)
    said = np.round(held.vectors @ moved, 9)
    return held, fusion.fused(recipe, words, _meaning(view, held, moved, said))


def _meaning(
    view: View, held: Candidates, query: NDArray[np.float64], scores: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The dense leg scaled: 0 is what a typical permitted row would score, 1 the best."""
    assert view.mean is not None
    low, high = float(query @ view.mean), float(scores.max(initial=0.0, where=held.has_vector))
    return np.where(held.has_vector, fusion.scaled(scores, low, high), 0.0)


def _chosen(
    question: Question,
    rows: Rows,
    found: NDArray[np.int64],
    scores: NDArray[np.float64],
    words: NDArray[np.float64],
    dense: NDArray[np.float64],
) -> list[Found]:
    """The k best in order; of chunks that say the same only the first."""
    order = ranked(found, scores, rows.keys, 3 * question.k + 8 if question.collapse else question.k)
    if question.collapse:
        order = order[_distinct(rows, found[order], question.k)]
    return [Found(int(found[i]), float(scores[i]), float(words[i]), float(dense[i])) for i in order]


def _distinct(rows: Rows, found: NDArray[np.int64], k: int) -> list[int]:
    """Positions of the first k that say something that none before says."""
    kept, first = Kept(), []
    for i, (sketched, length) in enumerate(
        zip(rows.sketches[found].tolist(), rows.length[found].tolist(), strict=True)
    ):
        if kept.takes(sketched, length):
            first.append(i)
            if len(first) == k:
                break
    return first


def _union(lists: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    """All rows of ascending lists, each once, ascending."""
    if len(lists) == 1:
        return lists[0]
    rows = np.sort(np.concatenate(lists))
    new = np.ones(len(rows), bool)
    new[1:] = rows[1:] != rows[:-1]
    return rows[new]
