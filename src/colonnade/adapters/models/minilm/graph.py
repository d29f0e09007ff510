# SPDX-License-Identifier: Apache-2.0
"""The BERT encoder as an ONNX graph without weights: fp32, or int8 quantised per token. Pure: sizes in, bytes out.

Weights stay outside under their torch names (see `weights.py`); word embeddings are looked up outside as well, so that
their 47 MB stay on disk. Tokens are rows [T, H], T = batch x length, but inside attention. Per batch quantisation must
never enter here: a text's vector would depend on its neighbours (design note: cosine down to .987).

Source: Devlin et al. 2018 (BERT); Reimers and Gurevych 2019 (mean pooling, unit length).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from colonnade.adapters.models.minilm import onnx_wire as wire


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of a BERT encoder, as its config.json has them."""

    layers: int
    hidden: int
    heads: int
    inner: int
    epsilon: float = 1e-12


QUANTISED_WEIGHT, QUANTISED_SCALE, LOWERED_BIAS = ".q", ".scale", ".lowered_bias"
"""What an int8 graph adds to a dense layer's torch name: u8 or s8 [in, out]; [out]; bias - GELU_LIFT x weight."""
GELU_LIFT = 0.17
"""GELU's least value is -0.16997."""


@dataclass(frozen=True, slots=True)
class _Codes:
    """Names of quantised rows [T, K] u8, their scales [T, 1], and the code of zero."""

    codes: str
    column: str
    zero: str


@dataclass
class _Builder:
    shape: Shape
    weight_kind: int | None
    nodes: list[bytes] = field(default_factory=list)
    tensors: list[bytes] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    def op(self, kind: str, inputs: list[str], output: str, **attributes: wire.Attribute) -> str:
        self.nodes.append(wire.node(kind, inputs, [output], attributes))
        return output

    def contrib(self, kind: str, inputs: list[str], output: str, **attributes: wire.Attribute) -> str:
        self.nodes.append(wire.node(kind, inputs, [output], attributes, domain=wire.CONTRIB))
        return output

    def constant(self, name: str, kind: int, shape: list[int], raw: bytes) -> None:
        self.tensors.append(wire.constant(name, kind, shape, raw))

    def weight(self, name: str, *shape: int, kind: int = wire.FLOAT) -> str:
        self.tensors.append(wire.external(name, kind, shape))
        self.names.append(name)
        return name

    def norm(self, rows: str, residual: str, name: str) -> str:
        size = self.shape.hidden
        ends = [self.weight(f"{name}.weight", size), self.weight(f"{name}.bias", size)]
        inputs = [rows, residual, *ends]
        return self.contrib("SkipLayerNormalization", inputs, f"{name}.out", epsilon=self.shape.epsilon)

    def quantise(self, rows: str, *, gelu: bool = False) -> _Codes:
        """Each row by its own largest value: u8 and the row's scale [T, 1].

        Values of both signs lie around 128. A GELU's never go below -0.17: lifted by that they use all 255 steps from
        0, which doubles the resolution; the lift is taken back in `dense` by a constant.
        """
        size = self.op("Add", [rows, "lift"], f"{rows}.lifted") if gelu else self.op("Abs", [rows], f"{rows}.abs")
        self.op("ReduceMax", [size, "last_axis"], f"{rows}.max", keepdims=0)
        self.op("Max", [f"{rows}.max", "tiny"], f"{rows}.top")
        self.op("Mul", [f"{rows}.top", "one_255th" if gelu else "one_127th"], f"{rows}.row_scale")
        # A zero point per row, as the axis demands.
        zero = "zero" if gelu else "middle_code"
        self.op("Shape", [f"{rows}.row_scale"], f"{rows}.count")
        self.op("Expand", [zero, f"{rows}.count"], f"{rows}.zero")
        codes = self.op(
            "QuantizeLinear", [size if gelu else rows, f"{rows}.row_scale", f"{rows}.zero"], f"{rows}.u8", axis=0
        )
        return _Codes(codes, self.op("Unsqueeze", [f"{rows}.row_scale", "last_axis"], f"{rows}.column"), zero)

    def dense(self, rows: str, name: str, inner: int, outer: int, quantised: _Codes | None) -> str:
        """rows x weight + bias, [T, inner] to [T, outer]; torch keeps its weight as [outer, inner]."""
        if quantised is None or self.weight_kind is None:
            inputs = [rows, self.weight(f"{name}.weight", outer, inner), self.weight(f"{name}.bias", outer)]
            return self.op("Gemm", inputs, f"{name}.out", transB=1)
        weight = self.weight(f"{name}{QUANTISED_WEIGHT}", inner, outer, kind=self.weight_kind)
        scale = self.weight(f"{name}{QUANTISED_SCALE}", outer)
        inputs = [quantised.codes, weight, "one", scale, quantised.zero, "weight_zero"]
        self.contrib("MatMulIntegerToFloat", inputs, f"{name}.product")
        self.op("Mul", [f"{name}.product", quantised.column], f"{name}.scaled")
        bias = f"{name}{LOWERED_BIAS}" if quantised.zero == "zero" else f"{name}.bias"
        return self.op("Add", [f"{name}.scaled", self.weight(bias, outer)], f"{name}.out")

    def layer(self, rows: str, name: str) -> str:
        shape = self.shape
        hidden, inner = shape.hidden, shape.inner
        quantised = self.quantise(rows) if self.weight_kind is not None else None
        heads = []
        for part in ("query", "key", "value"):
            # Values stay fp32: that costs int8 6 % of its speed and takes away two thirds of its error.
            codes = None if part == "value" else quantised
            out = self.dense(rows, f"{name}.attention.self.{part}", hidden, hidden, codes)
            heads.append(self.op("Reshape", [out, "cube"], f"{out}.cube"))
        mixed = self.contrib(
            "MultiHeadAttention", [*heads, "", "lengths"], f"{name}.attention.mixed", num_heads=shape.heads
        )
        flat = self.op("Reshape", [mixed, "flat"], f"{mixed}.flat")
        codes = self.quantise(flat) if self.weight_kind is not None else None
        out = self.dense(flat, f"{name}.attention.output.dense", hidden, hidden, codes)
        rows = self.norm(out, rows, f"{name}.attention.output.LayerNorm")
        codes = self.quantise(rows) if self.weight_kind is not None else None
        wide = self.dense(rows, f"{name}.intermediate.dense", hidden, inner, codes)
        wide = self.contrib("Gelu", [wide], f"{wide}.gelu")
        codes = self.quantise(wide, gelu=True) if self.weight_kind is not None else None
        out = self.dense(wide, f"{name}.output.dense", inner, hidden, codes)
        return self.norm(out, rows, f"{name}.output.LayerNorm")


def build(shape: Shape, *, weight_kind: int | None = None) -> tuple[bytes, list[str]]:
    """The graph, and the names of the weights that it wants.

    Args:
        shape: sizes of the encoder.
        weight_kind: None for fp32; `onnx_wire.UINT8` or `INT8` for int8 per token. The two give the same integers but
            where a processor saturates (AVX2 with signed weights).

    Inputs of the graph: `tokens` [B, S, H] float32, summed embeddings; `lengths` [B] int32; `pool` [B, 1, S] float32,
    the share of each token in the mean (0 where padded). Output: `vectors` [B, H], rows of length 1.
    """
    builder = _Builder(shape, weight_kind)
    hidden = shape.hidden
    builder.constant("flat", wire.INT64, [2], struct.pack("<2q", -1, hidden))
    builder.constant("last_axis", wire.INT64, [1], struct.pack("<q", -1))
    if weight_kind is not None:
        builder.constant("one", wire.FLOAT, [], struct.pack("<f", 1.0))
        builder.constant("tiny", wire.FLOAT, [], struct.pack("<f", 1e-30))
        builder.constant("one_127th", wire.FLOAT, [], struct.pack("<f", 1 / 127))
        builder.constant("one_255th", wire.FLOAT, [], struct.pack("<f", 1 / 255))
        builder.constant("lift", wire.FLOAT, [], struct.pack("<f", GELU_LIFT))
        builder.constant("zero", wire.UINT8, [], b"\x00")
        builder.constant("middle_code", wire.UINT8, [], b"\x80")
        builder.constant("weight_zero", weight_kind, [], b"\x80" if weight_kind == wire.UINT8 else b"\x00")
    builder.op("Shape", ["tokens"], "cube")
    rows = builder.op("Reshape", ["tokens", "flat"], "tokens.flat")
    ends = [builder.weight(f"embeddings.LayerNorm.{end}", hidden) for end in ("weight", "bias")]
    rows = builder.op("LayerNormalization", [rows, *ends], "embedded", epsilon=shape.epsilon)
    for index in range(shape.layers):
        rows = builder.layer(rows, f"encoder.layer.{index}")
    last = builder.op("Reshape", [rows, "cube"], "last")
    mean = builder.op("MatMul", ["pool", last], "mean")
    mean = builder.op("Squeeze", [mean, "middle"], "mean.flat")
    builder.constant("middle", wire.INT64, [1], struct.pack("<q", 1))
    builder.op("LpNormalization", [mean], "vectors", axis=-1, p=2)
    graph = wire.model(
        builder.nodes,
        builder.tensors,
        [
            wire.value("tokens", wire.FLOAT, ["batch", "length", hidden]),
            wire.value("lengths", wire.INT32, ["batch"]),
            wire.value("pool", wire.FLOAT, ["batch", 1, "length"]),
        ],
        [wire.value("vectors", wire.FLOAT, ["batch", hidden])],
        name="bert",
    )
    return graph, builder.names
