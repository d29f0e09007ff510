# SPDX-License-Identifier: Apache-2.0
"""Question sets are read as people have them, and refused with a reason."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from colonnade.core.errors import UsageError
from colonnade.knowledge.evaluate.datasets import read_beir, read_own, read_squad

CORPUS = [{"_id": "d1", "title": "Leave", "text": "28 days."}, {"_id": "d2", "title": "", "text": "Pumps."}]


def lines(rows: list[dict[str, str]]) -> str:
    """Rows as JSON lines."""
    return "".join(json.dumps(row) + "\n" for row in rows)


def beir(folder: Path, qrels: str, queries: str, *, packed: bool) -> Path:
    """A BEIR folder of two documents and one judged query."""
    for name, text in (
        ("corpus.jsonl", lines(CORPUS)),
        (queries, lines([{"_id": "q1", "text": "leave?"}, {"_id": "q2", "text": "not judged"}])),
        (qrels, "query-id\tcorpus-id\tscore\nq1\td1\t1\n"),
    ):
        path = folder / (name + (".gz" if packed else ""))
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    return folder


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("queries", ["queries.jsonl", "queries.test.jsonl"])
@pytest.mark.parametrize("qrels", ["qrels/test.tsv", "qrels.test.tsv"])
def test_every_beir_layout_is_read(tmp_path: Path, qrels: str, queries: str, packed: bool) -> None:
    data = read_beir(beir(tmp_path, qrels, queries, packed=packed), "test")
    assert data.queries == {"q1": "leave?"}
    assert data.qrels == {"q1": {"d1": 1}}
    assert [document.body for document in data.documents] == ["Leave 28 days.", "Pumps."]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"qrels/test\.tsv or qrels\.test\.tsv"):
        read_beir(tmp_path, "test")


def test_a_broken_line_is_named_with_its_number(tmp_path: Path) -> None:
    beir(tmp_path, "qrels.test.tsv", "queries.jsonl", packed=False)
    (tmp_path / "corpus.jsonl").write_text('{"_id": "d1", "text": "x"}\n{oops\n')
    with pytest.raises(UsageError, match=r"corpus\.jsonl:2"):
        read_beir(tmp_path, "test")


def test_squad_questions_know_their_paragraph_and_whether_they_are_answerable(tmp_path: Path) -> None:
    context = "Rollo led them."
    good = {
        "id": "1",
        "question": "Who led?",
        "answers": [{"text": "Rollo", "answer_start": 0}],
        "is_impossible": False,
    }
    bad = {"id": "2", "question": "Who fled?", "answers": [], "is_impossible": True}
    article = {"title": "Normans", "paragraphs": [{"context": context, "qas": [good, bad]}]}
    path = tmp_path / "s.json"
    path.write_text(json.dumps({"version": "v2.0", "data": [article]}))
    data = read_squad(path)
    assert [question.answers for question in data.questions] == [("Rollo",), ()]
    assert data.paragraphs == ((0, context),)
    path.write_text('{"data": 1}')
    with pytest.raises(UsageError, match="not a SQuAD file"):
        read_squad(path)


def test_own_questions_in_yaml_and_in_json_lines_say_the_same(tmp_path: Path) -> None:
    (tmp_path / "q.yaml").write_text("- question: How many days?\n  answers: [28]\n  documents: leave.md\n  as: anna\n")
    row = {"question": "How many days?", "answers": ["28"], "documents": ["leave.md"], "as": "anna"}
    (tmp_path / "q.jsonl").write_text(json.dumps(row) + "\n")
    assert read_own(tmp_path / "q.yaml") == read_own(tmp_path / "q.jsonl")


def test_a_misspelt_field_is_refused_instead_of_checking_nothing(tmp_path: Path) -> None:
    (tmp_path / "q.yaml").write_text("- question: How many days?\n  anwsers: [28]\n")
    with pytest.raises(UsageError, match="anwsers"):
        read_own(tmp_path / "q.yaml")
