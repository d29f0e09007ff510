# SPDX-License-Identifier: Apache-2.0
"""What is declared about watching a service, in this room's words. Plain values; defaults stand in the declaration."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

MEASURES = ("wrong", "errors", "missing", "latency")
"""How wrong answers turn out to be; requests that failed; answers with null or NaN; slow ones."""


@dataclass(frozen=True, slots=True)
class CaptureRule:
    """How long requests and answers are kept, the share of them, and how many bytes at most."""

    keep_ms: int
    share: float
    most_bytes: int


@dataclass(frozen=True, slots=True)
class LabelRule:
    """How truth finds its prediction, and how wrong that was.

    Attributes:
        key: column of the rows by which labels in new data find them, or "".
        column: of the label, in the data.
        group: column of the rows, or "".
        score: auto, error, brier, absolute; scale: None for the label's range.
        metric: column of predictions.csv that is the baseline, or "" for the score's own.
        train: whether rows with told truths train the next version.
    """

    key: str
    column: str
    group: str = ""
    score: str = "auto"
    scale: float | None = None
    metric: str = ""
    train: bool = True


@dataclass(frozen=True, slots=True)
class AlarmRule:
    """What is tolerated: shares of failed and empty answers; `latency_ms` None: learned."""

    run_length: int
    errors: float
    missing: float
    latency_ms: int | None = None
    off: frozenset[str] = field(default_factory=frozenset)

    def told(self) -> list[Any]:
        """As JSON holds it: monitors begin afresh when it changes."""
        return [self.run_length, self.errors, self.missing, self.latency_ms, sorted(self.off)]


@dataclass(frozen=True, slots=True)
class Watched:
    """One service with a model. `capture` None: nothing is kept; `rows`: that an alarm waits for, see `due`."""

    id: str
    name: str
    model: str
    model_id: str
    capture: CaptureRule | None
    labels: LabelRule
    alarms: AlarmRule
    rows: int = 1000
