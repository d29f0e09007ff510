# SPDX-License-Identifier: Apache-2.0
"""Thresholds come from the readable chunks alone, whatever else exists and in whatever order it came."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from colonnade.adapters.vectors.signs import SignVectors
from colonnade.core.search import IndexedChunk, Visibility
from colonnade.knowledge.answer import PRIOR, Calibration, Passage, calibrate, pseudo_questions
from colonnade.knowledge.answer.calibration import blended
from colonnade.knowledge.answer.topic import DEPTH, question_score
from colonnade.knowledge.evaluate.datasets import read_squad
from colonnade.knowledge.index import Index

SQUAD = Path(__file__).resolve().parents[3] / "shared" / "data" / "squad2-dev" / "dev-v2.0.cs224n.json.gz"


def chunks(count: int, seed: int = 0) -> list[tuple[bytes, str]]:
    """Chunks of made-up sentences over a small vocabulary."""
    draw = random.Random(seed)
    words = [f"word{n}" for n in range(300)]
    text = [". ".join(" ".join(draw.choices(words, k=9)).capitalize() for _ in range(4)) + "." for _ in range(count)]
    return [(f"key{seed}-{n}".encode(), body) for n, body in enumerate(text)]


def test_the_sample_does_not_depend_on_the_order_of_the_chunks() -> None:
    some = chunks(400)
    shuffled = random.Random(1).sample(some, len(some))
    assert pseudo_questions(some, 100) == pseudo_questions(shuffled, 100)


def test_a_pseudo_question_holds_words_of_its_own_corpus_only() -> None:
    some = chunks(50)
    vocabulary = {word.strip(".").lower() for _, text in some for word in text.split()}
    for question in pseudo_questions(some, 80):
        assert 4 <= len(question.text.split()) <= 8
        assert {word.lower() for word in question.text.split()} <= vocabulary


def test_more_chunks_displace_only_their_own_share_of_the_sample() -> None:
    base = pseudo_questions(chunks(2000), 200)
    more = pseudo_questions([*chunks(2000), *chunks(100, seed=9)], 200)
    assert len(set(base) & set(more)) > 150


def test_few_pseudo_questions_move_the_prior_little_and_never_far() -> None:
    low = np.full(10, -50.0)
    assert abs(blended(PRIOR, low).topic - PRIOR.topic) < 0.2
    assert abs(blended(PRIOR, np.full(800, -50.0)).topic - PRIOR.topic) <= 2.5 + 1e-9
    higher, lower = blended(PRIOR, np.full(800, 4.0)), blended(PRIOR, np.full(800, 2.0))
    assert higher.topic > lower.topic


def test_without_vectors_only_the_size_counts() -> None:
    found = [calibrate([], embed=None, find=lambda _q, _v: 0.0, chunks=n) for n in (1, 20, 646, 100_000)]
    assert found[0].topic_lexical <= found[1].topic_lexical < found[2].topic_lexical == found[3].topic_lexical
    assert found[3].topic_lexical == PRIOR.topic_lexical


def _calibrated(index: Index, texts: dict[str, str], vectors: dict[str, np.ndarray], mine: list[str]) -> Calibration:
    """As the room does it: the reader's chunks are drawn from, the reader's search scores them."""
    readers = frozenset({"mine"})

    def find(question: str, vector: np.ndarray | None) -> float:
        hits = index.search(question, vector, readers=readers, k=DEPTH)
        passages = [
            Passage(h.content, h.content, 0, texts[h.content], 0, dense=h.dense, lexical=h.lexical) for h in hits
        ]
        return question_score(question, passages, dict(index.idf(question, readers)), dense=True)

    def embed(asked):  # type: ignore[no-untyped-def]
        return np.stack([_vector(text) for text in asked])

    drawn = pseudo_questions((name.encode(), texts[name]) for name in mine)
    return calibrate(drawn, embed=embed, find=find, chunks=len(mine))


def _vector(text: str) -> np.ndarray:
    """Hashed words: texts that share words lie close."""
    vector = np.zeros(16, np.float32)
    for word in text.lower().split():
        vector[sum(word.encode()) % 16] += 1.0
    return vector / max(1e-9, float(np.linalg.norm(vector)))


def test_what_a_reader_may_not_read_moves_no_threshold() -> None:
    texts = {key.decode(): text for key, text in [*chunks(60), *chunks(90, seed=5)]}
    mine = [name for name in texts if name.startswith("key0")]
    results = []
    for held in (mine, list(texts), list(reversed(texts))):
        index = Index(16, SignVectors(16), b"secret")
        for name in held:
            index.add(name, [IndexedChunk(0, texts[name], name.encode())])
            index.set_vectors(name, 0, _vector(texts[name])[None, :])
            index.set_visibility([Visibility(name, name, "mine" if name in mine else "others", 0, None)])
        results.append(_calibrated(index, texts, {}, mine))
    assert results[0].samples > 50
    assert results[0] == results[1] == results[2]


@pytest.mark.skipif(not SQUAD.is_file(), reason="needs the shared SQuAD data beside the clone")
def test_most_questions_on_real_articles_are_answered_and_most_foreign_ones_refused_by_words_alone() -> None:
    from colonnade.knowledge.evaluate.engine import Engine, Item

    data = read_squad(SQUAD)
    inside = [
        n for n, title in enumerate(data.titles) if title not in ("Normans", "Imperialism", "Packet_switching", "Force")
    ]
    items = [Item(str(n), text) for n, (article, text) in enumerate(data.paragraphs) if article in inside]
    engine = Engine(items, SignVectors, None)
    asked = [q for q in data.questions if q.answers][::23]
    good = [engine.ask(q.question) for q in asked if q.article in inside]
    foreign = [engine.ask(q.question) for q in asked if q.article not in inside]
    assert all(reply.exact for reply in good)
    assert sum(reply.answered for reply in good) / len(good) > 0.9
    assert sum(not reply.answered for reply in foreign) / len(foreign) > 0.4
