# SPDX-License-Identifier: Apache-2.0
"""A column of a chunk, as the contract and the profile ask for it: what is empty, what is a number, the words.

`TextColumn` holds what a text file or a query gave. Conversions are tried for the whole column at once, in C; value by
value only where that fails. A number is what Python's `float` reads and is finite, an integer what `int` reads.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from colonnade.core.tables import FALSE, TRUE

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NAIVE_EPOCH = datetime(1970, 1, 1)
MICROSECOND = timedelta(microseconds=1)
FIRST_YEAR = (datetime(1, 1, 1) - NAIVE_EPOCH) // MICROSECOND
BOOLEANS = TRUE | FALSE
REMEMBERED = 100_000
"""Dates are kept as read: they come again and again."""


class Column(Protocol):
    """One column of one chunk; every array has one value a row."""

    @property
    def empty(self) -> Bools:
        """Where nothing stands."""
        ...

    def texts(self) -> Sequence[str]:
        """The values as text without blanks around them; "" where nothing stands."""
        ...

    def counts(self) -> Mapping[str, int]:
        """How often each text stands there, without what is empty."""
        ...

    def numbers(self) -> Floats:
        """The values as numbers, NaN where there is none."""
        ...

    def is_kind(self, kind: str) -> Bools:
        """Where a value is an integer, number, boolean, date, text; what is empty is none."""
        ...

    def all_of(self, kind: str) -> bool:
        """Whether every filled value is of a kind; cheaper than `is_kind`."""
        ...

    def integers(self) -> Ints | None:
        """Exactly, if every value is filled and an integer of 64 bits."""
        ...

    def dates(self) -> tuple[Ints, Bools]:
        """Microseconds since 1970 (without a zone: UTC), and where there is a date."""
        ...


class TextColumn:
    """Implements `Column` over strings. Blanks around a value are taken off only where something depends on it.

    Attributes:
        raw: the values as they stand there.
    """

    def __init__(self, values: Sequence[str]) -> None:
        self.raw = values
        self._stripped: list[str] | None = None
        self._integers = _integers(values)
        self._numbers = _plain_floats(values) if self._integers is None else self._integers.astype(np.float64)
        self._dates: tuple[Ints, Bools] | None = None
        self._empty: Bools | None = None

    @property
    def empty(self) -> Bools:
        """See `Column`."""
        if self._empty is None:
            n = len(self.raw)
            if self._integers is not None:
                self._empty = np.zeros(n, bool)
            else:
                texts = self.texts()
                self._empty = np.fromiter(map("".__eq__, texts), bool, n) if "" in texts else np.zeros(n, bool)
        return self._empty

    def texts(self) -> Sequence[str]:
        """See `Column`."""
        if self._stripped is None:
            self._stripped = list(map(str.strip, self.raw))
        return self._stripped

    def counts(self) -> Mapping[str, int]:
        """See `Column`."""
        found = Counter(self.raw)
        for word in [word for word in found if word != word.strip()]:
            found[word.strip()] += found.pop(word)
        found.pop("", None)
        return found

    def numbers(self) -> Floats:
        """See `Column`."""
        if self._numbers is None:
            there = ~self.empty
            self._numbers = np.full(len(self.raw), np.nan)
            self._numbers[there] = _floats(self._filled())
        return self._numbers

    def integers(self) -> Ints | None:
        """See `Column`."""
        return self._integers

    def is_kind(self, kind: str) -> Bools:
        """See `Column`."""
        if kind == "text" or (kind == "integer" and self._integers is not None):
            return ~self.empty
        if kind == "number":
            return ~np.isnan(self.numbers())
        if kind == "date":
            return self.dates()[1]
        test = is_integer if kind == "integer" else is_boolean
        return np.fromiter(map(test, self.texts()), bool, len(self.raw))

    def all_of(self, kind: str) -> bool:
        """See `Column`."""
        if kind == "text":
            return True
        if kind == "number":
            return bool((np.isnan(self.numbers()) == self.empty).all())
        if kind == "integer" and self._integers is not None:
            return True
        filled = self._filled()
        if not filled:
            return True
        if kind == "integer":
            return all(map(is_integer, filled))
        if kind == "boolean":
            return is_boolean(filled[0]) and all(map(is_boolean, set(filled)))
        return read_date(filled[0]) is not None and bool((self.dates()[1] == ~self.empty).all())

    def dates(self) -> tuple[Ints, Bools]:
        """See `Column`."""
        if self._dates is None:
            quick = _uniform_dates(self.texts())
            if quick is not None:
                self._dates = quick, np.ones(len(quick), bool)
                return self._dates
            found = list(map(read_date, self.texts()))
            there = np.fromiter((one is not None for one in found), bool, len(found))
            self._dates = np.fromiter((one or 0 for one in found), np.int64, len(found)), there
        return self._dates

    def _filled(self) -> Sequence[str]:
        return [text for text in self.texts() if text] if self.empty.any() else self.texts()


def is_integer(text: str) -> bool:
    """Whether `int` reads it; no more digits than a finite number has.

    >>> [is_integer(text) for text in ("-7", "7.0", "1e3", "")]
    [True, False, False, False]
    """
    try:
        return len(text) < 300 and int(text) is not None
    except ValueError:
        return False


def is_boolean(text: str) -> bool:
    """true, false, yes, no, 1, 0, in any case."""
    return text.lower() in BOOLEANS


def number(text: str) -> float:
    """The finite number, or NaN."""
    try:
        found = float(text)
    except ValueError:
        return float("nan")
    return found if found - found == 0 else float("nan")


_known: dict[str, int | None] = {}


def read_date(text: str) -> int | None:
    """Microseconds since 1970 of a date or moment by ISO 8601; None for anything else, digits alone included.

    >>> read_date("1970-01-02"), read_date("1970-01-01T01:00:00+01:00"), read_date("2"), read_date("2.1.1970")
    (86400000000, 0, None, None)
    """
    if text in _known:
        return _known[text]
    found: int | None = None
    if "-" in text:
        try:
            moment = datetime.fromisoformat(text)
            found = (moment - (EPOCH if moment.tzinfo else NAIVE_EPOCH)) // MICROSECOND
        except (ValueError, OverflowError):
            found = None
    if len(_known) >= REMEMBERED:
        _known.clear()
    _known[text] = found
    return found


def _uniform_dates(texts: Sequence[str]) -> Ints | None:
    """Microseconds since 1970, if all are YYYY-MM-DD, or all that and HH:MM:SS; None otherwise."""
    width = len(texts[0]) if texts else 0
    if width not in {10, 19} or set(map(len, texts)) != {width}:
        return None
    words = np.array(texts)
    marks = words.view(np.uint32).reshape(len(texts), width)
    fixed = {4: "-", 7: "-", 13: ":", 16: ":"}
    for place in range(width):
        if place == 10:
            good = (marks[:, place] == ord("T")) | (marks[:, place] == ord(" "))
        elif place in fixed:
            good = marks[:, place] == ord(fixed[place])
        else:
            good = (marks[:, place] >= ord("0")) & (marks[:, place] <= ord("9"))
        if not good.all():
            return None
    try:
        found = words.astype("datetime64[us]").astype(np.int64)
    except ValueError:
        return None
    return found if found.min() >= FIRST_YEAR else None


def _integers(texts: Sequence[str]) -> Ints | None:
    try:
        return np.fromiter(map(int, texts), np.int64, len(texts))
    except (ValueError, OverflowError):
        return None


def _plain_floats(texts: Sequence[str]) -> Floats | None:
    """None when one of them is no number, or nothing."""
    try:
        found = np.fromiter(map(float, texts), np.float64, len(texts))
    except ValueError:
        return None
    found[~np.isfinite(found)] = np.nan
    return found


def _floats(texts: Sequence[str]) -> Floats:
    found = _plain_floats(texts)
    return np.fromiter(map(number, texts), np.float64, len(texts)) if found is None else found
