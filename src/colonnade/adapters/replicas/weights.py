# SPDX-License-Identifier: Apache-2.0
"""safetensors as arrays: a length, JSON, and the bytes as they are (https://github.com/huggingface/safetensors).

Read by mapping the file, so that replicas of one model on one machine share its memory. No library is needed.
"""

from __future__ import annotations

import json
import mmap
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

KINDS = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U64": "<u8",
    "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?",
}  # fmt: skip
HEADER_BYTES = 100 << 20


def read(path: Path) -> dict[str, NDArray[Any]]:
    """Name -> array, for reading only; BF16 becomes float32. Raises ValueError."""
    with path.open("rb") as file:
        data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    size = int.from_bytes(data[:8], "little")
    if len(data) < 8 or size > min(HEADER_BYTES, len(data) - 8):
        raise ValueError(f"{path.name}: the header is longer than the file")
    head = json.loads(bytes(data[8 : 8 + size]))
    body = data[8 + size :]
    return {name: _array(name, told, body) for name, told in head.items() if name != "__metadata__"}


def read_all(folder: Path) -> dict[str, NDArray[Any]]:
    """The tensors of every file below a folder. Raises ValueError for a name that stands twice."""
    found: dict[str, NDArray[Any]] = {}
    for path in sorted(folder.rglob("*.safetensors")):
        part = read(path)
        if twice := found.keys() & part.keys():
            raise ValueError(f"the tensor {min(twice)!r} stands in two files")
        found |= part
    return found


def _array(name: str, told: dict[str, Any], body: memoryview) -> NDArray[Any]:
    kind, shape = told["dtype"], [int(size) for size in told["shape"]]
    begin, end = (int(at) for at in told["data_offsets"])
    if not 0 <= begin <= end <= len(body) or min(shape, default=0) < 0:
        raise ValueError(f"the tensor {name!r} lies outside of its file")
    if kind == "BF16":
        wide = np.frombuffer(body[begin:end], "<u2").astype("<u4") << 16
        return wide.view("<f4").reshape(shape)
    if kind not in KINDS:
        raise ValueError(f"the tensor {name!r} is {kind}, which numpy does not have")
    return np.frombuffer(body[begin:end], KINDS[kind]).reshape(shape)
