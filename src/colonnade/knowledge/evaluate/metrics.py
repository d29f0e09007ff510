# SPDX-License-Identifier: Apache-2.0
"""The metrics themselves, pure functions of rankings, texts and scores. No files, no engine, no clock.

Rankings follow trec_eval: scores are compared as 32-bit floats, ties go to the document id that sorts last, the
gain of a judgement is its grade. Exact match and F1 follow the official SQuAD 2.0 script (Rajpurkar et al. 2018).
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

Judgements = Mapping[str, int]
"""Document id to grade; 0 or less is not relevant."""

_ARTICLE = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def ranked(scores: Mapping[str, float]) -> list[str]:
    """Document ids as trec_eval orders them: 32-bit score descending, then id descending."""
    return sorted(scores, key=lambda document: (float(np.float32(scores[document])), document), reverse=True)


def ndcg(ranking: Sequence[str], judged: Judgements, k: int) -> float:
    """Normalised discounted cumulative gain at `k` (Järvelin and Kekäläinen 2002; gain = grade).

    >>> round(ndcg(["b", "a"], {"a": 1}, 10), 4)
    0.6309
    """
    ideal = _gain(sorted((grade for grade in judged.values() if grade > 0), reverse=True)[:k])
    return _gain([max(0, judged.get(document, 0)) for document in ranking[:k]]) / ideal if ideal else 0.0


def _gain(grades: Iterable[int]) -> float:
    return float(sum(grade / np.log2(rank + 1) for rank, grade in enumerate(grades, start=1)))


def recall(ranking: Sequence[str], judged: Judgements, k: int) -> float:
    """Share of the relevant documents among the first `k`."""
    relevant = {document for document, grade in judged.items() if grade > 0}
    return len(relevant.intersection(ranking[:k])) / len(relevant) if relevant else 0.0


def reciprocal_rank(ranking: Sequence[str], judged: Judgements, k: int) -> float:
    """One over the rank of the first relevant document, 0.0 when it is not among the first `k`."""
    return next((1.0 / rank for rank, d in enumerate(ranking[:k], start=1) if judged.get(d, 0) > 0), 0.0)


def average_precision(ranking: Sequence[str], judged: Judgements) -> float:
    """Mean of the precision at each relevant document; one that is not found counts 0 (trec_eval `map`)."""
    relevant = sum(grade > 0 for grade in judged.values())
    found, total = 0, 0.0
    for rank, document in enumerate(ranking, start=1):
        if judged.get(document, 0) > 0:
            found += 1
            total += found / rank
    return total / relevant if relevant else 0.0


def normalised(answer: str) -> str:
    """Lower case, without punctuation, articles and doubled spaces, as SQuAD's script compares."""
    return " ".join(_ARTICLE.sub(" ", answer.lower().translate(_PUNCTUATION)).split())


def exact_match(given: str, golds: Sequence[str]) -> float:
    """1.0 when it equals one of `golds` after `normalised`; no golds means that nothing should be given."""
    return float(normalised(given) in {normalised(gold) for gold in golds or [""]})


def f1(given: str, golds: Sequence[str]) -> float:
    """Best overlap of words with one of `golds`, 0..1; no golds means that nothing should be given."""
    return max(_f1(normalised(given).split(), normalised(gold).split()) for gold in golds or [""])


def _f1(given: Sequence[str], gold: Sequence[str]) -> float:
    if not given or not gold:
        return float(given == gold)
    shared = sum((Counter(given) & Counter(gold)).values())
    return 2 * shared / (len(given) + len(gold))


def auc(positive: Sequence[float], negative: Sequence[float]) -> float:
    """Chance that a positive scores above a negative, ties one half (Mann, Whitney 1947); nan for an empty side.

    >>> auc([0.9, 0.4], [0.1, 0.4])
    0.875
    """
    if not len(positive) or not len(negative):
        return float("nan")
    values, inverse = np.unique(np.concatenate([positive, negative]), return_inverse=True)
    above = np.bincount(inverse[: len(positive)], minlength=len(values))
    below = np.bincount(inverse[len(positive) :], minlength=len(values))
    smaller = np.cumsum(below) - below
    return float((above * (smaller + below / 2)).sum() / (len(positive) * len(negative)))


def rejected_at(positive: Sequence[float], negative: Sequence[float], false_abstentions: float = 0.05) -> float:
    """Share of the negatives that a threshold rejects which rejects `false_abstentions` of the positives.

    The threshold is the positives' quantile (the order statistic at or below it), and what is *under* it is rejected.
    """
    threshold = float(np.quantile(np.asarray(positive), false_abstentions, method="lower"))
    return float(np.mean(np.asarray(negative) < threshold))
