# SPDX-License-Identifier: Apache-2.0
"""What the answer benches share: SQuAD's split, an embedder that remembers, engines over some of the articles. No
measuring.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from colonnade.adapters.models.minilm.encoder import Encoder
from colonnade.adapters.models.minilm.folder import default_folder
from colonnade.adapters.vectors.signs import SignVectors
from colonnade.knowledge.answer import Passage
from colonnade.knowledge.evaluate.datasets import Squad, SquadQuestion, read_squad
from colonnade.knowledge.evaluate.engine import Engine, Item

DATA = Path(os.environ.get("COLONNADE_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
SQUAD = DATA / "squad2-dev" / "dev-v2.0.cs224n.json.gz"
HELD_OUT = ("Normans", "Imperialism", "Packet_switching", "Force")
"""Articles that no weight was fitted on: `random.Random(0).sample(range(16), 4)`, as the data's README gives them."""


class Remembering:
    """An embedder that embeds every text once; with COLONNADE_BENCH_CACHE (an .npz file) also across runs."""

    def __init__(self) -> None:
        self._encoder: Encoder | None = None
        self.id, self.dimensions = "minilm-fp32", 384
        self._known: dict[str, NDArray[np.float32]] = {}
        self._file = os.environ.get("COLONNADE_BENCH_CACHE", "")
        self._read = 0
        if self._file and Path(self._file).is_file():
            with np.load(self._file) as stored:
                texts = json.loads(stored["texts"].tobytes())
                self._known = dict(zip(texts, stored["vectors"], strict=True))
            self._read = len(self._known)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """[len(texts), 384], remembered."""
        missing = list(dict.fromkeys(text for text in texts if text not in self._known))
        if missing:
            self._encoder = self._encoder or Encoder(default_folder())
            missing.sort(key=len)
            for at in range(0, len(missing), 16):
                batch = missing[at : at + 16]
                self._known.update(zip(batch, self._encoder.embed(batch), strict=True))
        return np.array([self._known[text] for text in texts], np.float32).reshape(len(texts), self.dimensions)

    def close(self) -> None:
        """Write the file, when there is something new."""
        if self._file and len(self._known) > self._read:
            texts = np.frombuffer(json.dumps(list(self._known)).encode(), np.uint8)
            np.savez(self._file, texts=texts, vectors=np.array(list(self._known.values()), np.float32))
            self._read = len(self._known)


def load() -> Squad:
    """The file, read."""
    return read_squad(SQUAD)


def train_articles(data: Squad) -> list[int]:
    """The numbers of the twelve articles that may be fitted on."""
    return [number for number, title in enumerate(data.titles) if title not in HELD_OUT]


def engine(data: Squad, articles: Sequence[int], embedder: Remembering | None) -> Engine:
    """An index over the paragraphs of these articles; a paragraph's id is its number."""
    kept = set(articles)
    items = [Item(str(n), text) for n, (article, text) in enumerate(data.paragraphs) if article in kept]
    vectors = embedder.embed([item.text for item in items]) if embedder is not None else None
    return Engine(items, SignVectors, embedder, vectors=vectors)


def asked_of(data: Squad, articles: Sequence[int], *, answerable: bool | None = True) -> list[SquadQuestion]:
    """The questions on these articles: answerable, unanswerable, or (None) both."""
    kept = set(articles)
    return [q for q in data.questions if q.article in kept and answerable in (None, bool(q.answers))]


def given_paragraph(data: Squad, question: SquadQuestion, cosine: float) -> list[Passage]:
    """The question's own paragraph, as the only passage."""
    number = str(question.paragraph)
    return [Passage(number, number, 0, data.paragraphs[question.paragraph][1], 0, score=1.0, lexical=1.0, dense=cosine)]


def is_right(question: SquadQuestion, paragraph: str, start: int, end: int) -> bool:
    """Whether the span holds an answer where the annotators marked it."""
    return paragraph == str(question.paragraph) and any(start <= at < end for at in question.starts)


def splits(count: int, *, of: int, leave: int) -> list[list[int]]:
    """`count` random choices of `leave` out of `of`, seeds 0, 1, ... (seed 0 leaves out `HELD_OUT` for 4 of 16)."""
    return [sorted(random.Random(seed).sample(range(of), leave)) for seed in range(count)]
