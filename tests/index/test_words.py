# SPDX-License-Identifier: Apache-2.0
"""What counts as a word, in prose, code, numbers and other scripts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colonnade.knowledge.index.stemmer import stem
from colonnade.knowledge.index.words import terms


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The policies apply", ["polici", "appli"]),
        ("getUserName", ["get", "user", "name", "getusernam"]),
        ("HTTPServer", ["http", "server", "httpserver"]),
        ("MAX_RETRY_COUNT", ["max", "retri", "count", "maxretrycount"]),
        ("__init__", ["init"]),
        ("state-of-the-art", ["state", "art"]),
        ("1,299.00 EUR", ["1299", "eur"]),
        ("1299 EUR", ["1299", "eur"]),
        ("3.50", ["3.5"]),
        ("3.11.7", ["3.11.7", "3.11"]),
        ("1.5kg", ["1", "5kg"]),
        ("don't", []),
        ("company’s company's", ["compani", "compani"]),
        ("Müller Muller", ["muller", "muller"]),
        ("東京都", ["東京", "京都"]),
        ("東", ["東"]),
        ("東京tower", ["東京", "tower"]),
        ("서울특별시", ["서울", "울특", "특별", "별시"]),
        ("Привет", ["привет"]),
        ("ﬁnance", ["financ"]),
        ("p53 CD4+ IL-6", ["p53", "cd4", "il", "6"]),
        ("", []),
    ],
)
def test_texts_become_terms(text: str, expected: list[str]) -> None:
    assert terms(text) == expected


@given(st.text())
def test_any_text_has_terms_that_are_short_and_not_empty(text: str) -> None:
    assert all(0 < len(term) <= 64 for term in terms(text))


@given(st.text(), st.text())
def test_terms_of_two_lines_are_those_of_each(one: str, two: str) -> None:
    assert terms(f"{one}\n{two}") == terms(one) + terms(two)


# From the sample vocabulary at https://snowballstem.org/algorithms/english/stemmer.html and the rules' own examples.
@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("consign", "consign"), ("consigned", "consign"), ("consistency", "consist"), ("consolation", "consol"),
        ("conspicuous", "conspicu"), ("knightly", "knight"), ("knocked", "knock"), ("kneel", "kneel"),
        ("generously", "generous"), ("communication", "communic"), ("hopping", "hop"), ("hoped", "hope"),
        ("hoping", "hope"), ("luxuriating", "luxuri"), ("ties", "tie"), ("cries", "cri"), ("gas", "gas"),
        ("dying", "die"), ("lying", "lie"), ("skies", "sky"), ("news", "news"), ("proceed", "proceed"), ("by", "by"),
        ("say", "say"), ("cry", "cri"), ("enjoy", "enjoy"), ("rational", "ration"), ("relational", "relat"),
        ("adoption", "adopt"), ("happiness", "happi"), ("possibly", "possibl"), ("evening", "evening"),
    ],
)  # fmt: skip
def test_words_lose_their_english_endings(word: str, expected: str) -> None:
    assert stem(word) == expected
