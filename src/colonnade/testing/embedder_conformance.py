# SPDX-License-Identifier: Apache-2.0
"""What every embedder must do.

An engine's test is a subclass with the fixture `embedder`. It knows some English: `related` texts must lie closer
than unrelated ones, which even a bag of words can do.
"""

from __future__ import annotations

import threading

import numpy as np
import pytest

from colonnade.ports.outside.models import Embedder

TEXTS = [
    "The warranty for pumps is three years.",
    "",
    "Wärme: 40 °C, naïve café, 日本語, ẞ, 🙂",
    "x" * 5_000,
    "[CLS] [SEP] [MASK] <s> </s>",
    "a b c d e f g " * 200,
    "line one\nline two\ttabbed\x00\x07\ufffd",
    "The warranty for pumps is three years.",
    "İstanbul ﬁnance Ω",
]
SAME = 1e-6
"""Scores closer than this count as equal."""


class EmbedderConformance:
    """Subclass it, and give the fixture."""

    def test_rows_are_float32_of_length_one_in_the_order_of_the_texts(self, embedder: Embedder) -> None:
        vectors = embedder.embed(TEXTS)
        assert vectors.shape == (len(TEXTS), embedder.dimensions)
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
        for text, vector in zip(TEXTS, vectors, strict=True):
            assert float(vector @ embedder.embed([text])[0]) > 1 - SAME

    def test_no_text_gives_no_row(self, embedder: Embedder) -> None:
        vectors = embedder.embed([])
        assert vectors.shape == (0, embedder.dimensions)
        assert vectors.dtype == np.float32

    def test_a_vector_does_not_depend_on_its_neighbours(self, embedder: Embedder) -> None:
        text = "Which pump stands the most heat?"
        alone = embedder.embed([text])[0]
        long, short = "an instruction manual of many words " * 40, "heat"
        for neighbours in ([short] * 9, [long] * 3, [long, short, *TEXTS]):
            among = embedder.embed([*neighbours, text])[-1]
            np.testing.assert_allclose(among, alone, atol=SAME)

    def test_equal_texts_have_equal_vectors_in_one_call_and_over_calls(self, embedder: Embedder) -> None:
        first, second = embedder.embed(["same words"] * 2)
        np.testing.assert_allclose(first, second, atol=SAME)
        np.testing.assert_allclose(first, embedder.embed(["same words"])[0], atol=SAME)

    def test_related_texts_lie_closer(self, embedder: Embedder) -> None:
        question, answer, other = embedder.embed(
            ["warranty of the pump", "the pump has a warranty of three years", "parental leave lasts twelve weeks"]
        )
        assert float(question @ answer) > float(question @ other) + 0.1

    def test_the_id_says_something_and_stays(self, embedder: Embedder) -> None:
        before = embedder.id
        embedder.embed(["anything"])
        assert before == embedder.id
        assert before.strip()
        assert before.isprintable()

    def test_after_closing_it_works_again(self, embedder: Embedder) -> None:
        before = embedder.embed(["again"])
        embedder.close()
        embedder.close()
        np.testing.assert_allclose(embedder.embed(["again"]), before, atol=SAME)

    @pytest.mark.parametrize("texts", [2, 40], ids=["short calls", "long calls"])
    def test_several_threads_get_each_their_own(self, embedder: Embedder, texts: int) -> None:
        asked = [[f"thread {thread} asks {number}" for number in range(texts)] for thread in range(4)]
        expected = [embedder.embed(mine) for mine in asked]
        got: dict[int, object] = {}

        def ask(thread: int) -> None:
            for _ in range(3):
                got[thread] = np.abs(embedder.embed(asked[thread]) - expected[thread]).max() < SAME

        threads = [threading.Thread(target=ask, args=(thread,)) for thread in range(len(asked))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert got == dict.fromkeys(range(len(asked)), True)
