# SPDX-License-Identifier: Apache-2.0
"""The base engine: signs of fixed random projections, compared by popcount, numpy only.

A row's code is `BITS` signs of the vector under rotations that are drawn once from a fixed seed, never from data. The
distance of two codes estimates the angle of their vectors (M. Charikar, "Similarity estimation techniques from rounding
algorithms", 2002); with a shortlist a few hundred long, rescored exactly by the caller, nothing is lost that matters
(numbers in `docs/concepts/retrieval.md`). Many rows are looked at twice: all by the first bits, the best few thousand
of these by all bits; how many that is depends on how many are permitted. The codes of a scope are packed together,
column by column, so that a scan costs what the reader may see, not what is stored.

Projections are sums of products of small integers that single precision holds exactly, so a row's code never depends on
which rows it was encoded with.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from colonnade.adapters.vectors.fixed import STEP, FixedPoint
from colonnade.ports.outside.vectors import Scope

_SEED = 20261124
_BLOCK = 4096
_SCAN_BLOCK = 131_072
_PACK_BELOW = 0.7
_COARSE = 4
_KEPT_OF_FEW = 5
_KEPT = 3000
_KEPT_OF_MANY = 40
_EXACT_BELOW = 2**24
_BYTE = 127


class SignVectors(FixedPoint):
    """Sign codes under a bitmap.

    Args:
        dimensions: length of a vector.
        bits: length of a code, a multiple of 64; longer codes lose less and cost more.
    """

    def __init__(self, dimensions: int, bits: int = 768) -> None:
        super().__init__(dimensions)
        self.bits = bits
        self.id = f"signs{bits}"
        self._projection = _projection(dimensions, bits)
        self._turned = np.ascontiguousarray(self._projection.T)
        self._codes = _Codes.empty(len(self._data), bits)
        self._lock = threading.Lock()
        self._uncoded: list[tuple[int, int]] = []
        self._coded_to = 0
        self._packed: WeakKeyDictionary[Scope, NDArray[np.uint64]] = WeakKeyDictionary()

    def put(self, first: int, vectors: NDArray[np.float32]) -> None:
        """Store rows; see the port. Codes are made at the next search, many rows at a time."""
        super().put(first, vectors)
        with self._lock:
            self._uncoded.append((first, first + len(vectors)))

    def derived(self, count: int) -> NDArray[np.uint64]:
        """[count, bits / 64] the codes of the first rows; see the port."""
        return self._coded().joined(count)

    def restore(self, vectors: NDArray[np.int16], derived: NDArray[np.uint64] | None = None) -> None:
        """Replace everything; see the port."""
        super().restore(vectors)
        fits = derived is not None and derived.shape == (len(vectors), self.bits // 64)
        with self._lock:
            self._packed.clear()
            self._coded_to = len(vectors)
            self._codes = _Codes.split(derived) if fits and derived is not None else _Codes.empty(0, self.bits)
            self._uncoded = [] if fits else [(0, len(vectors))]

    def shortlist(self, query: NDArray[np.float32], scope: Scope, want: int) -> NDArray[np.int64]:
        """The rows of the scope whose codes are nearest, ties at the cut together; see the port."""
        rows = scope.rows
        if len(rows) <= want:
            return rows
        codes = self._coded()
        code = np.packbits(self._turned @ query > 0.0).view(np.uint64)
        distance = _distances(self._coarse(scope, codes), code[:_COARSE])
        if len(distance) > len(rows):
            distance = distance[rows]
        kept = _nearest(distance, _kept(len(rows), want))
        rows = rows if len(kept) == len(rows) else rows.take(kept)
        differing = codes.fine.take(rows, axis=0).reshape(-1)
        differing ^= np.tile(code[_COARSE:], len(rows))
        ones = np.bitwise_count(differing).reshape(len(rows), -1)
        rest = np.ascontiguousarray(ones.T).sum(axis=0, dtype=np.uint16)
        near: NDArray[np.int64] = rows[_nearest(rest + distance.take(kept), want)]
        return near

    def _coarse(self, scope: Scope, codes: _Codes) -> NDArray[np.uint64]:
        """The first words of the scope's rows, or of all rows up to its last where it has most of them."""
        rows = scope.rows
        if len(rows) >= _PACK_BELOW * (int(rows[-1]) + 1):
            return codes.coarse[:, : int(rows[-1]) + 1]
        packed = self._packed.get(scope)
        if packed is None:
            packed = codes.coarse.take(rows, axis=1)
            with self._lock:
                self._packed[scope] = packed
        return packed

    def _coded(self) -> _Codes:
        """The codes of all rows, those put since the last search made now."""
        if not self._uncoded:
            return self._codes
        with self._lock:
            spans = _merged(self._uncoded)
            self._codes = self._codes.grown(len(self._data))
            for begin, end in spans:
                for at in range(begin, end, _BLOCK):
                    stop = min(end, at + _BLOCK)
                    self._codes.set(at, _bits(_small(self._data[at:stop]) @ self._projection))
            if spans and spans[0][0] < self._coded_to:
                self._packed.clear()
            self._coded_to = max(self._coded_to, spans[-1][1] if spans else 0)
            self._uncoded = []
            return self._codes


@dataclass(frozen=True, slots=True)
class _Codes:
    """Codes of all rows: the first words column by column, to be scanned; the rest row by row, to be picked."""

    coarse: NDArray[np.uint64]
    fine: NDArray[np.uint64]

    @staticmethod
    def empty(count: int, bits: int) -> _Codes:
        words = bits // 64
        coarse = min(words, _COARSE)
        return _Codes(np.zeros((coarse, count), np.uint64), np.zeros((count, words - coarse), np.uint64))

    @staticmethod
    def split(joined: NDArray[np.uint64]) -> _Codes:
        return _Codes(np.ascontiguousarray(joined[:, :_COARSE].T), np.array(joined[:, _COARSE:]))

    def joined(self, count: int) -> NDArray[np.uint64]:
        """[count, words] row by row; rows beyond are zero."""
        grown = self.grown(count)
        return np.concatenate((grown.coarse.T[:count], grown.fine[:count]), axis=1)

    def grown(self, count: int) -> _Codes:
        """With room for so many rows; a search that began before keeps what it had."""
        more = count - len(self.fine)
        if more <= 0:
            return self
        return _Codes(np.pad(self.coarse, ((0, 0), (0, more))), np.pad(self.fine, ((0, more), (0, 0))))

    def set(self, at: int, codes: NDArray[np.uint64]) -> None:
        """Rows at, at+1, ... have these codes ([n, words])."""
        self.coarse[:, at : at + len(codes)] = codes[:, :_COARSE].T
        self.fine[at : at + len(codes)] = codes[:, _COARSE:]


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same rows in as few spans as touch each other."""
    merged: list[tuple[int, int]] = []
    for begin, end in sorted(spans):
        if merged and begin <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((begin, end))
    return merged


def _projection(dimensions: int, bits: int) -> NDArray[np.float32]:
    """[dimensions, bits] random rotations side by side, as integers so small that sums with `_small` are exact."""
    random = np.random.default_rng(_SEED)
    turns = -(-bits // dimensions)
    rotations = [np.linalg.qr(random.standard_normal((dimensions, dimensions)))[0] for _ in range(turns)]
    turned = np.concatenate(rotations, axis=1)[:, :bits]
    most = (_EXACT_BELOW - 1) // (dimensions * _BYTE)
    scaled = np.round(turned * (most * dimensions**0.5 / 4.5))
    whole: NDArray[np.float32] = np.clip(scaled, -most, most).astype(np.float32)
    return whole


def _small(stored: NDArray[np.int16]) -> NDArray[np.float32]:
    """Stored coordinates as integers of -127..127, four standard deviations wide."""
    scaled = stored * np.float32(32.0 * STEP * stored.shape[1] ** 0.5)
    return np.clip(np.rint(scaled, out=scaled), -_BYTE, _BYTE, out=scaled)


def _bits(projected: NDArray[np.float32]) -> NDArray[np.uint64]:
    """[n, bits] numbers to [n, bits / 64] words of signs."""
    return np.packbits(projected > 0.0, axis=1).view(np.uint64)


def _kept(count: int, want: int) -> int:
    """How many of so many permitted rows are looked at a second time."""
    return max(4 * want, min(count // _KEPT_OF_FEW, _KEPT), count // _KEPT_OF_MANY)


def _nearest(distance: NDArray[np.uint16], want: int) -> NDArray[np.int64]:
    """Positions of the `want` smallest, ascending; ties at the cut together."""
    if len(distance) <= want:
        return np.arange(len(distance))
    return np.flatnonzero(distance <= np.partition(distance, want - 1)[want - 1])


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
