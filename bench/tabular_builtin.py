# SPDX-License-Identifier: Apache-2.0
"""`task: classification` and `regression` beside scikit-learn's HistGradientBoosting with early stopping, on the same
rows of public tables, in one run. Each trains as it does by default: ours in two child processes as a pipeline runs it,
the peer in this one; both on one thread.

Sets: Elec2 (45,312 half-hours, in time), SEA (50,000, in time), COMPAS (7,214, words as columns), California housing
in NannyML's form (14,064, in time), bikes by the hour (17,379, numbers); and bike counts in five uneven classes with
a tenth of all values taken away. In time the newest fifth is held out, otherwise every fifth row. `gap`: 10-bin
calibration error of the highest chance.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from colonnade.adapters.learning import script
from report import write_result

Cells = list[list[str]]


@dataclass
class Set:
    """A table: header (the label is called `label`), rows, whether they are in time."""

    header: list[str]
    rows: Cells
    task: str
    ordered: bool

    def parts(self) -> tuple[Cells, Cells]:
        """(training, held out)."""
        if self.ordered:
            cut = len(self.rows) * 4 // 5
            return self.rows[:cut], self.rows[cut:]
        return [r for n, r in enumerate(self.rows) if n % 5], [r for n, r in enumerate(self.rows) if n % 5 == 0]


def elec2(data: Path) -> Set:
    x = [line.split() for line in (data / "drift_streams/elec2_data.dat").read_text().splitlines()]
    y = (data / "drift_streams/elec2_label.dat").read_text().split()
    return Set([f"c{n}" for n in range(8)] + ["label"], [[*a, b] for a, b in zip(x, y, strict=True)], "classification",
               True)  # fmt: skip


def sea(data: Path) -> Set:
    x = [line.split(",") for line in (data / "drift_streams/SEA_training_data.csv").read_text().splitlines()]
    y = (data / "drift_streams/SEA_training_class.csv").read_text().split()
    return Set(["a", "b", "c", "label"], [[*a, b] for a, b in zip(x, y, strict=True)], "classification", True)


def compas(data: Path) -> Set:
    rows = list(csv.DictReader((data / "fairness_compas/compas_for_aequitas.csv").open(encoding="utf-8")))
    names = ["race", "sex", "age_cat", "score"]
    return Set([*names, "label"], [[*(r[n] for n in names), r["label_value"]] for r in rows], "classification", False)


def california(data: Path) -> Set:
    folder = data / "cbpe_california"
    truth = {r["id"]: r["clf_target"] for r in csv.DictReader((folder / "california_housing_analysis_gt.csv").open())}
    rows = list(csv.DictReader((folder / "california_housing_reference.csv").open()))
    rows += list(csv.DictReader((folder / "california_housing_analysis.csv").open()))
    names = ["MedInc", "HouseAge", "AveRooms", "AveBedrms", "Population", "AveOccup", "Latitude", "Longitude"]
    cells = [[*(r[n] for n in names), r.get("clf_target") or truth[r["id"]]] for r in rows]
    return Set([*names, "label"], cells, "classification", True)


def bikes(data: Path) -> Set:
    with zipfile.ZipFile(data / "regression_bikes/bike_sharing_dataset.zip") as archive:
        rows = list(csv.DictReader(io.StringIO(archive.read("hour.csv").decode())))
    names = [
        "season",
        "mnth",
        "hr",
        "holiday",
        "weekday",
        "workingday",
        "weathersit",
        "temp",
        "atemp",
        "hum",
        "windspeed",
    ]
    return Set([*names, "label"], [[*(r[n] for n in names), r["cnt"]] for r in rows], "regression", False)


def bike_classes(data: Path) -> Set:
    made, rng, words = bikes(data), random.Random(3), ("none", "few", "some", "many", "crowd")
    for row in made.rows:
        row[-1] = words[sum(int(row[-1]) > edge for edge in (5, 60, 300, 700))]
        row[0] = ("", "spring", "summer", "fall", "winter")[int(row[0])]
        row[:-1] = ["" if rng.random() < 0.1 else value for value in row[:-1]]
    return Set(made.header, made.rows, "classification", False)


SETS: dict[str, Callable[[Path], Set]] = {
    "Elec2": elec2, "SEA": sea, "COMPAS": compas, "California": california, "bikes": bikes,
    "bikes in 5 classes, 10 % missing": bike_classes,
}  # fmt: skip


def ours(table: Set) -> dict[str, Any]:
    from colonnade.adapters.learning.columns import read
    from colonnade.adapters.learning.tabular import TabularModel

    train, test = table.parts()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "model").mkdir()
        for part, rows in (("train", train), ("test", test)):
            with open(folder / f"{part}.csv", "w", encoding="utf-8", newline="") as file:
                csv.writer(file).writerows([table.header, *rows])
        told = {"task": table.task, "label": "label", "time": "x" if table.ordered else None}
        (folder / "parameters.json").write_text(json.dumps(told))
        environment = {"COLONNADE_INPUT": folder, "COLONNADE_OUTPUT": folder / "model", "COLONNADE_STEP": "train",
                       "COLONNADE_PARAMETERS": folder / "parameters.json", "PATH": os.environ["PATH"]}  # fmt: skip
        began = os.times()
        subprocess.run([sys.executable, script.__file__], env={k: str(v) for k, v in environment.items()}, check=True,
                       stdout=subprocess.DEVNULL)  # fmt: skip
        cpu = sum(os.times()[2:4]) - sum(began[2:4])
        model = TabularModel.load(folder / "model")
        found = model.predict(read(folder / "test.csv"))
    truth = [row[-1] for row in test]
    return {**measured(found, list(model.classes), truth), "train_cpu_s": round(cpu, 1)}


def peer(table: Set) -> dict[str, Any]:
    """HistGradientBoosting with early stopping; words by their codes, as categories."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    train, test = table.parts()
    width = len(table.header) - 1
    words = [any(row[n] and not _number(row[n]) for row in train) for n in range(width)]
    codes = [{w: c for c, w in enumerate(sorted({row[n] for row in train} - {""}))} if words[n] else {}
             for n in range(width)]  # fmt: skip

    def matrix(rows: Cells) -> Any:
        out = np.full((len(rows), width), np.nan)
        for place, row in enumerate(rows):
            for n in range(width):
                out[place, n] = codes[n].get(row[n], np.nan) if words[n] else float(row[n] or "nan")
        return out

    kind = HistGradientBoostingClassifier if table.task == "classification" else HistGradientBoostingRegressor
    model = kind(early_stopping=True, max_iter=500, random_state=7, categorical_features=words)
    y = [row[-1] for row in train] if table.task == "classification" else [float(row[-1]) for row in train]
    x = matrix(train)
    began = time.process_time()
    model.fit(x, y)
    cpu = time.process_time() - began
    classes = [str(one) for one in model.classes_] if table.task == "classification" else []
    found = model.predict_proba(matrix(test)) if classes else model.predict(matrix(test))
    return {**measured(found, classes, [row[-1] for row in test]), "train_cpu_s": round(cpu, 1)}


def measured(found: Any, classes: list[str], truth: list[str]) -> dict[str, float]:
    from sklearn.metrics import f1_score, log_loss, mean_absolute_error, r2_score, roc_auc_score

    if not classes:
        y = np.array(truth, float)
        scores = {"mae": mean_absolute_error(y, found), "r2": r2_score(y, found)}
    else:
        said = [classes[place] for place in found.argmax(axis=1)]
        top, right = found.max(axis=1), np.array([a == b for a, b in zip(said, truth, strict=True)])
        bins = np.minimum((top * 10).astype(int), 9)
        scores = {
            "accuracy": right.mean(), "log_loss": log_loss(truth, found, labels=classes),
            "macro_f1": f1_score(truth, said, average="macro"),
            "gap": sum(abs(top[bins == b].mean() - right[bins == b].mean()) * (bins == b).mean() for b in set(bins)),
        }  # fmt: skip
        if len(classes) == 2:
            scores["roc_auc"] = roc_auc_score([one == classes[1] for one in truth], found[:, 1])
    return {name: round(float(value), 4) for name, value in scores.items()}


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("COLONNADE_DATA", "../shared/data")))
    data = parser.parse_args().data
    os.environ["OMP_NUM_THREADS"] = "1"
    rows = []
    for name, load in SETS.items():
        table = load(data)
        mine, its = ours(table), peer(table)
        loss = "log_loss" if table.task == "classification" else "mae"
        row = {"set": name, "rows": len(table.rows), "ours": mine, "HistGradientBoosting": its,
               f"{loss}_ratio": round(mine[loss] / its[loss], 3)}  # fmt: skip
        rows.append(row)
        print(json.dumps(row))
    write_result("tabular_builtin", asked="the built-in model of tables beside HistGradientBoosting", ran="the same",
                 rows=rows, seeds=[7], packages=("numpy", "lightgbm", "scikit-learn"))  # fmt: skip


if __name__ == "__main__":
    main()
