# SPDX-License-Identifier: Apache-2.0
"""Read a .safetensors file without its library: a length, a JSON header, raw little-endian tensors, mapped not copied.

Format: https://github.com/huggingface/safetensors#format. Nothing about a model enters here.
"""

from __future__ import annotations

import hashlib
import json
import mmap
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colonnade.core.errors import UsageError

_KINDS: dict[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2")}


def read(path: Path) -> dict[str, NDArray[Any]]:
    """Every float32 and float16 tensor by name, as read-only views of the mapped file; others are left out."""
    try:
        with path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        start = 8 + int.from_bytes(mapped[:8], "little")
        header = json.loads(mapped[8:start])
        out = {}
        for name, entry in header.items():
            kind = _KINDS.get(entry.get("dtype", ""))
            if kind is None:
                continue
            first, last = entry["data_offsets"]
            flat = np.frombuffer(mapped, kind, (last - first) // kind.itemsize, start + first)
            out[name] = flat.reshape(entry["shape"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path.name} is not a readable safetensors file: {error}", code="model_invalid") from error
    return out


def digest(path: Path) -> str:
    """SHA-256 of a file, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
