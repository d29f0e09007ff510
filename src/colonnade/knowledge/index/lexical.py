# SPDX-License-Identifier: Apache-2.0
"""BM25 over permitted rows only: document frequencies, count and mean length are those of an index without the others.

Source: S. Robertson, H. Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009; idf as in Lucene
(never negative). Sums run in the question's order of terms, in double precision: equal text scores equally whatever its
row.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from colonnade.knowledge.index.postings import Segment

K1 = 1.5
B = 0.75


def idf(count: int, documents: int) -> float:
    """How much finding a term in `documents` of `count` says; 0 or more."""
    return math.log(1.0 + (count - documents + 0.5) / (documents + 0.5))


def norms(lengths: NDArray[np.int32], mask: NDArray[np.bool_]) -> tuple[int, NDArray[np.float64]]:
    """How many rows are permitted, and for each row the part of BM25's denominator that its length makes."""
    permitted = lengths[mask]
    count = len(permitted)
    mean = int(permitted.sum(dtype=np.int64)) / count if count else 1.0
    norm: NDArray[np.float64] = K1 * (1.0 - B + B * lengths.astype(np.float64) / (mean or 1.0))
    return count, norm


def gather(segments: Sequence[Segment], hashes: Sequence[int]) -> list[tuple[NDArray[np.uint32], NDArray[np.uint16]]]:
    """For each term, its rows and counts in all segments."""
    wanted = np.array(hashes, np.uint64)
    parts: list[list[tuple[NDArray[np.uint32], NDArray[np.uint16]]]] = [[] for _ in hashes]
    for segment in segments:
        at = np.searchsorted(segment.terms, wanted)
        at[at == len(segment.terms)] = 0
        for i in np.flatnonzero(segment.terms[at] == wanted):
            begin, end = segment.offsets[at[i]], segment.offsets[at[i] + 1]
            parts[i].append((segment.rows[begin:end], segment.counts[begin:end]))
    empty = (np.zeros(0, np.uint32), np.zeros(0, np.uint16))
    return [_joined(p) if p else empty for p in parts]


def _joined(
    parts: list[tuple[NDArray[np.uint32], NDArray[np.uint16]]],
) -> tuple[NDArray[np.uint32], NDArray[np.uint16]]:
    if len(parts) == 1:
        return parts[0]
    return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])


def frequencies(segments: Sequence[Segment], hashes: Sequence[int], mask: NDArray[np.bool_]) -> list[int]:
    """For each term, how many permitted rows hold it."""
    return [int(np.count_nonzero(mask[rows])) for rows, _ in gather(segments, hashes)]


def scores(
    segments: Sequence[Segment],
    hashes: Sequence[int],
    mask: NDArray[np.bool_],
    count: int,
    norm: NDArray[np.float64],
) -> NDArray[np.float64]:
    """[rows] BM25 of each permitted row, 0 for the others. `hashes` are distinct, in the question's order."""
    postings = gather(segments, hashes)
    if not postings:
        return np.zeros(len(mask))
    rows = np.concatenate([p[0] for p in postings])
    counts = np.concatenate([p[1] for p in postings])
    kept = mask[rows]
    edges = np.cumsum([0, *(len(p[0]) for p in postings)])
    found = np.diff(np.concatenate(([0], np.cumsum(kept)))[edges])
    weights = np.repeat([idf(count, int(n)) * (K1 + 1.0) for n in found], found)
    rows, tf = rows[kept], counts[kept].astype(np.float64)
    total: NDArray[np.float64] = np.bincount(rows, weights * tf / (tf + norm[rows]), minlength=len(mask)).astype(
        np.float64, copy=False
    )
    return total
