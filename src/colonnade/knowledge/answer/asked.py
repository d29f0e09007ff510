# SPDX-License-Identifier: Apache-2.0
"""A question, read once: its weighted terms and what it asks for; and how much of it a set of terms covers. No
vectors.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from itertools import pairwise

from colonnade.knowledge.answer.cues import Kind, dates, kind_of, names, numbers
from colonnade.knowledge.index.words import terms


@dataclass(frozen=True, slots=True)
class Asked:
    """What a question says.

    Attributes:
        text: as asked.
        terms: its search terms in order.
        weights: each distinct term with its inverse document frequency over what the reader may read.
        total: sum of the weights.
        kind: what it asks for.
        names, numbers, dates: what it names itself, lower case.
        pairs: neighbouring terms.
    """

    text: str
    terms: tuple[str, ...]
    weights: Mapping[str, float]
    total: float
    kind: Kind
    names: tuple[str, ...]
    numbers: tuple[str, ...]
    dates: tuple[str, ...]
    pairs: frozenset[tuple[str, str]]

    def coverage(self, present: Set[str]) -> float:
        """Share, 0..1, of the question's weight that stands among `present`; 0.0 when it has no term."""
        return sum(w for term, w in self.weights.items() if term in present) / self.total if self.total > 0 else 0.0


def read(question: str, idf: Mapping[str, float]) -> Asked:
    """Read a question; a term that `idf` lacks weighs like the rarest of the others."""
    found = tuple(terms(question))
    rarest = max((idf[term] for term in found if term in idf), default=1.0)
    weights = {term: idf.get(term, rarest) for term in found}
    return Asked(
        text=question,
        terms=found,
        weights=weights,
        total=sum(weights.values()),
        kind=kind_of(question),
        names=tuple(name.lower() for name in names(question)),
        numbers=tuple(numbers(question)),
        dates=tuple(dates(question)),
        pairs=frozenset(pairwise(found)),
    )
