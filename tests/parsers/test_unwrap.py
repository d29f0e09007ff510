# SPDX-License-Identifier: Apache-2.0
"""Lines broken for a mail's width become whole; breaks that were meant stay."""

from __future__ import annotations

from email.message import EmailMessage

from hypothesis import given
from hypothesis import strategies as st

from colonnade.adapters.parsers.lines import split_paragraphs
from colonnade.adapters.parsers.mail import parse_mail
from colonnade.adapters.parsers.unwrap import unflowed, unwrapped
from colonnade.ports.outside.parsers import ParseLimits


def test_a_sentence_broken_for_its_width_is_one_line() -> None:
    broken = "the furnace stands still since Thursday, so the housings of order 4471 will leave\nBrescia on 4 December."
    assert "will leave Brescia on 4 December." in unwrapped(broken)


def test_addresses_lists_quotes_and_tables_keep_their_lines() -> None:
    for kept in (
        "Acme Pumps\n12 Mill Street\nBonn",
        "- the first point of the list of things to be done today\n- the second point of the list of things to do next",
        "> somebody wrote a long line here that was quoted by the answer\n> and another one",
        "Date: Monday in the large meeting room on the second floor\nPlace: the office in Lisbon, second floor, left",
        "This line ends here, and it is longer than the other one by far.\nThis one begins a sentence.",
    ):
        assert unwrapped(kept) == kept


def test_flowed_text_is_joined_as_the_standard_says() -> None:
    assert unflowed("one \ntwo\n three\n-- \nAda", delete_space=False) == "one two\nthree\n--\nAda"
    assert unflowed("Donau \ndampf", delete_space=True) == "Donaudampf"
    assert unflowed("> quoted \nmine", delete_space=False) == "> quoted\nmine"


@given(st.text(alphabet="ab .,>-\n", max_size=400))
def test_no_word_is_lost_or_moved(text: str) -> None:
    assert unwrapped(text).split() == text.split()
    assert "".join(unflowed(text, delete_space=False).split()) == "".join(text.split())


def test_a_mail_is_unwrapped_when_it_is_parsed() -> None:
    mail = EmailMessage()
    mail["Subject"] = "Late"
    body = "We are sorry that the three hundred housings of your\norder will leave Brescia two weeks late.\n"
    mail.set_content(body)
    assert "of your order will leave" in parse_mail(mail.as_bytes(), ParseLimits()).text
    mail.replace_header("Content-Type", 'text/plain; charset="utf-8"; format=flowed')
    mail.set_payload("short \nline\n")
    assert "short line" in parse_mail(mail.as_bytes(), ParseLimits()).text


def test_lines_that_end_as_on_windows_do_not_end_paragraphs() -> None:
    assert split_paragraphs("one\r\ntwo\r\n\r\nthree\r\rfour\nfive") == ["one\r\ntwo", "three", "four\nfive"]
