# SPDX-License-Identifier: Apache-2.0
"""Bodies of the Open Inference Protocol v2 as arrays and back: JSON, and the binary extension that clients send by
default. https://github.com/kserve/open-inference-protocol, https://docs.nvidia.com/deeplearning/triton-inference-server
("Binary Tensor Data Extension"). No model here.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from colonnade.adapters.replicas.model import Unusable

DATATYPES: Mapping[str, Any] = {
    "BOOL": np.bool_, "UINT8": np.uint8, "UINT16": np.uint16, "UINT32": np.uint32, "UINT64": np.uint64,
    "INT8": np.int8, "INT16": np.int16, "INT32": np.int32, "INT64": np.int64, "FP16": np.float16, "FP32": np.float32,
    "FP64": np.float64, "BYTES": np.object_,
}  # fmt: skip
NAMES = {np.dtype(kind).str[1:]: name for name, kind in DATATYPES.items()}
"""numpy's name of a type, without the byte order -> the protocol's."""
MOST_ELEMENTS = 1 << 27


class Given(Struct):
    """A tensor of a request."""

    name: str
    shape: list[int]
    datatype: str
    data: Any = None
    parameters: dict[str, Any] = {}


class Wanted(Struct):
    """An output that is asked for."""

    name: str
    parameters: dict[str, Any] = {}


class Infer(Struct):
    """The body of `POST /v2/models/NAME/infer`."""

    inputs: list[Given]
    id: str = ""
    outputs: list[Wanted] = []
    parameters: dict[str, Any] = {}


_decode = msgspec.json.Decoder(Infer).decode


def read(data: bytes, mark: int) -> tuple[Infer, dict[str, NDArray[np.generic]]]:
    """A request and its tensors; `mark` of the bytes are JSON, or all of them when it is 0. Raises Unusable."""
    try:
        asked = _decode(data[:mark] if mark else data)
    except msgspec.MsgspecError as wrong:
        raise Unusable(f"the body cannot be read: {wrong}") from wrong
    at, found = mark or len(data), {}
    for one in asked.inputs:
        if one.datatype not in DATATYPES:
            raise Unusable(f"the datatype {one.datatype!r} is not known; they are {', '.join(DATATYPES)}")
        if any(size < 0 for size in one.shape) or int(np.prod(one.shape, dtype=np.float64)) > MOST_ELEMENTS:
            raise Unusable(f"the shape {one.shape} cannot be")
        size = one.parameters.get("binary_data_size")
        try:
            if size is None:
                array = np.asarray(one.data, dtype=DATATYPES[one.datatype])
            else:
                array = _binary(one.datatype, data[at : at + int(size)])
                at += int(size)
            found[one.name] = array.reshape(one.shape)
        except (TypeError, ValueError, OverflowError, struct.error) as wrong:
            raise Unusable(f"the input {one.name!r} is not {one.datatype} of {one.shape}: {wrong}") from wrong
    sizes = {array.shape[0] if array.ndim else 0 for array in found.values()}
    if not found or len(sizes) != 1:
        raise Unusable("every input needs the same number of rows, and there must be one")
    return asked, found


def write(asked: Infer, outputs: Mapping[str, NDArray[np.generic]], about: Mapping[str, Any]) -> tuple[int, bytes]:
    """(how much is JSON, or 0; the body) of a response, as far as binary as was asked for. Raises Unusable."""
    wanted = {one.name: one.parameters for one in asked.outputs} or {name: {} for name in outputs}
    everything = bool(asked.parameters.get("binary_data_output", False))
    tensors, blobs = [], []
    for name, parameters in wanted.items():
        if name not in outputs:
            raise Unusable(f"there is no output {name!r}; they are {', '.join(outputs)}")
        array = outputs[name]
        kind = NAMES.get(array.dtype.str[1:], "BYTES")
        told: dict[str, Any] = {"name": name, "datatype": kind, "shape": list(array.shape)}
        if parameters.get("binary_data", everything):
            blob = _bytes(array) if kind == "BYTES" else np.ascontiguousarray(array).tobytes()
            told["parameters"] = {"binary_data_size": len(blob)}
            blobs.append(blob)
        else:
            told["data"] = [_text(value) for value in array.ravel()] if kind == "BYTES" else array.ravel().tolist()
        tensors.append(told)
    body = {"model_name": about["service"], "model_version": about["version"], "outputs": tensors}
    head = msgspec.json.encode({**body, "id": asked.id} if asked.id else body)
    return (len(head) if blobs else 0), b"".join([head, *blobs])


def _binary(kind: str, data: bytes) -> NDArray[np.generic]:
    if kind != "BYTES":
        return np.frombuffer(data, dtype=np.dtype(DATATYPES[kind]).newbyteorder("<"))
    values, at = [], 0
    while at < len(data):
        (size,) = struct.unpack_from("<I", data, at)
        values.append(data[at + 4 : at + 4 + size].decode("utf-8"))
        at += 4 + size
    return np.asarray(values, dtype=object)


def _bytes(array: NDArray[np.generic]) -> bytes:
    texts = [_text(value).encode() for value in array.ravel()]
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
