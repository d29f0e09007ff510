# SPDX-License-Identifier: Apache-2.0
"""The built-in model of tables: gradient-boosted trees by LightGBM (Ke et al., 2017). One script for training and
evaluation, under the same contract as a user's own; it runs in a child process and uses nothing of Colonnade.

Training writes model.txt (LightGBM's own text) and scheme.json (columns, words, classes). One thread, fixed seeds,
row-wise histograms: equal data, equal bytes. How many trees: where the loss on every tenth training row (the newest,
when there is a time) stops to fall; then all rows train so many. Columns of numbers are taken as they are, an empty
value as missing; columns of words by the words that training saw, any other as missing.

Evaluation of classes: accuracy, log_loss, and roc_auc for two; of numbers: rmse, mae, r2 (row by row: mae).
"""

from __future__ import annotations

import csv
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FIXED = {"verbosity": -1, "num_threads": 1, "seed": 7, "deterministic": True, "force_row_wise": True}
MOST_TREES, PATIENCE = 500, 30
MOST_WORDS = 1000
"""A column with more different words than this names things rather than describing them; it is left out."""
OURS = {"label", "time", "task", "leave_out", "num_trees"}
TINY = 1e-15
Floats = NDArray[np.float64]
Columns = dict[str, list[str]]
Scheme = dict[str, list[str] | None]


def main() -> None:
    """The step that COLONNADE_STEP names."""
    try:
        import lightgbm
    except ImportError:
        sys.exit("built-in training needs LightGBM, which is not installed: pip install 'colonnade[ml]'")
    given, out = Path(os.environ["COLONNADE_INPUT"]), Path(os.environ["COLONNADE_OUTPUT"])
    told = json.loads(Path(os.environ["COLONNADE_PARAMETERS"]).read_text("utf-8"))
    if os.environ["COLONNADE_STEP"] == "train":
        train(lightgbm, told, given, out)
    else:
        evaluate(lightgbm, given, out)


def train(lightgbm: Any, told: dict[str, Any], given: Path, out: Path) -> None:
    """Read, choose the number of trees, train, write."""
    columns = read(given / "train.csv")
    label, classification = told["label"], told["task"] == "classification"
    skipped = {label, told.get("time"), *filter(None, str(told.get("leave_out", "")).replace(" ", "").split(","))}
    made = scheme(columns, skipped)
    if not made:
        raise SystemExit("there is no column to learn from")
    x, classes = matrix(columns, made), sorted({v.strip() for v in columns[label]}) if classification else []
    y = np.array([classes.index(v.strip()) if classes else float(v) for v in columns[label]], dtype=float)
    if classification and len(classes) < 2:
        raise SystemExit(f"every row has the label {classes[0]!r}: there is nothing to tell apart")
    options = {"learning_rate": 0.05, "num_leaves": 31, "min_data_in_leaf": 20, **_objective(classes), **FIXED}
    options |= {name: value for name, value in told.items() if name not in OURS}
    words = [place for place, kind in enumerate(made.values()) if kind is not None]
    trees = int(told.get("num_trees", 0)) or _how_many(lightgbm, options, x, y, words, ordered=bool(told.get("time")))
    whole = lightgbm.Dataset(x, y, categorical_feature=words, params={"verbosity": -1})
    booster = lightgbm.train(options, whole, trees)
    booster.save_model(str(out / "model.txt"))
    about = {"classes": classes, "columns": made, "label": label, "task": told["task"], "trees": trees}
    with open(out / "scheme.json", "w", encoding="utf-8") as file:
        json.dump(about, file, ensure_ascii=False, sort_keys=False)
    print(f"{len(y)} rows, {len(made)} columns, {trees} trees")


def evaluate(lightgbm: Any, given: Path, out: Path) -> None:
    """Predict, measure, write."""
    about = json.loads((given / "model" / "scheme.json").read_text("utf-8"))
    columns = read(given / "test.csv")
    booster = lightgbm.Booster(model_file=str(given / "model" / "model.txt"))
    found = booster.predict(matrix(columns, about["columns"]), num_threads=1)
    truth = [value.strip() for value in columns[about["label"]]]
    metrics, rows = _regression(found, truth) if not about["classes"] else _classes(found, truth, about["classes"])
    with open(out / "metrics.json", "w", encoding="utf-8") as file:
        json.dump({name: round(float(value), 6) for name, value in metrics.items()}, file, sort_keys=True)
    with open(out / "predictions.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["row", *rows])
        writer.writerows(
            [place, *(f"{value:.6g}" for value in line)] for place, line in enumerate(zip(*rows.values(), strict=True))
        )


def read(path: Path) -> Columns:
    """The columns of a file."""
    with open(path, encoding="utf-8", newline="") as file:
        reader = csv.reader(file)
        header = next(reader)
        return dict(zip(header, map(list, zip(*reader, strict=True)), strict=True))


def scheme(columns: Columns, leave_out: set[str]) -> Scheme:
    """Column -> None for numbers, its words in order otherwise."""
    found: Scheme = {}
    for name, values in columns.items():
        if name in leave_out:
            continue
        filled = {value.strip() for value in values} - {""}
        if all(map(_is_number, filled)):
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
        codes = {word: float(code) for code, word in enumerate(words or ())}
        for row, value in enumerate(columns[name]):
            text = value.strip()
            if words is None:
                out[row, place] = float(text) if _is_number(text) else np.nan
            else:
                out[row, place] = codes.get(text, np.nan)
    return out


def roc_auc(scores: Floats, positive: NDArray[np.bool_]) -> float:
    """The chance that a positive row ranks above a negative one; ties count half. NaN without both kinds."""
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    n = int(positive.sum())
    others = len(positive) - n
    return float((ranks[positive].sum() - n * (n + 1) / 2) / (n * others)) if n and others else float("nan")


def _classes(found: Floats, truth: list[str], classes: list[str]) -> tuple[dict[str, Any], dict[str, Floats]]:
    p = np.column_stack([1 - found, found]) if found.ndim == 1 else found
    place = {name: number for number, name in enumerate(classes)}
    known = np.array([place.get(value, -1) for value in truth])
    right = p.argmax(axis=1) == known
    chance = np.where(known >= 0, p[np.arange(len(known)), known], TINY)
    loss = -np.log(np.clip(chance, TINY, 1))
    metrics = {"accuracy": right.mean(), "log_loss": loss.mean()}
    if len(classes) == 2 and len(set(truth)) == 2:
        metrics["roc_auc"] = roc_auc(p[:, 1], known == 1)
    return metrics, {"prediction": p.max(axis=1), "accuracy": right.astype(float), "log_loss": loss}


def _regression(found: Floats, truth: list[str]) -> tuple[dict[str, Any], dict[str, Floats]]:
    y = np.array([float(value) for value in truth])
    error = np.abs(found - y)
    spread = ((y - y.mean()) ** 2).sum()
    metrics = {"rmse": np.sqrt((error**2).mean()), "mae": error.mean()}
    if spread > 0:
        metrics["r2"] = 1 - (error**2).sum() / spread
    return metrics, {"prediction": found, "mae": error}


def _objective(classes: list[str]) -> dict[str, object]:
    if not classes:
        return {"objective": "regression", "metric": "l2"}
    if len(classes) == 2:
        return {"objective": "binary", "metric": "binary_logloss"}
    return {"objective": "multiclass", "metric": "multi_logloss", "num_class": len(classes)}


def _how_many(lightgbm: Any, options: dict[str, Any], x: Floats, y: Floats, words: list[int], *, ordered: bool) -> int:
    rows = np.arange(len(y))
    aside = rows >= round(0.9 * len(y)) if ordered else rows % 10 == 0
    if aside.sum() < 20 or (~aside).sum() < 20:
        return 50
    learn = lightgbm.Dataset(x[~aside], y[~aside], categorical_feature=words, params={"verbosity": -1})
    check = lightgbm.Dataset(x[aside], y[aside], reference=learn)
    stop = lightgbm.early_stopping(PATIENCE, verbose=False)
    found = lightgbm.train(options, learn, MOST_TREES, valid_sets=[check], callbacks=[stop])
    return max(1, int(found.best_iteration))


def _is_number(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False


if __name__ == "__main__":
    main()
