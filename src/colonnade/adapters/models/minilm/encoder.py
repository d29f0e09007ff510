# SPDX-License-Identifier: Apache-2.0
"""The model in this process: text to unit vectors by onnxruntime. Implements the `Embedder` port.

The daemon uses `process.py` instead, which runs this in a child, so that the memory can be given back. The only file
(with `probe.py`'s child) that imports onnxruntime, and it does so lazily.
"""

from __future__ import annotations

import mmap
import threading
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from colonnade.adapters.models.minilm import graph, onnx_wire, safetensors
from colonnade.adapters.models.minilm.batches import plan
from colonnade.adapters.models.minilm.folder import ModelFolder
from colonnade.adapters.models.minilm.wordpiece import WordPiece
from colonnade.core.errors import MissingExtra, UsageError

Arithmetic = Literal["fp32", "int8"]
_ARITHMETIC_NAMES: dict[Arithmetic, str] = {"fp32": "fp32", "int8": "int8-per-token-1"}
"""What stands in an embedder's id. The digit counts recipes: it changes with whatever changes a vector."""
_EMBEDDINGS = "embeddings.{}_embeddings.weight"


def embedder_id(folder: ModelFolder, arithmetic: Arithmetic) -> str:
    """Names model, weights and arithmetic, as `all-MiniLM-L6-v2@53aa51172d14/fp32`."""
    return f"{folder.name}/{_ARITHMETIC_NAMES[arithmetic]}"


def arithmetic_of(embedder: str) -> Arithmetic | None:
    """The arithmetic that an id names, or None when this version cannot compute it."""
    name = embedder.rpartition("/")[2]
    return next((key for key, value in _ARITHMETIC_NAMES.items() if value == name), None)


class Encoder:
    """A loaded model. `embed` may be called from several threads; each call computes on its caller's thread.

    Args:
        folder: whose weights; their hash is checked when it is pinned.
        arithmetic: "fp32", or "int8" quantised per token.
        signed: whether int8 weights are signed. The same vectors, but where the processor saturates: pass False
            without VNNI, where unsigned is also no slower.
    """

    def __init__(self, folder: ModelFolder, arithmetic: Arithmetic = "fp32", *, signed: bool | None = None) -> None:
        folder.check()
        self._folder = folder
        self.id = embedder_id(folder, arithmetic)
        self.dimensions = folder.shape.hidden
        self._tensors = _named(safetensors.read(folder.path / "model.safetensors"), folder)
        self._words = self._tensors[_EMBEDDINGS.format("word")]
        positions = self._tensors[_EMBEDDINGS.format("position")]
        self._pieces = _pieces(folder, len(self._words), len(positions))
        self._pieces_lock = threading.Lock()
        if signed is None:
            signed = has_vnni()
        kind = None if arithmetic == "fp32" else onnx_wire.INT8 if signed else onnx_wire.UINT8
        self._session, self._keep = _open_session(folder.shape, self._tensors, kind)
        first_type = self._tensors[_EMBEDDINGS.format("token_type")][0]
        self._places = positions.astype(np.float32) + first_type.astype(np.float32)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Piece ids of each text."""
        with self._pieces_lock:
            return [self._pieces.encode(text) for text in texts]

    def run(self, pieces: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Vectors of texts already cut to pieces, as one batch."""
        longest = max(map(len, pieces))
        ids = np.zeros((len(pieces), longest), np.int64)
        pool = np.zeros((len(pieces), 1, longest), np.float32)
        for row, text in enumerate(pieces):
            ids[row, : len(text)] = text
            pool[row, 0, : len(text)] = 1 / len(text)
        if self._folder.pooling == "cls":
            pool[:] = 0
            pool[:, :, 0] = 1
        tokens = self._words[ids].astype(np.float32, copy=False)
        tokens += self._places[:longest]
        lengths = np.array([len(text) for text in pieces], np.int32)
        out: NDArray[np.float32] = self._session.run(None, {"tokens": tokens, "lengths": lengths, "pool": pool})[0]
        return out

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """[len(texts), dimensions] float32, rows of length 1."""
        pieces = self.encode(texts)
        out = np.empty((len(texts), self.dimensions), np.float32)
        for batch in plan([len(text) for text in pieces]):
            out[batch] = self.run([pieces[index] for index in batch])
        return out

    def forget_pages(self) -> None:
        """Let the kernel take back the pages of the weights' file; those still needed come back by themselves."""
        base = self._words.base
        while isinstance(base, np.ndarray):
            base = base.base
        mapped = base.obj if isinstance(base, memoryview) else base
        if isinstance(mapped, mmap.mmap):
            mapped.madvise(mmap.MADV_DONTNEED)

    def close(self) -> None:
        """Nothing to do: memory goes back with the object."""


def has_vnni() -> bool:
    """Whether this processor multiplies u8 by s8 without saturating."""
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
            flags = next((line for line in file if line.startswith("flags")), "").split()
    except OSError:
        return False
    return "avx512_vnni" in flags or "avx_vnni" in flags


def _named(tensors: dict[str, NDArray[Any]], folder: ModelFolder) -> dict[str, NDArray[Any]]:
    """Tensors by plain BERT names, with sizes checked as far as a wrong config.json would do harm."""
    plain = {name.removeprefix("bert.").removeprefix("0.auto_model."): value for name, value in tensors.items()}
    shape = folder.shape
    wanted = [_EMBEDDINGS.format(kind) for kind in ("word", "position", "token_type")]
    wanted += [name for name in graph.build(shape)[1] if name not in plain]
    for name in wanted:
        if name not in plain or plain[name].shape[-1] not in (shape.hidden, shape.inner):
            raise UsageError(f"the weights in {folder.path} have no fitting {name}", code="model_invalid")
    return plain


def _pieces(folder: ModelFolder, words: int, positions: int) -> WordPiece:
    """The folder's vocabulary, if it fits the weights."""
    try:
        vocabulary = (folder.path / "vocab.txt").read_text("utf-8").removesuffix("\n").split("\n")
        if len(vocabulary) > words or folder.most_pieces > positions:
            raise ValueError(
                f"{len(vocabulary)} pieces for {words} weights, {folder.most_pieces} places for {positions}"
            )
        return WordPiece(vocabulary, most_pieces=folder.most_pieces)
    except (ValueError, KeyError) as error:
        why = f"the vocabulary in {folder.path} does not fit its weights: {error}"
        raise UsageError(why, code="model_invalid") from error


def _quantise(weight: NDArray[np.float32], kind: int) -> tuple[NDArray[Any], NDArray[np.float32]]:
    """Each output's weights by their own largest: codes [in, out] and scale [out]."""
    top = np.abs(weight).max(axis=1).astype(np.float32)
    scale: NDArray[np.float32] = (np.where(top > 0, top, 127) / 127).astype(np.float32)
    codes = np.rint(weight.T / scale)
    if kind == onnx_wire.UINT8:
        return np.ascontiguousarray(codes + 128).astype(np.uint8), scale
    return np.ascontiguousarray(codes).astype(np.int8), scale


def _open_session(
    shape: graph.Shape, tensors: dict[str, NDArray[Any]], kind: int | None
) -> tuple[Any, list[NDArray[Any]]]:
    """The session, and the arrays that must outlive it."""
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtra("onnxruntime is not installed", hint="pip install onnxruntime") from error
    model, names = graph.build(shape, weight_kind=kind)
    arrays: dict[str, NDArray[Any]] = {}
    for name in names:
        if name.endswith(graph.QUANTISED_WEIGHT) and kind is not None:
            stem = name.removesuffix(graph.QUANTISED_WEIGHT)
            codes, scale = _quantise(tensors[stem + ".weight"], kind)
            sums = (codes.astype(np.int32) - (128 if kind == onnx_wire.UINT8 else 0)).sum(axis=0) * scale
            arrays[name], arrays[stem + graph.QUANTISED_SCALE] = codes, scale
            lowered = tensors[stem + ".bias"] - np.float32(graph.GELU_LIFT) * sums
            arrays[stem + graph.LOWERED_BIAS] = lowered.astype(np.float32)
        elif name not in arrays:
            arrays[name] = np.ascontiguousarray(tensors[name], np.float32)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    keep = [arrays[name] for name in names]
    values = [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in keep]
    options.add_external_initializers(names, values)
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return session, keep
