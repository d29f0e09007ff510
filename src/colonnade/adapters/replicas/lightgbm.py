# SPDX-License-Identifier: Apache-2.0
"""LightGBM's own text file (`booster.save_model`), asked by LightGBM. Nothing in it is a program."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from colonnade.adapters.replicas.columns import Columns, Matrix
from colonnade.adapters.replicas.model import NOT_NEEDED, Loading, need
from colonnade.adapters.replicas.table import Found, TableModel, both, of_classes, scheme

SINGLE, MANY = {"binary"}, {"multiclass", "multiclassova"}


def load(loading: Loading, path: Path) -> TableModel:
    """The model of a file."""
    lightgbm = need("lightgbm", "a LightGBM model", "pip install 'colonnade[ml]'", without=NOT_NEEDED)
    booster = lightgbm.Booster(model_file=str(path))
    names, words, classes = scheme(path.parent)
    names = names or tuple(booster.feature_name())
    words = words or _words(booster, path, names)
    if len(names) != booster.num_feature():
        raise SystemExit(f"scheme.json names {len(names)} columns, and the model takes {booster.num_feature()}")
    threads, objective = loading.threads, _header(path).get("objective", "").partition(" ")[0]

    def raw(matrix: Matrix) -> Any:
        return booster.predict(matrix, num_threads=threads)

    columns = Columns(len(names), names, words)
    if objective in SINGLE | MANY:
        count = 2 if objective in SINGLE else int(_header(path)["num_class"])
        classes = classes or list(range(count))
        if len(classes) != count:
            raise SystemExit(f"scheme.json names {len(classes)} classes, and the model tells {count} apart")
        answer = of_classes(classes)
        single = objective in SINGLE
        return TableModel("lightgbm", columns, lambda x: answer(both(raw(x)) if single else raw(x)), classes)
    return TableModel("lightgbm", columns, lambda x: Found(numbers=raw(x)))


def _header(path: Path) -> dict[str, str]:
    """`key=value` lines before the first tree."""
    found: dict[str, str] = {}
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith("Tree="):
                break
            key, _, value = line.rstrip("\n").partition("=")
            found[key] = value
    return found


def _words(booster: Any, path: Path, names: tuple[str, ...]) -> dict[str, list[str]]:
    """Words of pandas' categories, which the file keeps in the order of its columns of categories."""
    kept = booster.pandas_categorical or []
    if not kept:
        return {}
    infos = _header(path).get("feature_infos", "").split(" ")
    places = [place for place, info in enumerate(infos) if info and info[0] != "[" and info != "none"]
    if len(places) != len(kept):
        raise SystemExit("the model has columns of words that no tree uses: name them all in scheme.json")
    return {names[place]: [str(word) for word in words] for place, words in zip(places, kept, strict=True)}
