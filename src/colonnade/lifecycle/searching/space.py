# SPDX-License-Identifier: Apache-2.0
"""What a search tries, when a trial is given up, and which one was best. Pure."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from colonnade.ports.outside.tuner import Range, Space

PROGRESS = "progress.jsonl"
"""A training script may write a line a step there: {"step": 3, "METRIC": 0.8}."""
ENOUGH = 4
"""Trials that must have come so far before another is given up at this step."""


@dataclass(frozen=True)
class Search:
    """As it is declared.

    Attributes:
        trials: how many; parallel: how many at once.
        metric, maximize: what the evaluation measures on the validation rows, and which way is better.
        prune: whether trials that fall behind are given up.
    """

    space: Space
    trials: int
    metric: str
    maximize: bool
    parallel: int = 1
    prune: bool = True
    seed: int = 0

    def told(self) -> dict[str, Any]:
        """All that shapes the result, as JSON."""
        space = {name: asdict(one) if isinstance(one, Range) else list(one) for name, one in self.space.items()}
        return {"space": space, "trials": self.trials, "metric": self.metric, "maximize": self.maximize,
                "parallel": self.parallel, "prune": self.prune, "seed": self.seed}  # fmt: skip


def read_progress(text: str, metric: str) -> dict[int, float]:
    """Step -> value; lines that are not whole, or tell no number, are left out."""
    found: dict[int, float] = {}
    for line in text.splitlines():
        try:
            told = json.loads(line)
            step, value = int(told["step"]), float(told[metric])
        except (ValueError, KeyError, TypeError):
            continue
        if math.isfinite(value):
            found[step] = value
    return found


def falls_behind(own: Mapping[int, float], others: Sequence[Mapping[int, float]], *, maximize: bool) -> bool:
    """Median stopping (Golovin et al., Google Vizier, 2017): whether the best that a trial has told so far is worse
    than the median of what the others had told at its last step.

    >>> falls_behind({1: 0.5}, [{1: 0.9}, {1: 0.8}, {1: 0.7}, {1: 0.9}], maximize=True)
    True
    """
    if not own:
        return False
    step = max(own)
    there = [told[step] for told in others if step in told]
    if len(there) < ENOUGH:
        return False
    sign = 1 if maximize else -1
    return max(sign * value for value in own.values()) < sign * statistics.median(there)
