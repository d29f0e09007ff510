# SPDX-License-Identifier: Apache-2.0
"""The thresholds of one set of readable chunks, and how they follow from how its own sentences would be answered.

No labels are needed. A pseudo-question is a few words of one of the corpus' own sentences; how high such questions
score there, compared with how high they score where real questions are known, tells how the scale has shifted:
another subject, rarer words, vectors that lie closer together. The constants were fitted on SQuAD articles
(`bench/fit_answers.py`).

Non-interference: a calibration is a pure function of the chunks that its reader may read. Keep one per permission
class and instant, or use `PRIOR`, which knows no corpus at all; never share one between readers who may read
different things.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from colonnade.knowledge.answer.weights import threshold
from colonnade.knowledge.index.words import terms
from colonnade.knowledge.sentences import sentences

SAMPLE = 800
"""Pseudo-questions of a full calibration."""

_FEW = 150
"""With so many pseudo-questions, prior and corpus weigh the same."""

_WORDS = (4, 5, 6, 8)
"""Content words of a pseudo-question, in turn: as many as people's questions have."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Thresholds.

    Attributes:
        topic: abstain when the topic score is below it (with vectors).
        topic_lexical: the same when there are no vectors.
        unsupported: abstain when the twisted-question score is above it.
        doubt: note a doubt when that score is above it.
        samples: how many pseudo-questions stood behind it; 0 for the prior.
    """

    topic: float
    topic_lexical: float
    unsupported: float
    doubt: float
    unsupported_lexical: float
    doubt_lexical: float
    samples: int = 0


PRIOR = Calibration(
    topic=threshold("topic"),
    topic_lexical=threshold("topic_lexical"),
    unsupported=threshold("unsupported"),
    doubt=threshold("doubt"),
    unsupported_lexical=threshold("unsupported_lexical"),
    doubt_lexical=threshold("doubt_lexical"),
)
"""What holds while nothing is known of a corpus."""


@dataclass(frozen=True, slots=True)
class PseudoQuestion:
    """A few words of one of the corpus' own sentences."""

    text: str


def pseudo_questions(chunks: Iterable[tuple[bytes, str]], most: int = SAMPLE) -> list[PseudoQuestion]:
    """Draw from (key, text) of the readable chunks, whatever their order.

    Which are drawn depends on each chunk's own key and text alone: the chunks with the smallest digests of their key,
    one sentence of each, then a second one, until there are `most`. An added or hidden chunk displaces at most its own.
    """
    first = sorted((hashlib.sha256(key).digest(), key, text) for key, text in chunks)[: 2 * most]
    candidates = [(order, key, text) for _, key, text in first for order in range(3)]
    candidates.sort(key=lambda one: one[0])
    found: list[PseudoQuestion] = []
    for order, key, text in candidates:
        made = _made(key, text, order)
        if made:
            found.append(PseudoQuestion(made))
        if len(found) == most:
            break
    return found


def _made(key: bytes, text: str, order: int) -> str:
    """The words of the chunk's `order`-th drawn sentence, "" when it has too few."""
    draw = random.Random(hashlib.sha256(b"pseudo" + key).digest())  # noqa: S311 - sampling, not a secret
    usable = [text[a:b] for a, b in sentences(text) if 5 <= len(set(terms(text[a:b]))) <= 40]
    draw.shuffle(usable)
    if order >= len(usable):
        return ""
    words = usable[order].split()
    content = [at for at, word in enumerate(words) if terms(word)]
    many = _WORDS[draw.randrange(len(_WORDS))]
    kept = sorted(draw.sample(content, min(many, len(content))))
    return " ".join(words[at].strip('.,;:()"') for at in kept)


Find = Callable[[str, NDArray[np.float32] | None], float]
"""A pseudo-question and its vector to its topic score, among what the reader may read."""


def calibrate(
    questions: Sequence[PseudoQuestion],
    *,
    embed: Callable[[Sequence[str]], NDArray[np.float32]] | None,
    find: Find,
    chunks: int,
) -> Calibration:
    """Thresholds for the readable chunks that `questions` were drawn from.

    Args:
        questions: what `pseudo_questions` drew.
        embed: their vectors; None: words alone, where pseudo-questions tell nothing and only the size counts.
        find: searches and scores one; see `topic.question_score`.
        chunks: how many chunks are readable.
    """
    shifted = _for_size(PRIOR, chunks)
    if embed is None or len(questions) < 2:
        return shifted
    vectors = embed([question.text for question in questions])
    scores = np.array([find(q.text, vector) for q, vector in zip(questions, vectors, strict=True)])
    return blended(shifted, scores)


def blended(prior: Calibration, scores: NDArray[np.float64]) -> Calibration:
    """Move the prior's topic threshold by what the pseudo-questions' scores say, the more the more there are.

    Their lower tail is estimated as mean - 1.645 standard deviations, which varies less from sample to sample than
    their 5 % quantile does. It is only moved down: a refused good question costs a user more than a quote too many,
    and words of a small corpus, asked of that corpus, score higher than people's questions do.
    """
    tail = float(scores.mean() - 1.645 * scores.std())
    seen = threshold("pseudo_offset") + threshold("pseudo_slope") * tail + (prior.topic - PRIOR.topic)
    trust = len(scores) / (len(scores) + _FEW) if len(scores) < SAMPLE // 2 else 1.0
    bounded = min(max(seen, prior.topic - threshold("most_shift")), prior.topic)
    return replace(prior, topic=prior.topic + trust * (bounded - prior.topic), samples=len(scores))


def _for_size(prior: Calibration, chunks: int) -> Calibration:
    """Small collections score lower, since there is less that a question could happen to match.

    Fitted between one SQuAD article (some 40 chunks) and sixteen (646); not extrapolated above.
    """
    shift = threshold("size_slope") * math.log(min(max(chunks, 10), 646) / 646)
    return replace(prior, topic=prior.topic + shift, topic_lexical=prior.topic_lexical + shift)
