# SPDX-License-Identifier: Apache-2.0
"""Which files are which format's: a small table. A new format is one file beside this one, and one line here.

The user's own script goes before everything; of the others, the one whose files are there. No engine is imported here.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from colonnade.adapters.replicas.model import Loaded, Loading

HEAD_BYTES = 4096


class Format(NamedTuple):
    """A format, the module here whose `load(loading, path)` reads it, and whether a file is one."""

    name: str
    module: str
    mine: Callable[[Path], bool]


def _ends(*endings: str) -> Callable[[Path], bool]:
    return lambda path: path.name.endswith(endings)


def _lightgbm(path: Path) -> bool:
    return path.suffix in {".txt", ".lgb", ".lightgbm"} and _head(path).startswith(b"tree\nversion=")


def _xgboost(path: Path) -> bool:
    return path.suffix == ".ubj" or (path.suffix == ".json" and b'"learner"' in _head(path)[:200])


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)


FORMATS = (
    Format(
        "the built-in model of texts",
        "text",
        lambda path: path.name == "text.json" and b"colonnade-text/" in _head(path),
    ),
    Format("ONNX", "onnx", _ends(".onnx")),
    Format("LightGBM", "lightgbm", _lightgbm),
    Format("XGBoost", "xgboost", _xgboost),
    Format("skops", "skops", _ends(".skops")),
    Format("PyTorch's exported program", "torch", _ends(".pt2")),
    Format("pickle", "pickles", _ends(".pkl", ".pickle", ".joblib", ".sav")),
)


def load(loading: Loading) -> Loaded:
    """The model in a folder: by the user's script if there is one, else by what the files are.

    Raises SystemExit with a sentence when nothing here can load it.
    """
    if loading.script:
        return _by("script", loading, loading.folder)
    files = [path for path in sorted(loading.folder.rglob("*")) if path.is_file()]
    for form in FORMATS:
        mine = [path for path in files if form.mine(path)]
        if len(mine) > 1:
            raise SystemExit(
                f"the model holds {len(mine)} files of {form.name}, and one is served: {mine[0].name}, ..."
            )
        if mine:
            return _by(form.module, loading, mine[0])
    names = ", ".join(path.name for path in files[:10]) or "an empty folder"
    if any(path.suffix == ".safetensors" for path in files):
        raise SystemExit(
            f"{names}: weights need their class: give the service a script (`serve: ./serve.py` with "
            "build(tensors, folder) and predict(model, rows))"
        )
    raise SystemExit(
        f"nothing here serves {names}: write the model in one of {', '.join(form.name for form in FORMATS)}, or give "
        "the service a script (`serve: ./serve.py` with load(folder) and predict(model, rows))"
    )


def _by(module: str, loading: Loading, path: Path) -> Loaded:
    made: Loaded = importlib.import_module(f"colonnade.adapters.replicas.{module}").load(loading, path)
    return made
