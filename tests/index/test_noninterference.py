# SPDX-License-Identifier: Apache-2.0
"""What a reader gets, ids and scores, is what an index of only the permitted files gives, however either was built."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.index.corpus import File, index_of, named, put, vector_of

WORDS = [
    "alpha",
    "beta",
    "gamma",
    "delta",
    "policy",
    "policies",
    "holiday",
    "price",
    "12",
    "13",
    "not",
    "rent",
    "rents",
]
WORDS += ["Müller", "東京都", "getUserName"]
READERS = ("everyone", "hr", "sales", "board")
MODES = [("hybrid", "default"), ("hybrid", "wide"), ("lexical", "default"), ("dense", "default")]

chunk = st.lists(st.sampled_from(WORDS), min_size=1, max_size=9).map(" ".join)
standing = st.tuples(st.sampled_from(READERS), st.integers(0, 9), st.one_of(st.none(), st.integers(5, 20)))
contents = st.lists(st.tuples(st.lists(chunk, min_size=1, max_size=3), st.lists(standing, max_size=3)), max_size=14)


def files_of(drawn: list[tuple[list[str], list[tuple[str, int, int | None]]]]) -> list[File]:
    """Files of the drawn contents; equal texts are one content, as ingestion stores them."""
    merged: dict[tuple[str, ...], list[tuple[str, int, int | None]]] = {}
    for chunks, standings in drawn:
        merged.setdefault(tuple(chunks), []).extend(standings)
    return [File(f"f{i}", chunks, tuple(s)) for i, (chunks, s) in enumerate(merged.items())]


def only_permitted(files: list[File], readers: frozenset[str], at_ms: int | None) -> list[File]:
    """What an index of the permitted files holds: those alone, readable now and then."""
    stands = ((next(iter(readers), "-"), 0, None),)
    return [File(f.name, f.chunks, stands) for f in files if f.permitted(readers, at_ms)]


@settings(max_examples=120)
@given(
    drawn=contents,
    removed=st.sets(st.integers(0, 13), max_size=4),
    readers=st.frozensets(st.sampled_from(READERS), max_size=3),
    at_ms=st.one_of(st.none(), st.integers(0, 21)),
    question=chunk,
    order=st.randoms(use_true_random=False),
    how=st.sampled_from(MODES),
    k=st.integers(1, 6),
    embed=st.booleans(),
)
def test_hidden_files_change_neither_ids_nor_scores(
    drawn: list[tuple[list[str], list[tuple[str, int, int | None]]]],
    removed: set[int],
    readers: frozenset[str],
    at_ms: int | None,
    question: str,
    order: random.Random,
    how: tuple[str, str],
    k: int,
    embed: bool,
) -> None:
    files = files_of(drawn)
    whole, names = index_of(files, "a", embed)
    gone = [f for i, f in enumerate(files) if i in removed]
    for content, name in names.items():
        if any(f.name == name for f in gone):
            whole.remove(content)
    left = [f for f in files if f not in gone]
    shuffled = only_permitted(left, readers, at_ms)
    order.shuffle(shuffled)
    alone, other_names = index_of(shuffled, "b", embed)
    mode, recall = how
    asked = {"k": k, "mode": mode, "recall": recall, "readers": readers}
    got = whole.search(question, vector_of(question), at_ms=at_ms, **asked)  # type: ignore[arg-type]
    expected = alone.search(question, vector_of(question), at_ms=None, **asked)  # type: ignore[arg-type]
    assert named(got, names) == named(expected, other_names)
    assert whole.idf(question, readers, at_ms) == alone.idf(question, readers)


def big_corpus(seed: int, count: int) -> list[File]:
    draw = random.Random(seed)
    vocabulary = [f"word{i}" for i in range(300)] + WORDS
    weights = [1 / (i + 1) for i in range(len(vocabulary))]
    files = {}
    for _ in range(count):
        chunks = tuple(
            " ".join(draw.choices(vocabulary, weights, k=draw.randint(5, 40))) for _ in range(draw.randint(1, 3))
        )
        files[chunks] = (draw.choice(READERS), 0, None if draw.random() < 0.9 else 5)
    return [File(f"f{i}", chunks, (stands,)) for i, (chunks, stands) in enumerate(files.items())]


def test_a_thousand_random_questions_are_answered_as_by_an_index_of_the_permitted_files() -> None:
    files = big_corpus(1, 900)
    whole, names = index_of(files, "a")
    draw = random.Random(2)
    for readers in (
        frozenset({"hr"}),
        frozenset({"everyone", "sales"}),
        frozenset({"board", "hr"}),
        frozenset(READERS),
    ):
        shuffled = only_permitted(files, readers, None)
        draw.shuffle(shuffled)
        alone, other_names = index_of(shuffled, "b")
        for _ in range(250):
            question = " ".join(draw.choice(draw.choice(files).chunks).split()[:6])
            mode, recall = draw.choice(MODES)
            asked = {"k": 10, "mode": mode, "recall": recall, "readers": readers}
            got = whole.search(question, vector_of(question), **asked)  # type: ignore[arg-type]
            expected = alone.search(question, vector_of(question), **asked)  # type: ignore[arg-type]
            assert named(got, names) == named(expected, other_names)


OTHER_PROCESS = """
import json, sys
from tests.index.corpus import File, index_of, named, vector_of
told = json.load(sys.stdin)
files = [File(f["name"], tuple(f["chunks"]), tuple(map(tuple, f["standings"]))) for f in told["files"]]
index, names = index_of(files, "elsewhere")
readers = frozenset(told["readers"])
print(json.dumps([named(index.search(q, vector_of(q), readers=readers, k=10), names) for q in told["questions"]]))
"""


def test_another_process_with_other_hash_seeds_answers_the_same() -> None:
    files, readers = big_corpus(3, 700), frozenset({"hr", "board"})
    permitted = list(reversed(only_permitted(files, readers, None)))
    questions = [" ".join(f.chunks[0].split()[:7]) for f in files[::9]]
    whole, names = index_of(files, "a")
    told = {"files": [asdict(f) for f in permitted], "readers": sorted(readers), "questions": questions}
    root = Path(__file__).resolve().parents[2]
    environment = {"PYTHONHASHSEED": "77", "PYTHONPATH": f"{root}:{root / 'src'}", "OMP_NUM_THREADS": "2"}
    done = subprocess.run(
        [sys.executable, "-c", OTHER_PROCESS], input=json.dumps(told), env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    for question, expected in zip(questions, json.loads(done.stdout), strict=True):
        got = named(whole.search(question, vector_of(question), readers=readers, k=10), names)
        assert [list(hit) for hit in got] == expected


@pytest.mark.parametrize("mode", ["hybrid", "lexical", "dense"])
def test_a_canary_in_a_hidden_file_moves_nothing(mode: str) -> None:
    files = big_corpus(4, 200)
    index, names = index_of(files, "a")
    readers, question = frozenset({"hr"}), "canary word3 policy rent"
    asked = {"readers": readers, "k": 20, "mode": mode}
    before = named(index.search(question, vector_of(question), **asked), names)  # type: ignore[arg-type]
    hidden = File("canary", ("canary " * 30, question, "policy rent"), (("board", 0, None),))
    names[put(index, hidden, "a")] = "canary"
    assert named(index.search(question, vector_of(question), **asked), names) == before  # type: ignore[arg-type]
    assert index.idf("canary", readers)["canari"] == pytest.approx(index.idf("neverseen", readers)["neverseen"], abs=0)
