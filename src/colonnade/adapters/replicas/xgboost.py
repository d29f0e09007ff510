# SPDX-License-Identifier: Apache-2.0
"""XGBoost's own files (`booster.save_model` as .json or .ubj), asked by XGBoost. Nothing in them is a program.

A model that was trained with early stopping is asked with its best number of trees, as XGBoost's scikit-learn classes
do. Columns of categories take their numbers, or words where scheme.json lists them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from colonnade.adapters.replicas.columns import Columns, Matrix
from colonnade.adapters.replicas.model import NOT_NEEDED, Loading, need
from colonnade.adapters.replicas.table import Found, TableModel, both, of_classes, scheme


def load(loading: Loading, path: Path) -> TableModel:
    """The model of a file."""
    xgboost = need("xgboost", "an XGBoost model", "pip install 'colonnade[xgboost]'", without=NOT_NEEDED)
    booster = xgboost.Booster()
    booster.load_model(str(path))
    booster.set_param({"nthread": loading.threads})
    learner = json.loads(booster.save_config())["learner"]
    names, words, classes = scheme(path.parent)
    count, names = int(booster.num_features()), names or tuple(booster.feature_names or ())
    if names and len(names) != count:
        raise SystemExit(f"scheme.json names {len(names)} columns, and the model takes {count}")
    best = booster.attributes().get("best_iteration")
    trees = (0, int(best) + 1) if best is not None else (0, 0)

    def raw(matrix: Matrix) -> Any:
        return booster.inplace_predict(matrix, iteration_range=trees, missing=np.nan)

    columns, objective = Columns(count, names, words), learner["objective"]["name"]
    many = max(2, int(learner["learner_model_param"].get("num_class", 0)))
    if objective not in {"binary:logistic", "binary:hinge", "multi:softprob", "multi:softmax"}:
        return TableModel("xgboost", columns, lambda x: Found(numbers=raw(x)))
    classes = classes or list(range(many))
    if len(classes) != many:
        raise SystemExit(f"scheme.json names {len(classes)} classes, and the model tells {many} apart")
    if objective in {"binary:hinge", "multi:softmax"}:
        known = np.array(classes, dtype=None if all(isinstance(one, int) for one in classes) else object)
        return TableModel(
            "xgboost", columns, lambda x: Found(labels=known[raw(x).astype(np.int64)]), classes, certain=False
        )
    answer = of_classes(classes)
    single = objective == "binary:logistic"
    return TableModel("xgboost", columns, lambda x: answer(both(raw(x)) if single else raw(x)), classes)
