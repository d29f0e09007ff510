# SPDX-License-Identifier: Apache-2.0
"""Run a search or an ask over a question set and reduce it to numbers. The engine is a callable."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

import numpy as np

from colonnade.knowledge.evaluate.datasets import OwnQuestion, Squad, SquadQuestion, read_beir, read_own, read_squad
from colonnade.knowledge.evaluate.metrics import (
    auc,
    average_precision,
    exact_match,
    f1,
    ndcg,
    normalised,
    ranked,
    recall,
    reciprocal_rank,
    rejected_at,
)

Search = Callable[[str], Sequence[tuple[str, float]]]
"""A query to (document id, score), as many as should be judged (100 for recall@100)."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What an ask gave, as far as it is measured.

    Attributes:
        answered: False for an abstention.
        quotes: the quoted texts, best first.
        documents: paths or ids of the cited documents.
        exact: whether each quote equals the text at its span.
        reason: kind of the abstention, or "".
        topic: the topic score (higher: in the sources), None when unknown.
        twisted: the score for a twisted question (higher: not supported), None when unknown.
    """

    answered: bool
    quotes: tuple[str, ...] = ()
    documents: tuple[str, ...] = ()
    exact: bool = True
    reason: str = ""
    topic: float | None = None
    twisted: float | None = None


Ask = Callable[[str, str | None], Reply]
"""A question, and the person it is asked as, to a reply."""

Now = Callable[[], float]
"""A clock in seconds that only goes forward."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was measured.

    Attributes:
        metrics: name to value; fractions are 0..1, latencies carry `_ms`.
        counts: how many of what stood behind them.
        latencies_ms: one a query, in order.
        run: for a ranking, the scores behind it, so that a run file can be written.
        failures: questions whose outcome was wrong, for people: what was asked and what came.
    """

    metrics: Mapping[str, float]
    counts: Mapping[str, int]
    latencies_ms: tuple[float, ...] = ()
    run: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    failures: tuple[Mapping[str, str], ...] = ()


def evaluate_beir(folder: Path, split: str, search: Search, *, now: Now = time.perf_counter) -> Evaluation:
    """Rank every judged query of a BEIR folder. A document that is the query itself is left out, as BEIR does."""
    data = read_beir(folder, split)
    run: dict[str, dict[str, float]] = {}
    latencies: list[float] = []
    for query, text in data.queries.items():
        started = now()
        found = search(text)
        latencies.append((now() - started) * 1e3)
        run[query] = {document: float(score) for document, score in found if document != query}
    metrics = {**ranking_metrics(run, data.qrels), **latency_metrics(latencies)}
    counts = {"queries": len(run), "documents": len(data.documents)}
    return Evaluation(metrics, counts, tuple(latencies), run)


def ranking_metrics(run: Mapping[str, Mapping[str, float]], qrels: Mapping[str, Mapping[str, int]]) -> dict[str, float]:
    """Means over the judged queries; a query that is missing from `run` counts 0 everywhere (trec_eval -c)."""
    rankings = {query: ranked(run.get(query, {})) for query in qrels}

    def mean(metric: Callable[[list[str], Mapping[str, int]], float]) -> float:
        return fmean(metric(rankings[query], judged) for query, judged in qrels.items()) if qrels else 0.0

    return {
        "ndcg@10": mean(lambda found, judged: ndcg(found, judged, 10)),
        "recall@10": mean(lambda found, judged: recall(found, judged, 10)),
        "recall@100": mean(lambda found, judged: recall(found, judged, 100)),
        "mrr@10": mean(lambda found, judged: reciprocal_rank(found, judged, 10)),
        "map": mean(average_precision),
    }


def latency_metrics(latencies_ms: Sequence[float]) -> dict[str, float]:
    """Median and 99th percentile, in milliseconds; nothing for no query."""
    if not latencies_ms:
        return {}
    p50, p99 = np.percentile(np.asarray(latencies_ms), [50, 99])
    return {"latency_p50_ms": float(p50), "latency_p99_ms": float(p99)}


def evaluate_squad(
    path: Path, ask: Ask, *, indexed: Sequence[str] | None = None, limit: int = 0, now: Now = time.perf_counter
) -> Evaluation:
    """Ask the questions of a SQuAD file.

    Args:
        path: the file.
        ask: answers from an index that holds the paragraphs of `indexed`.
        indexed: titles of the articles that the index holds; None: all. Questions about the others have no topic there.
        limit: ask only so many, evenly spread; 0: all.

    The two kinds of abstention are never mixed: `topic_*` compares answerable questions on indexed articles with
    questions on articles that are not; `twisted_*` compares answerable with unanswerable questions on indexed articles.
    """
    data = read_squad(path)
    held = set(data.titles if indexed is None else indexed)
    asked = data.questions[:: max(1, len(data.questions) // limit)][:limit] if limit else data.questions
    replies: list[tuple[SquadQuestion, Reply]] = []
    latencies: list[float] = []
    for question in asked:
        started = now()
        reply = ask(question.question, None)
        latencies.append((now() - started) * 1e3)
        replies.append((question, reply))
    metrics, counts = _squad_metrics(data, held, replies)
    return Evaluation({**metrics, **latency_metrics(latencies)}, counts, tuple(latencies))


def _squad_metrics(
    data: Squad, held: set[str], replies: Sequence[tuple[SquadQuestion, Reply]]
) -> tuple[dict[str, float], dict[str, int]]:
    inside = [(q, r) for q, r in replies if data.titles[q.article] in held]
    good = [(q, r) for q, r in inside if q.answers]
    twisted = [r for q, r in inside if not q.answers]
    foreign = [r for q, r in replies if data.titles[q.article] not in held]
    counts = {"answerable": len(good), "twisted": len(twisted), "topic_absent": len(foreign)}
    metrics: dict[str, float] = {}
    if good:
        metrics |= {
            "answered": fmean(r.answered for _, r in good),
            "sentence_hit": fmean(_holds(r.quotes, q.answers) for q, r in good),
            "first_sentence_hit": fmean(_holds(r.quotes[:1], q.answers) for q, r in good),
            "em": fmean(exact_match(_given(r), q.answers) for q, r in inside),
            "f1": fmean(f1(_given(r), q.answers) for q, r in inside),
            "quotes_exact": fmean(r.exact for _, r in replies),
        }
    metrics |= _separation("topic", [r.topic for _, r in good], [r.topic for r in foreign], foreign)
    # a higher twisted score speaks against an answer; negated, good questions are the high side
    metrics |= _separation(
        "twisted", [_minus(r.twisted) for _, r in good], [_minus(r.twisted) for r in twisted], twisted
    )
    return metrics, counts


def _separation(
    kind: str, good: Sequence[float | None], bad: Sequence[float | None], refused: Sequence[Reply]
) -> dict[str, float]:
    found: dict[str, float] = {}
    if refused:
        found[f"{kind}_abstained"] = fmean(not reply.answered for reply in refused)
    high, low = [x for x in good if x is not None], [x for x in bad if x is not None]
    if high and low:
        found[f"{kind}_auc"] = auc(high, low)
        found[f"{kind}_rejected@5%"] = rejected_at(high, low)
    return found


def evaluate_own(path: Path, ask: Ask, *, now: Now = time.perf_counter) -> Evaluation:
    """Ask a user's own questions; `passed` is the share of which every given expectation held."""
    questions = read_own(path)
    outcomes: list[tuple[OwnQuestion, Reply]] = []
    latencies: list[float] = []
    for question in questions:
        started = now()
        reply = ask(question.question, question.reader)
        latencies.append((now() - started) * 1e3)
        outcomes.append((question, reply))
    wrong = [(q, r, what) for q, r in outcomes if (what := failure(q, r))]
    expected = [(q, r) for q, r in outcomes if not q.abstain]
    absent = [r for q, r in outcomes if q.abstain]
    metrics = {"passed": 1 - len(wrong) / len(outcomes), "quotes_exact": fmean(r.exact for _, r in outcomes)}
    if expected:
        metrics["answered"] = fmean(r.answered for _, r in expected)
    if absent:
        metrics["abstained"] = fmean(not r.answered for r in absent)
    if texts := [(q, r) for q, r in expected if q.answers]:
        metrics["em"] = fmean(exact_match(_given(r), q.answers) for q, r in texts)
        metrics["f1"] = fmean(f1(_given(r), q.answers) for q, r in texts)
    failures = tuple({"question": q.question, "why": what, "got": " / ".join(r.quotes)} for q, r, what in wrong)
    counts = {"questions": len(outcomes), "expected_to_abstain": len(absent)}
    return Evaluation({**metrics, **latency_metrics(latencies)}, counts, tuple(latencies), failures=failures)


def failure(question: OwnQuestion, reply: Reply) -> str:
    """What was wrong with the reply, or "" when every expectation held."""
    if question.abstain:
        return "answered, an abstention was expected" if reply.answered else ""
    if not reply.answered:
        return f"abstained ({reply.reason or 'no reason given'})"
    if question.answers and not _holds(reply.quotes, question.answers):
        return "no quote contains the expected answer"
    if question.documents and not any(d.endswith(w) for d in reply.documents for w in question.documents):
        return "no expected document is cited"
    return ""


def _holds(quotes: Sequence[str], answers: Sequence[str]) -> bool:
    """Whether one quote contains one of the answers as whole words, to the letter or after SQuAD's normalisation."""
    padded = [f" {normalised(quote)} " for quote in quotes]
    for answer in answers:
        whole = normalised(answer)
        alone = re.compile(rf"(?<!\w){re.escape(answer)}(?!\w|\.\d|,\d{{3}}(?!\d))", re.IGNORECASE)
        if (whole and any(f" {whole} " in quote for quote in padded)) or any(alone.search(quote) for quote in quotes):
            return True
    return False


def _given(reply: Reply) -> str:
    return reply.quotes[0] if reply.answered and reply.quotes else ""


def _minus(value: float | None) -> float | None:
    return None if value is None else -value
