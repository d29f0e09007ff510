# SPDX-License-Identifier: Apache-2.0
"""The built-in model of tables, run as a child like any script: what it measures, and that it repeats itself."""

from __future__ import annotations

import csv
import json
import os
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from colonnade.adapters.learning import script
from colonnade.adapters.learning.scores import roc_auc
from colonnade.app.settings.declaration import parse_declaration
from colonnade.core.errors import DeclarationError
from colonnade.lifecycle.reports import read_predictions

Rows = list[list[Any]]
HEADER = ["id", "age", "city", "income", "label"]


def made(n: int, label: str, seed: int = 1) -> Rows:
    """Rows in which city and income lead to the label; some values are missing."""
    rng = random.Random(seed)
    rows: Rows = []
    for number in range(n):
        city, income = rng.choice(["bonn", "köln", "ulm"]), rng.gauss(40, 10)
        risk = (city == "ulm") * 2 - (income - 40) / 8 + rng.gauss(0, 0.5)
        labels = {"two": "yes" if risk > 0.7 else "no", "three": ("low", "mid", "high")[(risk > 0) + (risk > 1.5)],
                  "number": f"{3 * risk + 10:.3f}", "one": "yes"}  # fmt: skip
        shown = "" if rng.random() < 0.05 else f"{income:.1f}"
        rows.append([f"r{seed}-{number}", rng.randrange(18, 80), city, shown, labels[label]])
    return rows


def write(path: Path, rows: Rows) -> None:
    write_table(path, HEADER, rows)


def write_table(path: Path, header: list[str], rows: Sequence[Sequence[Any]]) -> None:
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def run(folder: Path, step: str, told: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    (folder / "parameters.json").write_text(json.dumps(told))
    names = {"INPUT": "in", "OUTPUT": step}
    (folder / step).mkdir(exist_ok=True)
    environment = {f"COLONNADE_{name}": str(folder / at) for name, at in names.items()}
    environment |= {"COLONNADE_STEP": step, "COLONNADE_PARAMETERS": str(folder / "parameters.json")}
    command = [sys.executable, "-W", "error", script.__file__]
    return subprocess.run(
        command, env={"PATH": os.environ["PATH"], **environment}, capture_output=True, text=True, check=False
    )


def both(folder: Path, label: str, task: str) -> tuple[dict[str, float], dict[str, list[float]]]:
    (folder / "in").mkdir(parents=True)
    write(folder / "in" / "train.csv", made(600, label))
    write(folder / "in" / "test.csv", made(300, label, 2))
    told = {"label": "label", "time": None, "task": task}
    trained = run(folder, "train", told)
    assert trained.returncode == 0, trained.stderr
    assert "id: 600 different words, left out" in trained.stdout
    (folder / "in" / "model").symlink_to(folder / "train")
    evaluated = run(folder, "evaluate", told)
    assert evaluated.returncode == 0, evaluated.stderr
    metrics = json.loads((folder / "evaluate" / "metrics.json").read_text())
    return metrics, read_predictions((folder / "evaluate" / "predictions.csv").read_bytes(), 300)


def test_two_classes_are_told_apart_and_every_row_is_told(tmp_path: Path) -> None:
    metrics, rows = both(tmp_path, "two", "classification")
    assert metrics["roc_auc"] > 0.9
    assert metrics["accuracy"] > 0.8
    assert sum(rows["accuracy"]) / 300 == pytest.approx(metrics["accuracy"], abs=1e-6)
    assert sum(rows["log_loss"]) / 300 == pytest.approx(metrics["log_loss"], rel=1e-4)


def test_three_classes_and_numbers_work_as_well(tmp_path: Path) -> None:
    metrics, _ = both(tmp_path / "three", "three", "classification")
    assert set(metrics) == {"accuracy", "log_loss", "macro_f1"}
    assert metrics["accuracy"] > 0.6
    metrics, rows = both(tmp_path / "number", "number", "regression")
    assert metrics["r2"] > 0.7
    assert sum(rows["mae"]) / 300 == pytest.approx(metrics["mae"], rel=1e-4)


def test_equal_data_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        both(tmp_path / name, "two", "classification")
    for file in ("train/model.txt", "train/scheme.json", "evaluate/predictions.csv"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_a_label_without_a_second_value_ends_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write(tmp_path / "in" / "train.csv", made(60, "one"))
    ended = run(tmp_path, "train", {"label": "label", "task": "classification"})
    assert ended.returncode == 1
    assert "nothing to tell apart" in ended.stderr


def test_ranks_with_ties_count_half() -> None:
    rng = np.random.default_rng(3)
    scores, positive = rng.integers(0, 6, 80).astype(float), rng.random(80) < 0.4
    pairs = [(a > b) + 0.5 * (a == b) for a in scores[positive] for b in scores[~positive]]
    assert roc_auc(scores, positive) == pytest.approx(np.mean(pairs))


@pytest.mark.parametrize(
    "lines, said",
    [
        ("train: builtin", "`train: builtin` needs `task:"),
        ("train: t.py, evaluate: e.py, task: regression", "`task` goes with `train: builtin`"),
        ("train: t.py", "needs an evaluation script"),
        ("train: t.sh, evaluate: e.py", "is no Python script"),
        ("train: builtin, task: guessing", 'cannot be "guessing"'),
    ],
)
def test_a_declaration_that_does_not_fit_is_refused_with_what_to_write(lines: str, said: str) -> None:
    text = f"version: 1\nproject: p\nmodels:\n  m: {{data: d.csv, label: y, {lines}}}\n"
    with pytest.raises(DeclarationError) as raised:
        parse_declaration(text, "colonnade.yaml")
    assert said in raised.value.message
