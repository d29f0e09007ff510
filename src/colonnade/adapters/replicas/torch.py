# SPDX-License-Identifier: Apache-2.0
"""PyTorch's exported program (`torch.export.save`, .pt2), asked by torch on the CPU. The base does not bring torch.

Tensors go in by the names of the program's inputs and come out as `output_0`, `output_1`, ... JSON rows need one input
[rows, n] and its columns' names in scheme.json, or rows that are lists.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colonnade.adapters.replicas.columns import Columns
from colonnade.adapters.replicas.model import Loading, Row, Tensors, Unusable, need
from colonnade.adapters.replicas.table import scheme

EXTRA = "pip install torch"
KINDS = {
    "float32": "FP32", "float64": "FP64", "float16": "FP16", "int64": "INT64", "int32": "INT32", "int16": "INT16",
    "int8": "INT8", "uint8": "UINT8", "bool": "BOOL",
}  # fmt: skip


class ExportedModel:
    """Implements `Loaded` over an exported program."""

    def __init__(self, torch: Any, program: Any, names: tuple[str, ...]) -> None:
        self._torch, self._module = torch, program.module()
        shown = {node.name: node.meta["val"] for node in program.graph.nodes if "val" in node.meta}
        self._inputs = {name: _told(name, shown[name]) for name in program.graph_signature.user_inputs}
        outputs = [_told(f"output_{n}", shown[name]) for n, name in enumerate(program.graph_signature.user_outputs)]
        self._outputs = [one["name"] for one in outputs]
        self.batches = all(one["shape"][:1] == [-1] for one in self._inputs.values())
        wide = [one["shape"][1] for one in self._inputs.values() if len(one["shape"]) == 2]
        alone = len(self._inputs) == 1 and len(wide) == 1 and wide[0] > 0
        self._columns = Columns(wide[0], names if len(names) == wide[0] else ()) if alone else None
        self.about: Mapping[str, Any] = {
            "platform": "pytorch_exported", "inputs": list(self._inputs.values()), "outputs": outputs,
        }  # fmt: skip

    def rows(self, rows: Sequence[Row]) -> Sequence[Any]:
        """See `Loaded.rows`."""
        if self._columns is None:
            raise Unusable("this model takes tensors: POST /v2/models/NAME/infer")
        ((name, told),) = self._inputs.items()
        kind = next(kind for kind, word in KINDS.items() if word == told["datatype"])
        found = self.tensors({name: self._columns.of_rows(rows).astype(kind)})
        values = [array.tolist() for array in found.values()]
        return (
            values[0] if len(values) == 1 else [dict(zip(found, one, strict=True)) for one in zip(*values, strict=True)]
        )

    def tensors(self, given: Tensors) -> Mapping[str, NDArray[np.generic]]:
        """See `Loaded.tensors`."""
        feed = []
        for name, told in self._inputs.items():
            if name not in given:
                raise Unusable(f"the input {name!r} is missing")
            array = given[name]
            if KINDS.get(array.dtype.name) != told["datatype"]:
                raise Unusable(f"the input {name!r} is {told['datatype']}, not {array.dtype.name}")
            if len(told["shape"]) != array.ndim or any(
                a not in (-1, b) for a, b in zip(told["shape"], array.shape, strict=True)
            ):
                raise Unusable(f"the input {name!r} has the shape {told['shape']}, not {list(array.shape)}")
            feed.append(self._torch.from_numpy(np.array(array)))
        with self._torch.inference_mode():
            found = self._module(*feed)
        parts = found if isinstance(found, (tuple, list)) else [found]
        return {name: part.detach().numpy() for name, part in zip(self._outputs, parts, strict=True)}


def load(loading: Loading, path: Path) -> ExportedModel:
    """The model of a file. torch may unpickle parts of it, so it is judged from the handle that it is read from."""
    if loading.judge is None:
        raise SystemExit("nobody here judges what may be loaded, so no exported program is")
    with path.open("rb") as file:
        if why := loading.judge.why_not(file, path.name):
            raise SystemExit(f"unsafe_pickle: {why}")
        torch = need("torch", "an exported program", EXTRA)
        torch.set_num_threads(loading.threads)
        program = torch.export.load(file)
    return ExportedModel(torch, program, scheme(path.parent)[0])


def _told(name: str, value: Any) -> dict[str, Any]:
    kind = KINDS.get(str(value.dtype).removeprefix("torch."), "BYTES")
    return {"name": name, "datatype": kind, "shape": [size if isinstance(size, int) else -1 for size in value.shape]}
