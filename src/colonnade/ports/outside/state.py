# SPDX-License-Identifier: Apache-2.0
"""What we ask of the state store: named statements, short transactions, leaves appended in the same transaction.

No SQL leaves the engine: a statement's *name* is the contract, and each engine has one file that spells it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from colonnade.core.leaf import Leaf

Value = str | int | float | bytes | None
Row = Mapping[str, Any]


class Transaction(Protocol):
    """Statements that become durable together, or not at all."""

    def run(self, name: str, /, **values: Value) -> int:
        """Run a named statement; the number of rows that it changed."""
        ...

    def many(self, name: str, rows: Iterable[Mapping[str, Value]], /) -> None:
        """Run a named statement once per row."""
        ...

    def rows(self, name: str, /, **values: Value) -> list[Row]:
        """Read within the transaction."""
        ...

    def append(self, leaf: Leaf, /) -> None:
        """Append a leaf to the log, with its edges; the sequencer gives it an index within a second."""
        ...


class State(Protocol):
    """The one store of rows and of the log. Thread-safe."""

    def rows(self, name: str, /, **values: Value) -> list[Row]:
        """Read with a named statement, outside any transaction."""
        ...

    def transaction(self) -> AbstractContextManager[Transaction]:
        """A write transaction of milliseconds; rolled back when the block raises. `StorageFull`, `StateError`."""
        ...

    def now_ms(self) -> int:
        """The store's clock: milliseconds since 1970, never going back, undisturbed by jumps of the machine's clock."""
        ...

    def new_id(self, prefix: str) -> str:
        """A fresh id at the store's time."""
        ...

    def fold(self) -> bool:
        """Leave nothing of what was overwritten or deleted in any file of the store; False while a reader holds it."""
        ...

    def copy(self, path: Path, progress: Callable[[int, int], None]) -> None:
        """All of it as it is at one moment, as a file, while others write; `progress`: pages done, of so many."""
        ...

    def close(self) -> None:
        """Release files and connections."""
        ...
