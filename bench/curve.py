# SPDX-License-Identifier: Apache-2.0
"""How the cost of a search grows: 10^4, 10^5 and 10^6 vectors, no filter, a tenth, reader groups, with recall beside
it.

    OMP_NUM_THREADS=1 PYTHONPATH=src:bench python bench/curve.py --out bench/results/curve.json

The engine alone (shortlist and exact scores, no words, no rights), because a million rows are passages and Gaussian
copies of their vectors: copies have no text of their own. Vectors are static (see `data`). Truth is brute force over
the same vectors.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import data
from colonnade.adapters.vectors.signs import SignVectors
from colonnade.ports.outside.vectors import Scope

_PASSAGES = 100_000
_DEPTH = 250


def main() -> None:
    """Run, print, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="10000,100000,1000000")
    parser.add_argument("--questions", type=int, default=100)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    held = data.corpus(_PASSAGES)
    queries = data.static_vectors(data.questions(held.passages, options.questions), like=held.passages)
    passages = data.static_vectors(held.passages)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    report: dict[str, object] = {
        "asked": "ms a search (p50, p99, CPU) of the engine alone, recall@10 of 250 candidates, rows put a CPU second",
        "ran": {"corpus_sha256": held.digest, "seed": data.SEED, "questions": options.questions},
        "vectors": "static word means; above 10^5 Gaussian copies (bench/data.py)",
        "machine": data.machine(),
        "commit": commit,
    }
    for size in map(int, options.sizes.split(",")):
        vectors = data.with_copies(passages, size) if size > _PASSAGES else passages[:size]
        groups = np.resize(held.groups, size)
        report[str(size)] = at_size(vectors, groups, queries)
        print(size, json.dumps(report[str(size)]), flush=True)
    report["load_average"] = os.getloadavg()
    if options.out:
        options.out.write_text(json.dumps(report, indent=1) + "\n")


def at_size(vectors: NDArray[np.float32], groups: NDArray[np.int64], queries: NDArray[np.float32]) -> dict[str, object]:
    """Put the rows, then search them under each filter."""
    engine, cpu = SignVectors(vectors.shape[1]), time.process_time()
    for at in range(0, len(vectors), 5000):
        engine.put(at, vectors[at : at + 5000])
    everything = _scope(np.ones(len(vectors), bool))
    engine.shortlist(queries[0], everything, _DEPTH)
    found: dict[str, object] = {"rows_put_a_cpu_s": round(len(vectors) / (time.process_time() - cpu))}
    tenth = _scope(np.random.default_rng(data.SEED + 4).random(len(vectors)) < 0.1)
    readers = [_scope(np.isin(groups, list(r))) for r in data.readers(20)]
    for name, scopes in {"none": [everything], "tenth": [tenth], "groups": readers}.items():
        found[name] = searched(engine, vectors, queries, scopes)
    return found


def searched(
    engine: SignVectors, vectors: NDArray[np.float32], queries: NDArray[np.float32], scopes: list[Scope]
) -> dict[str, float]:
    """Times and recall; the first search of each scope is not timed."""
    for scope in scopes:
        engine.shortlist(queries[0], scope, _DEPTH)
    walls, found, cpu = [], [], time.process_time()
    for i, query in enumerate(queries):
        begin = time.perf_counter()
        rows = engine.shortlist(query, scopes[i % len(scopes)], _DEPTH)
        scores = np.round(engine.vectors(rows) @ query.astype(np.float64), 9)
        found.append(rows[np.argsort(-scores)[:10]])
        walls.append(1e3 * (time.perf_counter() - begin))
    cpu_ms = 1e3 * (time.process_time() - cpu) / len(queries)
    right = 0
    for i, query in enumerate(queries):
        rows = scopes[i % len(scopes)].rows
        right += len(set(rows[np.argpartition(-(vectors[rows] @ query), 10)[:10]]) & set(found[i]))
    return {
        "p50_ms": round(float(np.median(walls)), 3),
        "p99_ms": round(float(np.percentile(walls, 99)), 3),
        "cpu_ms": round(cpu_ms, 3),
        "recall@10": round(right / (10 * len(queries)), 4),
    }


def _scope(mask: NDArray[np.bool_]) -> Scope:
    return Scope(np.flatnonzero(mask), mask)


if __name__ == "__main__":
    main()
