# SPDX-License-Identifier: Apache-2.0
"""What is said of tables: the contract that a batch must keep, and the ways in which one breaks it. Only shapes; the
engine that reads rows stands behind `ports.outside.tables`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SHOWN = 5
"""Rows that are shown of each kind of breach."""
TRUE, FALSE = frozenset({"true", "yes", "1"}), frozenset({"false", "no", "0"})


@dataclass(frozen=True, slots=True)
class ColumnRule:
    """What the contract says of a column: type ("" for any), bounds, values (empty for any), share of empty ones; a
    pattern that the whole value must match ("" for any), and how many characters it may have.
    """

    type: str = ""
    min: float | None = None
    max: float | None = None
    values: tuple[str, ...] = ()
    nulls: float = 0.0
    pattern: str = ""
    max_length: int | None = None


@dataclass(frozen=True, slots=True)
class Fresh:
    """The newest value of a column of dates must not be older."""

    column: str
    within_ms: int


@dataclass(frozen=True)
class Rules:
    """A contract: over each batch; `unique_together` over all batches, `fresh` over the newest row of all."""

    columns: Mapping[str, ColumnRule] = field(default_factory=dict)
    unique: tuple[str, ...] = ()
    rows_at_least: int = 1
    unique_together: tuple[str, ...] = ()
    fresh: Fresh | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """A row that breaks a rule: its line (of a text file; otherwise its number, from 1) and its values."""

    line: int
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Breach:
    """One way in which a batch breaks its contract: what, how many rows, and the first of them."""

    rule: str
    count: int
    rows: tuple[Shown, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """For `status --json`."""
        return {
            "rule": self.rule,
            "count": self.count,
            "rows": [{"line": row.line, **row.values} for row in self.rows],
        }
