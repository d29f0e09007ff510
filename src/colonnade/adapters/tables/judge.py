# SPDX-License-Identifier: Apache-2.0
"""Judge batches: read each once, check its contract, profile it; a bad one stays out, the others add up."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from colonnade.adapters.tables.chunk import Reader
from colonnade.adapters.tables.contract import ContractCheck, Hashes
from colonnade.adapters.tables.profile import ColumnProfile
from colonnade.adapters.tables.readers import open_batch
from colonnade.core.errors import MissingExtra, UsageError
from colonnade.core.tables import Breach, Rules
from colonnade.ports.outside.tables import Batch, Judged, Judgement

ROWS_OF_A_BATCH = 1 << 40
"""Numbers of rows are kept apart by this: each row of all batches has one of its own."""


class Judging:
    """The batches in their order; what is good adds up."""

    def __init__(self, rules: Rules, label: str) -> None:
        self._rules, self._label = rules, label
        self._columns: dict[str, ColumnProfile] | None = None
        self._taken: dict[str, Hashes] = {}
        self._newest_us: int | None = None
        self._good = 0

    def judge(self, batch: Batch) -> Judged:
        """One batch. Raises MissingExtra."""
        try:
            reader = open_batch(batch)
            return self._read(batch.name, reader)
        except UsageError as error:
            said = error.message
        except MissingExtra:
            raise
        except MemoryError:
            said = "reading it needs more memory than it may take"
        except Exception as error:  # whatever a file was made to break: it breaks itself alone
            said = f"it is damaged: its reader tripped over it ({type(error).__name__})"
        return Judged(batch.name, 0, 0, (Breach(said, 1),))

    def _read(self, name: str, reader: Reader) -> Judged:
        check = ContractCheck(reader, self._rules, self._taken)
        columns = {column: ColumnProfile() for column in reader.header}
        unlabelled, newest = 0, None
        first = self._good * ROWS_OF_A_BATCH
        for chunk in reader.chunks():
            check.add(chunk)
            for column, profile in columns.items():
                profile.add(chunk.column(column), first)
            first += len(chunk)
            if self._label in columns:
                unlabelled += int(chunk.column(self._label).empty.sum())
            fresh = self._rules.fresh
            if fresh is not None and fresh.column in columns:
                moments, there = chunk.column(fresh.column).dates()
                newest = max(newest or moments[there].min(), moments[there].max()) if there.any() else newest
        found = check.breaches()
        if self._label not in columns:
            found.insert(0, Breach(f"there is no column {self._label!r}, the label", 1))
        if self._columns is not None and columns.keys() != self._columns.keys():
            found.insert(0, Breach("its columns are not those of the other files", 1))
        if not found:
            self._keep(columns, check, None if newest is None else int(newest))
        return Judged(name, check.rows, unlabelled, tuple(found))

    def _keep(self, columns: dict[str, ColumnProfile], check: ContractCheck, newest: int | None) -> None:
        self._good += 1
        if self._columns is None:
            self._columns = columns
        else:
            for name, profile in columns.items():
                self._columns[name].merge(profile)
        for name in self._rules.unique_together:
            mine = check.sorted_hashes(name)
            self._taken[name] = np.sort(np.concatenate([self._taken[name], mine])) if name in self._taken else mine
        if newest is not None:
            self._newest_us = newest if self._newest_us is None else max(newest, self._newest_us)

    def judgement(self, judged: Sequence[Judged]) -> Judgement:
        """Of all that was judged."""
        told = {name: profile.told() for name, profile in (self._columns or {}).items()}
        return Judgement(tuple(judged), told, None if self._newest_us is None else self._newest_us // 1000)


def judge(batches: Sequence[Batch], rules: Rules, label: str) -> Judgement:
    """See `Tables.judge`."""
    judging = Judging(rules, label)
    return judging.judgement([judging.judge(batch) for batch in batches])
