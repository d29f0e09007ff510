# SPDX-License-Identifier: Apache-2.0
"""BERT once more, in plain numpy, one text at a time: what the graphs are compared with. Slow, obvious."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Weights = dict[str, NDArray[Any]]
_erf = np.vectorize(math.erf)


def random_weights(layers: int, hidden: int, inner: int, words: int, positions: int) -> Weights:
    """A model that never saw a text."""
    random = np.random.default_rng(7)

    def of(*shape: int, scale: float = 0.3) -> NDArray[np.float32]:
        return random.normal(0, scale, shape).astype(np.float32)

    out = {
        "embeddings.word_embeddings.weight": of(words, hidden),
        "embeddings.position_embeddings.weight": of(positions, hidden),
        "embeddings.token_type_embeddings.weight": of(2, hidden),
    }
    norms = ["embeddings.LayerNorm"]
    for layer in range(layers):
        name = f"encoder.layer.{layer}"
        norms += [f"{name}.attention.output.LayerNorm", f"{name}.output.LayerNorm"]
        sizes = {f"attention.self.{part}": (hidden, hidden) for part in ("query", "key", "value")}
        sizes |= {
            "attention.output.dense": (hidden, hidden),
            "intermediate.dense": (inner, hidden),
            "output.dense": (hidden, inner),
        }
        for part, (outer, width) in sizes.items():
            out[f"{name}.{part}.weight"], out[f"{name}.{part}.bias"] = of(outer, width), of(outer)
    for norm in norms:
        out[f"{norm}.weight"], out[f"{norm}.bias"] = 1 + of(hidden, scale=0.1), of(hidden, scale=0.1)
    return out


def write_safetensors(path: Path, weights: Weights, prefix: str = "") -> None:
    """The format, written by hand."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    body = b""
    for name, array in weights.items():
        raw = array.tobytes()
        kind = {"float32": "F32", "float16": "F16", "int64": "I64"}[array.dtype.name]
        header[prefix + name] = {"dtype": kind, "shape": array.shape, "data_offsets": [len(body), len(body) + len(raw)]}
        body += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


def vector(weights: Weights, pieces: list[int], *, heads: int, pooling: str = "mean") -> NDArray[np.float64]:
    """The unit vector of one text."""
    weights = {name: array.astype(np.float64) for name, array in weights.items()}
    layers = 1 + max(int(name.split(".")[2]) for name in weights if name.startswith("encoder."))
    rows = weights["embeddings.word_embeddings.weight"][pieces]
    rows = rows + weights["embeddings.position_embeddings.weight"][: len(pieces)]
    rows = _norm(weights, "embeddings.LayerNorm", rows + weights["embeddings.token_type_embeddings.weight"][0])
    for layer in range(layers):
        rows = _layer(weights, f"encoder.layer.{layer}", rows, heads)
    pooled = rows.mean(axis=0) if pooling == "mean" else rows[0]
    unit: NDArray[np.float64] = pooled / np.linalg.norm(pooled)
    return unit


def _dense(weights: Weights, name: str, rows: NDArray[Any]) -> NDArray[Any]:
    return rows @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def _norm(weights: Weights, name: str, rows: NDArray[Any]) -> NDArray[Any]:
    rows = rows - rows.mean(axis=1, keepdims=True)
    rows = rows / np.sqrt((rows**2).mean(axis=1, keepdims=True) + 1e-12)
    return rows * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def _layer(weights: Weights, name: str, rows: NDArray[Any], heads: int) -> NDArray[Any]:
    query, key, value = (
        _dense(weights, f"{name}.attention.self.{part}", rows).reshape(len(rows), heads, -1).transpose(1, 0, 2)
        for part in ("query", "key", "value")
    )
    scores = query @ key.transpose(0, 2, 1) / math.sqrt(query.shape[-1])
    shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
    shares /= shares.sum(axis=-1, keepdims=True)
    mixed = (shares @ value).transpose(1, 0, 2).reshape(rows.shape)
    attended = _dense(weights, f"{name}.attention.output.dense", mixed)
    rows = _norm(weights, f"{name}.attention.output.LayerNorm", rows + attended)
    wide = _dense(weights, f"{name}.intermediate.dense", rows)
    wide = wide * (1 + _erf(wide / math.sqrt(2))) / 2
    return _norm(weights, f"{name}.output.LayerNorm", rows + _dense(weights, f"{name}.output.dense", wide))
