# SPDX-License-Identifier: Apache-2.0
"""Retrieval on SciFact's training questions and SQuAD2 paragraphs: quality, CPU a query, and what permissions cost.

    OMP_NUM_THREADS=1 python bench/retrieval_quality.py --out bench/results/retrieval_quality.json [--vectors FOLDER]

Vectors are fp32 MiniLM's; FOLDER holds them as .npy in the data's order (scifact_corpus, scifact_train_queries,
squad_paragraphs, squad_questions), so that tuning need not embed again. SciFact's test questions and other collections
are held back: nothing here looks at them. Permissions: three readers of a random 30 %, judged on what they may read;
"shared" takes statistics from all.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import os
import random
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import data
from colonnade.adapters.vectors.signs import SignVectors
from colonnade.core.search import Hit, IndexedChunk, Visibility
from colonnade.knowledge.index import Index

DATA = Path(os.environ.get("COLONNADE_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
ALL = frozenset({"all"})
MODES = (("hybrid", "default"), ("hybrid", "wide"), ("lexical", "default"), ("dense", "default"))
Judged = dict[str, dict[str, int]]


def main() -> None:
    """Run, print, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vectors", type=Path)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    report = {
        "asked": "nDCG@10 and recall@100 (trec_eval), CPU ms a query at k = 10; readers of 30 %: cost and dependence",
        "held back": "SciFact test, other collections",
        "machine": data.machine(),
        "commit": commit,
        "seed": data.SEED,
        "scifact train": scifact(options.vectors),
        "squad2 paragraphs": squad(options.vectors),
    }
    print(json.dumps(report, indent=1))
    if options.out:
        options.out.write_text(json.dumps(report, indent=1) + "\n")


def scifact(folder: Path | None) -> dict[str, object]:
    """Quality in every mode, CPU, and three readers."""
    with gzip.open(DATA / "scifact/corpus.jsonl.gz", "rt") as file:
        documents = {d["_id"]: f"{d['title']} {d['text']}" for d in map(json.loads, file)}
    questions = {
        q["_id"]: q["text"] for q in map(json.loads, (DATA / "scifact/queries.train.jsonl").read_text().splitlines())
    }
    judged: Judged = {}
    for line in (DATA / "scifact/qrels.train.tsv").read_text().splitlines()[1:]:
        question, document, grade = line.split("\t")
        judged.setdefault(question, {})[document] = int(grade)
    rows = embedded(folder, "scifact_corpus", list(documents.values()))
    asked = embedded(folder, "scifact_train_queries", list(questions.values()))
    vectors = dict(zip(documents, rows, strict=True))
    index = index_of(documents, vectors)
    found: dict[str, object] = {"documents": len(documents), "questions": len(questions)}
    for mode, recall in MODES:
        name = mode if recall == "default" else f"{mode}, {recall}"
        found[name] = quality(index, questions, asked, judged, mode, recall) | cost(
            index, questions, asked, mode, recall
        )
    return found | {"readers of 30 %": permissions(index, documents, vectors, questions, asked, judged)}


def permissions(
    whole: Index,
    documents: dict[str, str],
    vectors: dict[str, NDArray[np.float32]],
    questions: dict[str, str],
    asked: NDArray[np.float32],
    judged: Judged,
) -> dict[str, object]:
    """What statistics of the permitted set cost against those of all; how many answers depend on what is hidden."""
    draw = random.Random(data.SEED)
    cost_ndcg, differs, other_ids, compared = [], 0, 0, 0
    for reader in range(3):
        mine = sorted(draw.sample(sorted(documents), int(0.3 * len(documents))))
        set_ = set(mine)
        whole.set_visibility([Visibility(f"{reader}/{d}", d, f"r{reader}", 0, None) for d in mine])
        alone = index_of({d: documents[d] for d in reversed(mine)}, vectors)
        kept = {q: {d: g for d, g in grades.items() if d in set_} for q, grades in judged.items()}
        kept = {q: grades for q, grades in kept.items() if grades}
        runs: dict[str, dict[str, list[Hit]]] = {"own": {}, "shared": {}}
        for i, (question, words) in enumerate(questions.items()):
            own = whole.search(words, asked[i], readers=frozenset({f"r{reader}"}), k=10)
            shared = whole.search(words, asked[i], readers=ALL, k=10, only=mine)
            expected = alone.search(words, asked[i], readers=ALL, k=10)
            compared += 1
            differs += told(own) != told(expected)
            other_ids += [h.content for h in shared] != [h.content for h in expected]
            runs["own"][question], runs["shared"][question] = own, shared
        cost_ndcg.append(100 * (score(runs["shared"], kept)["ndcg@10"] - score(runs["own"], kept)["ndcg@10"]))
    return {
        "compared": compared,
        "results that depend on hidden documents (ids, or scores beyond 1e-6)": differs,
        "with statistics of all: results whose ids or order differ": other_ids,
        "nDCG@10 lost by statistics of the permitted": [round(c, 2) for c in cost_ndcg],
    }


def squad(folder: Path | None) -> dict[str, object]:
    """The paragraph of each answerable question among all paragraphs."""
    with gzip.open(DATA / "squad2-dev/dev-v2.0.cs224n.json.gz", "rt") as file:
        articles = json.load(file)["data"]
    paragraphs = [p for article in articles for p in article["paragraphs"]]
    documents = {str(i): p["context"] for i, p in enumerate(paragraphs)}
    pairs = [(str(i), qa) for i, p in enumerate(paragraphs) for qa in p["qas"]]
    rows = embedded(folder, "squad_paragraphs", list(documents.values()))
    asked = embedded(folder, "squad_questions", [qa["question"] for _, qa in pairs])
    kept = [i for i, (_, qa) in enumerate(pairs) if not qa.get("is_impossible", False)]
    index = index_of(documents, dict(zip(documents, rows, strict=True)))
    questions = {pairs[i][1]["id"]: pairs[i][1]["question"] for i in kept}
    judged = {pairs[i][1]["id"]: {pairs[i][0]: 1} for i in kept}
    found: dict[str, object] = {"documents": len(documents), "questions": len(questions)}
    for mode, recall in MODES:
        name = mode if recall == "default" else f"{mode}, {recall}"
        found[name] = quality(index, questions, asked[kept], judged, mode, recall)
    return found


def index_of(documents: dict[str, str], vectors: dict[str, NDArray[np.float32]]) -> Index:
    """An index of these documents, one chunk each, readable by all."""
    index = Index(384, SignVectors(384), b"bench")
    for name, text in documents.items():
        index.add(name, [IndexedChunk(0, text, hashlib.sha256(text.encode()).digest())])
        index.set_vectors(name, 0, vectors[name][None])
    index.set_visibility([Visibility(f"all/{name}", name, "all", 0, None) for name in documents])
    return index


def quality(
    index: Index, questions: dict[str, str], asked: NDArray[np.float32], judged: Judged, mode: str, recall: str
) -> dict[str, float]:
    """nDCG@10 and recall@100 of one mode."""
    run = {}
    for i, (question, words) in enumerate(questions.items()):
        run[question] = index.search(
            words,
            asked[i],
            readers=ALL,
            k=100,
            mode=mode,  # type: ignore[arg-type]
            recall=recall,  # type: ignore[arg-type]
            collapse=False,
        )
    return {name: round(100 * value, 2) for name, value in score(run, judged).items()}


def cost(
    index: Index, questions: dict[str, str], asked: NDArray[np.float32], mode: str, recall: str
) -> dict[str, float]:
    """CPU and wall milliseconds a query at k = 10."""
    walls, begin_cpu = [], time.process_time()
    for i, words in enumerate(questions.values()):
        begin = time.perf_counter()
        index.search(words, asked[i], readers=ALL, k=10, mode=mode, recall=recall)  # type: ignore[arg-type]
        walls.append(1e3 * (time.perf_counter() - begin))
    cpu = 1e3 * (time.process_time() - begin_cpu) / len(walls)
    return {"cpu_ms": round(cpu, 3), "p50_ms": round(float(np.median(walls)), 3)}


def score(run: dict[str, list[Hit]], judged: Judged) -> dict[str, float]:
    """trec_eval's measures, by pytrec_eval."""
    import pytrec_eval

    ranked = {q: {h.content: 1000.0 - i for i, h in enumerate(hits)} for q, hits in run.items() if q in judged}
    results = pytrec_eval.RelevanceEvaluator(judged, {"ndcg_cut.10", "recall.100"}).evaluate(ranked).values()
    return {
        "ndcg@10": float(np.mean([r["ndcg_cut_10"] for r in results])),
        "recall@100": float(np.mean([r["recall_100"] for r in results])),
    }


def told(hits: Sequence[Hit]) -> list[tuple[str, float]]:
    """Ids, and scores to 1e-6."""
    return [(h.content, round(h.score, 6)) for h in hits]


def embedded(folder: Path | None, name: str, texts: list[str]) -> NDArray[np.float32]:
    """The texts' vectors: from the folder where it has them, else by the model (minutes to an hour of CPU)."""
    if folder is not None and (folder / f"{name}.npy").exists():
        rows: NDArray[np.float32] = np.load(folder / f"{name}.npy")
        if len(rows) != len(texts):
            raise ValueError(f"{name}.npy has {len(rows)} rows, not {len(texts)}")
        return rows
    from colonnade.adapters.models.minilm.encoder import Encoder
    from colonnade.adapters.models.minilm.folder import default_folder

    encoder, out = Encoder(default_folder()), np.zeros((len(texts), 384), np.float32)
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    for at in range(0, len(order), 16):
        out[order[at : at + 16]] = encoder.embed([texts[i] for i in order[at : at + 16]])
    return out


if __name__ == "__main__":
    main()
