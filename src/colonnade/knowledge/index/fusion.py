# SPDX-License-Identifier: Apache-2.0
"""Two lists of scores become one. Pure arithmetic on candidates; what is permitted, and who is a candidate, is decided
before.

1. Each leg is scaled to 0..1: words from 0 to the best; meaning from what a typical permitted passage would score (the
   question times the mean vector of the permitted set) to the best. Then they are averaged.
2. The question's vector moves a little
towards the best candidates, each weighted by its lead (soft feedback), and the second leg is scored again: J. J.
Rocchio, "Relevance feedback in information retrieval", 1971, with softmax weights.

Chosen on SciFact's training questions and SQuAD2 paragraphs; what was tried stands in `docs/concepts/retrieval.md`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_NOTHING = 1e-9


@dataclass(frozen=True, slots=True)
class Recipe:
    """How legs are fused.

    Attributes:
        dense: weight of meaning; words have the rest.
        keep: how much of the question's own vector stays.
        teachers: how many of the best candidates it moves towards.
        lead: the difference of fused scores at which a candidate teaches 1/e as much.
    """

    dense: float
    keep: float
    teachers: int = 10
    lead: float = 0.1


DEFAULT = Recipe(dense=0.55, keep=0.6)
WIDE = Recipe(dense=0.6, keep=0.5)


def scaled(scores: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    """Scores from low..high to 0..1; below low is 0. All 0 when the range is empty."""
    if high - low <= _NOTHING:
        return np.zeros(len(scores))
    return np.clip((scores - low) / (high - low), 0.0, None)


def fused(recipe: Recipe, words: NDArray[np.float64], dense: NDArray[np.float64]) -> NDArray[np.float64]:
    """The weighted mean of two scaled legs, rounded so that equal inputs are equal outputs."""
    return np.round((1.0 - recipe.dense) * words + recipe.dense * dense, 10)


def moved(
    recipe: Recipe, question: NDArray[np.float64], best: NDArray[np.float64], scores: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The question's vector, moved towards the best candidates (rows of `best`, in a fixed order) by their leads."""
    pull = np.exp((scores - scores.max()) / recipe.lead)
    vector: NDArray[np.float64] = recipe.keep * question + (1.0 - recipe.keep) * ((pull / pull.sum()) @ best)
    return vector
