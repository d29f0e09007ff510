# SPDX-License-Identifier: Apache-2.0
"""Decisions a second of `colonnade simulate --drive place` through a pipe, against a child that only echoes.

One parent, one pipe, one JSON line each way. The echo child answers every line with "nowhere" and thinks of nothing, so
its figure is what parent, pipe and kernel cost; the two run by turns, and the ratio is what counts. The first answer
waits until the engine has learned its forecast (round 0, with an empty cache) or read it from the cache (later rounds);
it is counted in.

With --referee the parent is that program (its mode `drive`), which checks each answer as it comes; without, it is a
loop in here that reads the answer and checks nothing, which leaves the child less time to work ahead.

python bench/drive_pipe.py --nodes NODES.csv --pods PODS.csv [--referee REFEREE.py] [--seed 1] [--rounds 3]
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
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
            os.write(1, b'{"pod":%d,"node":null}\\n' % number)
        number += 1
"""
OURS = [sys.executable, "-m", "colonnade.cli.main", "simulate", "--drive", "place"]


def pod_line(number: int, claim: Claim) -> dict[str, Any]:
    """A pod as the protocol has it."""
    spec = "|".join(claim.models)
    shape = {"cpu_milli": claim.cpu_milli, "memory_mib": claim.memory_mib, "num_gpu": claim.gpus}
    return {"pod": number, **shape, "gpu_milli": claim.gpu_milli, "gpu_spec": spec}


def drive(command: Sequence[str], header: str, claims: Sequence[Claim], environment: Mapping[str, str]) -> list[float]:
    """Seconds that each answer took, from the parent in here."""
    child = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, env=environment
    )
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(header + "\n")
    child.stdin.flush()
    took = []
    for number, claim in enumerate(claims):
        began = time.perf_counter()
        child.stdin.write(json.dumps(pod_line(number, claim)) + "\n")
        child.stdin.flush()
        answer = json.loads(child.stdout.readline())
        took.append(time.perf_counter() - began)
        assert answer["pod"] == number
    child.stdin.close()
    child.wait(30)
    return took


def plain(asked: argparse.Namespace, command: Sequence[str], environment: Mapping[str, str]) -> dict[str, float]:
    """What one child reaches with the parent in here."""
    nodes, pods = load_nodes(Wish(asked.nodes, asked.pods, ("ours",), seed=asked.seed)), load_pods(asked.pods)
    capacity = sum(len(node.devices) for node in nodes) * 1000
    coming = [pod.claim for pod in arrivals(pods, capacity, asked.seed, 1.3)]
    told = [
        {"name": f"n{n:04d}", "cpu_milli": node.cpu_milli, "memory_mib": node.memory_mib}
        | {"gpus": len(node.devices), "model": node.devices[0].model if node.devices else ""}
        for n, node in enumerate(nodes)
    ]
    header = json.dumps({"nodes": told, "history": [pod_line(n, pod.claim) for n, pod in enumerate(pods)]})
    took = drive(command, header, coming, environment)
    return {
        "per_s": round(len(took) / sum(took)),
        "per_s_after_first": round((len(took) - 1) / sum(took[1:])),
        "p50_ms": round(1e3 * statistics.median(took), 4),
        "p99_ms": round(1e3 * sorted(took)[int(0.99 * len(took))], 4),
        "first_ms": round(1e3 * took[0], 1),
    }


def judged(asked: argparse.Namespace, command: Sequence[str], environment: Mapping[str, str]) -> dict[str, float]:
    """What one child reaches with the referee as its parent."""
    words = [sys.executable, asked.referee, "drive", "--nodes", asked.nodes, "--pods", asked.pods]
    words += ["--seed", str(asked.seed), "--cmd", shlex.join(command)]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    said = json.loads(done.stdout)
    return {
        "per_s": said["pods_per_s"],
        "p50_ms": said["ms_p50"],
        "p99_ms": said["ms_p99"],
        "alloc_pct": said["alloc_pct"],
        "valid": said["valid"],
    }


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", required=True)
    parser.add_argument("--pods", required=True)
    parser.add_argument("--referee")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    measure, rows = judged if asked.referee else plain, []
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "XDG_CACHE_HOME": cache}
        for number in range(asked.rounds):
            echo = measure(asked, [sys.executable, "-c", ECHO], environment)
            ours = measure(asked, OURS, environment)
            row = {
                "round": number,
                "parent": "referee" if asked.referee else "loop",
                "forecast": "cached" if number else "learned now",
                "ratio": round(ours["per_s"] / echo["per_s"], 3),
                "ratio_of_medians": round(echo["p50_ms"] / ours["p50_ms"], 3),
                **{f"echo_{name}": echo[name] for name in ("per_s", "p50_ms", "p99_ms")},
                **{f"ours_{name}": value for name, value in ours.items()},
            }
            rows.append(row)
            print(row, flush=True)
    write_result(
        "drive_pipe",
        asked="decisions through the pipe, 1,213 nodes: at least 0.6 of a child that only echoes, in one run",
        ran=f"{asked.rounds} rounds by turns, seed {asked.seed}, all arrivals, the first answer counted in",
        rows=rows,
        seeds=[asked.seed],
        packages=("numpy", "msgspec"),
        notes=f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores at the end",
    )


if __name__ == "__main__":
    main()
