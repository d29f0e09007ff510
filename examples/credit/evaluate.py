"""How good a model is on rows that training never saw: in all, and by group. predictions.csv holds it row by row, so
that two models can be compared on the very same rows."""

import csv
import json
import os

import numpy as np

from features import INPUT, OUTPUT, read

rows, x, y = read("test.csv")
with open(os.path.join(INPUT, "model", "model.json")) as file:
    model = {name: np.array(values) for name, values in json.load(file).items()}
spread = np.where(model["spread"] > 0, model["spread"], 1.0)
p = 1 / (1 + np.exp(-((x - model["mean"]) / spread) @ model["weights"]))
right = (p >= 0.5) == (y == 1)


def roc_auc(p, y):
    """The chance that a default is ranked above a credit paid back (ties: half)."""
    order = np.argsort(p, kind="stable")
    ranks = np.empty(len(p))
    ranks[order] = np.arange(1, len(p) + 1)
    for value in np.unique(p):
        same = p == value
        ranks[same] = ranks[same].mean()
    positive = int(y.sum())
    return (ranks[y == 1].sum() - positive * (positive + 1) / 2) / (positive * (len(y) - positive))


metrics = {"accuracy": right.mean(), "brier": ((p - y) ** 2).mean()}
if 0 < y.sum() < len(y):
    metrics["roc_auc"] = roc_auc(p, y)
group = np.array([row["group"] for row in rows])
if {"a", "b"} <= set(group):
    metrics["group_gap"] = abs(right[group == "a"].mean() - right[group == "b"].mean())
with open(os.path.join(OUTPUT, "metrics.json"), "w") as file:
    json.dump({name: round(float(value), 6) for name, value in metrics.items()}, file, sort_keys=True)
with open(os.path.join(OUTPUT, "predictions.csv"), "w", newline="") as file:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["row", "prediction", "accuracy", "brier"])
    for number in range(len(y)):
        writer.writerow([number, f"{p[number]:.6f}", int(right[number]), f"{(p[number] - y[number]) ** 2:.6f}"])
