# SPDX-License-Identifier: Apache-2.0
"""Who may see which content, and when: visibilities as columns, so that a reader's contents are found by a few array
steps.

Knows contents by number, not rows, words or vectors. Changed only under the index's lock.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colonnade.core.search import Visibility

_STILL = np.iinfo(np.int64).max
_GONE = np.iinfo(np.int64).min
_COLUMNS = ("content", "document", "readers", "begin", "end")
_COMPACT_FROM = 4096


class Numbered:
    """Names and their numbers, given at first sight."""

    def __init__(self, names: Sequence[str] = ()) -> None:
        self.names = list(names)
        self._numbers = {name: i for i, name in enumerate(self.names)}

    def number(self, name: str) -> int:
        """The name's number, a new one for a new name."""
        number = self._numbers.setdefault(name, len(self.names))
        if number == len(self.names):
            self.names.append(name)
        return number

    def known(self, name: str) -> int | None:
        """The name's number if it has one."""
        return self._numbers.get(name)


class Rights:
    """Standing rows, replaced whole by document. A gone row has `end` = `_GONE`."""

    def __init__(self) -> None:
        self.contents = Numbered()
        self.documents = Numbered()
        self.reader_sets = Numbered()
        self._size = 0
        self._gone = 0
        self._columns = {name: np.zeros(64, np.int64) for name in _COLUMNS}
        self._of_document: dict[int, list[int]] = {}
        self._of_content: dict[int, list[int]] = {}

    def replace(self, rows: Iterable[Visibility]) -> set[str]:
        """What stands for the documents named becomes exactly these rows; the reader sets for whom that matters."""
        rows = list(rows)
        matters = {row.readers for row in rows}
        for document in {row.document for row in rows}:
            matters |= self.drop(document)
        for row in rows:
            self._append(row)
        return matters

    def drop(self, document: str) -> set[str]:
        """Nothing stands for the document any more, unknown ones are fine; the reader sets for whom that matters."""
        number = self.documents.known(document)
        gone = [] if number is None else self._of_document.pop(number, [])
        matters = self._readers_at(gone)
        self._columns["end"][gone] = _GONE
        self._columns["begin"][gone] = _GONE
        self._gone += len(gone)
        if self._gone > _COMPACT_FROM and 2 * self._gone > self._size:
            self._restore_columns({name: values[self._alive()] for name, values in self._used().items()})
        return matters

    def readers_of(self, content: str) -> set[str]:
        """The reader sets that a standing of the content names or named: no other's view has it in."""
        number = self.contents.known(content)
        return set() if number is None else self._readers_at(self._of_content.get(number, []))

    def permitted(self, readers: frozenset[str], at_ms: int | None) -> NDArray[np.bool_]:
        """[contents seen] whether a standing of the content is permitted and valid then (None: still standing now)."""
        columns = self._used()
        allowed = np.zeros(len(self.reader_sets.names), bool)
        allowed[[n for n in map(self.reader_sets.known, readers) if n is not None]] = True
        ok = allowed[columns["readers"]]
        if at_ms is None:
            ok &= columns["end"] == _STILL
        else:
            ok &= (columns["begin"] <= at_ms) & (at_ms < columns["end"])
        found = np.zeros(len(self.contents.names), bool)
        found[columns["content"][ok]] = True
        return found

    def standing(self, content: str, readers: frozenset[str], at_ms: int | None) -> list[Visibility]:
        """The permitted standings of a content, oldest first, then by document."""
        number = self.contents.known(content)
        found = [self._row(at) for at in self._of_content.get(-1 if number is None else number, ())]
        kept = [row for row in found if row is not None and row.readers in readers and valid(row, at_ms)]
        return sorted(kept, key=lambda row: (row.valid_from_ms, row.document))

    @property
    def document_count(self) -> int:
        """How many documents have a standing."""
        return len(self._of_document)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything that stands, for a file."""
        alive = self._alive()
        return {f"rights.{name}": values[alive] for name, values in self._used().items()} | {
            "rights.contents": packed(self.contents.names),
            "rights.documents": packed(self.documents.names),
            "rights.reader_sets": packed(self.reader_sets.names),
        }

    @staticmethod
    def restored(arrays: dict[str, NDArray[Any]]) -> Rights:
        """From what `arrays` gave."""
        rights = Rights()
        rights.contents = Numbered(unpacked(arrays["rights.contents"]))
        rights.documents = Numbered(unpacked(arrays["rights.documents"]))
        rights.reader_sets = Numbered(unpacked(arrays["rights.reader_sets"]))
        rights._restore_columns({name: arrays[f"rights.{name}"] for name in _COLUMNS})
        return rights

    def _used(self) -> dict[str, NDArray[np.int64]]:
        return {name: values[: self._size] for name, values in self._columns.items()}

    def _readers_at(self, places: Sequence[int]) -> set[str]:
        return {self.reader_sets.names[n] for n in self._columns["readers"][places].tolist()} if places else set()

    def _alive(self) -> NDArray[np.bool_]:
        alive: NDArray[np.bool_] = self._columns["end"][: self._size] != _GONE
        return alive

    def _row(self, at: int) -> Visibility | None:
        c = self._columns
        end = int(c["end"][at])
        if end == _GONE:
            return None
        document, content = self.documents.names[c["document"][at]], self.contents.names[c["content"][at]]
        readers = self.reader_sets.names[c["readers"][at]]
        return Visibility(document, content, readers, int(c["begin"][at]), None if end == _STILL else end)

    def _append(self, row: Visibility) -> None:
        if self._size == len(self._columns["end"]):
            self._columns = {name: np.concatenate((v, np.zeros_like(v))) for name, v in self._columns.items()}
        content, document = self.contents.number(row.content), self.documents.number(row.document)
        readers = self.reader_sets.number(row.readers)
        end = _STILL if row.valid_to_ms is None else row.valid_to_ms
        for name, value in zip(_COLUMNS, (content, document, readers, row.valid_from_ms, end), strict=True):
            self._columns[name][self._size] = value
        self._of_document.setdefault(document, []).append(self._size)
        self._of_content.setdefault(content, []).append(self._size)
        self._size += 1

    def _restore_columns(self, columns: dict[str, NDArray[np.int64]]) -> None:
        self._columns = {name: np.concatenate((values, np.zeros(64, np.int64))) for name, values in columns.items()}
        self._size, self._gone = len(columns["end"]), 0
        self._of_document, self._of_content = _grouped(columns["document"]), _grouped(columns["content"])


def valid(row: Visibility, at_ms: int | None) -> bool:
    """Whether the row stands at the instant; None asks whether it still stands."""
    if at_ms is None:
        return row.valid_to_ms is None
    return row.valid_from_ms <= at_ms and (row.valid_to_ms is None or at_ms < row.valid_to_ms)


def packed(names: Sequence[str]) -> NDArray[np.uint8]:
    """Names as one array of bytes; no name holds NUL."""
    return np.frombuffer("\0".join(names).encode("utf-8", "surrogateescape"), np.uint8)


def unpacked(data: NDArray[np.uint8]) -> list[str]:
    """What `packed` was given."""
    return data.tobytes().decode("utf-8", "surrogateescape").split("\0") if len(data) else []


def _grouped(numbers: NDArray[np.int64]) -> dict[int, list[int]]:
    groups: dict[int, list[int]] = {}
    for at, number in enumerate(numbers.tolist()):
        groups.setdefault(number, []).append(at)
    return groups
