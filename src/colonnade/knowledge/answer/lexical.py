# SPDX-License-Identifier: Apache-2.0
"""Words of questions and sentences, and how much of a question's weight a sentence covers. No vectors here."""

from __future__ import annotations

import re
from collections.abc import Mapping

_WORD = re.compile(r"\w+")
_STOP = """
a an the of in on at by for to from with and or is are was were be been being it its this that these those as do does did
what which who whom whose when where why how many much there their they he she his her him we you your i my me have has had
not no can could would should will may might about into than then so if but also such some any all
"""
STOP = frozenset(_STOP.split())


def _stem(word: str) -> str:
    for suffix in ("ations", "ation", "ings", "ing", "edly", "ies", "ied", "ed", "es", "ly", "s"):
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            return word[: -len(suffix)]
    return word


def terms(text: str) -> list[str]:
    """Content words in order, stemmed, lower case, without stop words."""
    return [_stem(word) for word in _WORD.findall(text.lower()) if word not in STOP]


def weights(question_terms: list[str], idf: Mapping[str, float]) -> dict[str, float]:
    """Each term of the question with its weight; a term that `idf` lacks weighs like the rarest known."""
    rarest = max((idf[t] for t in question_terms if t in idf), default=1.0)
    return {term: idf.get(term, rarest) for term in question_terms}


def coverage(weighted: Mapping[str, float], present: frozenset[str]) -> float:
    """Share, 0..1, of the question's weight that stands among `present`; 0.0 for a question without content words."""
    total = sum(weighted.values())
    return sum(w for term, w in weighted.items() if term in present) / total if total > 0 else 0.0
