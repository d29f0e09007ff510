# SPDX-License-Identifier: Apache-2.0
"""What every reader gives: a header, and chunks of rows that fit in memory. Nothing is judged here."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from colonnade.adapters.tables.column import Column
from colonnade.core.errors import UsageError

CELLS = 400_000
"""Values of a chunk: about 30 MB as Python strings."""
Keys = NDArray[np.uint64]


class Chunk(Protocol):
    """Some rows of a batch, one after another."""

    def __len__(self) -> int: ...

    def column(self, name: str) -> Column:
        """A column by its name."""
        ...

    def line(self, row: int) -> int:
        """Where people find a row of this chunk: its line, or its number from 1."""
        ...

    def values(self, row: int) -> Mapping[str, str]:
        """A row, as text."""
        ...


class Reader(Protocol):
    """One batch. `chunks` may be called several times, and gives the same each time."""

    header: tuple[str, ...]

    def chunks(self) -> Iterator[Chunk]:
        """The rows. Raises UsageError for what is no table."""
        ...


def unreadable(message: str, hint: str = "") -> UsageError:
    """What is no table."""
    return UsageError(message, hint=hint, code="table_unreadable")


def rows_of(width: int) -> int:
    """How many rows a chunk has: the same for the same table, so that results do not depend on the machine."""
    return max(16, min(32_768, CELLS // max(width, 1)))


def checked(header: tuple[str, ...], name: str) -> tuple[str, ...]:
    """The header, every column named once. Raises UsageError."""
    if not header or len(set(header)) != len(header) or "" in header:
        raise unreadable(f"{name}: the first line must name every column, each once")
    return header


@contextlib.contextmanager
def plain(name: str) -> Iterator[None]:
    """What a reader of text trips over, in words."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise unreadable(f"{name} is not UTF-8 text", "save it as UTF-8") from error
    except OSError as error:
        raise unreadable(f"{name} cannot be read: {error.strerror or error}") from error
