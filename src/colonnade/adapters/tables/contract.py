# SPDX-License-Identifier: Apache-2.0
"""The contract over one batch, chunk by chunk: how many rows break each rule, and the first of them.

What is unique is found by 64-bit hashes (8 bytes a row), and a value whose hash came twice is looked at again as it
is, so that no two different values are taken for one. What is empty stands nowhere twice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from colonnade.adapters.tables.chunk import Chunk, Reader
from colonnade.adapters.tables.column import Bools, Column, Floats
from colonnade.core.tables import SHOWN, Breach, ColumnRule, Rules, Shown

Hashes = NDArray[np.int64]
LOOKED_UP = 1 << 20
"""Values that are looked up at once."""


class Found:
    """Rows that break one rule."""

    def __init__(self, rule: str) -> None:
        self.rule = rule
        self.count = 0
        self._rows: list[Shown] = []

    def add(self, chunk: Chunk, wrong: Bools) -> None:
        """The rows of a chunk that are wrong."""
        count = int(np.count_nonzero(wrong))
        if not count:
            return
        self.count += count
        for row in np.flatnonzero(wrong)[: SHOWN - len(self._rows)].tolist():
            self._rows.append(Shown(chunk.line(row), chunk.values(row)))

    def breach(self) -> Breach:
        """As it is told."""
        return Breach(self.rule, self.count, tuple(self._rows))


class ContractCheck:
    """One batch against its contract; `taken`: what earlier batches hold, of the columns unique over all."""

    def __init__(self, reader: Reader, rules: Rules, taken: dict[str, Hashes]) -> None:
        self._reader, self._rules, self._taken = reader, rules, taken
        self._tests = {name: list(_tests(name, rule)) for name, rule in rules.columns.items() if name in reader.header}
        self._found = {name: [Found(said) for said, _ in tests] for name, tests in self._tests.items()}
        wanted = dict.fromkeys((*rules.unique, *rules.unique_together))
        self.hashes: dict[str, list[Hashes]] = {name: [] for name in wanted if name in reader.header}
        self.rows = 0
        self._sorted: set[str] = set()

    def add(self, chunk: Chunk) -> None:
        """The next rows."""
        self.rows += len(chunk)
        for name, tests in self._tests.items():
            column = chunk.column(name)
            for found, (_, test) in zip(self._found[name], tests, strict=True):
                found.add(chunk, test(column))
        for name, hashes in self.hashes.items():
            column = chunk.column(name)
            texts = column.texts()
            hashes.append(np.fromiter(map(hash, texts), np.int64, len(texts))[~column.empty])

    def breaches(self) -> list[Breach]:
        """What was found, in the order of the contract."""
        rules = self._rules
        found = [Breach(f"there is no column {name!r}", 1) for name in self._missing()]
        if self.rows < rules.rows_at_least:
            found.append(Breach(f"it has {self.rows} rows, at least {rules.rows_at_least} are wanted", 1))
        for name in self._tests:
            allowed = rules.columns[name].nulls * self.rows
            for place, one in enumerate(self._found[name]):
                if one.count > (allowed if place == 0 else 0):
                    found.append(one.breach())
        found += [breach for name in rules.unique for breach in self._twice(name)]
        return found + [breach for name in rules.unique_together for breach in self._again(name)]

    def sorted_hashes(self, name: str) -> Hashes:
        """Of a column's filled values."""
        parts = self.hashes.get(name, [])
        if len(parts) != 1 or name not in self._sorted:
            whole = np.concatenate([*parts, np.empty(0, np.int64)])
            self.hashes[name] = [whole]
            whole.sort()
            self._sorted.add(name)
        return self.hashes[name][0]

    def _missing(self) -> list[str]:
        wanted = dict.fromkeys((*self._rules.columns, *self._rules.unique, *self._rules.unique_together))
        return [name for name in wanted if name not in self._reader.header]

    def _twice(self, name: str) -> Iterator[Breach]:
        """Values of a column that stand twice in this batch."""
        whole = self.sorted_hashes(name)
        often = np.unique(whole[1:][whole[1:] == whole[:-1]])
        if len(often):
            yield from self._look(name, often, f"{name} stands twice", set())

    def _again(self, name: str) -> Iterator[Breach]:
        """Values that stand in an earlier batch. Hashes decide: of ten million rows, two in a million such batches
        are told wrongly.
        """
        before = self._taken.get(name)
        if before is None or not len(before):
            return
        whole, found = self.sorted_hashes(name), []
        for start in range(0, len(whole), LOOKED_UP):
            part = whole[start : start + LOOKED_UP]
            places = np.minimum(np.searchsorted(before, part), len(before) - 1)
            found.append(part[before[places] == part])
        often = np.concatenate([*found, np.empty(0, np.int64)])
        if len(often):
            yield from self._look(name, often, f"{name} stands in an earlier batch, too", None)

    def _look(self, name: str, suspected: Hashes, rule: str, seen: set[str] | None) -> Iterator[Breach]:
        """Read again: rows whose value is suspected; with `seen`, those that come a second time."""
        found = Found(rule)
        for chunk in self._reader.chunks():
            texts = chunk.column(name).texts()
            hashes = np.fromiter(map(hash, texts), np.int64, len(texts))
            wrong = np.isin(hashes, suspected) & ~chunk.column(name).empty
            if seen is not None:
                for row in np.flatnonzero(wrong).tolist():
                    wrong[row] = texts[row] in seen
                    seen.add(texts[row])
            found.add(chunk, wrong)
        if found.count:
            yield found.breach()


def _tests(name: str, rule: ColumnRule) -> Iterator[tuple[str, Callable[[Column], Bools]]]:
    """(what is said, where it is wrong) of each rule of a column; the first is about what is empty."""
    yield f"{name} is empty", lambda column: column.empty
    if rule.type:
        yield f"{name} is no {rule.type}", lambda column: ~column.is_kind(rule.type) & ~column.empty
    if rule.values:
        allowed = frozenset(rule.values)
        yield f"{name} is none of {', '.join(rule.values)}", _each(lambda text: text not in allowed)
    if rule.pattern:
        pattern = re.compile(rule.pattern)
        yield f"{name} does not match {rule.pattern}", _each(lambda text: pattern.fullmatch(text) is None)
    if rule.max_length is not None:
        most = rule.max_length
        yield f"{name} has more than {most} characters", _each(lambda text: len(text) > most)
    if rule.min is not None:
        low = rule.min
        yield f"{name} is below {low:g}", lambda column: np.less(_numbers(column, low), low)
    if rule.max is not None:
        high = rule.max
        yield f"{name} is above {high:g}", lambda column: np.greater(_numbers(column, high), high)


def _each(wrong: Callable[[str], bool]) -> Callable[[Column], Bools]:
    """A test of text, asked once for each different value of a chunk; what is empty passes."""

    def test(column: Column) -> Bools:
        texts = column.texts()
        bad = {text for text in set(texts) if text and wrong(text)}
        if not bad:
            return np.zeros(len(texts), bool)
        return np.fromiter((text in bad for text in texts), bool, len(texts))

    return test


def _numbers(column: Column, instead: float) -> Floats:
    """Numbers; where there is none, a value that breaks no bound."""
    numbers = column.numbers()
    return np.where(np.isnan(numbers), instead, numbers)
