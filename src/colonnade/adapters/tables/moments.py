# SPDX-License-Identifier: Apache-2.0
"""Times as numbers that can be compared exactly: integers stay integers, dates become microseconds since 1970 (without
a zone: UTC), other numbers stay floats. One column is all of one kind.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colonnade.adapters.tables.column import Bools, Column
from colonnade.adapters.tables.parquet import DAY_US
from colonnade.core.errors import UsageError

Moments = NDArray[Any]
MOST = 2**63 - 1
INTEGER, NUMBER, DATE = "integer", "number", "date"


def kind_of(column: Column) -> str:
    """integer, number or date. Raises UsageError (`time_unreadable`) when not every value is one."""
    if column.integers() is not None:
        return INTEGER
    if bool((~np.isnan(column.numbers())).all()):
        return NUMBER
    there = column.dates()[1]
    if bool(there.all()):
        return DATE
    raise unreadable(column.texts()[int(np.flatnonzero(~there)[0])])


def together(kinds: set[str]) -> str:
    """The kind of a column whose chunks are of these kinds. Raises UsageError for numbers beside dates."""
    if DATE in kinds and len(kinds) > 1:
        raise UsageError(
            "the time is a date in some rows and a number in others",
            hint="`time` names a column of numbers, or of dates by ISO 8601",
            code="time_unreadable",
        )
    return next(iter(kinds)) if len(kinds) == 1 else NUMBER


def moments(column: Column, kind: str) -> tuple[Moments, Bools]:
    """(values, where there is one). Raises UsageError for a value that is of another kind; empty ones may be."""
    found: tuple[Moments, Bools]
    if kind == INTEGER:
        found = _exact(column)
    elif kind == DATE:
        found = column.dates()
    else:
        numbers = column.numbers()
        found = numbers, ~np.isnan(numbers)
    wrong = ~found[1] & ~column.empty
    if wrong.any():
        raise unreadable(column.texts()[int(np.flatnonzero(wrong)[0])])
    return found


def _exact(column: Column) -> tuple[Moments, Bools]:
    """Integers of 64 bits beside empty values; a fraction is rounded up, to the later moment."""
    whole = column.integers()
    if whole is not None:
        return whole, np.ones(len(whole), bool)
    there = ~np.isnan(column.numbers())
    values = [_integer(text) if here else 0 for text, here in zip(column.texts(), there.tolist(), strict=True)]
    return np.array(values, np.int64), there


def _integer(text: str) -> int:
    try:
        found = int(text)
    except ValueError:
        found = math.ceil(float(text))
    return max(-MOST, min(MOST, found))


def known_until(first: Any, delay: float, kind: str) -> Any:
    """The newest moment whose label, known `delay` later, was known at `first`."""
    if kind == NUMBER:
        return first - delay
    return int(first) - math.ceil(delay * (DAY_US if kind == DATE else 1))


def unreadable(value: str) -> UsageError:
    """A time without order."""
    return UsageError(
        f"the time {value!r} is neither a number nor a date like 2026-01-31",
        hint="`time` names a column of numbers, or of dates by ISO 8601; none may be empty",
        code="time_unreadable",
    )
