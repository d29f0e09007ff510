# SPDX-License-Identifier: Apache-2.0
"""Sentences: exact spans, and the cases where a full stop does not end one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colonnade.knowledge.sentences import sentences


def cut(text: str) -> list[str]:
    return [text[a:b] for a, b in sentences(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Dr. Smith et al. found it (see Fig. 3). It works.", ["Dr. Smith et al. found it (see Fig. 3).", "It works."]),
        ("It cost 3.50 EUR. He paid.", ["It cost 3.50 EUR.", "He paid."]),
        ("J. R. R. Tolkien wrote. We read.", ["J. R. R. Tolkien wrote.", "We read."]),
        (
            "In the U.S. Army it was. He left the U.S. The end.",
            ["In the U.S. Army it was.", "He left the U.S.", "The end."],
        ),
        ("Take vitamin C. The rest is rest.", ["Take vitamin C.", "The rest is rest."]),
        ('He said "Go!" and left. "Stop." She ran.', ['He said "Go!" and left.', '"Stop."', "She ran."]),
        ("Known since then.[12] And so on.[3, 4] End.", ["Known since then.[12]", "And so on.[3, 4]", "End."]),
        ("No. 5 is alive. The answer is no. We go.", ["No. 5 is alive.", "The answer is no.", "We go."]),
        ("Das gilt z.B. Montag. Nr. 7 gilt bzw. Sonntag.", ["Das gilt z.B. Montag.", "Nr. 7 gilt bzw. Sonntag."]),
        ("彼は来た。彼女は去った。", ["彼は来た。", "彼女は去った。"]),
        ("Really?! Yes... Maybe... so.", ["Really?!", "Yes...", "Maybe... so."]),
    ],
)
def test_a_full_stop_ends_a_sentence_only_when_it_should(text: str, expected: list[str]) -> None:
    assert cut(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# Title\nThis text goes\nover two lines. More.\n", ["# Title", "This text goes\nover two lines.", "More."]),
        ("- one\n- two, too\n1. three\n2. four", ["- one", "- two, too", "1. three", "2. four"]),
        ("| a | b |\n|---|---|\n| 1 | 2 |", ["| a | b |", "|---|---|", "| 1 | 2 |"]),
        ("Name: Bob\nAge: 5\r\nPrice 3.50", ["Name: Bob", "Age: 5", "Price 3.50"]),
        ("One paragraph without a stop\n\nand another", ["One paragraph without a stop", "and another"]),
    ],
)
def test_lines_lists_and_tables_are_cut_where_a_reader_would(text: str, expected: list[str]) -> None:
    assert cut(text) == expected


@given(st.text(alphabet=st.sampled_from(list('aB1 .!?\n\r\t\u2028。[]()"|#-é日 ')), max_size=200), st.integers(0, 50))
def test_spans_are_ordered_trimmed_and_cover_everything_but_white_space(text: str, start: int) -> None:
    start = min(start, len(text))
    covered = [False] * len(text)
    last = start
    for begin, end in sentences(text, start):
        assert last <= begin < end <= len(text)
        assert text[begin:end] == text[begin:end].strip()
        covered[begin:end] = [True] * (end - begin)
        last = end
    assert all(covered[i] or text[i].isspace() for i in range(start, len(text)))


def test_a_megabyte_without_a_stop_or_with_nothing_else_is_cut_in_linear_work() -> None:
    assert len(sentences("a" * 1_000_000)) == 1
    assert len(sentences("." * 1_000_000)) == 1
    assert len(sentences("Ab. " * 200_000)) == 200_000
    assert len(sentences("\n" * 1_000_000)) == 0
