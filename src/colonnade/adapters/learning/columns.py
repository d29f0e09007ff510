# SPDX-License-Identifier: Apache-2.0
"""Files of a step: a table's columns in, metrics and scores row by row out. No learning."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Columns = dict[str, list[str]]


def read(path: Path) -> Columns:
    """The columns of a file, spaces around values removed."""
    csv.field_size_limit(sys.maxsize)
    with open(path, encoding="utf-8", newline="") as file:
        reader = csv.reader(file)
        header = next(reader)
        rows = [[value.strip() for value in row] for row in reader]
    return {name: [row[place] for row in rows] for place, name in enumerate(header)}


def write(out: Path, metrics: Mapping[str, float], rows: Mapping[str, Floats]) -> None:
    """metrics.json and predictions.csv: equal numbers, equal bytes. Metrics that are no finite number are left out."""
    finite = {name: round(float(value), 6) for name, value in metrics.items() if np.isfinite(value)}
    with open(out / "metrics.json", "w", encoding="utf-8") as file:
        json.dump(finite, file, sort_keys=True)
    with open(out / "predictions.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["row", *rows])
        lines = zip(*(values.tolist() for values in rows.values()), strict=True)
        writer.writerows([place, *(f"{value:.6g}" for value in line)] for place, line in enumerate(lines))


def is_number(text: str) -> bool:
    """Whether it is a finite number."""
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False
