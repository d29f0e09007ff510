# SPDX-License-Identifier: Apache-2.0
"""An answer is verbatim, or it is withheld with its reason."""

from __future__ import annotations

from colonnade.knowledge.answer import Passage, extract

LEAVE = "Leave is requested in the portal. Everybody has 28 days of paid leave a year. Unused days expire in March."


def passage(text: str, document: str = "d1", start: int = 0, **more: object) -> Passage:
    """A passage of a made-up document."""
    return Passage(document=document, content=document, order=0, text=text, start=start, **more)  # type: ignore[arg-type]


def test_the_sentence_that_answers_is_quoted_at_its_exact_span() -> None:
    document = "Handbook\n\n" + LEAVE
    found = extract("How many days of paid leave does everybody have?", None, [passage(LEAVE, start=10)], idf={})
    assert found.status == "answered"
    assert found.citations[0].text == "Everybody has 28 days of paid leave a year."
    source = found.citations[0]
    assert document[source.start : source.end] == source.text


def test_a_foreign_topic_is_withheld_with_its_numbers() -> None:
    found = extract("Which enzymes digest lactose?", None, [passage(LEAVE)], idf={})
    assert found.status == "abstained"
    assert found.quotes == ()
    assert found.citations == ()
    assert found.reason is not None
    assert found.reason.kind == "topic"
    assert found.reason.value < found.reason.threshold


def test_two_documents_that_agree_are_both_cited() -> None:
    passages = [passage(LEAVE), passage("In short: Everybody has 28 days of paid leave a year.", document="d2")]
    found = extract("How many days of paid leave does everybody have?", None, passages, idf={})
    assert {passages[s.passage].document for s in found.citations} == {"d1", "d2"}


def test_no_passage_means_no_answer() -> None:
    assert extract("Anything?", None, [], idf={}).status == "abstained"
