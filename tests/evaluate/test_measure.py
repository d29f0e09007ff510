# SPDX-License-Identifier: Apache-2.0
"""An evaluation counts what happened, keeps the two kinds of abstention apart, and draws what it counted."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from colonnade.adapters.vectors.signs import SignVectors
from colonnade.knowledge.evaluate import (
    Evaluation,
    Reply,
    document,
    evaluate_beir,
    evaluate_own,
    evaluate_squad,
    picture,
)
from colonnade.knowledge.evaluate.engine import Engine, Item

TEXTS = {
    "leave": "Everybody has 28 days of paid leave a year. Unused days expire in March.",
    "pumps": "The P100 pump costs 129 euros. Its seal lasts two years.",
    "office": "The office in Lyon opens at eight. Visitors register at the desk.",
}


def engine() -> Engine:
    """Three short documents, by words alone."""
    return Engine([Item(name, text) for name, text in TEXTS.items()], SignVectors, None)


def beir(folder: Path) -> Path:
    """The three documents as a BEIR folder."""
    rows = [{"_id": name, "title": "", "text": text} for name, text in TEXTS.items()]
    (folder / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "queries.jsonl").write_text('{"_id": "1", "text": "paid leave"}\n{"_id": "2", "text": "Lyon office"}\n')
    (folder / "qrels.test.tsv").write_text("query-id\tcorpus-id\tscore\n1\tleave\t1\n2\toffice\t1\n")
    return folder


def test_a_beir_folder_is_ranked_by_the_engine_in_this_process(tmp_path: Path) -> None:
    ticks = itertools.count(0, 0.002)
    found = evaluate_beir(beir(tmp_path), "test", engine().search, now=lambda: next(ticks))
    assert found.metrics["ndcg@10"] == found.metrics["recall@100"] == found.metrics["mrr@10"] == 1.0
    assert found.metrics["latency_p50_ms"] == pytest.approx(2.0)
    assert list(found.run) == ["1", "2"]


def test_a_document_that_is_the_query_itself_is_left_out(tmp_path: Path) -> None:
    found = evaluate_beir(beir(tmp_path), "test", lambda _query: [("1", 9.0), ("leave", 1.0)])
    assert "1" not in found.run["1"]


def squad(path: Path) -> Path:
    """Two articles: one that an index holds, one that it does not."""

    def question(number: int, text: str, answer: str = "") -> dict[str, object]:
        answers = [{"text": answer, "answer_start": 0}] if answer else []
        return {"id": str(number), "question": text, "answers": answers, "is_impossible": not answer}

    held = [question(1, "good one", "28 days"), question(2, "good two", "March"), question(3, "twisted")]
    data = [
        {"title": "Held", "paragraphs": [{"context": TEXTS["leave"], "qas": held}]},
        {"title": "Foreign", "paragraphs": [{"context": "x", "qas": [question(4, "foreign", "x")]}]},
    ]
    path.write_text(json.dumps({"data": data}))
    return path


def test_the_two_kinds_of_abstention_are_never_one_number(tmp_path: Path) -> None:
    replies = {
        "good one": Reply(True, ("Everybody has 28 days of paid leave.",), topic=5.0, twisted=-1.0),
        "good two": Reply(False, reason="topic", topic=0.5, twisted=0.5),
        "twisted": Reply(True, ("Everybody has 28 days.",), topic=6.0, twisted=0.0),
        "foreign": Reply(False, reason="topic", topic=-3.0),
    }
    found = evaluate_squad(squad(tmp_path / "s.json"), lambda q, _reader: replies[q], indexed=["Held"])
    assert found.counts == {"answerable": 2, "twisted": 1, "topic_absent": 1}
    assert found.metrics["answered"] == found.metrics["sentence_hit"] == 0.5
    assert found.metrics["topic_auc"] == 1.0
    assert found.metrics["topic_abstained"] == 1.0
    assert found.metrics["twisted_auc"] == 0.5
    assert found.metrics["twisted_abstained"] == 0.0


def test_own_questions_fail_for_a_reason_that_is_said(tmp_path: Path) -> None:
    path = tmp_path / "q.yaml"
    path.write_text(
        "questions:\n"
        '- {question: "How many days of paid leave a year?", answers: 28 days, documents: leave}\n'
        '- {question: "How many days of paid leave a year?", answers: 30 days}\n'
        '- {question: "How many days of paid leave a year?", documents: office}\n'
        '- {question: "Which enzymes digest lactose?", abstain: true}\n'
    )
    found = evaluate_own(path, engine().ask)
    assert [failure["why"] for failure in found.failures] == [
        "no quote contains the expected answer",
        "no expected document is cited",
    ]
    assert found.metrics["passed"] == 0.5
    assert found.metrics["abstained"] == 1.0


def test_a_number_is_no_part_of_a_longer_number(tmp_path: Path) -> None:
    path = tmp_path / "q.yaml"
    path.write_text("- {question: x, answers: '12'}\n")
    found = evaluate_own(path, lambda _q, _r: Reply(True, ("It is 128.",)))
    assert found.metrics["passed"] == 0.0


def test_the_picture_is_an_svg_that_says_its_numbers() -> None:
    drawn = picture("A & B", {"ndcg@10": 0.735, "latency_p50_ms": 3.0}, [1.0, 2.0, 50.0])
    root = ElementTree.fromstring(drawn)
    assert root.attrib["role"] == "img"
    assert "ndcg@10 0.735" in "".join(root.itertext())
    assert "median 2.0 ms" in drawn


def test_the_document_is_json_even_where_a_metric_is_no_number() -> None:
    made = document(Evaluation({"a": float("nan"), "b": 1.0}, {"queries": 1}), data="scifact", split="train")
    assert json.loads(json.dumps(made, allow_nan=False))["metrics"] == {"a": None, "b": 1.0}
    assert made["schema"] == "colonnade.evaluate/1"
