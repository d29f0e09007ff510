# SPDX-License-Identifier: Apache-2.0
"""The small linear models that `bench/fit_answers.py` fitted, read from `weights.json` once. Numbers only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any


@dataclass(frozen=True, slots=True)
class Linear:
    """A weighted sum of named features, plus a bias."""

    weights: Mapping[str, float]
    bias: float

    def __call__(self, features: Mapping[str, float]) -> float:
        """The sum; a feature that the model does not name is ignored."""
        return self.bias + sum(weight * features[name] for name, weight in self.weights.items())


@cache
def _document() -> dict[str, Any]:
    text = resources.files(__package__).joinpath("weights.json").read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text)
    return document


@cache
def model(name: str) -> Linear:
    """The model of that name: `topic`, `rank`, `twisted`, each also as `..._lexical` for when there are no vectors."""
    found = _document()["models"][name]
    return Linear(found["weights"], found["bias"])


@cache
def threshold(name: str) -> float:
    """A fitted threshold or constant, by name."""
    return float(_document()["thresholds"][name])
