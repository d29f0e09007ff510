# SPDX-License-Identifier: Apache-2.0
"""What an embedding costs, and what int8 costs in quality.

python bench/embedding.py [--peer-python PYTHON] [--scifact DIR [--documents N]]

Passages are text of CPython's own documentation, cut to 144 pieces; queries are its headings. One thread, CPU seconds;
each stack in a process of its own, one after the other, best of two rounds. With `--scifact`, dense search on the
train queries in both arithmetics (all 5,183 documents: five CPU minutes; N of them, the judged among them: fewer).
"""

from __future__ import annotations

import argparse
import gzip
import json
import pydoc_data.topics
import random
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from colonnade.adapters.models.minilm import probe
from colonnade.adapters.models.minilm.encoder import Arithmetic, Encoder
from colonnade.adapters.models.minilm.folder import default_folder
from colonnade.adapters.models.minilm.process import EmbedderProcess
from report import write_result

SEED, PASSAGES, PIECES, ROUNDS, QUERIES = 20261124, 64, 144, 2, 100
ARITHMETICS: tuple[Arithmetic, ...] = ("fp32", "int8")
Row = dict[str, Any]


def texts() -> dict[str, list[str]]:
    """64 passages of exactly 144 pieces, and 100 queries of about ten words."""
    encoder = Encoder(default_folder())
    words = " ".join(pydoc_data.topics.topics[name] for name in sorted(pydoc_data.topics.topics)).split()
    chance = random.Random(SEED)
    passages: list[str] = []
    while len(passages) < PASSAGES:
        at = chance.randrange(len(words) - 400)
        size = next(n for n in range(20, 400) if len(encoder.encode([" ".join(words[at : at + n])])[0]) >= PIECES)
        if len(encoder.encode([" ".join(words[at : at + size])])[0]) == PIECES:
            passages.append(" ".join(words[at : at + size]))
    starts = [chance.randrange(len(words) - 10) for _ in range(QUERIES)]
    return {"passages": passages, "queries": [" ".join(words[at : at + 10]) for at in starts]}


def in_process(arithmetic: Arithmetic, asked: dict[str, list[str]]) -> Row:
    """Runs in a child of its own: `--one`."""
    encoder = Encoder(default_folder(), arithmetic)
    encoder.forget_pages()
    loaded = resident_mib()
    vectors = encoder.embed(asked["passages"])
    best, waits = float("inf"), []
    for _ in range(ROUNDS):
        start = time.process_time()
        encoder.embed(asked["passages"])
        best = min(best, time.process_time() - start)
    for query in asked["queries"]:
        begin = time.perf_counter()
        encoder.embed([query])
        waits.append(time.perf_counter() - begin)
    row = {"cpu_s": best, "query_p50_ms": 1000 * float(np.median(waits)), "loaded_mib": loaded}
    return row | {"resident_mib": resident_mib(), "vectors": vectors[:8].tolist()}


def resident_mib() -> int:
    return int(psutil.Process().memory_info().rss) >> 20


def apart(command: list[str], asked: dict[str, list[str]]) -> Row:
    done = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, check=True)
    row: Row = json.loads(done.stdout.splitlines()[-1])
    return row


def cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def by_process(arithmetic: Arithmetic, asked: dict[str, list[str]]) -> Row:
    """The same passages through the embedder process, its CPU and ours counted; queries alone and amid passages."""
    embedder = EmbedderProcess(default_folder(), arithmetic, threads=1)
    vectors = embedder.embed(asked["passages"])
    # CPU times of another process come in hundredths of a second; a round takes one or two seconds.
    both = [psutil.Process(), psutil.Process(embedder.pid)]
    best = float("inf")
    for _ in range(ROUNDS):
        start = sum(map(cpu_s, both))
        embedder.embed(asked["passages"])
        best = min(best, sum(map(cpu_s, both)) - start)
    alone = query_ms(embedder, asked["queries"])
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            embedder.embed(asked["passages"])

    worker = threading.Thread(target=work)
    worker.start()
    amid = query_ms(embedder, asked["queries"])
    stop.set()
    worker.join()
    row = {"cpu_s": best, "query_p50_ms": alone[0], "query_p99_ms": alone[1], "amid_passages_p50_ms": amid[0]}
    row |= {"amid_passages_p99_ms": amid[1], "resident_mib": embedder.resident_mib, "vectors": vectors[:8].tolist()}
    embedder.close()
    return row


def query_ms(embedder: EmbedderProcess, queries: list[str]) -> tuple[float, float]:
    waits = []
    for query in queries:
        begin = time.perf_counter()
        embedder.embed([query])
        waits.append(1000 * (time.perf_counter() - begin))
        time.sleep(0.01)
    return float(np.median(waits)), float(np.percentile(waits, 99))


def scifact(folder: Path, arithmetic: Arithmetic, most: int) -> Row:
    """nDCG@10 and Recall@100 of exact dense search, by pytrec_eval."""
    import pytrec_eval

    with gzip.open(folder / "corpus.jsonl.gz") as lines:
        documents = [json.loads(line) for line in lines]
    queries = [json.loads(line) for line in (folder / "queries.train.jsonl").read_text().splitlines()]
    judged: dict[str, dict[str, int]] = {}
    for line in (folder / "qrels.train.tsv").read_text().splitlines()[1:]:
        query, document, score = line.split("\t")
        judged.setdefault(query, {})[document] = int(score)
    random.Random(SEED).shuffle(documents)
    wanted = {document for each in judged.values() for document in each}
    documents = sorted(documents, key=lambda entry: entry["_id"] not in wanted)[:most]
    encoder = Encoder(default_folder(), arithmetic)
    rows = encoder.embed([f"{entry['title']} {entry['text']}" for entry in documents])
    scores: NDArray[np.float32] = encoder.embed([entry["text"] for entry in queries]) @ rows.T
    run = {
        entry["_id"]: {documents[at]["_id"]: float(mine[at]) for at in np.argsort(-mine)[:100]}
        for entry, mine in zip(queries, scores, strict=True)
    }
    found = pytrec_eval.RelevanceEvaluator(judged, {"ndcg_cut.10", "recall.100"}).evaluate(run).values()
    figures = {"ndcg_10": "ndcg_cut_10", "recall_100": "recall_100"}
    means = {name: round(float(np.mean([each[key] for each in found])), 4) for name, key in figures.items()}
    what = {"what": "SciFact train, dense alone", "arithmetic": arithmetic, "documents": len(documents)}
    return what | means


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer-python", help="an environment with torch, transformers, onnx, onnxscript, onnxruntime")
    parser.add_argument("--scifact", type=Path, help="folder of the collection, BEIR layout")
    parser.add_argument("--documents", type=int, default=10_000, help="the most of its documents to embed")
    parser.add_argument("--one", choices=ARITHMETICS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(in_process(options.one, json.load(sys.stdin))))
        return
    asked = texts()
    stacks: dict[str, Row] = {}
    for arithmetic in ARITHMETICS:
        stacks[f"in process, {arithmetic}"] = apart([sys.executable, __file__, "--one", arithmetic], asked)
        stacks[f"embedder process, {arithmetic}"] = by_process(arithmetic, asked)
    for kind in ("onnx", "torch") if options.peer_python else ():
        peer = str(Path(__file__).with_name("embedding_peer.py"))
        stacks[f"peer: {kind}"] = apart([options.peer_python, peer, kind, str(default_folder().path)], asked)
    exact = np.array(stacks["in process, fp32"]["vectors"])
    rows: list[Row] = []
    for what, row in stacks.items():
        least = float((np.array(row.pop("vectors")) * exact).sum(axis=1).min())
        figures = {name: round(value, 2) for name, value in row.items() if name != "cpu_s"}
        rate = round(PASSAGES / row["cpu_s"], 1)
        rows.append({"what": what, "passages_per_cpu_s": rate, "least_cosine": round(least, 5)} | figures)
    for arithmetic in ARITHMETICS:
        share = stacks[f"embedder process, {arithmetic}"]["cpu_s"] / stacks[f"in process, {arithmetic}"]["cpu_s"]
        rows.append({"what": f"CPU of the process over in process, {arithmetic}", "ratio": round(share, 3)})
    rows.append({"what": "the probe: CPU of fp32 over int8", "ratio": round(probe.measure_apart(default_folder()), 2)})
    if options.scifact:
        rows += [scifact(options.scifact, arithmetic, options.documents) for arithmetic in ARITHMETICS]
    # Folders of this machine do not belong into the result.
    sys.argv[1:] = [name for name in ("--peer-python", "--scifact") if vars(options)[name[2:].replace("-", "_")]]
    write_result(
        "embedding",
        asked="passages of 144 pieces per CPU second, query p50, memory: ours in fp32 and int8 beside onnxruntime fp32;"
        " SciFact train nDCG@10 in both arithmetics",
        ran=f"{PASSAGES} passages, {len(asked['queries'])} queries, one thread, best of {ROUNDS}, beside other work on"
        " the machine" + ("" if options.scifact else "; SciFact not run"),
        rows=rows,
        seeds=[SEED],
        notes="least_cosine: of the first 8 passages to our fp32. Peers: the usual ONNX export run by onnxruntime with"
        " default options but one thread, and torch eager; batches of 32; the memory of"
        " both peers includes torch.",
    )
    print(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
