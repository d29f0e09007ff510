# SPDX-License-Identifier: Apache-2.0
"""Decisions a second of `colonnade simulate --drive place` through a pipe, against a child that only echoes.

One parent, one pipe, one JSON line each way, as a judge on another side of a pipe has it: the parent writes a pod,
waits for the answer, reads it. The echo child answers every line with the same form and thinks of nothing, so its
figure is what parent, pipe and kernel cost. The two run by turns in one process; the ratio is what counts.

python bench/drive_pipe.py --nodes NODES.csv --pods PODS.csv [--seed 1] [--rounds 3] [--count 10000]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.report import write_result
from colonnade.app.simulating import Wish, load_nodes, load_pods
from colonnade.core.claims import Claim
from colonnade.fabric.simulate.trace import arrivals

ECHO = """
import os
number = -1  # the header is not answered
while block := os.read(0, 1 << 16):
    for _ in range(block.count(b"\\n")):
        if number >= 0:
            os.write(1, b'{"pod":%d,"node":"n0000","gpus":[0]}\\n' % number)
        number += 1
"""
OURS = [sys.executable, "-m", "colonnade.cli.main", "simulate", "--drive", "place"]


def pod_line(number: int, claim: Claim) -> dict[str, Any]:
    """A pod as the protocol has it."""
    spec = "|".join(claim.models)
    shape = {"cpu_milli": claim.cpu_milli, "memory_mib": claim.memory_mib, "num_gpu": claim.gpus}
    return {"pod": number, **shape, "gpu_milli": claim.gpu_milli, "gpu_spec": spec}


def drive(command: Sequence[str], header: str, claims: Sequence[Claim]) -> tuple[list[float], int]:
    """Seconds that each answer took, and how many pods were placed."""
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(header + "\n")
    child.stdin.flush()
    took, placed = [], 0
    for number, claim in enumerate(claims):
        began = time.perf_counter()
        child.stdin.write(json.dumps(pod_line(number, claim)) + "\n")
        child.stdin.flush()
        answer = json.loads(child.stdout.readline())
        took.append(time.perf_counter() - began)
        assert answer["pod"] == number
        placed += answer["node"] is not None
    child.stdin.close()
    child.wait(30)
    return took, placed


def per_s(took: Sequence[float]) -> float:
    """Answers a second, without the first hundred: the first waits for the child to start."""
    kept = took[100:]
    return len(kept) / sum(kept)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", required=True)
    parser.add_argument("--pods", required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--count", type=int, default=0, help="only so many arrivals; 0 for all")
    asked = parser.parse_args()
    nodes = load_nodes(Wish(asked.nodes, asked.pods, ("ours",), seed=asked.seed))
    pods = load_pods(asked.pods)
    capacity = sum(len(node.devices) for node in nodes) * 1000
    coming = [pod.claim for pod in arrivals(pods, capacity, asked.seed, 1.3)][: asked.count or None]
    told = [
        {"name": f"n{n:04d}", "cpu_milli": node.cpu_milli, "memory_mib": node.memory_mib}
        | {"gpus": len(node.devices), "model": node.devices[0].model if node.devices else ""}
        for n, node in enumerate(nodes)
    ]
    header = json.dumps({"nodes": told, "history": [pod_line(n, pod.claim) for n, pod in enumerate(pods)]})
    rows = []
    for number in range(asked.rounds):
        echo, _ = drive([sys.executable, "-c", ECHO], header, coming)
        ours, placed = drive(OURS, header, coming)
        row = {
            "round": number,
            "arrivals": len(coming),
            "placed": placed,
            "echo_per_s": round(per_s(echo)),
            "ours_per_s": round(per_s(ours)),
            "ratio": round(per_s(ours) / per_s(echo), 3),
            "ours_p50_ms": round(1e3 * statistics.median(ours), 4),
            "ours_p99_ms": round(1e3 * sorted(ours)[int(0.99 * len(ours))], 4),
        }
        rows.append(row)
        print(row, flush=True)
    write_result(
        "drive_pipe",
        asked="decisions through the pipe, 1,213 nodes: at least 0.6 of a child that only echoes, in one run",
        ran=f"{asked.rounds} rounds by turns, {len(coming):,} arrivals each, seed {asked.seed}",
        rows=rows,
        seeds=[asked.seed],
        packages=("numpy", "msgspec"),
    )


if __name__ == "__main__":
    main()
