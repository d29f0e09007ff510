# SPDX-License-Identifier: Apache-2.0
"""The extractive answer: sentences of the passages, verbatim, or an abstention with its reason.

Pure: no index, no clock, no I/O. Text of documents is only ever compared and quoted, never followed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from colonnade.knowledge.answer.calibration import PRIOR, Calibration
from colonnade.knowledge.answer.compose import Candidate, compose, written
from colonnade.knowledge.answer.lexical import coverage, terms, weights
from colonnade.knowledge.answer.passages import Extract, Passage, Reason, Source
from colonnade.knowledge.sentences import sentences

Embed = Callable[[Sequence[str]], NDArray[np.float32]]


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
        embed: unit vectors for sentences; None to work by words alone.
        idf: inverse document frequency, over what the reader may read, of the question's terms, rare ones included.
        calibration: thresholds.
    """
    weighted = weights(terms(question), idf)
    candidates = _candidates(question_vector, weighted, passages, embed)
    best_dense = max((p.dense for p in passages), default=0.0)
    best_cover = max((coverage(weighted, c.terms) for c in candidates), default=0.0)
    dense = question_vector is not None
    topic = 0.5 * best_dense + 0.5 * best_cover if dense else best_cover
    threshold = calibration.topic if dense else calibration.topic_lexical
    signals = {"topic": topic, "topic_threshold": threshold, "best_cosine": best_dense, "coverage": best_cover}
    if not candidates or topic < threshold:
        message = "The sources that you may read do not speak of this."
        reason = Reason("topic", message, topic, threshold)
        return Extract("abstained", message, reason=reason, signals=signals)
    quotes = compose(candidates, passages, margin=0.05)
    answer, cited = written(quotes)
    return Extract("answered", answer, quotes, cited, signals=signals, confidence=min(1.0, max(0.0, topic)))


def _candidates(
    question_vector: NDArray[np.float32] | None,
    weighted: Mapping[str, float],
    passages: Sequence[Passage],
    embed: Embed | None,
    shortlist: int = 12,
) -> list[Candidate]:
    """Every sentence of the passages, best first; ties keep the order of the passages."""
    found: list[Candidate] = []
    for number, passage in enumerate(passages):
        for start, end in sentences(passage.text, 0, len(passage.text)):
            text = passage.text[start:end]
            words = frozenset(terms(text))
            source = Source(number, passage.start + start, passage.start + end, text)
            found.append(Candidate(source, words, coverage(weighted, words) + 0.1 * passage.dense))
    found.sort(key=lambda c: -c.score)
    found = found[:shortlist]
    if embed is not None and question_vector is not None and found:
        cosines = embed([c.source.text for c in found]) @ question_vector
        found = [Candidate(c.source, c.terms, c.score + float(cos)) for c, cos in zip(found, cosines, strict=True)]
        found.sort(key=lambda c: -c.score)
    return found
