# SPDX-License-Identifier: Apache-2.0
"""The built-in model of tables: gradient-boosted trees by LightGBM (Ke et al., 2017).

Training writes model.txt (LightGBM's own text) and scheme.json (columns, words, classes). One thread, fixed seeds,
row-wise histograms: equal data, equal bytes. How many trees: where the loss on every tenth training row (the newest,
when there is a time) stops to fall; then all rows train so many. Columns of numbers are taken as they are, an empty
value as missing; columns of words by the words that training saw, any other as missing.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from colonnade.adapters.learning.columns import Columns, Floats, is_number, read, write
from colonnade.adapters.learning.scores import of_classes, of_numbers
from colonnade.core.errors import MissingExtra, UsageError

MODEL, SCHEME = "model.txt", "scheme.json"
FIXED = {"verbosity": -1, "num_threads": 1, "seed": 7, "deterministic": True, "force_row_wise": True}
MOST_TREES, PATIENCE = 500, 30
MOST_WORDS = 1000
"""A column with more different words than this names things rather than describing them; it is left out."""
OURS = {"label", "time", "task", "leave_out", "num_trees", "balance", "recipe", "text", "seed"}
Scheme = dict[str, list[str] | None]
"""Column -> None for numbers, its words in order otherwise."""


def train(told: Mapping[str, Any], given: Path, out: Path) -> None:
    """Read, choose the number of trees, train, write."""
    lightgbm = _library()
    columns = read(given / "train.csv")
    label, classification = str(told["label"]), told["task"] == "classification"
    skipped = {label, told.get("time"), *filter(None, str(told.get("leave_out", "")).replace(" ", "").split(","))}
    made = scheme(columns, skipped)
    if not made:
        raise UsageError("there is no column to learn from")
    x, classes = matrix(columns, made), sorted(set(columns[label])) if classification else []
    y, weights = _targets(columns[label], classes, balance=bool(told.get("balance")))
    options = {"learning_rate": 0.05, "num_leaves": 31, "min_data_in_leaf": 20, **_objective(classes), **FIXED}
    options |= {name: value for name, value in told.items() if name not in OURS}
    options["seed"] = int(told.get("seed", options["seed"]))
    if "objective" in told:
        options["metric"] = told.get("metric", told["objective"])  # what stops the trees is what they are to learn
    words = [place for place, kind in enumerate(made.values()) if kind is not None]
    trees = int(told.get("num_trees", 0))
    trees = trees or _how_many(lightgbm, options, (x, y, weights), words, ordered=bool(told.get("time")))
    whole = lightgbm.Dataset(x, y, weight=weights, categorical_feature=words, params={"verbosity": -1})
    lightgbm.train(options, whole, trees).save_model(str(out / MODEL))
    quantile = float(told.get("alpha", 0.9)) if told.get("objective") == "quantile" else None
    about = {"classes": classes, "columns": made, "label": label, "task": told["task"], "trees": trees,
             "quantile": quantile}  # fmt: skip
    with open(out / SCHEME, "w", encoding="utf-8") as file:
        json.dump(about, file, ensure_ascii=False, sort_keys=False)
    print(f"{len(y)} rows, {len(made)} columns, {trees} trees")


def evaluate(told: Mapping[str, Any], given: Path, out: Path) -> None:
    """Predict, measure, write."""
    del told
    model = TabularModel.load(given / "model")
    columns = read(given / "test.csv")
    found, truth = model.predict(columns), columns[model.label]
    measured = of_classes(found, truth, model.classes) if model.classes else of_numbers(found, truth, model.quantile)
    write(out, *measured)


@dataclass(frozen=True)
class TabularModel:
    """A trained model. `classes`: empty for regression; `columns`: the scheme."""

    booster: Any
    label: str
    classes: Sequence[str]
    columns: Scheme
    quantile: float | None = None

    @classmethod
    def load(cls, folder: Path) -> TabularModel:
        """From what training wrote. Nothing is executed: LightGBM's text and JSON."""
        about = json.loads((folder / SCHEME).read_text("utf-8"))
        booster = _library().Booster(model_file=str(folder / MODEL))
        return cls(booster, about["label"], about["classes"], about["columns"], about.get("quantile"))

    def predict(self, columns: Columns) -> Floats:
        """[rows, classes] of chances; of numbers [rows]."""
        found: Floats = self.booster.predict(matrix(columns, self.columns), num_threads=1)
        return np.column_stack([1 - found, found]) if self.classes and found.ndim == 1 else found


def scheme(columns: Columns, leave_out: set[Any]) -> Scheme:
    """Which columns are learned from, and how they are read."""
    found: Scheme = {}
    for name, values in columns.items():
        if name in leave_out:
            continue
        filled = set(values) - {""}
        if all(map(is_number, filled)):
            found[name] = None
        elif len(filled) <= MOST_WORDS and len(filled) < max(2, len(values) // 2):
            found[name] = sorted(filled)
        else:
            print(f"{name}: {len(filled)} different words, left out")
    return found


def matrix(columns: Columns, made: Scheme) -> Floats:
    """[rows, columns of the scheme] as float64, NaN for what is missing."""
    out = np.full((len(next(iter(columns.values()))), len(made)), np.nan)
    for place, (name, words) in enumerate(made.items()):
        if words is None:
            out[:, place] = [float(value) if is_number(value) else np.nan for value in columns[name]]
        else:
            codes = {word: float(code) for code, word in enumerate(words)}
            out[:, place] = [codes.get(value, np.nan) for value in columns[name]]
    return out


def _targets(labels: Sequence[str], classes: Sequence[str], *, balance: bool) -> tuple[Floats, Floats | None]:
    """Numbers to learn, and a weight a row when each class is to weigh the same."""
    if not classes:
        wrong = next((value for value in labels if not is_number(value)), None)
        if wrong is not None:
            raise UsageError(f"the label {wrong!r} is no number", hint="`task: classification` learns words")
        return np.array([float(value) for value in labels]), None
    if len(classes) < 2:
        raise UsageError(f"every row has the label {classes[0]!r}: there is nothing to tell apart")
    place = {name: number for number, name in enumerate(classes)}
    y = np.array([float(place[value]) for value in labels])
    counts = Counter(labels)
    share = np.array([len(labels) / (len(classes) * counts[value]) for value in labels]) if balance else None
    return y, share


def _objective(classes: Sequence[str]) -> dict[str, object]:
    if not classes:
        return {"objective": "regression", "metric": "l2"}
    if len(classes) == 2:
        return {"objective": "binary", "metric": "binary_logloss"}
    return {"objective": "multiclass", "metric": "multi_logloss", "num_class": len(classes)}


def _how_many(
    lightgbm: Any, options: dict[str, Any], data: tuple[Floats, Floats, Floats | None], words: list[int], *,
    ordered: bool,
) -> int:  # fmt: skip
    x, y, weights = data
    rows = np.arange(len(y))
    aside = rows >= round(0.9 * len(y)) if ordered else rows % 10 == 0
    if aside.sum() < 20 or (~aside).sum() < 20:
        return 50

    def part(which: Any, **more: Any) -> Any:
        weight = None if weights is None else weights[which]
        return lightgbm.Dataset(x[which], y[which], weight=weight, params={"verbosity": -1}, **more)

    learn = part(~aside, categorical_feature=words)
    stop = lightgbm.early_stopping(PATIENCE, verbose=False)
    found = lightgbm.train(options, learn, MOST_TREES, valid_sets=[part(aside, reference=learn)], callbacks=[stop])
    return max(1, int(found.best_iteration))


def _library() -> Any:
    try:
        import lightgbm
    except ImportError as error:
        message = "built-in models of tables need LightGBM, which is not installed"
        raise MissingExtra(message, hint="pip install 'colonnade[ml]'") from error
    return lightgbm
