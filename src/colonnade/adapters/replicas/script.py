# SPDX-License-Identifier: Apache-2.0
"""A model that the user's own script loads and asks. Nothing of Colonnade has to be imported by it.

    load(folder) -> model                    anything; or
    build(tensors, folder) -> model          the arrays of the model's safetensors files, by name
    predict(model, rows) -> JSON values      rows: a list of dicts; one value a row
    infer(model, tensors) -> tensors         arrays by name, for the Open Inference Protocol; left out, a tensor is a
                                             column, and predict is asked
    INPUTS, OUTPUTS                          what metadata says of infer: [{"name", "datatype", "shape"}]

The script runs in this process, which is the replica's own.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colonnade.adapters.replicas import weights
from colonnade.adapters.replicas.model import Loading, Row, Tensors, Unusable

OUTPUT = "predictions"
_DEFAULT = [{"name": OUTPUT, "datatype": "FP64", "shape": [-1]}]


class ScriptModel:
    """Implements `Loaded` over a script."""

    batches = True

    def __init__(self, module: ModuleType, model: Any) -> None:
        self._module, self._model = module, model
        self._predict, self._infer = getattr(module, "predict", None), getattr(module, "infer", None)
        self.about: Mapping[str, Any] = {
            "platform": "python",
            "inputs": list(getattr(module, "INPUTS", [])),
            "outputs": list(getattr(module, "OUTPUTS", _DEFAULT)),
        }

    def rows(self, rows: Sequence[Row]) -> Sequence[Any]:
        """See `Loaded.rows`."""
        if self._predict is None:
            raise Unusable("this model takes tensors: POST /v2/models/NAME/infer")
        if not all(isinstance(row, Mapping) for row in rows):
            raise Unusable("rows must be objects: a script takes values by their names")
        given = self._predict(self._model, [dict(row) for row in rows])
        values = given.tolist() if hasattr(given, "tolist") else list(given)
        if len(values) != len(rows):
            raise ValueError(f"predict gave {len(values)} values for {len(rows)} rows")
        return values

    def tensors(self, given: Tensors) -> Mapping[str, NDArray[np.generic]]:
        """By `infer`; without it a tensor is a column: its name is the column's, its first axis the rows."""
        if self._infer is not None:
            return {str(name): np.asarray(array) for name, array in self._infer(self._model, dict(given)).items()}
        columns = {name: (array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array).tolist()
                   for name, array in given.items()}  # fmt: skip
        sizes = {len(values) for values in columns.values()}
        if len(sizes) != 1:
            raise Unusable("the inputs have different numbers of rows")
        rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        values = np.asarray(self.rows(rows))
        return {OUTPUT: values if values.dtype.kind in "biuf" else values.astype(str).astype(object)}


def load(loading: Loading, folder: Path) -> ScriptModel:
    """Import the script and let it load. Raises SystemExit for what it lacks."""
    script = loading.script
    sys.path.insert(0, str(loading.code))
    spec = importlib.util.spec_from_file_location("served", loading.code / script)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{script} is no Python script")
    module = importlib.util.module_from_spec(spec)
    sys.modules["served"] = module
    spec.loader.exec_module(module)
    here = {name for name in ("load", "build", "predict", "infer") if callable(getattr(module, name, None))}
    for either in (("load", "build"), ("predict", "infer")):
        if not here.intersection(either):
            raise SystemExit(f"{script} has no function {either[0]} (or {either[1]})")
    if "load" in here:
        return ScriptModel(module, module.load(str(folder)))
    try:
        tensors = weights.read_all(folder)
    except (ValueError, KeyError, TypeError) as wrong:
        raise SystemExit(f"the weights cannot be read: {wrong}") from wrong
    return ScriptModel(module, module.build(tensors, str(folder)))
