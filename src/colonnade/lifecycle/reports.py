# SPDX-License-Identifier: Apache-2.0
"""What an evaluation found, and what a gate found of it: plain values, and the file of scores row by row. No rule."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from colonnade.core.errors import UsageError
from colonnade.lifecycle.seeded import OTHERS

PREDICTIONS = "predictions.csv"
NAMELESS = {"row", "prediction"}


@dataclass(frozen=True)
class Report:
    """What an evaluation found: metrics, and scores row by row for those of which it wrote them. `seeds`: the same of
    the candidate's other seeds, which are not served.
    """

    metrics: Mapping[str, float]
    rows: Mapping[str, Sequence[float]] = field(default_factory=dict)
    seeds: Sequence[Report] = ()

    def averaged(self) -> Report:
        """The mean over all seeds: of each metric, and row by row."""
        every = (self, *self.seeds)
        metrics = {
            name: math.fsum(one.metrics[name] for one in every) / len(every)
            for name in self.metrics
            if all(name in one.metrics for one in every)
        }
        rows = {
            name: [math.fsum(scores) / len(every) for scores in zip(*(one.rows[name] for one in every), strict=True)]
            for name in self.rows
            if all(len(one.rows.get(name, ())) == len(self.rows[name]) for one in every)
        }
        return Report(metrics, rows)

    def only(self, places: Sequence[int]) -> Report:
        """The same of some rows: the metrics that have a value a row."""
        rows = {name: [values[place] for place in places] for name, values in self.rows.items()}
        return Report({name: math.fsum(values) / len(values) for name, values in rows.items() if values}, rows)

    def scale(self, metric: str) -> tuple[bool, float]:
        """Whether the metric lies between 0 and 1 on every row, and its mean size."""
        rows = self.rows.get(metric) or [1.0]
        return all(0 <= score <= 1 for score in rows), math.fsum(map(abs, rows)) / len(rows)


@dataclass(frozen=True)
class Finding:
    """One gate's verdict.

    Attributes:
        value, limit: the candidate's, and what it was held against.
        difference, low, high: candidate - incumbent in the metric's own unit, with its interval (None without rows).
        rows: how many rows were compared.
        seeds: the metric's value on all held-out rows with each seed, the served one first; empty for one seed.
        where: the slice, as people say it; "" for all rows. Of a gate on `each`: the group that decided.
    """

    metric: str
    passed: bool
    reason: str
    value: float | None
    limit: float | None
    against: str
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    rows: int | None = None
    where: str = ""
    seeds: tuple[float, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """For `status --json`."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def read_predictions(data: bytes, rows: int | None = None) -> dict[str, list[float]]:
    """Scores row by row, by the metric's name: every column of `predictions.csv` but `row` and `prediction`, and
    `correct`, which is accuracy's. Raises UsageError for what is no table of finite numbers.
    """
    reader = csv.DictReader(io.StringIO(data.decode("utf-8-sig", "replace"), newline=""))
    found: dict[str, list[float]] = {name: [] for name in reader.fieldnames or () if name not in NAMELESS}
    for line in reader:
        for name, values in found.items():
            try:
                values.append(float(line[name]))
            except (TypeError, ValueError):
                values.append(math.nan)
    for name, values in found.items():
        if not all(map(math.isfinite, values)) or (rows is not None and len(values) != rows):
            message = f"{PREDICTIONS}: the column {name!r} must hold one finite number for each row of test.csv"
            raise UsageError(message, hint="leave the column out, or write one line a row", code="predictions_invalid")
    if "correct" in found:
        found.setdefault("accuracy", found.pop("correct"))
    return found


def read_seeds(files: Mapping[str, bytes], rows: int) -> list[Report]:
    """The reports of the seeds after the first, from an evaluation's files. Raises UsageError as `read_predictions`.

    Args:
        rows: how many the first one has scores for; 0 for none.
    """
    found: list[Report] = []
    while (metrics := files.get(f"{OTHERS}/{len(found) + 1}/metrics.json")) is not None:
        scores = files.get(f"{OTHERS}/{len(found) + 1}/{PREDICTIONS}")
        told = {str(name): float(value) for name, value in json.loads(metrics).items()}
        found.append(Report(told, read_predictions(scores, rows) if scores is not None and rows else {}))
    return found
