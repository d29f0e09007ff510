# SPDX-License-Identifier: Apache-2.0
"""Whether a question about a present topic asks for what the sources do not say: cheap signs in words, names and
numbers.

It is weak (see docs/concepts/answers.md), hence a doubt beside the answer, and an abstention only far out. Another
kind than `topic`: the two are never mixed into one number.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from colonnade.knowledge.answer.asked import Asked
from colonnade.knowledge.answer.cues import codes, names, offers
from colonnade.knowledge.answer.opposites import NEGATION, PLAIN_NOT, turned
from colonnade.knowledge.answer.passages import Passage
from colonnade.knowledge.answer.pieces import Piece
from colonnade.knowledge.answer.weights import model
from colonnade.knowledge.index.words import terms


def unmentioned(asked: Asked, passages: Sequence[Passage]) -> tuple[list[str], list[str]]:
    """Identifiers, and names, of the question that no passage mentions at all.

    A term that rare would have been found if it stood anywhere in what the reader may read. On SQuAD 2.0 a missing
    name is ten times as frequent in twisted questions (14 %) as in good ones (1.4 %, mostly misspelt or spelled out);
    a missing identifier never occurred in a good one.
    """
    whole = " ".join(f"{p.context} {' '.join(p.headings)} {p.text}" for p in passages)
    low, held = whole.lower(), frozenset(terms(whole))
    missing_codes = [code for code in codes(asked.text) if code not in low]
    missing_names = [name for name in names(asked.text) if not held & frozenset(terms(name)) and terms(name)]
    return missing_codes, [name for name in missing_names if name.lower() not in missing_codes]


_WORD = re.compile(r"[\w'’-]+")


def signs(
    asked: Asked,
    best: Piece,
    passage: Passage,
    *,
    score: float,
    gap: float,
    cosine: float,
    in_range: bool = False,
) -> dict[str, float]:
    """The features, by name.

    Args:
        asked: the question.
        best: the piece that would answer.
        passage: the one that holds it.
        score: of the best piece, by `rank`.
        gap: how far the second piece of that passage lies behind, 0.0 when there is none.
        cosine: the highest of a piece of that passage, 0.0 without vectors.
        in_range: whether the piece is a row for a range that a number of the question falls into: that one is there.
    """
    said = best.source.text
    low, whole = said.lower(), f"{passage.context}\n{passage.text}".lower()
    present = frozenset(terms(f"{passage.context}\n{passage.text}"))
    missing_here = [w for term, w in asked.weights.items() if term not in best.present]
    missing_all = [w for term, w in asked.weights.items() if term not in present]
    words = _WORD.findall(asked.text.lower())
    plain = whole.replace(",", "")
    weight = asked.total or 1.0
    return {
        "score": score,
        "gap": gap,
        "passage_cosine": passage.dense,
        "best_cosine": cosine,
        "passage_coverage": asked.coverage(present),
        "with_context": asked.coverage(best.present | best.around),
        "heaviest_missing": max(missing_here, default=0.0) / weight,
        "weight_missing": sum(missing_all) / weight,
        "names_missing": float(sum(name not in whole for name in asked.names)),
        "numbers_missing": float(max(0, sum(number not in plain for number in asked.numbers) - in_range)),
        "dates_missing": float(sum(date not in low for date in asked.dates)),
        "opposites_here": float(turned(words, frozenset(_WORD.findall(low)))),
        "opposites_anywhere": float(turned(words, frozenset(_WORD.findall(whole)))),
        "negations_missing": float(sum(found.lower() not in low for found in NEGATION.findall(asked.text))),
        "plain_not": float(PLAIN_NOT.search(asked.text) is not None),
        "offers": float(offers(asked.kind, said, asked.text)),
    }


def score(found: dict[str, float], *, dense: bool) -> float:
    """Log odds, on SQuAD 2.0, that the question is twisted."""
    return model("twisted" if dense else "twisted_lexical")(found)
