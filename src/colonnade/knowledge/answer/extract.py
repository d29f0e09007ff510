# SPDX-License-Identifier: Apache-2.0
"""The extractive answer: sentences or rows of the passages, verbatim, or an abstention with its reason.

Pure: no index, no clock, no I/O. Text of documents is only ever compared and quoted, never followed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from colonnade.knowledge.answer import rank, topic, twisted
from colonnade.knowledge.answer.asked import Asked, read
from colonnade.knowledge.answer.calibration import PRIOR, Calibration
from colonnade.knowledge.answer.compose import Candidate, compose, written
from colonnade.knowledge.answer.passages import Extract, Passage, Reason
from colonnade.knowledge.answer.pieces import Piece, pieces
from colonnade.knowledge.answer.weights import threshold

Embed = Callable[[Sequence[str]], NDArray[np.float32]]

ABSENT = "The sources that you may read do not speak of this."
UNSUPPORTED = "The sources speak of this, but do not seem to answer the question."
UNMENTIONED = "The sources that you may read do not mention {}."
DOUBT = "The sources may speak of something slightly different: check the quote."


def extract(
    question: str,
    question_vector: NDArray[np.float32] | None,
    passages: Sequence[Passage],
    *,
    embed: Embed | None = None,
    idf: Mapping[str, float],
    calibration: Calibration = PRIOR,
) -> Extract:
    """Answer `question` from `passages` (best first), or abstain.

    Args:
        question: as asked.
        question_vector: its unit vector, or None to work by words alone.
        passages: what retrieval gave, best first; all of them readable by who asks.
        embed: unit vectors for sentences, asked once for at most `rank.SHORTLIST` of them; None to work by words alone.
        idf: inverse document frequency, over what the reader may read, of the question's terms, absent ones included.
        calibration: thresholds.
    """
    asked = read(question, idf)
    cut = pieces(passages)
    dense = question_vector is not None and embed is not None
    signals = topic.signals(asked, passages, cut)
    score = topic.score(signals, dense=dense)
    least = calibration.topic if dense else calibration.topic_lexical
    signals |= {"topic": score, "topic_threshold": least}
    if not cut or not asked.terms or score < least:
        return _abstained(Reason("topic", ABSENT, score, least), signals, 0.0)
    ordered = order_pieces(asked, cut, passages, question_vector, embed)
    doubt = _doubt(asked, ordered, passages, dense)
    most = calibration.unsupported if dense else calibration.unsupported_lexical
    noted = calibration.doubt if dense else calibration.doubt_lexical
    codes, names = twisted.unmentioned(asked, passages)
    signals |= {"unmentioned_codes": float(len(codes)), "unmentioned_names": float(len(names))}
    signals |= {"twisted": doubt, "twisted_threshold": most, "twisted_note": noted}
    confidence = 1.0 / (1.0 + math.exp(-min(max(score, -30.0), 30.0)))
    if codes:
        unknown = Reason("unsupported", UNMENTIONED.format(", ".join(codes).upper()), float(len(codes)), 0.0)
        return _abstained(unknown, signals, confidence)
    if doubt > most:
        return _abstained(Reason("unsupported", UNSUPPORTED, doubt, most), signals, confidence)
    candidates = [Candidate(o.piece.source, o.piece.present, o.score) for o in ordered]
    quotes = compose(candidates, passages, margin=threshold("agree_margin"))
    answer, cited = written(quotes)
    note = Reason("unsupported", DOUBT, doubt, noted) if doubt > noted else None
    if names:
        note = Reason("unsupported", UNMENTIONED.format(", ".join(names)), float(len(names)), 0.0)
    return Extract("answered", answer, quotes, cited, None, note, signals, confidence)


@dataclass(frozen=True, slots=True)
class Ordered:
    """A piece with its rank score, its cosine with the question (0.0 without vectors), and whether it is a row for a
    range that holds a number of the question.
    """

    piece: Piece
    score: float
    cosine: float
    in_range: bool = False


def _abstained(reason: Reason, signals: dict[str, float], confidence: float) -> Extract:
    return Extract("abstained", reason.message, reason=reason, signals=signals, confidence=confidence)


def order_pieces(
    asked: Asked,
    cut: Sequence[Piece],
    passages: Sequence[Passage],
    question_vector: NDArray[np.float32] | None,
    embed: Embed | None,
) -> list[Ordered]:
    """The pieces best first; with vectors only the shortlist of words is looked at. Ties keep the passages' order."""
    rows = rank.features(asked, cut, passages)
    by_words = rank.scores(rows, None)
    order = np.argsort(-by_words, kind="stable")
    if embed is None or question_vector is None:
        return [Ordered(cut[i], float(by_words[i]), 0.0, rows[i]["in_range"] > 0) for i in order]
    order = order[: rank.SHORTLIST]
    cosines = np.asarray(embed([cut[i].source.text for i in order]) @ question_vector, np.float32)
    both = rank.scores([rows[i] for i in order], cosines)
    found = [
        Ordered(cut[i], float(s), float(c), rows[i]["in_range"] > 0)
        for i, s, c in zip(order, both, cosines, strict=True)
    ]
    return sorted(found, key=lambda o: -o.score)


def _doubt(asked: Asked, ordered: Sequence[Ordered], passages: Sequence[Passage], dense: bool) -> float:
    return twisted.score(doubt_signs(asked, ordered, passages), dense=dense)


def doubt_signs(asked: Asked, ordered: Sequence[Ordered], passages: Sequence[Passage]) -> dict[str, float]:
    """The signs of a twisted question, for the best piece and its passage."""
    best = ordered[0]
    same = [o for o in ordered if o.piece.source.passage == best.piece.source.passage]
    return twisted.signs(
        asked,
        best.piece,
        passages[best.piece.source.passage],
        score=best.score,
        gap=best.score - same[1].score if len(same) > 1 else 0.0,
        cosine=max(o.cosine for o in same),
        in_range=best.in_range,
    )
