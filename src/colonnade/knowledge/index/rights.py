# SPDX-License-Identifier: Apache-2.0
"""Who may see which content, and when: visibilities as columns, so that a reader's contents are found by a few array
operations.

Knows contents by number, not rows, words or vectors. Changed only under the index's lock.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from colonnade.core.search import Visibility

NEVER_MS = np.iinfo(np.int64).max
_COLUMNS = ("content", "readers", "begin", "end")


class Rights:
    """Standing rows, replaced whole by document."""

    def __init__(self) -> None:
        self._of_document: dict[str, list[int]] = {}
        self._rows: list[Visibility | None] = []
        self._reader_sets: dict[str, int] = {}
        self._contents: dict[str, int] = {}
        self._of_content: dict[int, set[int]] = {}
        self._size = 0
        self._columns = {name: np.zeros(64, np.int64) for name in _COLUMNS}

    def replace(self, rows: Iterable[Visibility]) -> None:
        """What stands for the documents named becomes exactly these rows."""
        rows = list(rows)
        for document in {row.document for row in rows}:
            self.drop(document)
        for row in rows:
            self._append(row)

    def drop(self, document: str) -> None:
        """Nothing stands for the document any more; unknown ones are fine."""
        for at in self._of_document.pop(document, ()):
            self._columns["end"][at] = self._columns["begin"][at] = np.iinfo(np.int64).min
            self._of_content[int(self._columns["content"][at])].discard(at)
            self._rows[at] = None

    def number(self, content: str) -> int:
        """The content's number, given at first sight."""
        return self._contents.setdefault(content, len(self._contents))

    def permitted(self, readers: frozenset[str], at_ms: int | None) -> NDArray[np.bool_]:
        """[contents seen] whether a standing of the content is permitted and valid then (None: now, still standing)."""
        columns = {name: values[: self._size] for name, values in self._columns.items()}
        allowed = np.zeros(len(self._reader_sets) + 1, bool)
        allowed[[self._reader_sets[r] for r in readers if r in self._reader_sets]] = True
        ok = allowed[columns["readers"]]
        if at_ms is None:
            ok &= columns["end"] == NEVER_MS
        else:
            ok &= (columns["begin"] <= at_ms) & (at_ms < columns["end"])
        found = np.zeros(len(self._contents), bool)
        found[columns["content"][ok]] = True
        return found

    def standing(self, content: str, readers: frozenset[str], at_ms: int | None) -> list[Visibility]:
        """The permitted standings of a content, oldest first, then by document."""
        found = [self._rows[at] for at in self._of_content.get(self._contents.get(content, -1), ())]
        kept = [row for row in found if row is not None and row.readers in readers and valid(row, at_ms)]
        return sorted(kept, key=lambda row: (row.valid_from_ms, row.document))

    def all_rows(self) -> list[Visibility]:
        """Everything that stands, for storing."""
        return [row for row in self._rows if row is not None]

    @property
    def documents(self) -> int:
        """How many documents have a standing."""
        return len(self._of_document)

    def _append(self, row: Visibility) -> None:
        if self._size == len(self._columns["end"]):
            self._columns = {name: np.concatenate((v, np.zeros_like(v))) for name, v in self._columns.items()}
        at = self._size
        end = NEVER_MS if row.valid_to_ms is None else row.valid_to_ms
        number = self.number(row.content)
        readers = self._reader_sets.setdefault(row.readers, len(self._reader_sets))
        for name, value in zip(self._columns, (number, readers, row.valid_from_ms, end), strict=True):
            self._columns[name][at] = value
        self._rows.append(row)
        self._of_document.setdefault(row.document, []).append(at)
        self._of_content.setdefault(number, set()).add(at)
        self._size += 1


def valid(row: Visibility, at_ms: int | None) -> bool:
    """Whether the row stands at the instant; None asks whether it still stands."""
    if at_ms is None:
        return row.valid_to_ms is None
    return row.valid_from_ms <= at_ms and (row.valid_to_ms is None or at_ms < row.valid_to_ms)
