# SPDX-License-Identifier: Apache-2.0
"""Whether the passages speak of the question's topic at all: three signals, one score. No threshold here.

The signals, over the best `DEPTH` passages: the best cosine, the best share of the question's weight that one sentence
covers, and the best sum of cosine and coverage within one passage. No sentence is embedded for it, so that
calibration can afford hundreds of pseudo-questions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from colonnade.knowledge.answer.asked import Asked, read
from colonnade.knowledge.answer.passages import Passage
from colonnade.knowledge.answer.pieces import Piece, pieces
from colonnade.knowledge.answer.weights import model
from colonnade.knowledge.index.words import terms

DEPTH = 5


def signals(asked: Asked, passages: Sequence[Passage], cut: Sequence[Piece]) -> dict[str, float]:
    """The raw signals; all 0.0 when nothing was found."""
    near = passages[:DEPTH]
    words = [frozenset(terms(f"{p.context}\n{p.text}")) for p in near]
    whole = [asked.coverage(present) for present in words]
    sentence = max((asked.coverage(p.present) for p in cut if p.source.passage < DEPTH), default=0.0)
    weight = asked.total or 1.0
    return {
        "cosine": max((p.dense for p in near), default=0.0),
        "sentence_coverage": sentence,
        "passage_coverage": max(whole, default=0.0),
        "joint": max((p.dense + share for p, share in zip(near, whole, strict=True)), default=0.0),
        "lexical": max((p.lexical for p in near), default=0.0) / weight,
    }


def score(found: dict[str, float], *, dense: bool) -> float:
    """One number, higher for a present topic: log odds on the corpus it was fitted on."""
    return model("topic" if dense else "topic_lexical")(found)


def question_score(question: str, passages: Sequence[Passage], idf: Mapping[str, float], *, dense: bool) -> float:
    """The topic score of a question for the passages that a search gave: what calibration asks for."""
    near = passages[:DEPTH]
    return score(signals(read(question, idf), near, pieces(near)), dense=dense)
