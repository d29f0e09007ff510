# SPDX-License-Identifier: Apache-2.0
"""What a model is to be made of, in this room's words, and the keys under which its steps are found again. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from colonnade.core.claims import Claim
from colonnade.lifecycle.table import Rules

STEPS = ("snapshot", "split", "train", "evaluate", "package")
"""In their order. `train` and `evaluate` run the user's code, each in a process of its own under a lease."""


@dataclass(frozen=True, slots=True)
class Gate:
    """A limit that a metric must keep: `bound` "at_least" or "at_most"; `limit` None: the incumbent's value."""

    metric: str
    bound: str
    limit: float | None

    def said(self) -> str:
        """For people."""
        word = "at least" if self.bound == "at_least" else "at most"
        return f"{self.metric} {word} {'the incumbent’s' if self.limit is None else f'{self.limit:g}'}"


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

    def files(self) -> list[Path]:
        """The data's files of now, sorted by their path."""
        found = {path for pattern in self.patterns for path in _matching(self.folder, pattern)}
        return sorted(found)

    def script(self, step: str) -> Path:
        """The script of `train` or `evaluate`."""
        return self.train if step == "train" else self.evaluate

    def specification(self) -> str:
        """A digest of all that is declared and shapes the result; where data and code lie does not."""
        said = {
            "label": self.label, "time": self.time, "holdout": self.holdout, "rules": asdict(self.rules),
            "parameters": dict(self.parameters), "gates": [asdict(gate) for gate in self.gates],
        }  # fmt: skip
        return key_of("specification", said)


def key_of(step: str, inputs: Mapping[str, Any]) -> str:
    """SHA-256 (hex) over a step's name and everything that its result depends on: equal inputs, equal key.

    >>> key_of("split", {"a": 1, "b": 2}) == key_of("split", {"b": 2, "a": 1})
    True
    """
    text = json.dumps({"inputs": inputs, "step": step, "version": 1}, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def judged(gates: Sequence[Gate], metrics: Mapping[str, float], incumbent: Mapping[str, float] | None) -> list[str]:
    """The gates that are not passed, in words; empty: it may go live. Without an incumbent, it is not compared.

    >>> judged([Gate("accuracy", "at_least", 0.9)], {"accuracy": 0.8}, None)
    ['accuracy is 0.8, at least 0.9 is wanted']
    """
    failed = []
    for gate in gates:
        value = metrics.get(gate.metric)
        limit = gate.limit if gate.limit is not None else (incumbent or {}).get(gate.metric)
        word = "at least" if gate.bound == "at_least" else "at most"
        if value is None:
            failed.append(f"{gate.metric} was not measured")
        elif limit is not None and not (value >= limit if gate.bound == "at_least" else value <= limit):
            whose = " (the incumbent’s)" if gate.limit is None else ""
            failed.append(f"{gate.metric} is {value:g}, {word} {limit:g}{whose} is wanted")
    return failed


def _matching(folder: Path, pattern: str) -> list[Path]:
    if not any(mark in pattern for mark in "*?["):
        path = folder / pattern
        return [path] if path.is_file() else sorted(p for p in path.glob("*.csv")) if path.is_dir() else []
    return [path for path in folder.glob(pattern.removeprefix("./")) if path.is_file()]
