# SPDX-License-Identifier: Apache-2.0
"""An index from which something was erased is the index that never held it: same hits and scores, and in its file no
trace."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from colonnade.adapters.vectors.signs import SignVectors
from colonnade.core.search import IndexedChunk, Visibility
from colonnade.knowledge.index import Index

DIMENSIONS = 64
WORDS = ["badge", "archive", "leave", "pay", "floor", "room", "tapir", "lemur", "otter"]
READERS = frozenset({"rds_all"})


def vector(number: int, order: int) -> np.ndarray:
    drawn = np.random.default_rng(number * 100 + order).standard_normal(DIMENSIONS).astype(np.float32)
    return drawn / np.linalg.norm(drawn)


def put(index: Index, number: int) -> None:
    rng = np.random.default_rng(number)
    texts = [" ".join(rng.choice(WORDS, 12)) for _ in range(3)]
    index.add(f"cnt_{number}", [IndexedChunk(o, t, bytes([number, o]) * 12) for o, t in enumerate(texts)])
    index.set_vectors(f"cnt_{number}", 0, np.stack([vector(number, order) for order in range(3)]))
    index.set_visibility([Visibility(f"doc_{number}", f"cnt_{number}", "rds_all", 0, None)])


def made(numbers: list[int]) -> Index:
    index = Index(DIMENSIONS, SignVectors(DIMENSIONS, 64), b"secret")
    for number in numbers:
        put(index, number)
    return index


def hits(index: Index) -> list[list[tuple[str, int, float]]]:
    asked = [("badge archive", vector(200, 0)), ("otter leave pay", None), ("", vector(201, 0))]
    return [
        [(hit.content, hit.order, hit.score) for hit in index.search(words, row, readers=READERS, k=20)]
        for words, row in asked
    ]


@settings(max_examples=30, deadline=None)
@given(numbers=st.lists(st.integers(0, 40), unique=True, min_size=1, max_size=12))
def test_after_erasing_it_is_the_index_that_never_held_it(numbers: list[int]) -> None:
    gone = [number for number in numbers if number % 3 == 0]
    rest = [number for number in numbers if number % 3]
    index = made(numbers)
    hits(index)
    for number in gone:
        index.drop_visibility(f"doc_{number}")
    assert index.erase([f"cnt_{number}" for number in gone]) == 3 * len(gone)
    assert index.erase(["cnt_999"]) == 0
    assert hits(index) == hits(made(rest))
    assert index.sizes() == made(rest).sizes()
    put(index, 50)
    assert hits(index) == hits(made([*rest, 50]))


def test_no_vector_of_what_was_erased_is_in_the_file(tmp_path: Path) -> None:
    index = made([1, 2, 3])
    fixed = np.round(np.clip(vector(2, 1), -1, 1).astype(np.float64) * 32767.0).astype(np.int16).tobytes()
    index.save(tmp_path / "before")
    assert fixed in (tmp_path / "before").read_bytes()
    index.erase(["cnt_2"])
    index.save(tmp_path / "after")
    assert fixed not in (tmp_path / "after").read_bytes()
    other = made([])
    other.load(tmp_path / "after")
    assert hits(other) == hits(index)


def test_searches_go_on_while_something_is_erased() -> None:
    index = made(list(range(30)))
    stop, failed = threading.Event(), []

    def search() -> None:
        while not stop.is_set():
            try:
                hits(index)
            except Exception as error:  # whatever it is, the test tells it
                failed.append(error)
                return

    threads = [threading.Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(0, 30, 2):
        index.erase([f"cnt_{number}"])
    stop.set()
    for thread in threads:
        thread.join()
    assert failed == []
    assert index.sizes().contents == 15
