# SPDX-License-Identifier: Apache-2.0
"""A fitted scikit-learn estimator as a model of tables, however it was read. No file is read here.

Columns are those that it was fitted with (`feature_names_in_`); one without names takes lists; one that takes texts (a
pipeline that begins with a vectorizer) takes the column `text`. Columns that an encoder of words takes are texts.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from colonnade.adapters.replicas.columns import Columns, Matrix
from colonnade.adapters.replicas.model import need
from colonnade.adapters.replicas.table import Ask, Found, TableModel, scheme

TEXT = "text"
LIKELIEST = (
    "sklearn.tree.",
    "sklearn.ensemble._forest",
    "sklearn.ensemble._hist_gradient_boosting",
    "sklearn.ensemble._gb",
)
"""Whose `predict` is the likeliest class by their own code: they are asked once. Others are asked for both."""


def model_of(estimator: Any, folder: Path, threads: int, platform: str) -> TableModel:
    """The model. Raises SystemExit for what predicts nothing."""
    if not callable(getattr(estimator, "predict", None)):
        raise SystemExit(f"a {type(estimator).__name__} predicts nothing: it has no predict()")
    warnings.filterwarnings("ignore", message="X does not have valid feature names")
    if hasattr(estimator, "get_params"):
        jobs = {name: threads for name in estimator.get_params() if name.rpartition("__")[2] == "n_jobs"}
        estimator.set_params(**jobs)
    columns = _columns(estimator, scheme(folder)[0])
    shaped = _shaped(estimator, columns)
    classes = getattr(estimator, "classes_", None)
    if not isinstance(classes, np.ndarray) or classes.ndim != 1:
        return TableModel(platform, columns, lambda x: Found(numbers=np.asarray(estimator.predict(shaped(x)))))
    certain = callable(getattr(estimator, "predict_proba", None))
    return TableModel(
        platform, columns, _classifier(estimator, shaped, classes, certain), classes.tolist(), certain=certain
    )


def _classifier(estimator: Any, shaped: Any, classes: Any, certain: bool) -> Ask:
    last = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
    once = type(last).__module__.startswith(LIKELIEST)

    def ask(matrix: Matrix) -> Found:
        given = shaped(matrix)
        if not certain:
            return Found(labels=np.asarray(estimator.predict(given)))
        shares = np.asarray(estimator.predict_proba(given))
        labels = classes[shares.argmax(axis=1)] if once else np.asarray(estimator.predict(given))
        return Found(labels=labels, probabilities=shares)

    return ask


def _columns(estimator: Any, told: tuple[str, ...]) -> Columns:
    count = getattr(estimator, "n_features_in_", None)
    if count is None:
        return Columns(1, (TEXT,), texts=frozenset({TEXT}))
    found = getattr(estimator, "feature_names_in_", None)
    names = tuple(str(name) for name in found) if found is not None else told
    if names and len(names) != count:
        raise SystemExit(f"scheme.json names {len(names)} columns, and the model takes {count}")
    places = set(_texts(estimator, names, list(range(int(count)))))
    names = names or tuple(f"x{place}" for place in range(int(count))) if places else names
    return Columns(int(count), names, texts=frozenset(names[place] for place in places))


def _texts(estimator: Any, names: tuple[str, ...], places: list[int]) -> Iterator[int]:
    """Places of the columns that encoders of words take, as far as they stand first."""
    if hasattr(estimator, "steps"):
        yield from _texts(estimator.steps[0][1], names, places)
    elif hasattr(estimator, "transformers_"):
        for _, part, taken in estimator.transformers_:
            yield from _texts(part, names, [places[place] for place in _places(taken, names, len(places))])
    elif isinstance(kept := getattr(estimator, "categories_", None), list) and len(kept) == len(places):
        for place, words in zip(places, kept, strict=True):
            if any(isinstance(word, str) for word in words):
                yield place


def _places(taken: Any, names: tuple[str, ...], count: int) -> list[int]:
    """Which columns a part of a ColumnTransformer takes, as places."""
    if isinstance(taken, slice):
        return list(range(count))[taken]
    listed = [taken] if isinstance(taken, (str, int)) else list(taken)
    if listed and all(isinstance(one, (bool, np.bool_)) for one in listed):
        return [place for place, one in enumerate(listed) if one]
    return [names.index(one) if isinstance(one, str) else int(one) for one in listed]


def _shaped(estimator: Any, columns: Columns) -> Any:
    """How the estimator wants its matrix: texts as a list, columns by name as a frame, else as it is."""
    if columns.names == (TEXT,) and not hasattr(estimator, "n_features_in_"):
        return lambda matrix: ["" if value != value else str(value) for value in matrix[:, 0]]
    first = estimator.steps[0][1] if hasattr(estimator, "steps") else estimator
    named = any(
        isinstance(one, str)
        for _, _, taken in getattr(first, "transformers", ())
        for one in ([taken] if isinstance(taken, (str, int, slice)) else taken)
    )
    if not named:
        return lambda matrix: matrix
    pandas = need("pandas", "a ColumnTransformer that takes columns by name", "pip install pandas")

    def frame(matrix: Matrix) -> Any:
        kinds = {name: object if name in columns.texts else np.float64 for name in columns.names}
        return pandas.DataFrame({n: matrix[:, p].astype(kinds[n]) for p, n in enumerate(columns.names)})

    return frame
