# SPDX-License-Identifier: Apache-2.0
"""A model of tables, whatever engine computes it: columns in, one shape of answer out.

    classes    JSON `{"label": CLASS, "probabilities": {CLASS: p, ...}}`; tensors `label` [rows] and `probabilities`
               [rows, classes], in the order that the metadata's `parameters.classes` names; a model that knows no
               probabilities gives the label alone
    numbers    JSON a number a row (a list where there are several outputs); tensor `predictions`

scheme.json beside the model may name what its own file cannot: `{"columns": [NAME, ...] or {NAME: null or [WORD, ...]},
"classes": [...]}`; the built-in training writes it. No engine here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colonnade.adapters.replicas.columns import Columns, Matrix
from colonnade.adapters.replicas.model import Row, Tensors, Unusable

LABEL, PROBABILITIES, PREDICTIONS = "label", "probabilities", "predictions"
SCHEME = "scheme.json"


@dataclass(frozen=True, slots=True)
class Found:
    """What an engine found: numbers [rows] or [rows, outputs]; or labels [rows] and probabilities [rows, classes]."""

    numbers: NDArray[Any] | None = None
    labels: NDArray[Any] | None = None
    probabilities: NDArray[Any] | None = None


Ask = Callable[[Matrix], Found]


class TableModel:
    """Implements `Loaded` over columns and a way to ask the engine.

    Args:
        platform: as metadata names it.
        columns: what it is asked with.
        ask: the engine; it may raise anything.
        classes: of a classifier, in the order of the probabilities.
        certain: whether probabilities are known.
    """

    batches = True

    def __init__(
        self, platform: str, columns: Columns, ask: Ask, classes: Sequence[Any] | None = None, *, certain: bool = True
    ) -> None:
        self._columns, self._ask, self._classes = columns, ask, classes
        self._names = [str(one) for one in classes or ()]
        outputs: list[dict[str, Any]] = [{"name": PREDICTIONS, "datatype": "FP64", "shape": [-1]}]
        if classes is not None:
            whole = all(isinstance(one, int) and not isinstance(one, bool) for one in classes)
            outputs = [{"name": LABEL, "datatype": "INT64" if whole else "BYTES", "shape": [-1]}]
            if certain:
                shape, told = [-1, len(classes)], {"classes": list(classes)}
                outputs.append({"name": PROBABILITIES, "datatype": "FP64", "shape": shape, "parameters": told})
        self.about: Mapping[str, Any] = {"platform": platform, "inputs": columns.inputs, "outputs": outputs}

    def rows(self, rows: Sequence[Row]) -> Sequence[Any]:
        """See `Loaded.rows`."""
        found = self._found(self._columns.of_rows(rows))
        if found.numbers is not None:
            numbers: list[Any] = found.numbers.tolist()
            return numbers
        assert found.labels is not None
        labels = found.labels.tolist()
        if found.probabilities is None:
            return [{LABEL: label} for label in labels]
        shares = found.probabilities.tolist()
        return [
            {LABEL: label, PROBABILITIES: dict(zip(self._names, share, strict=True))}
            for label, share in zip(labels, shares, strict=True)
        ]

    def tensors(self, given: Tensors) -> Mapping[str, NDArray[np.generic]]:
        """See `Loaded.tensors`."""
        found = self._found(self._columns.of_tensors(given))
        if found.numbers is not None:
            return {PREDICTIONS: found.numbers.astype(np.float64)}
        assert found.labels is not None
        labels = found.labels
        whole = labels.dtype.kind in "iu"
        out = {LABEL: labels.astype(np.int64) if whole else labels.astype(str).astype(object)}
        if found.probabilities is not None:
            out[PROBABILITIES] = found.probabilities.astype(np.float64)
        return out

    def _found(self, matrix: Matrix) -> Found:
        """The engine's answer. What it does not take of empty, infinite or unknown values is the request's fault."""
        try:
            return self._ask(matrix)
        except Unusable:
            raise
        except Exception as error:
            text = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
            if matrix.dtype == object and isinstance(error, (TypeError, ValueError)):
                raise Unusable(f"the model does not take these values: {text}") from error
            if matrix.dtype != object and not np.isfinite(matrix).all():
                places = np.flatnonzero(~np.isfinite(matrix).all(axis=0)).tolist()
                names = [self._columns.names[place] if self._columns.names else str(place) for place in places[:12]]
                message = f"the model does not take empty or infinite values, and {', '.join(names)} has some: {text}"
                raise Unusable(message) from error
            raise


def of_classes(classes: Sequence[Any]) -> Callable[[NDArray[Any]], Found]:
    """Probabilities [rows, classes] as an answer: the label is the likeliest class, the first of equal ones."""
    known = np.array(classes, dtype=None if all(isinstance(one, int) for one in classes) else object)

    def found(shares: NDArray[Any]) -> Found:
        return Found(labels=known[shares.argmax(axis=1)], probabilities=shares)

    return found


def both(share: NDArray[Any]) -> NDArray[Any]:
    """[rows, 2] from the probability of the second of two classes."""
    return np.column_stack([1 - share, share])


def scheme(folder: Path) -> tuple[tuple[str, ...], dict[str, list[str]], list[Any] | None]:
    """(names, words by name, classes) that scheme.json tells of; empty and None for what it does not. SystemExit."""
    path = folder / SCHEME
    if not path.exists():
        return (), {}, None
    try:
        told = json.loads(path.read_text("utf-8"))
        columns = told.get("columns", [])
        words = {str(k): [str(one) for one in v] for k, v in columns.items() if v} if isinstance(columns, dict) else {}
        return tuple(str(name) for name in columns), words, told.get("classes") or None
    except (ValueError, AttributeError, TypeError) as wrong:
        raise SystemExit(f"{SCHEME} beside the model cannot be read: {wrong}") from wrong
