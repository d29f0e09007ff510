# SPDX-License-Identifier: Apache-2.0
"""Texts as the words and word pairs in them, hashed and weighted by how rare they are (tf-idf). No model, no learning.

Hashes are CRC-32, which is the same in every process; a collision makes two words one, which in 2^32 is rare.
"""

from __future__ import annotations

import itertools
import re
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST_WORDS = 50_000
_WORD = re.compile(r"\w+", re.UNICODE)
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Sparse:
    """A matrix of few values a row, by rows: values, their columns, and where each row begins ([rows + 1])."""

    values: Floats
    columns: NDArray[np.int64]
    starts: NDArray[np.int64]
    width: int

    def times(self, weights: Floats) -> Floats:
        """[rows, k] = self @ weights [width, k]."""
        out = np.zeros((len(self.starts) - 1, weights.shape[1]))
        filled = np.flatnonzero(np.diff(self.starts))
        if len(filled):
            parts = weights[self.columns] * self.values[:, None]
            out[filled] = np.add.reduceat(parts, self.starts[filled], axis=0)
        return out

    def turned(self) -> Sparse:
        """By columns: the transposed matrix."""
        order = np.argsort(self.columns, kind="stable")
        rows = np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))
        starts = np.concatenate([[0], np.cumsum(np.bincount(self.columns, minlength=self.width))])
        return Sparse(self.values[order], rows[order], starts, len(self.starts) - 1)

    def only(self, rows: NDArray[np.int64]) -> Sparse:
        """Some of the rows, in the order given."""
        sizes = np.diff(self.starts)[rows]
        starts = np.concatenate([[0], np.cumsum(sizes)])
        places = np.arange(starts[-1]) + np.repeat(self.starts[rows] - starts[:-1], sizes)
        return Sparse(self.values[places], self.columns[places], starts, self.width)


@dataclass(frozen=True)
class Vocabulary:
    """Hashes of the words that count, ascending, and the weight of each: log((1 + texts) / (1 + texts with it)) + 1."""

    hashes: NDArray[np.uint32]
    weights: NDArray[np.float32]

    @classmethod
    def of(cls, texts: Sequence[str], fewest: int = 2) -> Vocabulary:
        """Words that stand in at least `fewest` of the texts, the most frequent ones."""
        seen: Counter[int] = Counter()
        for text in texts:
            seen.update(set(hashes_of(text)))
        kept = sorted(((-count, word) for word, count in seen.items() if count >= fewest))[:MOST_WORDS]
        counts = {word: -count for count, word in kept}
        hashes = np.array(sorted(counts), np.uint32)
        often = np.array([counts[int(word)] for word in hashes], float)
        return cls(hashes, (np.log((1 + len(texts)) / (1 + often)) + 1).astype(np.float32))

    def rows(self, texts: Sequence[str]) -> Sparse:
        """[texts, words]: (1 + log count) x weight, each row of length 1; a text without a known word is empty."""
        values, columns, starts = [], [], [0]
        place = {int(word): number for number, word in enumerate(self.hashes)}
        for text in texts:
            counts = Counter(place[word] for word in hashes_of(text) if word in place)
            here = np.array(sorted(counts), np.int64)
            weight = np.array([1 + np.log(counts[int(column)]) for column in here]) * self.weights[here]
            values.append(weight / max(float(np.linalg.norm(weight)), 1e-12))
            columns.append(here)
            starts.append(starts[-1] + len(here))
        return Sparse(np.concatenate([np.empty(0), *values]), np.concatenate([np.empty(0, np.int64), *columns]),
                      np.array(starts), len(self.hashes))  # fmt: skip


def hashes_of(text: str) -> list[int]:
    """Of every word and every pair of neighbours, lower case.

    >>> len(hashes_of("The pump leaks"))
    5
    """
    words = _WORD.findall(text.lower())
    pairs = [f"{one} {two}" for one, two in itertools.pairwise(words)]
    return [zlib.crc32(word.encode()) for word in [*words, *pairs]]
