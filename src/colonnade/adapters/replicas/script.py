# SPDX-License-Identifier: Apache-2.0
"""A model that the user's own script loads and asks: `load(folder) -> model`, `predict(model, rows) -> JSON values`.

The script runs in this process, which is the replica's own; nothing of Colonnade has to be imported by it.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colonnade.adapters.replicas.model import Row, Tensors, Unusable

OUTPUT = "predictions"


class ScriptModel:
    """Implements `Loaded` over a script."""

    batches = True

    def __init__(self, folder: Path, code: Path, script: str) -> None:
        sys.path.insert(0, str(code))
        spec = importlib.util.spec_from_file_location("served", code / script)
        if spec is None or spec.loader is None:
            raise SystemExit(f"{script} is no Python script")
        module = importlib.util.module_from_spec(spec)
        sys.modules["served"] = module
        spec.loader.exec_module(module)
        for name in ("load", "predict"):
            if not callable(getattr(module, name, None)):
                raise SystemExit(f"{script} has no function {name}")
        self._predict = module.predict
        self._model = module.load(str(folder))
        self.about: Mapping[str, Any] = {
            "platform": "python",
            "inputs": [],
            "outputs": [{"name": OUTPUT, "datatype": "FP64", "shape": [-1]}],
        }

    def rows(self, rows: Sequence[Row]) -> Sequence[Any]:
        """See `Loaded.rows`."""
        given = self._predict(self._model, [dict(row) for row in rows])
        values = given.tolist() if hasattr(given, "tolist") else list(given)
        if len(values) != len(rows):
            raise ValueError(f"predict gave {len(values)} values for {len(rows)} rows")
        return values

    def tensors(self, given: Tensors) -> Mapping[str, NDArray[np.generic]]:
        """A tensor is a column: its name is the column's, its first axis the rows."""
        columns = {name: (array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array).tolist()
                   for name, array in given.items()}  # fmt: skip
        sizes = {len(values) for values in columns.values()}
        if len(sizes) != 1:
            raise Unusable("the inputs have different numbers of rows")
        rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        values = np.asarray(self.rows(rows))
        return {OUTPUT: values if values.dtype.kind in "biuf" else values.astype(str).astype(object)}
