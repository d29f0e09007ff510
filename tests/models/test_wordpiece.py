# SPDX-License-Identifier: Apache-2.0
"""Our WordPiece cuts text exactly as the `tokenizers` library does."""

from __future__ import annotations

import pydoc_data.topics
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from colonnade.adapters.models.minilm.folder import ModelFolder
from colonnade.adapters.models.minilm.wordpiece import WordPiece, _classes, words

LATER = _classes()["later"]
SPECIAL = ("[CLS]", "[SEP]", "[UNK]", "[PAD]", "[MASK]")


@pytest.fixture(scope="module")
def library(minilm: ModelFolder) -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(minilm.path / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(256)
    return tokenizer


@pytest.fixture(scope="module")
def ours(vocabulary: list[str]) -> WordPiece:
    return WordPiece(vocabulary, most_pieces=256)


def frozen(text: str) -> str:
    """Without what Unicode 14 does not know, and what the library cannot take."""
    return "".join(char for char in text if ord(char) not in LATER and not 0xD800 <= ord(char) < 0xE000)


def test_every_character_of_unicode_14_is_cut_alike(library: Tokenizer, ours: WordPiece) -> None:
    points = [point for point in range(sys.maxunicode + 1) if frozen(chr(point))]
    # Each between letters and before an accent; 20 to a text, so that none is cut off.
    texts = [
        " ".join(f"a{chr(point)}b {chr(point)}\u0301" for point in points[at : at + 20])
        for at in range(0, len(points), 20)
        if at % 3 == 0 or points[at] < 0x20000
    ]
    wrong = [text for text in texts if library.encode(text).ids != ours.encode(text)]
    assert wrong == []


def test_real_text_is_cut_alike(library: Tokenizer, ours: WordPiece) -> None:
    texts = list(pydoc_data.topics.topics.values())
    assert len(texts) > 50
    assert [ours.encode(text) for text in texts] == [library.encode(text).ids for text in texts]


MIXED = st.text(st.sampled_from("aAzÉßİςΣ 9-_.'’#[]中Ǆ\u0301\u0345\u200d\x85\u2028\u00a0한ﬁΩ\t\n\x00ñ"), max_size=60)


@given(st.one_of(st.text(max_size=80), MIXED))
def test_any_text_is_cut_alike(library: Tokenizer, ours: WordPiece, text: str) -> None:
    text = frozen(text)
    if not any(name in text for name in SPECIAL):
        assert ours.encode(text) == library.encode(text).ids


@given(st.text())
def test_any_text_gives_a_framed_list_of_at_most_256(ours: WordPiece, text: str) -> None:
    ids = ours.encode(text)
    assert ids[0] == 101
    assert ids[-1] == 102
    assert len(ids) <= 256
    assert not {101, 102, 0} & set(ids[1:-1])


def test_the_name_of_a_special_token_is_plain_text(ours: WordPiece) -> None:
    assert words("[SEP]") == ["[", "sep", "]"]
    assert 102 not in ours.encode("before [SEP] after")[1:-1]


def test_a_character_newer_than_unicode_14_passes_unchanged() -> None:
    # U+A7DC of Unicode 16 has a lower case: a newer Python would fold it.
    assert words("a\ua7dcÀ") == ["a\ua7dca"]


def test_a_text_of_256_pieces_is_cut_at_254_and_framed(ours: WordPiece) -> None:
    assert len(ours.encode("heat " * 254)) == 256
    assert ours.encode("heat " * 254) == ours.encode("heat " * 300)


def test_the_word_cache_does_not_change_what_comes_out(vocabulary: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("colonnade.adapters.models.minilm.wordpiece._CACHED_WORDS", 2)
    ours = WordPiece(vocabulary, most_pieces=256)
    text = "embedding vectors embeddings unrecognisable embedding"
    assert ours.encode(text) == WordPiece(vocabulary, most_pieces=256).encode(text) == ours.encode(text)
