# SPDX-License-Identifier: Apache-2.0
"""The metrics agree with trec_eval and with SQuAD's own rules."""

from __future__ import annotations

import math

import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st

from colonnade.knowledge.evaluate.measure import ranking_metrics
from colonnade.knowledge.evaluate.metrics import auc, exact_match, f1, ndcg, ranked, rejected_at
from colonnade.knowledge.evaluate.runs import read_run, write_run

DOCUMENTS = [f"d{n}" for n in range(12)]
SCORES = st.one_of(st.floats(-4, 40, width=32), st.sampled_from([0.0, 0.5, 1 / 3, 0.1 + 0.2, 0.3]))
RUNS = st.dictionaries(
    st.sampled_from(["q1", "q2", "q3"]),
    st.dictionaries(st.sampled_from(DOCUMENTS), SCORES, min_size=1),
    min_size=3,
)
QRELS = st.dictionaries(
    st.sampled_from(["q1", "q2", "q3"]),
    st.dictionaries(st.sampled_from(DOCUMENTS), st.integers(0, 3), min_size=1),
    min_size=1,
)


@settings(deadline=None)
@given(run=RUNS, qrels=QRELS)
def test_metrics_agree_with_trec_eval_on_the_written_file(run, qrels, tmp_path_factory) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path_factory.mktemp("runs") / "run.txt"
    write_run(path, run)
    evaluator = pytrec_eval.RelevanceEvaluator(qrels, {"ndcg_cut.10", "recall.10,100", "map", "recip_rank"})
    theirs = evaluator.evaluate(read_run(path))
    ours = ranking_metrics(run, qrels)
    names = {"ndcg@10": "ndcg_cut_10", "recall@10": "recall_10", "recall@100": "recall_100", "map": "map"}
    for name, their_name in names.items():
        assert ours[name] == pytest.approx(sum(v[their_name] for v in theirs.values()) / len(theirs), abs=1e-4), name


def test_ties_go_to_the_id_that_sorts_last_and_scores_compare_as_32_bit_floats() -> None:
    assert ranked({"a": 0.1 + 0.2, "b": 0.3, "c": 0.1}) == ["b", "a", "c"]


def test_a_run_file_is_read_back_in_the_same_order(tmp_path) -> None:  # type: ignore[no-untyped-def]
    run = {"q": {"a": 1 / 3, "b": 2 / 3, "c": 1 / 3}}
    write_run(tmp_path / "run.txt", run)
    assert ranked(read_run(tmp_path / "run.txt")["q"]) == ["b", "c", "a"]


def test_a_missing_query_counts_nothing_instead_of_being_left_out() -> None:
    assert ranking_metrics({}, {"q": {"a": 1}})["ndcg@10"] == 0.0
    assert ndcg(["x", "a"], {"a": 1}, 10) == pytest.approx(1 / math.log2(3))


@pytest.mark.parametrize(
    ("given_answer", "golds", "em", "overlap"),
    [
        ("The Normans!", ["normans"], 1.0, 1.0),
        ("in the 10th century", ["10th century", "10th and 11th centuries"], 0.0, 0.8),
        ("", [], 1.0, 1.0),
        ("something", [], 0.0, 0.0),
        ("wrong", ["right"], 0.0, 0.0),
    ],
)
def test_exact_match_and_f1_are_squads(given_answer: str, golds: list[str], em: float, overlap: float) -> None:
    assert exact_match(given_answer, golds) == em
    assert f1(given_answer, golds) == pytest.approx(overlap)


@given(st.lists(st.integers(0, 9), min_size=1), st.lists(st.integers(0, 9), min_size=1))
def test_auc_is_the_share_of_pairs_in_order(high: list[int], low: list[int]) -> None:
    pairs = [1.0 if a > b else 0.5 if a == b else 0.0 for a in high for b in low]
    assert auc(high, low) == pytest.approx(sum(pairs) / len(pairs))


def test_rejection_is_measured_at_the_positives_own_quantile() -> None:
    assert rejected_at(range(100), [1, 2, 3, 50], 0.05) == 0.75
