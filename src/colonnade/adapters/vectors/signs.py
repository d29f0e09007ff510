# SPDX-License-Identifier: Apache-2.0
"""The base engine: signs of fixed random projections, compared by popcount, numpy only.

A row's code is `BITS` signs of the vector under a rotation that is drawn once from a fixed seed, never from data. The
distance of two codes estimates the angle of their vectors (M. Charikar, "Similarity estimation techniques from rounding
algorithms", 2002); with a shortlist a few hundred long, rescored exactly by the caller, nothing is lost that matters
(numbers in `docs/concepts/retrieval.md`). The codes of a scope are packed together, column by column, so that a scan
costs what the reader may see, not what is stored.

Projections are sums of products of integers that double precision holds exactly, so a row's code never depends on which
rows it was encoded with.
"""

from __future__ import annotations

import threading
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from colonnade.adapters.vectors.fixed import FixedPoint
from colonnade.ports.outside.vectors import Scope

_SEED = 20261124
_BLOCK = 4096
_SCAN_BLOCK = 32768
_PACK_BELOW = 0.7


class SignVectors(FixedPoint):
    """Sign codes under a bitmap.

    Args:
        dimensions: length of a vector.
        bits: length of a code, a multiple of 64; longer codes lose less and cost more.
    """

    def __init__(self, dimensions: int, bits: int = 448) -> None:
        super().__init__(dimensions)
        self.bits = bits
        self.id = f"signs{bits}"
        self._projection = _projection(dimensions, bits)
        self._turned = np.ascontiguousarray(self._projection.T, np.float32)
        self._codes = np.zeros((bits // 64, len(self._data)), np.uint64)
        self._lock = threading.Lock()
        self._uncoded: list[tuple[int, int]] = []
        self._packed: WeakKeyDictionary[Scope, NDArray[np.uint64]] = WeakKeyDictionary()

    def put(self, first: int, vectors: NDArray[np.float32]) -> None:
        """Store rows; see the port. Codes are made at the next search, many rows at a time."""
        super().put(first, vectors)
        with self._lock:
            self._uncoded.append((first, first + len(vectors)))

    def restore(self, vectors: NDArray[np.int16]) -> None:
        """Replace everything; see the port."""
        super().restore(vectors)
        with self._lock:
            self._codes = np.zeros((self.bits // 64, len(self._data)), np.uint64)
            self._uncoded = [(0, len(self._data))]

    def shortlist(self, query: NDArray[np.float32], scope: Scope, want: int) -> NDArray[np.int64]:
        """The rows of the scope whose codes are nearest, ties at the cut together; see the port."""
        rows = scope.rows
        if len(rows) <= want:
            return rows
        codes = self._coded()
        code = np.packbits(self._turned @ query > 0.0).view(np.uint64)
        if len(rows) < _PACK_BELOW * (rows[-1] + 1):
            distance = _distances(self._pack(scope, codes), code)
        else:
            distance = _distances(codes[:, : int(rows[-1]) + 1], code)
            if len(distance) > len(rows):
                distance = distance[rows]
        near: NDArray[np.int64] = rows[distance <= np.partition(distance, want - 1)[want - 1]]
        return near

    def _pack(self, scope: Scope, codes: NDArray[np.uint64]) -> NDArray[np.uint64]:
        packed = self._packed.get(scope)
        if packed is None:
            packed = np.ascontiguousarray(codes[:, scope.rows])
            with self._lock:
                self._packed[scope] = packed
        return packed

    def _coded(self) -> NDArray[np.uint64]:
        """The codes of all rows, those put since the last search made now."""
        if not self._uncoded:
            return self._codes
        with self._lock:
            if self._codes.shape[1] < len(self._data):
                grown = np.zeros((len(self._codes), len(self._data)), np.uint64)
                grown[:, : self._codes.shape[1]] = self._codes
                self._codes = grown
            for begin, end in _merged(self._uncoded):
                for at in range(begin, end, _BLOCK):
                    stop = min(end, at + _BLOCK)
                    self._codes[:, at:stop] = _bits(self._data[at:stop].astype(np.float64) @ self._projection)
            self._packed.clear()
            self._uncoded = []
            return self._codes


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same rows in as few spans as touch each other."""
    merged: list[tuple[int, int]] = []
    for begin, end in sorted(spans):
        if merged and begin <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((begin, end))
    return merged


def _projection(dimensions: int, bits: int) -> NDArray[np.float64]:
    """[dimensions, bits] random rotations side by side, rounded to integers (scaled by 1024) so that sums are exact."""
    random = np.random.default_rng(_SEED)
    turns = -(-bits // dimensions)
    rotations = [np.linalg.qr(random.standard_normal((dimensions, dimensions)))[0] for _ in range(turns)]
    return np.round(np.concatenate(rotations, axis=1)[:, :bits] * 1024.0)


def _bits(projected: NDArray[np.float64]) -> NDArray[np.uint64]:
    """[n, bits] numbers to [bits / 64, n] words of signs."""
    packed = np.packbits(projected > 0.0, axis=1)
    return np.ascontiguousarray(packed.view(np.uint64).T)


def _distances(codes: NDArray[np.uint64], code: NDArray[np.uint64]) -> NDArray[np.uint16]:
    """[n] how many bits of each code differ; in blocks that stay in the processor's cache."""
    count = codes.shape[1]
    total = np.empty(count, np.uint16)
    block = min(count, _SCAN_BLOCK)
    differing, few, three = np.empty(block, np.uint64), np.empty(block, np.uint8), np.empty(block, np.uint8)
    for at in range(0, count, block):
        size = min(block, count - at)
        words, ones, part, out = differing[:size], few[:size], three[:size], total[at : at + size]
        for i in range(len(codes)):
            np.bitwise_xor(codes[i, at : at + size], code[i], out=words)
            np.bitwise_count(words, out=part if i % 3 == 0 else ones)
            if i % 3:
                np.add(part, ones, out=part)
            if i % 3 == 2 or i == len(codes) - 1:
                if i < 3:
                    out[:] = part
                else:
                    np.add(out, part, out=out)
    return total
