# SPDX-License-Identifier: Apache-2.0
"""A model as an ONNX graph, run by onnxruntime on the CPU. Rows become tensors by their columns' names.

One input per column ([rows] or [rows, 1]) takes the column of its name. One input [rows, n] takes the n columns that
the graph's metadata `features` names (a JSON list), or a row that gives all n values under the input's own name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from colonnade.adapters.replicas.model import Loading, Row, Tensors, Unusable
from colonnade.adapters.replicas.tensors import DATATYPES, NAMES

_TYPES = {
    "tensor(float)": "FP32", "tensor(double)": "FP64", "tensor(float16)": "FP16", "tensor(int64)": "INT64",
    "tensor(int32)": "INT32", "tensor(int16)": "INT16", "tensor(int8)": "INT8", "tensor(uint8)": "UINT8",
    "tensor(bool)": "BOOL", "tensor(string)": "BYTES",
}  # fmt: skip


class OnnxModel:
    """Implements `Loaded` over a graph."""

    def __init__(self, path: Path, threads: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._inputs = {
            one.name: (_TYPES.get(one.type, "FP32"), _shape(one.shape)) for one in self._session.get_inputs()
        }
        self._outputs = [one.name for one in self._session.get_outputs()]
        features = self._session.get_modelmeta().custom_metadata_map.get("features", "")
        self._features: list[str] = [str(name) for name in json.loads(features)] if features else []
        self.batches = all(shape[:1] == [-1] for _, shape in self._inputs.values())
        self.about: Mapping[str, Any] = {
            "platform": "onnx_onnxruntime",
            "inputs": [{"name": n, "datatype": t, "shape": s} for n, (t, s) in self._inputs.items()],
            "outputs": [
                {"name": one.name, "datatype": _TYPES.get(one.type, "BYTES"), "shape": _shape(one.shape)}
                for one in self._session.get_outputs()
            ],
        }

    def rows(self, rows: Sequence[Row]) -> Sequence[Any]:
        """See `Loaded.rows`: an output's value a row, or a mapping of all outputs where there are several."""
        feed = {name: self._column(name, kind, shape, rows) for name, (kind, shape) in self._inputs.items()}
        found = self._session.run(None, feed)
        columns = [_values(output, len(rows)) for output in found]
        if len(columns) == 1:
            return columns[0]
        return [dict(zip(self._outputs, values, strict=True)) for values in zip(*columns, strict=True)]

    def tensors(self, given: Tensors) -> Mapping[str, NDArray[np.generic]]:
        """See `Loaded.tensors`."""
        feed: dict[str, NDArray[np.generic]] = {}
        for name, (kind, shape) in self._inputs.items():
            if name not in given:
                raise Unusable(f"the input {name!r} is missing")
            array = given[name]
            if NAMES.get(array.dtype.str[1:]) != kind:
                raise Unusable(f"the input {name!r} is {kind}, not {NAMES.get(array.dtype.str[1:], 'something else')}")
            if len(shape) != array.ndim or any(a not in (-1, b) for a, b in zip(shape, array.shape, strict=True)):
                raise Unusable(f"the input {name!r} has the shape {shape}, not {list(array.shape)}")
            feed[name] = array
        found = self._session.run(None, feed)
        return {name: _array(output) for name, output in zip(self._outputs, found, strict=True)}

    def _column(self, name: str, kind: str, shape: list[int], rows: Sequence[Row]) -> NDArray[np.generic]:
        wide = len(shape) == 2 and shape[1] != 1
        features = self._features if len(self._inputs) == 1 and len(self._features) > wide else []
        try:
            values = [self._value(name, features, row) for row in rows]
        except KeyError as missing:
            hint = "" if features or not wide else "; the graph's metadata `features` would name its columns"
            raise Unusable(f"a row has no value for {missing.args[0]!r}{hint}") from missing
        try:
            array = np.asarray(values, dtype=DATATYPES[kind])
        except (TypeError, ValueError, OverflowError) as wrong:
            raise Unusable(f"a value for {name!r} is no {kind}: {wrong}") from wrong
        if len(shape) == 2 and array.ndim == 1:
            array = array[:, None]
        if len(shape) != array.ndim or any(a not in (-1, b) for a, b in zip(shape[1:], array.shape[1:], strict=True)):
            raise Unusable(f"the input {name!r} takes {shape[1:]} values a row")
        return array

    def _value(self, name: str, features: Sequence[str], row: Row) -> Any:
        if not isinstance(row, Mapping):
            if len(self._inputs) > 1:
                raise Unusable(f"a row is an object with {', '.join(self._inputs)}")
            return list(row)
        return [row[feature] for feature in features] if features and name not in row else row[name]


def _shape(shape: Sequence[Any]) -> list[int]:
    return [size if isinstance(size, int) else -1 for size in shape]


def _array(output: Any) -> NDArray[np.generic]:
    """A tensor; a sequence of maps (what class probabilities are exported as) becomes JSON text a row."""
    if isinstance(output, np.ndarray):
        return output
    return np.asarray([json.dumps(_plain(value)) for value in output], dtype=object)


def _values(output: Any, count: int) -> list[Any]:
    if isinstance(output, np.ndarray) and output.ndim == 2 and output.shape[1] == 1:
        output = output[:, 0]
    values = output.tolist() if isinstance(output, np.ndarray) else [_plain(value) for value in output]
    if len(values) != count:
        raise ValueError(f"the graph gave {len(values)} values for {count} rows")
    return list(values)


def _plain(value: Any) -> Any:
    return {str(key): _plain(one) for key, one in value.items()} if isinstance(value, dict) else (
        value.item() if isinstance(value, np.generic) else value
    )  # fmt: skip


def load(loading: Loading, path: Path) -> OnnxModel:
    """The model of a file."""
    return OnnxModel(path, loading.threads)
