# SPDX-License-Identifier: Apache-2.0
"""Shortcuts change nothing: postings left out, views kept over changes, the fast tokeniser."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colonnade.core.search import Visibility
from colonnade.knowledge.index import lexical, words
from colonnade.knowledge.index.postings import build
from colonnade.knowledge.index.worded import Worded
from tests.index.corpus import File, index_of, named, put, vector_of

READERS = ("everyone", "hr", "sales")


def bm25(held: list[list[int]], asked: lexical.Words, mask: np.ndarray) -> np.ndarray:
    """By the book, over the permitted rows alone."""
    own = [row for row, permitted in enumerate(mask) if permitted]
    mean = sum(len(held[row]) for row in own) / max(1, len(own)) or 1.0
    scores = np.zeros(len(held))
    for term, weight in zip(asked.hashes, asked.weights, strict=True):
        idf = lexical.idf(len(own), sum(term in held[row] for row in own))
        for row in own:
            times = held[row].count(term)
            norm = lexical.K1 * (1 - lexical.B + lexical.B * len(held[row]) / mean)
            scores[row] += weight * idf * (lexical.K1 + 1) * times / (times + norm)
    return scores


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_the_best_rows_and_their_scores_are_those_of_the_formula_though_not_all_postings_are_looked_at(
    share: float,
) -> None:
    draw = random.Random(5)
    terms = range(1, 60)
    held = [draw.choices(terms, [1 / t for t in terms], k=draw.randint(3, 25)) for _ in range(6000)]
    rows = np.repeat(np.arange(len(held), dtype=np.uint32), [len(h) for h in held])
    segment = build(rows, np.array([t for h in held for t in h], np.uint64))
    mask = np.random.default_rng(6).random(len(held)) < share
    field = lexical.Field(mask, np.array([len(h) for h in held], np.int32))
    left_out = 0
    for many in (10, 200):
        for _ in range(20):
            asked = lexical.Words(tuple(draw.sample(terms, 5)), (1.0, 1.0, 0.3, 1.0, 0.3))
            expected = bm25(held, asked, mask)
            worded = Worded(field, (segment,), asked, many, None)
            least = np.sort(expected[expected > 0])[-many:].min()
            assert set(np.flatnonzero(expected >= least + 1e-9)) <= set(worded.rows.tolist())
            assert (expected[worded.rows] >= least - 1e-9).all()
            assert worded.scores == pytest.approx(expected[worded.rows], abs=1e-9)
            assert worded.top == pytest.approx(expected.max(), abs=1e-9)
            some = np.flatnonzero(mask)[::50]
            assert worded.of(some) == pytest.approx(expected[some], abs=1e-9)
            left_out += len(worded._rest)
    assert left_out > 5  # Else this shows nothing.


step = st.one_of(
    st.tuples(st.just("add"), st.integers(0, 7), st.text("ab c", min_size=1, max_size=9)),
    st.tuples(st.just("remove"), st.integers(0, 7), st.just("")),
    st.tuples(st.just("show"), st.integers(0, 7), st.sampled_from(READERS)),
    st.tuples(st.just("hide"), st.integers(0, 7), st.just("")),
    st.tuples(st.just("embed"), st.integers(0, 7), st.just("")),
)


@settings(max_examples=60)
@given(steps=st.lists(step, min_size=1, max_size=25))
def test_after_any_changes_everybody_finds_what_a_new_index_gives(steps: list[tuple[str, int, str]]) -> None:
    index, names = index_of([])
    texts: dict[int, str] = {}
    shown: dict[int, str] = {}
    embedded: set[int] = set()
    for what, number, detail in steps:
        content = next((c for c, name in names.items() if name == f"f{number}"), "")
        if what == "add":
            texts[number] = detail
            embedded.discard(number)
            standings = ((shown[number], 0, None),) if number in shown else ()
            names[put(index, File(f"f{number}", (detail,), standings), "", embed=False)] = f"f{number}"
        elif what == "remove":
            index.remove(content)
            texts.pop(number, None)
            embedded.discard(number)
        elif what == "show" and number in texts:
            index.set_visibility([Visibility(f"docf{number}", content, detail, 0, None)])
            shown[number] = detail
        elif what == "hide":
            index.drop_visibility(f"docf{number}")
            shown.pop(number, None)
        elif what == "embed" and number in texts:
            index.set_vectors(content, 0, vector_of(texts[number])[None])
            embedded.add(number)
        for reader in READERS:  # Everybody asks after every step, so every view is kept or made anew.
            alone, others = index_of([])
            for n, text in texts.items():
                if shown.get(n) == reader:
                    file = File(f"f{n}", (text,), ((reader, 0, None),))
                    others[put(alone, file, "x", embed=n in embedded)] = f"f{n}"
            asked = {"readers": frozenset({reader}), "k": 8, "collapse": False}
            got = index.search("a bb c", vector_of("a bb"), **asked)  # type: ignore[arg-type]
            expected = alone.search("a bb c", vector_of("a bb"), **asked)  # type: ignore[arg-type]
            assert named(got, names) == named(expected, others)


@given(st.text(st.characters(max_codepoint=300)) | st.text("a1.,' _'é9"))
def test_the_fast_tokeniser_gives_what_the_pattern_gives(text: str) -> None:
    assert words.tokens(text) == words._TOKEN.findall(text)
