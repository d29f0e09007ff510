# SPDX-License-Identifier: Apache-2.0
"""How good predictions are: in all, and row by row where a row has a value of its own. Arithmetic alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from colonnade.adapters.learning.columns import Floats

TINY = 1e-15
Measured = tuple[dict[str, float], dict[str, Floats]]
"""(metrics, scores row by row with the column `prediction`)."""


def of_classes(p: Floats, truth: Sequence[str], classes: Sequence[str]) -> Measured:
    """accuracy, log_loss, macro_f1 (the mean over the classes that occur), roc_auc of two.

    Args:
        p: [rows, classes], rows sum to 1.
        truth: a class that training never saw is never right.
    """
    place = {name: number for number, name in enumerate(classes)}
    known = np.array([place.get(value, -1) for value in truth])
    found = p.argmax(axis=1)
    right = found == known
    chance = np.where(known >= 0, p[np.arange(len(known)), known], TINY)
    loss = -np.log(np.clip(chance, TINY, 1))
    metrics = {"accuracy": right.mean(), "log_loss": loss.mean(), "macro_f1": _macro_f1(found, known)}
    if len(classes) == 2 and len(set(truth)) == 2:
        metrics["roc_auc"] = roc_auc(p[:, 1], known == 1)
    return metrics, {"prediction": p.max(axis=1), "accuracy": right.astype(float), "log_loss": loss}


def of_numbers(found: Floats, truth: Sequence[str], quantile: float | None = None) -> Measured:
    """rmse, mae, r2; of a quantile its pinball loss (Koenker and Bassett, 1978) and the share of rows below it."""
    y = np.array([float(value) for value in truth])
    error = np.abs(found - y)
    spread = float(((y - y.mean()) ** 2).sum())
    metrics = {"rmse": float(np.sqrt((error**2).mean())), "mae": float(error.mean())}
    rows = {"prediction": found, "mae": error}
    if spread > 0:
        metrics["r2"] = 1 - float((error**2).sum()) / spread
    if quantile is not None:
        rows["pinball"] = np.where(y >= found, quantile, 1 - quantile) * error
        rows["below"] = (y <= found).astype(float)
        metrics |= {name: float(rows[name].mean()) for name in ("pinball", "below")}
    return metrics, rows


def roc_auc(scores: Floats, positive: NDArray[np.bool_]) -> float:
    """The chance that a positive row ranks above a negative one; ties count half. NaN without both kinds."""
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    n = int(positive.sum())
    others = len(positive) - n
    return float((ranks[positive].sum() - n * (n + 1) / 2) / (n * others)) if n and others else float("nan")


def _macro_f1(found: NDArray[np.int64], known: NDArray[np.int64]) -> float:
    scores = []
    for one in np.unique(known):
        hits = int(((found == one) & (known == one)).sum())
        scores.append(2 * hits / (int((found == one).sum()) + int((known == one).sum())))
    return float(np.mean(scores))
