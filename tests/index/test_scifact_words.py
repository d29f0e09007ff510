# SPDX-License-Identifier: Apache-2.0
"""Words alone on a real collection, without a model: a change to terms, stems or BM25 that costs quality is seen."""

from __future__ import annotations

import gzip
import hashlib
import json
import math
import os
from pathlib import Path

import pytest

from colonnade.adapters.vectors.signs import SignVectors
from colonnade.core.search import IndexedChunk, Visibility
from colonnade.knowledge.index import Index

DATA = Path(os.environ.get("COLONNADE_DATA", Path(__file__).resolve().parents[3] / "shared" / "data")) / "scifact"


@pytest.mark.slow
def test_words_alone_find_the_evidence_of_scientific_claims() -> None:
    if not DATA.is_dir():
        pytest.skip("needs the shared data (SciFact)")
    index = Index(1, SignVectors(1), b"secret")
    with gzip.open(DATA / "corpus.jsonl.gz", "rt") as file:
        for document in map(json.loads, file):
            text = f"{document['title']} {document['text']}"
            index.add(document["_id"], [IndexedChunk(0, text, hashlib.sha256(text.encode()).digest())])
            index.set_visibility([Visibility(document["_id"], document["_id"], "all", 0, None)])
    judged: dict[str, set[str]] = {}
    for line in (DATA / "qrels.train.tsv").read_text().splitlines()[1:]:
        question, document_id, _ = line.split("\t")
        judged.setdefault(question, set()).add(document_id)
    gains = []
    for question in map(json.loads, (DATA / "queries.train.jsonl").read_text().splitlines()):
        relevant = judged[question["_id"]]
        hits = index.search(question["text"], None, readers=frozenset({"all"}), k=10, collapse=False)
        gain = sum(1 / math.log2(i + 2) for i, hit in enumerate(hits) if hit.content in relevant)
        gains.append(gain / sum(1 / math.log2(i + 2) for i in range(min(10, len(relevant)))))
    assert len(gains) == 809
    assert sum(gains) / len(gains) == pytest.approx(0.702, abs=0.004)
