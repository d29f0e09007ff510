# SPDX-License-Identifier: Apache-2.0
"""Multinomial logistic regression with a ridge penalty, its strength found by cross-validation. numpy alone.

The loss is convex: L-BFGS (Nocedal, 1980) from zero ends at the same place whatever the path, and on one thread at the
same bytes. What is said out of fold also gives the temperature (Guo et al., 2017) that makes chances honest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from colonnade.adapters.learning.words import Floats, Sparse

STRENGTHS = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
"""C: how much a row's loss weighs beside the penalty of 1/2 |weights|^2. Ascending: more of it fits closer."""
MOST_STEPS, MEMORY = 200, 10
CLOSE, NEAR = 1e-5, 1e-3
"""The steepest slope at the end, as a share of what it is at zero: of weights that are kept, and that are judged."""
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Rows:
    """Features of rows: dense ones [rows, d], sparse ones, or both."""

    dense: Floats | None
    sparse: Sparse | None

    @property
    def widths(self) -> tuple[int, int]:
        """How many dense and sparse columns."""
        return (0 if self.dense is None else self.dense.shape[1]), (0 if self.sparse is None else self.sparse.width)

    def only(self, rows: Ints) -> Rows:
        """Some of them."""
        return Rows(
            None if self.dense is None else self.dense[rows], None if self.sparse is None else self.sparse.only(rows)
        )

    def times(self, weights: Floats) -> Floats:
        """[rows, k] from weights [1 + d + sparse, k]; the first is the constant."""
        d = self.widths[0]
        out: Floats = np.zeros((0, 0))
        if self.dense is not None:
            out = self.dense @ weights[1 : 1 + d]
        if self.sparse is not None:
            part = self.sparse.times(weights[1 + d :])
            out = part if self.dense is None else out + part
        out += weights[0]
        return out


def softmax(logits: Floats) -> Floats:
    """Rows that sum to 1."""
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    out: Floats = raised / raised.sum(axis=1, keepdims=True)
    return out


def fit(
    rows: Rows, y: Ints, classes: int, strength: float, row_weights: Floats, start: Floats | None = None, *,
    close: float = CLOSE,
) -> Floats:  # fmt: skip
    """Weights [1 + d + sparse, classes] that minimise sum(weight x loss) x strength + 1/2 |weights|^2 (no penalty on
    the constant), scaled by the number of rows. `start`: where to begin; it ends at the same place.
    """
    n, (d, m) = len(y), rows.widths
    turned = rows.sparse.turned() if rows.sparse is not None else None
    lam = 1 / (strength * n)

    def loss(flat: Floats) -> tuple[float, Floats]:
        weights = flat.reshape(1 + d + m, classes)
        logits = rows.times(weights)
        top = logits.max(axis=1)
        raised = np.exp(logits - top[:, None])
        total = raised.sum(axis=1)
        at = logits[np.arange(n), y]
        value = float((row_weights * (np.log(total) + top - at)).mean() + 0.5 * lam * (weights[1:] ** 2).sum())
        rest = raised / total[:, None]
        rest[np.arange(n), y] -= 1
        rest *= row_weights[:, None] / n
        slope = np.empty_like(weights)
        slope[0] = rest.sum(axis=0)
        if rows.dense is not None:
            slope[1 : 1 + d] = rows.dense.T @ rest
        if turned is not None:
            slope[1 + d :] = turned.times(rest)
        slope[1:] += lam * weights[1:]
        return value, slope.ravel()

    zero = np.zeros((1 + d + m) * classes)
    steep = close * float(np.abs(loss(zero)[1]).max())
    return minimise(loss, zero if start is None else start.ravel(), steep).reshape(1 + d + m, classes)


def minimise(loss: Callable[[Floats], tuple[float, Floats]], x: Floats, steep: float) -> Floats:
    """L-BFGS with backtracking, until no slope is above `steep`."""
    value, slope = loss(x)
    moved: list[tuple[Floats, Floats, float]] = []
    for _ in range(MOST_STEPS):
        if float(np.abs(slope).max()) <= steep:
            break
        way = -_times_inverse(slope, moved)
        down = float(way @ slope)
        step = 1.0 if moved else min(1.0, 1 / max(float(np.abs(slope).sum()), 1e-12))
        for _ in range(30):
            new = x + step * way
            new_value, new_slope = loss(new)
            if new_value <= value + 1e-4 * step * down:
                break
            step /= 2
        else:
            break
        s, g = new - x, new_slope - slope
        if (bend := float(s @ g)) > 1e-12 * float(g @ g):
            moved = [*moved[-MEMORY + 1 :], (s, g, bend)]
        x, value, slope = new, new_value, new_slope
    return x


def folds_of(y: Ints, count: int) -> Ints:
    """A fold for each row; of each class neighbours in the data stay together, as they are often of one kind (one
    document, one day), and a model that saw the one would be too sure of the other.
    """
    out = np.empty(len(y), np.int64)
    for one in np.unique(y):
        places = np.flatnonzero(y == one)
        out[places] = np.arange(len(places)) * count // len(places)
    return out


@dataclass(frozen=True)
class Chosen:
    """What cross-validation found: strength, temperature, loss and accuracy out of fold."""

    strength: float
    temperature: float
    loss: float
    accuracy: float


def choose(
    rows: Rows, y: Ints, classes: int, row_weights: Floats, folds: Ints, strengths: Sequence[float] = STRENGTHS
) -> Chosen:
    """The strength whose loss out of fold, at its best temperature, is smallest. Goes from strong penalties to weak
    ones and ends when the loss has risen.
    """
    count = int(folds.max()) + 1
    parts = [(np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)) for fold in range(count)]
    if any(len(learn) == 0 for learn, _ in parts):
        return Chosen(1.0, 1.0, float(np.log(classes)), 1 / classes)  # too few rows to find out
    starts: list[Floats | None] = [None] * count
    learned = [rows.only(learn) for learn, _ in parts]
    asked = [rows.only(aside) for _, aside in parts]
    best: Chosen | None = None
    for strength in strengths:
        logits = np.empty((len(y), classes))
        for number, (learn, aside) in enumerate(parts):
            begin = starts[number]
            found = fit(learned[number], y[learn], classes, strength, row_weights[learn], begin, close=NEAR)
            starts[number] = found
            logits[aside] = asked[number].times(found)
        temperature, loss = cooled(logits, y)
        accuracy = float((logits.argmax(axis=1) == y).mean())
        if best is None or loss < best.loss:
            best = Chosen(strength, temperature, loss, accuracy)
        else:
            break
    assert best is not None
    return best


def cooled(logits: Floats, y: Ints) -> tuple[float, float]:
    """(temperature, mean loss with it): the one number by which logits are divided so that chances fit best."""
    at = np.arange(len(y))

    def loss(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        top = scaled.max(axis=1)
        return float((np.log(np.exp(scaled - top[:, None]).sum(axis=1)) + top - scaled[at, y]).mean())

    low, high, ratio = -2.0, 2.0, (5**0.5 - 1) / 2
    for _ in range(40):
        one, two = high - ratio * (high - low), low + ratio * (high - low)
        low, high = (low, two) if loss(one) < loss(two) else (one, high)
    middle = (low + high) / 2
    return float(np.exp(middle)), loss(middle)


def _times_inverse(slope: Floats, moved: Sequence[tuple[Floats, Floats, float]]) -> Floats:
    """The slope times the inverse of the bend, as the last moves tell it (two loops)."""
    q, alphas = slope.copy(), []
    for s, g, bend in reversed(moved):
        alpha = float(s @ q) / bend
        alphas.append(alpha)
        q -= alpha * g
    if moved:
        _, g, bend = moved[-1]
        q *= bend / float(g @ g)
    for (s, g, bend), alpha in zip(moved, reversed(alphas), strict=True):
        q += (alpha - float(g @ q) / bend) * s
    return q
