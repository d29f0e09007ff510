# SPDX-License-Identifier: Apache-2.0
"""Our index beside other embedded engines on 100,000 passages: no filter, a tenth, reader groups, hybrid; p50 and p99
at recall .99.

    OMP_NUM_THREADS=1 PYTHONPATH=src:bench python bench/vectors_100k.py --out bench/results/vectors_100k.json

Every engine gets the same rows and questions, one thread where it lets us. Its effort is the least that reaches
recall@10 of .99 for that filter (else the most). Ours answers through the whole `Index`: rights, statistics, exact
scores. "cold" is the first question of each reader, when nothing is derived yet for them. Vectors are static (see
`data`), not the model's.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import data
from colonnade.adapters.vectors.signs import SignVectors
from colonnade.core.search import IndexedChunk, Visibility
from colonnade.knowledge.index import Index
from vector_peers import Engine, Filter, Lance, QdrantEdge, Zvec, installed

ENOUGH = 0.99
_TURN = 25


class Ours:
    """The index: groups are reader sets; "no filter" is a reader of all groups, the tenth a reader set of its own."""

    name = "colonnade"
    efforts = (0,)

    def __init__(self, _folder: Path) -> None:
        self.index = Index(384, SignVectors(384), b"bench")

    def build(
        self, vectors: NDArray[np.float32], texts: list[str], groups: NDArray[np.int64], tenth: NDArray[np.bool_]
    ) -> None:
        rows = []
        for i, text in enumerate(texts):
            self.index.add(str(i), [IndexedChunk(0, text, i.to_bytes(4, "big"))])
            self.index.set_vectors(str(i), 0, vectors[i : i + 1])
            rows.append(Visibility(f"d{i}", str(i), f"g{groups[i]}", 0, None))
            if tenth[i]:
                rows.append(Visibility(f"t{i}", str(i), "tenth", 0, None))
        self.index.set_visibility(rows)
        self.index.search("warm", vectors[0], readers=frozenset({"g49"}))

    def dense(self, query: NDArray[np.float32], wanted: Filter, _effort: int, k: int) -> list[int]:
        hits = self.index.search("", query, readers=self._readers(wanted), k=k, mode="dense", collapse=False)
        return [int(h.content) for h in hits]

    def hybrid(self, words: str, query: NDArray[np.float32], wanted: Filter, _effort: int, k: int) -> list[int]:
        return [int(h.content) for h in self.index.search(words, query, readers=self._readers(wanted), k=k)]

    @staticmethod
    def _readers(wanted: Filter) -> frozenset[str]:
        if wanted.tenth:
            return frozenset({"tenth"})
        return frozenset(f"g{g}" for g in wanted.groups or range(50))


class Times:
    """Wall and CPU milliseconds of calls."""

    def __init__(self) -> None:
        self.walls: list[float] = []
        self.cpu = 0.0

    def add(self, calls: Iterable[Callable[[], object]]) -> None:
        """Time each call."""
        begin_cpu = time.process_time()
        for call in calls:
            begin = time.perf_counter()
            call()
            self.walls.append(1e3 * (time.perf_counter() - begin))
        self.cpu += 1e3 * (time.process_time() - begin_cpu)

    def report(self) -> dict[str, float]:
        """Median, 99th percentile, mean CPU."""
        p50, p99 = np.percentile(self.walls, (50, 99))
        return {
            "p50_ms": round(float(p50), 3),
            "p99_ms": round(float(p99), 3),
            "cpu_ms": round(self.cpu / len(self.walls), 3),
        }


def least_effort(
    engine: Engine, queries: NDArray[np.float32], wanted: list[Filter], truth: list[set[int]]
) -> tuple[int, float]:
    """The least effort that reaches the recall, else the most; and its recall@10."""
    effort, recall = 0, 0.0
    for effort in engine.efforts:
        found = [len(t & set(engine.dense(q, w, effort, 10))) for q, w, t in zip(queries, wanted, truth, strict=True)]
        recall = sum(found) / sum(map(len, truth))
        if recall >= ENOUGH:
            break
    return effort, round(recall, 4)


def measured(
    engines: dict[str, Engine],
    queries: NDArray[np.float32],
    questions: list[str],
    filters: dict[str, list[Filter]],
    truth: dict[str, list[set[int]]],
) -> dict[str, dict[str, object]]:
    """For each engine and filter the times at the least sufficient effort; engines take turns, so load hits all."""
    result: dict[str, dict[str, object]] = {name: {} for name in engines}
    for kind in (*filters, "hybrid, none", "hybrid, groups"):
        plain = kind.removeprefix("hybrid, ")
        wanted, times, chosen = filters[plain], {}, {}
        for name, engine in engines.items():
            if kind == plain:
                chosen[name] = least_effort(engine, queries, wanted, truth[kind])
            else:
                chosen[name] = result[name][plain]["effort"], result[name][plain]["recall@10"]  # type: ignore[index]
            times[name] = Times()
        for at in range(0, len(queries), _TURN):
            for name, engine in engines.items():
                effort, turn = chosen[name][0], range(at, min(at + _TURN, len(queries)))
                if kind == plain:
                    calls = [partial(engine.dense, queries[i], wanted[i], effort, 10) for i in turn]
                else:
                    calls = [partial(engine.hybrid, questions[i], queries[i], wanted[i], effort, 10) for i in turn]
                for call in calls[:3]:
                    call()
                times[name].add(calls)
        for name in engines:
            found = {"effort": chosen[name][0]} | ({"recall@10": chosen[name][1]} if kind == plain else {})
            result[name][kind] = times[name].report() | found
            print(f"{kind:15s} {name:12s} {result[name][kind]}", flush=True)
    return result


def main() -> None:
    """Run, print, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--questions", type=int, default=400)
    parser.add_argument("--engines", default="colonnade,qdrant-edge,zvec,lancedb")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    held = data.corpus(options.count)
    questions = data.questions(held.passages, options.questions)
    vectors, queries = data.static_vectors(held.passages), data.static_vectors(questions, like=held.passages)
    tenth = np.random.default_rng(data.SEED + 4).random(options.count) < 0.1
    who = data.readers(40)
    filters = {
        "none": [Filter()] * len(questions),
        "tenth": [Filter(tenth=True)] * len(questions),
        "groups": [Filter(groups=who[i % len(who)]) for i in range(len(questions))],
    }
    truth = {name: nearest(vectors, queries, held.groups, tenth, wanted) for name, wanted in filters.items()}
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    report: dict[str, object] = {
        "asked": "p50, p99, CPU ms a query at recall@10 >= .99, k = 10",
        "ran": {
            "passages": options.count,
            "corpus_sha256": held.digest,
            "questions": len(questions),
            "seed": data.SEED,
        },
        "vectors": "static word means, not the model's (`bench/data.py`)",
        "machine": data.machine() | installed(),
        "commit": commit,
        "readable_share": share(held.groups, who),
    }
    engines: dict[str, Engine] = {}
    folder = Path(tempfile.mkdtemp())
    built: dict[str, dict[str, Any]] = {}
    for kind in (Ours, QdrantEdge, Zvec, Lance):
        if kind.name not in options.engines.split(","):
            continue
        engine = kind(folder)
        begin, cpu = time.perf_counter(), time.process_time()
        try:
            engine.build(vectors, held.passages, held.groups, tenth)
        except ImportError as error:
            report[kind.name] = f"not installed: {error}"
            continue
        built[kind.name] = {
            "build_s": round(time.perf_counter() - begin, 1),
            "build_cpu_s": round(time.process_time() - cpu, 1),
        }
        engines[kind.name] = engine
        print(kind.name, built[kind.name], flush=True)
    if "colonnade" in engines:
        cold = Times()
        cold.add(partial(engines["colonnade"].dense, queries[i], Filter(groups=r), 0, 10) for i, r in enumerate(who))
        built["colonnade"]["cold"] = cold.report()
    for name, found in measured(engines, queries, questions, filters, truth).items():
        report[name] = built[name] | found
    report["load_average"] = os.getloadavg()
    shutil.rmtree(folder, ignore_errors=True)
    if options.out:
        options.out.write_text(json.dumps(report, indent=1) + "\n")


def nearest(
    vectors: NDArray[np.float32],
    queries: NDArray[np.float32],
    groups: NDArray[np.int64],
    tenth: NDArray[np.bool_],
    wanted: list[Filter],
) -> list[set[int]]:
    """The ten nearest permitted rows of each question, by brute force."""
    found = []
    for query, one in zip(queries, wanted, strict=True):
        scores = vectors @ query
        if one.tenth:
            scores[~tenth] = -9
        elif one.groups:
            scores[~np.isin(groups, list(one.groups))] = -9
        best = np.argpartition(-scores, 10)[:10]
        found.append(set(best[scores[best] > -9].tolist()))
    return found


def share(groups: NDArray[np.int64], who: list[frozenset[int]]) -> dict[str, float]:
    """Which share of the rows the readers may see."""
    shares = [float(np.isin(groups, list(reader)).mean()) for reader in who]
    return {"least": round(min(shares), 3), "median": round(float(np.median(shares)), 3), "most": round(max(shares), 3)}


if __name__ == "__main__":
    main()
