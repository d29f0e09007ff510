# SPDX-License-Identifier: Apache-2.0
"""Memory of a whole house at rest: the daemon and everything that it has started, as PSS (shared pages counted once).

    python bench/footprint.py             # both examples, some four minutes each; writes bench/results/footprint.json

A copy of each example is brought up and asked; then nobody asks anything. Looked at 2 s after the last request (the
embedder is loaded), after 60 s, and after 150 s. Then one more request: what it costs that things were put away.
Also: how many distributions a base install has (counted from the lock, by `bench/install.py`'s rule).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.census import ours, role
from bench.report import ROOT, write_result
from colonnade.testing.project import Project

GOAL_MB = 200
LOOKS_S = (2, 60, 150)
ROW = {"age": 41, "income": 38.0, "debt": 3.0, "months_employed": 60, "late_before": 0, "region": "north"}


def pss_mb(pid: int) -> float:
    """Proportional set size in MB (10^6 bytes); 0 where the process is gone."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Pss:")) * 1024 / 1e6
    return 0.0


def looked(project: Project) -> dict[str, float]:
    """role -> MB of every process of the house, and `whole`."""
    found: dict[str, float] = {}
    for pid, _ in ours(project.home):
        found[(role(pid) or "other")] = round(found.get((role(pid) or "other"), 0.0) + pss_mb(pid), 1)
    return {**found, "whole": round(sum(found.values()), 1)}


def post(project: Project, path: str, body: object) -> float:
    """Milliseconds of one request. Raises urllib.error.HTTPError."""
    headers = {"authorization": f"Bearer {project.token}", "content-type": "application/json"}
    request = urllib.request.Request(project.url + path, json.dumps(body).encode(), headers)
    began = time.perf_counter()
    with urllib.request.urlopen(request, timeout=60) as answer:
        answer.read()
    return round(1000 * (time.perf_counter() - began), 1)


def measure(example: str, ask: Callable[[Project], float]) -> dict[str, Any]:
    """One example, from `up` to the request after the long rest."""
    folder = Path(tempfile.mkdtemp())
    project = Project.copy_of(ROOT / "examples" / example, folder / example)
    try:
        project.up(ready=300)
        times = [ask(project) for _ in range(20)]
        last = time.monotonic()
        looks = {}
        for second in LOOKS_S:
            time.sleep(max(0.0, last + second - time.monotonic()))
            looks[f"after_{second}_s"] = looked(project)
            print(example, second, looks[f"after_{second}_s"], flush=True)
        return {
            "example": example, "mb": looks, "request_ms_median": sorted(times)[10],
            "first_request_after_rest_ms": ask(project), "next_request_ms": ask(project),
        }  # fmt: skip
    finally:
        project.run("down")
        shutil.rmtree(folder, ignore_errors=True)


ASKS: dict[str, Callable[[Project], float]] = {
    "acme": lambda project: post(project, "/v1/ask", {"question": "How many days of leave are there?"}),
    "credit": lambda project: post(project, "/v1/predict", {"rows": [ROW]}),
}


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=sorted(ASKS))
    asked = parser.parse_args()
    rows = [measure(example, ask) for example, ask in ASKS.items() if asked.only in (None, example)]
    print(json.dumps(rows, indent=1))
    holds = all(
        row["mb"]["after_60_s"]["whole"] - row["mb"]["after_60_s"].get("embedder", 0) <= GOAL_MB for row in rows
    )
    if asked.only is None:
        write_result(
            "footprint",
            asked="whole tree 60 s after the last request <= 200 MB PSS with the embedder unloaded (loaded too)",
            ran="the same, over copies of both examples; PSS of every process with the house's folder in its "
            "environment, descriptors or ancestry",
            rows=rows,
            seeds=[],
        )
    return 0 if holds else 1


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
