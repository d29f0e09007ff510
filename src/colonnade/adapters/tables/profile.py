# SPDX-License-Identifier: Apache-2.0
"""What a column holds, in a few kilobytes whatever the number of rows; profiles of batches add up.

Exact: rows, empty ones, type, min, max, mean, and distinct values up to 1,000. Beyond, distinct values are estimated by
the k smallest hashes (Bar-Yossef et al., "Counting distinct elements in a data stream", RANDOM 2002; k = 1,024: about
3 % off). Quantiles are those of a sample: the 4,096 rows with the smallest hashes of their number, so about 0.8
percentage points off, and equal for equal data. Words are told only of columns with at most 1,000 of them: what
names a person stands in none of the others.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np

from colonnade.adapters.tables.chunk import Keys
from colonnade.adapters.tables.column import EPOCH, MICROSECOND, Bools, Column, Floats, Ints, number, read_date

EXACT = 1000
SMALLEST, SAMPLED = 1024, 4096
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
TOP = 10
KINDS = ("boolean", "integer", "number", "date")


def mixed(keys: Keys) -> Keys:
    """SplitMix64 (Steele et al., OOPSLA 2014): neighbours become far apart."""
    with np.errstate(over="ignore"):
        keys = keys + np.uint64(0x9E3779B97F4A7C15)
        keys = (keys ^ (keys >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        keys = (keys ^ (keys >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return keys ^ (keys >> np.uint64(31))


class ColumnProfile:
    """One column of one batch, or of several."""

    def __init__(self) -> None:
        self.rows = self.nulls = 0
        self._kinds = dict.fromkeys(KINDS, True)
        self._words: Counter[str] | None = Counter()
        self._low, self._high, self._mean, self._numbers = np.inf, -np.inf, 0.0, 0
        self._first, self._last = np.iinfo(np.int64).max, np.iinfo(np.int64).min
        self._hashes: Keys = np.empty(0, np.uint64)
        self._ranks: Keys = np.empty(0, np.uint64)
        self._values: Floats = np.empty(0)

    def add(self, column: Column, first: int) -> None:
        """The next rows; `first`: the number of the first of them among all."""
        n = len(column.empty)
        self.rows += n
        empty = int(column.empty.sum())
        self.nulls += empty
        if empty == n:
            return
        for kind in KINDS:
            if self._kinds[kind]:
                self._kinds[kind] = column.all_of(kind)
        if self._words is not None:
            self._words.update(column.counts())
            if len(self._words) > EXACT:
                self._count(of_words(self._words))
                self._words = None
                self._add_values(column, first, counted=True)
                return
        self._add_values(column, first, counted=self._words is not None)

    def _add_values(self, column: Column, first: int, *, counted: bool) -> None:
        """The values beside their number; `counted`: how many different ones there are is known already."""
        if self._kinds["number"]:
            self._add_numbers(column.numbers(), column.empty, first, counted=counted)
        elif self._kinds["date"]:
            moments, there = column.dates()
            moments = moments[there]
            self._first, self._last = min(self._first, moments.min()), max(self._last, moments.max())
            if not counted:
                self._count(_of_dates(moments))
        elif not counted:
            self._count(of_words(set(column.texts()) - {""}))

    def merge(self, other: ColumnProfile) -> None:
        """The rows of another batch."""
        self.rows += other.rows
        self.nulls += other.nulls
        if other.rows > other.nulls:
            self._kinds = {kind: self._kinds[kind] and other._kinds[kind] for kind in KINDS}
        mine, its = self._all_hashes(), other._all_hashes()
        both = None if self._words is None or other._words is None else self._words + other._words
        self._words = both if both is not None and len(both) <= EXACT else None
        self._hashes = np.empty(0, np.uint64) if self._words is not None else _smallest(np.concatenate([mine, its]))
        self._low, self._high = min(self._low, other._low), max(self._high, other._high)
        if other._numbers:
            self._average(other._mean, other._numbers)
        self._first, self._last = min(self._first, other._first), max(self._last, other._last)
        self._sample(np.concatenate([self._ranks, other._ranks]), np.concatenate([self._values, other._values]))

    def kind(self) -> str:
        """boolean, integer, number, date, or text."""
        return next((k for k in KINDS if self._kinds[k]), "text") if self.rows > self.nulls else "text"

    def told(self) -> dict[str, Any]:
        """As JSON."""
        kind, filled = self.kind(), self.rows - self.nulls
        found: dict[str, Any] = {"type": kind, "rows": self.rows, "nulls": self.nulls, "distinct": self._distinct()}
        if self._words is None:
            found["distinct_estimated"] = True
        if kind in {"integer", "number"} and filled:
            found |= {"min": float(self._low), "max": float(self._high), "mean": self._mean}
            cuts = np.quantile(self._values, QUANTILES, method="inverted_cdf")
            found["quantiles"] = {f"{q:g}": float(cut) for q, cut in zip(QUANTILES, cuts, strict=True)}
        elif kind == "date" and filled:
            found |= {"min": _said(self._first), "max": _said(self._last)}
        if self._words is not None and kind not in {"integer", "number"}:
            most = sorted(self._words.items(), key=lambda pair: (-pair[1], pair[0]))[:TOP]
            found["top"] = {word[:100]: count for word, count in most}
        return found

    def _add_numbers(self, numbers: Floats, empty: Bools, first: int, *, counted: bool) -> None:
        filled = numbers[~empty]
        self._low, self._high = min(self._low, filled.min()), max(self._high, filled.max())
        self._average(float((filled / len(filled)).sum()), len(filled))
        if not counted:
            self._count(_of_numbers(filled))
        ranks = mixed(np.arange(first, first + len(numbers), dtype=np.uint64))[~empty]
        if len(self._ranks) == SAMPLED:
            near = ranks < self._ranks[-1]
            ranks, filled = ranks[near], filled[near]
        self._sample(np.concatenate([self._ranks, ranks]), np.concatenate([self._values, filled]))

    def _average(self, mean: float, numbers: int) -> None:
        """Take so many numbers of that mean in; none of the sums can overflow."""
        self._numbers += numbers
        part = numbers / self._numbers
        self._mean = self._mean * (1 - part) + mean * part

    def _count(self, hashes: Keys) -> None:
        if len(self._hashes) == SMALLEST:
            hashes = hashes[hashes < self._hashes[-1]]
        self._hashes = _smallest(np.concatenate([self._hashes, hashes]))

    def _sample(self, ranks: Keys, values: Floats) -> None:
        order = np.argsort(ranks, kind="stable")[:SAMPLED]
        self._ranks, self._values = ranks[order], values[order]

    def _all_hashes(self) -> Keys:
        return self._hashes if self._words is None else _smallest(of_words(self._words))

    def _distinct(self) -> int:
        if self._words is not None:
            return len(self._words)
        if len(self._hashes) < SMALLEST:
            return len(self._hashes)
        return round((SMALLEST - 1) / (float(self._hashes[-1]) / 2.0**64))


def _said(moment: int) -> str:
    return (EPOCH + int(moment) * MICROSECOND).isoformat().replace("+00:00", "Z")


def _smallest(hashes: Keys) -> Keys:
    return np.unique(hashes)[:SMALLEST]


def of_words(words: Iterable[str]) -> Keys:
    """A hash of each word, in order. Numbers and dates are hashed as such, so that a column of them counts alike before
    and after it has many.
    """
    texts = list(words)
    numbers = np.fromiter(map(number, texts), np.float64, len(texts))
    moments = list(map(read_date, texts))
    dates = np.fromiter((moment or 0 for moment in moments), np.int64, len(texts))
    crcs = np.fromiter(map(_crc, texts), np.uint64, len(texts))
    no_date = np.fromiter((moment is None for moment in moments), bool, len(texts))
    words = np.where(no_date, mixed(crcs), _of_dates(dates))
    return np.where(np.isnan(numbers), words, _of_numbers(numbers))


def _crc(text: str) -> int:
    data = text.encode("utf-8", "surrogatepass")
    return zlib.crc32(data) << 32 | zlib.adler32(data)


def _of_dates(moments: Ints) -> Keys:
    return mixed(moments.astype(np.int64).view(np.uint64))


def _of_numbers(numbers: Floats) -> Keys:
    return mixed((numbers + 0.0).view(np.uint64))
