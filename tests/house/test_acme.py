# SPDX-License-Identifier: Apache-2.0
"""The example company is whole: its generated files repeat, its questions point at what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pypdfium2
import pytest
import yaml

from scripts.make_acme import FILES

ACME = Path(__file__).resolve().parents[2] / "examples/acme"
DECLARED = yaml.safe_load((ACME / "colonnade.yaml").read_text())
QUESTIONS = yaml.safe_load((ACME / "questions.yaml").read_text())["questions"]
SOURCES = DECLARED["knowledge"]["handbook"]["sources"]
TEXTS = {".md", ".txt", ".csv", ".py"}


def groups_of(person: str) -> set[str]:
    return {name for name, members in DECLARED["access"]["groups"].items() if person in members or "*" in members}


def readers_of(document: str) -> set[str]:
    return next(set(s["readers"]) for s in SOURCES if "path" in s and Path(document).is_relative_to(s["path"]))


@pytest.mark.parametrize("name", [n for n in FILES if not n.endswith("-scan.pdf")])
def test_a_generated_file_is_made_again_byte_for_byte(name: str, tmp_path: Path) -> None:
    again = tmp_path / Path(name).name
    FILES[name](again)
    assert again.read_bytes() == (ACME / name).read_bytes(), "run: python scripts/make_acme.py"


def test_the_scan_is_a_page_without_text() -> None:
    document = pypdfium2.PdfDocument(ACME / "products/delivery-note-scan.pdf")
    page = document[0]
    text = page.get_textpage()
    assert text.get_text_bounded() == ""
    text.close()
    page.close()
    document.close()


def test_there_are_enough_questions_of_each_kind() -> None:
    assert len(QUESTIONS) >= 40
    assert sum(bool(q.get("abstain")) for q in QUESTIONS) >= 10


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda q: f"{q.get('as', 'owner')}: {q['question']}")
def test_a_question_names_a_person_who_may_read_the_documents_that_hold_the_answer(question: dict[str, object]) -> None:
    person, documents = question.get("as"), question.get("documents", [])
    assert isinstance(documents, list)
    assert bool(question.get("abstain")) != bool(question.get("answers"))
    if person:
        assert any(person in members for members in DECLARED["access"]["groups"].values())
    for document in documents:
        assert (ACME / document).is_file()
        if person:
            assert groups_of(str(person)) & readers_of(document)
        if Path(document).suffix in TEXTS and len(documents) == 1:
            text = (ACME / document).read_text()
            assert any(answer in text for answer in question["answers"])  # type: ignore[attr-defined]


def test_what_only_some_may_read_stands_nowhere_else() -> None:
    """Else the question for HR would be answered from the handbook, and the example would show nothing."""
    public = "\n".join(
        f.read_text()
        for s in SOURCES
        if "path" in s and s["readers"] == ["everyone"]
        for f in (ACME / s["path"]).iterdir()
        if f.suffix in TEXTS | {".html"}
    )
    hidden = [q for q in QUESTIONS if q.get("as") in {"heidi", "ben"} and q.get("documents")]
    secret = [a for q in hidden for a in q["answers"] if not a.replace(" ", "").isalpha()]
    assert secret
    assert [a for a in secret if re.search(rf"\b{re.escape(a)}\b", public)] == []
