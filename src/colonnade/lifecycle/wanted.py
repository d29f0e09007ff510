# SPDX-License-Identifier: Apache-2.0
"""What a model is to be made of, in this room's words, and the keys under which its steps are found again. Pure."""

from __future__ import annotations

import bisect
import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from colonnade.core.claims import Claim
from colonnade.core.tables import Rules
from colonnade.lifecycle.rollout.plan import Plan
from colonnade.lifecycle.searching.space import Search
from colonnade.lifecycle.watching.due import RetrainRule
from colonnade.ports.outside.sources import Source
from colonnade.ports.outside.tables import FORMATS

STEPS = ("snapshot", "split", "train", "evaluate", "package", "compare")
"""In their order. `train`, `evaluate` and `compare` run the user's code, each in a process of its own under a lease;
`compare` evaluates the incumbent on the candidate's held-out rows.
"""


SERVE = "serve/"
"""Before a service's name: the script with which it answers is packaged with the version, so that both are tried, go
live and go back together."""


@dataclass(frozen=True, slots=True)
class Gate:
    """A limit that a metric must keep: `bound` "at_least" or "at_most"; `limit` None: the incumbent's value.

    Attributes:
        margin: how much worse than the incumbent is still no harm, in the metric's unit; None: as `judging` says.
        slice: judged on this (column, group) alone; each: on every group of this column; recent: on the newest rows.
    """

    metric: str
    bound: str
    limit: float | None
    margin: float | None = None
    slice: tuple[str, str] | None = None
    each: str | None = None
    recent: bool = False

    def word(self) -> str:
        """For people."""
        return "at least" if self.bound == "at_least" else "at most"


@dataclass(frozen=True, slots=True)
class Slicing:
    """A column by which evaluations are told: by its values, or, with `bins` (ascending), by intervals of its numbers.

    >>> Slicing("age", (30, 50)).groups()
    ['<30', '30..50', '>=50']
    """

    column: str
    bins: tuple[float, ...] = ()

    def groups(self) -> list[str]:
        """The intervals, in their order."""
        if not self.bins:
            return []
        inner = [f"{low:g}..{high:g}" for low, high in itertools.pairwise(self.bins)]
        return [f"<{self.bins[0]:g}", *inner, f">={self.bins[-1]:g}"]

    def group_of(self, value: str) -> str:
        """The group of a value; "" for none. The lower end of an interval belongs to it."""
        if not self.bins:
            return value
        try:
            number = float(value)
        except ValueError:
            return ""
        return self.groups()[bisect.bisect_right(self.bins, number)] if number == number else ""


@dataclass(frozen=True)
class Wanted:
    """One model of the declaration. Paths are absolute."""

    id: str
    name: str
    folder: Path
    patterns: tuple[str, ...]
    label: str
    time: str | None
    holdout: float
    rules: Rules
    train: Path
    evaluate: Path
    parameters: Mapping[str, Any]
    gates: tuple[Gate, ...]
    claim: Claim
    queue: str
    timeout_ms: int
    retries: int
    watch: bool
    label_delay: float = 0
    served: bool = False
    serving: Mapping[str, Path] = field(default_factory=dict)
    slices: tuple[Slicing, ...] = ()
    recent: float = 0.25
    retrain: RetrainRule = field(default_factory=RetrainRule)
    rollout: Plan | None = None
    """How a candidate is tried on real requests; None: it goes live at once. Shapes no result."""
    sources: tuple[Source, ...] = ()
    """Queries and objects outside, beside the files of `patterns`."""
    known_at: Mapping[str, str] = field(default_factory=dict)
    search: Search | None = None
    format: str = ""

    def format_for(self, formats: Sequence[str]) -> str:
        """How the sides of a division are written: as declared; else as Parquet when some of the data are."""
        return self.format or ("parquet" if "parquet" in formats else "csv")

    def files(self) -> list[Path]:
        """The data's files of now, sorted by their path."""
        found = {path for pattern in self.patterns for path in _matching(self.folder, pattern)}
        return sorted(found)

    def steps(self) -> tuple[str, ...]:
        """The steps of its pipelines, in their order; a search over parameters comes before training."""
        return STEPS if self.search is None else (*STEPS[:2], "search", *STEPS[2:])

    def script(self, step: str) -> Path:
        """The script of `train`, `evaluate` or `compare`."""
        return self.train if step == "train" else self.evaluate

    def specification(self) -> str:
        """A digest of all that is declared and shapes the result; where data and code lie does not."""
        said = {
            "label": self.label, "time": self.time, "holdout": self.holdout, "rules": asdict(self.rules),
            "label_delay": self.label_delay, "parameters": dict(self.parameters),
            "gates": [asdict(gate) for gate in self.gates], "slices": [asdict(one) for one in self.slices],
            "recent": self.recent, "known_at": dict(self.known_at), "format": self.format,
        }  # fmt: skip
        return key_of("specification", {**said, **({"search": self.search.told()} if self.search else {})})


def key_of(step: str, inputs: Mapping[str, Any]) -> str:
    """SHA-256 (hex) over a step's name and everything that its result depends on: equal inputs, equal key.

    >>> key_of("split", {"a": 1, "b": 2}) == key_of("split", {"b": 2, "a": 1})
    True
    """
    text = json.dumps({"inputs": inputs, "step": step, "version": 1}, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _matching(folder: Path, pattern: str) -> list[Path]:
    if not any(mark in pattern for mark in "*?["):
        path = folder / pattern
        if path.is_dir():
            return [found for found in path.iterdir() if found.suffix.lower() in FORMATS and found.is_file()]
        return [path] if path.is_file() else []
    return [path for path in folder.glob(pattern.removeprefix("./")) if path.is_file()]
