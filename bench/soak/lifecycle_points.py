# SPDX-License-Identifier: Apache-2.0
"""Where a process can die, in one process: every crossing of a store, a blob, a command or a device is counted, and at
the one that was chosen everything stops, as after kill -9. What was committed stays, and nothing else.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from colonnade.adapters.state.sqlite.engine import SqliteState
from colonnade.core.leaf import Leaf
from colonnade.ports.outside.state import Row, Transaction, Value


class Killed(BaseException):
    """kill -9: nobody catches it but whoever starts the next process."""


class Points:
    """Counts crossings; dies at one of them. `kinds` tells where it died."""

    def __init__(self) -> None:
        self.crossed = 0
        self.dies_at: int | None = None
        self.died: list[str] = []

    def cross(self, kind: str) -> None:
        """A place where the process may die."""
        self.crossed += 1
        if self.dies_at is not None and self.crossed >= self.dies_at:
            self.dies_at = None
            self.died.append(kind)
            raise Killed(kind)


class MortalTransaction:
    """A transaction; the process may die before any of its statements."""

    def __init__(self, tx: Transaction, points: Points) -> None:
        self._tx, self._points = tx, points

    def run(self, name: str, /, **values: Value) -> int:
        """See `Transaction`."""
        self._points.cross(f"within {name}")
        return self._tx.run(name, **values)

    def many(self, name: str, rows: Iterable[Mapping[str, Value]], /) -> None:
        """See `Transaction`."""
        self._points.cross(f"within {name}")
        self._tx.many(name, rows)

    def rows(self, name: str, /, **values: Value) -> list[Row]:
        """See `Transaction`."""
        return self._tx.rows(name, **values)

    def append(self, leaf: Leaf, /) -> None:
        """See `Transaction`."""
        self._points.cross(f"within {leaf.kind}")
        self._tx.append(leaf)


class MortalState:
    """A store whose process may die before a transaction, within it, before its commit and right after it."""

    def __init__(self, state: SqliteState, points: Points) -> None:
        self._state, self._points = state, points

    def __getattr__(self, name: str) -> Any:
        return getattr(self._state, name)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[MortalTransaction]:
        """See `State`."""
        self._points.cross("before a transaction")
        with self._state.transaction() as tx:
            yield MortalTransaction(tx, self._points)
            self._points.cross("before a commit")
        self._points.cross("after a commit")

    def drop(self) -> None:
        """What the kernel does with a dead process's files: nothing is folded, nothing is flushed."""
        for connection in (*self._state._readers, self._state._writer):
            connection.close()


class Mortal:
    """Anything else that the process calls (blobs, executor, devices): it may die before and after `names`."""

    def __init__(self, one: object, points: Points, *names: str) -> None:
        self._one, self._points, self._names = one, points, names

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._one, name)
        if name not in self._names:
            return found

        def called(*args: Any, **more: Any) -> Any:
            self._points.cross(f"before {name}")
            result = found(*args, **more)
            self._points.cross(f"after {name}")
            return result

        return called
