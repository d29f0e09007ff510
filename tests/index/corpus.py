# SPDX-License-Identifier: Apache-2.0
"""Small made-up corpora for the index's tests: what is held, who may read it, and an index of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from colonnade.adapters.vectors.signs import SignVectors
from colonnade.core.search import Hit, IndexedChunk, Visibility
from colonnade.knowledge.index import Index

DIMENSIONS = 24


@dataclass(frozen=True)
class File:
    """A file: its chunks' words and vectors, and its standings as (readers, from, to)."""

    name: str
    chunks: tuple[str, ...]
    standings: tuple[tuple[str, int, int | None], ...]

    @property
    def digest(self) -> bytes:
        return hashlib.sha256("\n\n".join(self.chunks).encode()).digest()

    def permitted(self, readers: frozenset[str], at_ms: int | None) -> bool:
        for reader, begin, end in self.standings:
            stands = end is None if at_ms is None else begin <= at_ms and (end is None or at_ms < end)
            if stands and reader in readers:
                return True
        return False


def vector_of(words: str) -> NDArray[np.float32]:
    """A unit vector that depends on the words alone; texts that share words are near."""
    total = np.zeros(DIMENSIONS)
    for word in words.split():
        seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "little")
        total += np.random.default_rng(seed).standard_normal(DIMENSIONS)
    return (total / max(float(np.linalg.norm(total)), 1e-9)).astype(np.float32)


def put(index: Index, file: File, salt: str, embed: bool = True) -> str:
    """Add a file under an id that only this index knows; the content's id."""
    content = "cnt_" + hashlib.sha256(f"{salt}{file.name}".encode()).hexdigest()[:12]
    starts = (i.to_bytes(4, "big") for i in range(len(file.chunks)))
    keys = [file.digest + start for start in starts]
    index.add(content, [IndexedChunk(i, w, k) for i, (w, k) in enumerate(zip(file.chunks, keys, strict=True))])
    if embed and file.chunks:
        index.set_vectors(content, 0, np.stack([vector_of(w) for w in file.chunks]))
    rows = [Visibility(f"doc{salt}{file.name}", content, r, begin, end) for r, begin, end in file.standings]
    index.set_visibility(rows)
    return content


def index_of(files: Iterable[File], salt: str = "", embed: bool = True) -> tuple[Index, dict[str, str]]:
    """An index of the files, and which name each content's id stands for."""
    index = Index(DIMENSIONS, SignVectors(DIMENSIONS, 128), f"secret{salt}".encode())
    return index, {put(index, file, salt, embed): file.name for file in files}


def named(hits: Sequence[Hit], names: dict[str, str]) -> list[tuple[str, int, float, float, float]]:
    """Hits by file name, scores to 1e-6."""
    return [(names[h.content], h.order, round(h.score, 6), round(h.lexical, 6), round(h.dense, 6)) for h in hits]
