# SPDX-License-Identifier: Apache-2.0
"""Which sentence or row answers: features of each piece, and their weighted sum. No threshold and no abstention
here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from colonnade.knowledge.answer.asked import Asked
from colonnade.knowledge.answer.cues import offers
from colonnade.knowledge.answer.passages import Passage
from colonnade.knowledge.answer.pieces import Piece
from colonnade.knowledge.answer.ranges import fitting
from colonnade.knowledge.answer.weights import model

SHORTLIST = 12
"""How many sentences are embedded for one question: about 3 ms each on one core."""


HEADING_LOSS = 6.0
"""What a heading loses: set by hand (the fitted articles have none), about what covering half of a question gains."""

RANGE_GAIN = 6.0
"""What the row of a table of ranges gains when a number of the question falls into its range: set by hand as well."""


def features(asked: Asked, pieces: Sequence[Piece], passages: Sequence[Passage]) -> list[dict[str, float]]:
    """What words tell of each piece; `cosine` is not among them (`with_cosines`)."""
    best_score = max((p.score for p in passages), default=0.0) or 1.0
    best_words = max((p.lexical for p in passages), default=0.0) or 1.0
    fit = in_range(asked, pieces)
    return [
        _features(asked, piece, passages[piece.source.passage], best_score, best_words) | {"in_range": float(at in fit)}
        for at, piece in enumerate(pieces)
    ]


def in_range(asked: Asked, pieces: Sequence[Piece]) -> set[int]:
    """Places of the rows that hold for a number of the question, at most one a passage."""
    if not asked.numbers:
        return set()
    rows: dict[int, list[int]] = {}
    for at, piece in enumerate(pieces):
        if piece.row:
            rows.setdefault(piece.source.passage, []).append(at)
    found = ((places, fitting(asked.text, [pieces[at].source.text for at in places])) for places in rows.values())
    return {places[at] for places, at in found if at is not None}


def _features(asked: Asked, piece: Piece, passage: Passage, best_score: float, best_words: float) -> dict[str, float]:
    text = piece.source.text
    low = text.lower()
    covered = asked.coverage(piece.present)
    has = offers(asked.kind, text, asked.text)
    pairs = frozenset(pairwise(piece.terms))
    return {
        "coverage": covered,
        "context": asked.coverage(piece.present | piece.around) - covered,
        "prefix": _prefix_coverage(asked, piece),
        "pairs": len(asked.pairs & pairs) / max(1, len(asked.pairs)),
        "numbers": _share(asked.numbers, low.replace(",", "")),
        "points_back": asked.coverage(piece.around) if piece.opening else 0.0,
        "offers_date": float(asked.kind == "date" and has),
        "offers_count": float(asked.kind == "count" and has),
        "offers_none": float(asked.kind != "other" and not has),
        "heading": float(piece.heading),
        "passage_score": passage.score / best_score,
        "passage_words": passage.lexical / best_words,
        "passage_cosine": passage.dense,
    }


def _prefix_coverage(asked: Asked, piece: Piece) -> float:
    """Share of the weight that is missing but has a word of the same first five letters (imperial, imperialism)."""
    begins = {term[:5] for term in piece.present if len(term) > 4}
    found = (w for t, w in asked.weights.items() if t not in piece.present and len(t) > 4 and t[:5] in begins)
    return sum(found) / asked.total if asked.total > 0 else 0.0


def _share(wanted: Sequence[str], low: str) -> float:
    return sum(one in low for one in wanted) / len(wanted) if wanted else 0.0


def scores(rows: Sequence[Mapping[str, float]], cosines: NDArray[np.float32] | None) -> NDArray[np.float64]:
    """[len(rows)] how well each piece answers, comparable within one question."""
    if cosines is None:
        lexical = model("rank_lexical")
        return np.array([lexical(row) + _by_hand(row) for row in rows], np.float64)
    dense = model("rank")
    pairs = zip(rows, cosines, strict=True)
    found = [dense({**row, "cosine": float(cosine)}) + _by_hand(row) for row, cosine in pairs]
    return np.array(found, np.float64)


def _by_hand(row: Mapping[str, float]) -> float:
    return RANGE_GAIN * row["in_range"] - HEADING_LOSS * row["heading"]
