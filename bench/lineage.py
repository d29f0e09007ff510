# SPDX-License-Identifier: Apache-2.0
"""`why` and `impact` over a large log: milliseconds a question, microseconds a node, equal to a brute-force walk.

python bench/lineage.py [--edges 10000000] [--walks 2000] [--folder DIR]     # writes bench/results/lineage.json

A graph of nine layers (so a path has at most eight edges) in which each node has 1 to 20 causes in the layer before,
most of them few, near each other in time, as documents of one run are near each other. Rows are written directly, as
the log writes them; the questions go through `govern.lineage.walk` over a real state file, in process. Every tenth
answer is compared with a walk over the same edges in memory.
"""

from __future__ import annotations

import argparse
import json
import random
import sqlite3
import tempfile
import time
from pathlib import Path
from typing import Any

from colonnade.adapters.clock.system import SystemClock
from colonnade.adapters.state.sqlite.engine import SqliteState
from colonnade.core.ids import new_id
from colonnade.govern.lineage.walk import impact, why
from report import write_result

LAYERS, MOST, NEAR = 9, 20, 40
SEED = 20261125


def build(path: Path, edges: int, rng: random.Random) -> tuple[list[list[str]], dict[str, list[tuple[int, str]]]]:
    """The layers' ids; subject -> (place, ref) of the first 200,000 nodes, for the comparison."""
    state = SqliteState(path, SystemClock())
    state.close()
    db = sqlite3.connect(path)
    db.execute("PRAGMA synchronous = OFF")
    db.execute("PRAGMA cache_size = -400000")
    layers: list[list[str]] = [[] for _ in range(LAYERS)]
    kept: dict[str, list[tuple[int, str]]] = {}
    rows: list[tuple[str, int, int, str, str]] = []
    made, place = 0, 0
    while made < edges:
        place += 1
        layer = rng.randrange(LAYERS) if place > 200 * LAYERS else place % LAYERS
        ident = new_id("run", 1_790_000_000_000 + place, rng.randbytes(16))
        before = layers[layer - 1][-NEAR:] if layer else []
        causes = rng.sample(before, min(len(before), 1 + int((MOST - 1) * rng.random() ** 6)))
        rows += [(ident, place, at, "by", ref) for at, ref in enumerate(causes)]
        if len(kept) < 200_000:
            kept[ident] = [(place, ref) for ref in causes]
        layers[layer].append(ident)
        made += len(causes)
        if len(rows) > 200_000:
            db.executemany("INSERT INTO edges (subject, seq, place, role, ref) VALUES (?, ?, ?, ?, ?)", rows)
            db.commit()
            rows = []
            print(f"\r{made:,} edges", end="", flush=True)
    db.executemany("INSERT INTO edges (subject, seq, place, role, ref) VALUES (?, ?, ?, ?, ?)", rows)
    db.commit()
    db.close()
    print()
    return layers, kept


def ancestors(edges: dict[str, list[tuple[int, str]]], start: str) -> set[str]:
    """The brute-force set."""
    found, waiting = {start}, [start]
    while waiting:
        for _, ref in edges[waiting.pop()]:
            if ref not in found:
                found.add(ref)
                waiting.append(ref)
    return found


def known(state: SqliteState, ident: str) -> bool:
    """Whether the log knows the node: in this graph, one without causes and effects stands nowhere."""
    return bool(state.rows("id_known", id=ident))


def timed(ask: Any, state: SqliteState, wanted: list[str]) -> dict[str, Any]:
    """Times of the questions, after a hundred to warm up."""
    for ident in wanted[:100]:
        ask(state, f"run/{ident}")
    ms, nodes, cpu = [], [], time.process_time()
    for ident in wanted:
        began = time.perf_counter()
        found = ask(state, f"run/{ident}")
        ms.append(1000 * (time.perf_counter() - began))
        nodes.append(len(found.nodes))
    cpu = time.process_time() - cpu
    ms.sort()
    nodes.sort()
    at = len(ms)
    return {
        "questions": at, "p50_ms": round(ms[at // 2], 3), "p99_ms": round(ms[int(0.99 * at)], 3),
        "nodes_p50": nodes[at // 2], "nodes_p99": nodes[int(0.99 * at)],
        "us_a_node": round(1e6 * cpu / sum(nodes), 2),
    }  # fmt: skip


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--edges", type=int, default=10_000_000)
    parser.add_argument("--walks", type=int, default=2_000)
    parser.add_argument("--folder")
    asked = parser.parse_args()
    rng = random.Random(SEED)
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        path = Path(folder) / "state.db"
        layers, kept = build(path, asked.edges, rng)
        state = SqliteState(path, SystemClock())
        every = [ident for layer in layers[1:] for ident in layer]
        roots = [ident for layer in layers[:-1] for ident in layer[: len(layer) // 2]]
        compared = rng.sample(list(kept), asked.walks // 10)
        wrong = sum({node.id for node in why(state, f"run/{one}").nodes} != ancestors(kept, one)
                    for one in compared if kept[one])  # fmt: skip
        touched = [one for one in rng.sample(roots, asked.walks) if known(state, one)]
        rows = [
            {"what": "why", **timed(why, state, rng.sample(every, asked.walks)), "compared": len(compared),
             "different": wrong},
            {"what": "impact", **timed(impact, state, touched)},
        ]  # fmt: skip
        state.close()
        for row in rows:
            print(json.dumps(row))
    write_result(
        "lineage",
        asked="why p99 <= 1 ms and impact <= 5 us a node at 10M edges, SQLite, in process, depth <= 8, fan-out 1 to 20",
        ran=f"{asked.edges:,} edges, {asked.walks:,} questions each",
        rows=rows,
        seeds=[SEED],
    )


if __name__ == "__main__":
    main()
