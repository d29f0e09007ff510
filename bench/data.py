# SPDX-License-Identifier: Apache-2.0
"""A seeded corpus of any machine: passages of code and documentation from installed packages, groups, readers, vectors.

Vectors are *static*: the mean of MiniLM's input word vectors weighted by idf, centred, normalised. They are of real
text and cost seconds, where running the model over 100,000 passages takes more than an hour of CPU; they are not what
the model gives, and every result made with them says so. A million rows are these plus Gaussian copies. No engine may
be imported here.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SEED = 20261124
_SUFFIXES = {".py", ".pyi", ".md", ".rst", ".txt"}
_PASSAGE = 600
_GROUPS = 50
_READER_GROUPS = 3


@dataclass(frozen=True)
class Corpus:
    """Passages, the group of each, and the SHA-256 of all passages in order."""

    passages: list[str]
    groups: NDArray[np.int64]
    digest: str


def corpus(count: int, seed: int = SEED) -> Corpus:
    """`count` distinct passages of installed packages; whole files belong to one group, groups are of Zipf 1.1.

    Raises:
        ValueError: the installed packages hold fewer.
    """
    files = sorted(_files(), key=lambda pair: hashlib.sha256(f"{seed}{pair[0]}".encode()).digest())
    rng = np.random.default_rng(seed)
    shares = 1.0 / np.arange(1, _GROUPS + 1) ** 1.1
    passages: dict[str, int] = {}
    for _name, path in files:
        group = int(rng.choice(_GROUPS, p=shares / shares.sum()))
        for passage in _passages(path.read_text("utf-8", "replace")):
            passages.setdefault(passage, group)
        if len(passages) >= count:
            break
    if len(passages) < count:
        raise ValueError(f"installed packages hold only {len(passages)} passages")
    texts = list(passages)[:count]
    digest = hashlib.sha256("\0".join(texts).encode("utf-8", "replace")).hexdigest()
    return Corpus(texts, np.array([passages[t] for t in texts]), digest)


def readers(count: int, seed: int = SEED) -> list[frozenset[int]]:
    """Readers with three groups each, drawn evenly."""
    rng = np.random.default_rng(seed + 1)
    return [frozenset(rng.choice(_GROUPS, _READER_GROUPS, replace=False).tolist()) for _ in range(count)]


def questions(passages: list[str], count: int, seed: int = SEED) -> list[str]:
    """Word runs of 8 from random passages."""
    rng = np.random.default_rng(seed + 2)
    found = []
    for i in rng.permutation(len(passages)):
        words = re.findall(r"[A-Za-z]{3,}", passages[i])
        if len(words) >= 24:
            at = int(rng.integers(len(words) - 8))
            found.append(" ".join(words[at : at + 8]))
        if len(found) == count:
            break
    return found


def static_vectors(texts: list[str], like: list[str] | None = None) -> NDArray[np.float32]:
    """[len(texts), 384] unit vectors; idf and centre are taken from `like` (default: the texts themselves)."""
    table, number = _word_vectors()
    idf, centre = _weights(like or texts, table, number)
    return np.concatenate([_means(texts[i : i + 2000], table, number, idf, centre) for i in range(0, len(texts), 2000)])


def with_copies(vectors: NDArray[np.float32], count: int, seed: int = SEED) -> NDArray[np.float32]:
    """`count` rows: the given ones, then copies of random ones with Gaussian noise (cosine about .8)."""
    rng = np.random.default_rng(seed + 3)
    out = np.empty((count, vectors.shape[1]), np.float32)
    out[: len(vectors)] = vectors
    for at in range(len(vectors), count, 50_000):
        many = min(50_000, count - at)
        noise = rng.standard_normal((many, vectors.shape[1]), np.float32) * (0.75 / vectors.shape[1] ** 0.5)
        rows = vectors[rng.integers(len(vectors), size=many)] + noise
        out[at : at + many] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return out


def machine() -> dict[str, str]:
    """The processor, and which Python and numpy."""
    info = Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*:\s*(.*)", info)
    flags = [f for f in ("avx2", "avx512f", "avx512_vnni", "avx512_vpopcntdq", "avx512_bf16") if f in info]
    name = model.group(1) if model else "unknown"
    return {"cpu": name, "flags": " ".join(flags), "python": sys.version.split()[0], "numpy": np.__version__}


def _files() -> Iterator[tuple[str, Path]]:
    paths = sysconfig.get_paths()
    seen: set[str] = set()
    for base in (Path(paths["purelib"]), Path(paths["stdlib"])):
        for path in base.rglob("*"):
            if path.suffix not in _SUFFIXES or not path.is_file() or path.stat().st_size > 2_000_000:
                continue
            name = path.relative_to(base).as_posix()
            if (
                "__pycache__" not in name
                and not (base.name == "python3.11" and "site-packages" in name)
                and name not in seen
            ):
                seen.add(name)
                yield name, path


def _passages(text: str) -> Iterator[str]:
    part = ""
    for block in re.split(r"\n\s*\n", text):
        part = f"{part}\n\n{block}" if part else block
        while len(part) >= _PASSAGE:
            cut = part.rfind("\n", _PASSAGE // 2, _PASSAGE)
            cut = cut if cut > 0 else _PASSAGE
            if len(part[:cut].strip()) > 200:
                yield part[:cut].strip()
            part = part[cut:].strip()
    if len(part) > 200:
        yield part.strip()


def _word_vectors() -> tuple[NDArray[np.float32], dict[str, int]]:
    """MiniLM's input word vectors and the number of each piece, read from the installed weights."""
    base = Path(sysconfig.get_paths()["purelib"])
    weights = next(base.rglob("model.safetensors"))
    vocabulary = json.loads(next(weights.parent.rglob("tokenizer.json")).read_text("utf-8"))["model"]["vocab"]
    data = weights.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    name = next(n for n in header if n.endswith("word_embeddings.weight"))
    begin, end = header[name]["data_offsets"]
    table = np.frombuffer(data[8 + size + begin : 8 + size + end], np.float32).reshape(header[name]["shape"])
    return table, vocabulary


def _pieces(text: str, number: dict[str, int]) -> list[int]:
    """Whole words of the vocabulary, and the longest known beginning of others: enough for a static vector."""
    found = []
    for word in re.findall(r"[a-z]+|\d", text.lower().replace("_", " ")):
        for length in range(len(word), 0, -1):
            at = number.get(word[:length])
            if at is not None:
                found.append(at)
                break
    return found


def _weights(
    texts: list[str], table: NDArray[np.float32], number: dict[str, int]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    sample = texts[:: max(1, len(texts) // 5000)]
    found = np.zeros(len(table))
    for text in sample:
        found[list(set(_pieces(text, number)))] += 1
    idf = np.log1p((len(sample) - found + 0.5) / (found + 0.5)).astype(np.float32)
    centre = _means(sample, table, number, idf, np.zeros(table.shape[1], np.float32)).mean(0)
    return idf, centre


def _means(
    texts: list[str],
    table: NDArray[np.float32],
    number: dict[str, int],
    idf: NDArray[np.float32],
    centre: NDArray[np.float32],
) -> NDArray[np.float32]:
    out = np.zeros((len(texts), table.shape[1]), np.float32)
    for i, text in enumerate(texts):
        pieces = _pieces(text, number)
        if pieces:
            out[i] = idf[pieces] @ table[pieces]
    out /= np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-9)
    out -= centre
    return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-9)
