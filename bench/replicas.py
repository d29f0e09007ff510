# SPDX-License-Identifier: Apache-2.0
"""What a replica of each format costs: memory, time until it answers, time a row, rows a second.

    python bench/replicas.py

The models are the small ones of `tests/serving/format_cases.py` (150 rows of three columns), so that the figures are
the engine's and ours, not the model's. Two replicas run at once: `pss_mib` is a replica's share of what both hold,
`rss_mib` all that it maps, `own_mib` what ends with it. `row_ms`: one row over the socket, p50 of 300; `batched_per_s`:
rows of 64 requests in one frame; no gateway, no HTTP. One thread.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from report import ROOT, write_result

sys.path.insert(0, str(ROOT))
from colonnade.core.predicting import ROWS, Item
from tests.serving.format_cases import CASES, Process


def memory(pid: int) -> dict[str, float]:
    """MiB: resident, proportional, private."""
    found: dict[str, int] = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        key, _, rest = line.partition(":")
        found[key] = int(rest.split()[0])
    own = found["Private_Clean"] + found["Private_Dirty"]
    return {"rss_mib": round(found["Rss"] / 1024), "pss_mib": round(found["Pss"] / 1024), "own_mib": round(own / 1024)}


def measured(name: str, folder: Path) -> dict[str, Any]:
    """One format."""
    replicas = []
    for number in range(2):
        place = folder / f"{name}-{number}"
        (place / "model").mkdir(parents=True)
        case = CASES[name](place / "model")
        began = time.perf_counter()
        replica = Process(place, case.script)
        platform = replica.ready()["platform"]
        replicas.append((replica, round(time.perf_counter() - began, 2)))
    one = Item(ROWS, 0, json.dumps(case.asked()[:1]).encode())
    replica = replicas[-1][0]
    times = []
    for _ in range(300):
        began = time.perf_counter()
        replica.ask(one)
        times.append(time.perf_counter() - began)
    began = time.perf_counter()
    for _ in range(20):
        replica.ask(*[one] * 64)
    batched = round(20 * 64 / (time.perf_counter() - began))
    replicas[0][0].ask(one)
    told = memory(replica.popen.pid)
    for each, _ in replicas:
        each.end()
    return {
        "format": name, "platform": platform, **told, "ready_s": min(took for _, took in replicas),
        "row_ms": round(sorted(times)[150] * 1000, 3), "batched_per_s": batched,
    }  # fmt: skip


def main() -> None:
    """Measure and write `bench/results/replicas.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="folder for the result")
    args = parser.parse_args()
    before, rows = os.getloadavg()[0], []
    with tempfile.TemporaryDirectory() as name:
        for case in CASES:
            try:
                rows.append(measured(case, Path(name)))
            except ImportError as missing:
                rows.append({"format": case, "skipped": str(missing)})
            print(json.dumps(rows[-1]), flush=True)
    path = write_result(
        "replicas",
        asked="memory and time of a replica, format by format; imports kept minimal",
        ran="small models, two replicas each, over the replica's own socket",
        rows=rows,
        packages=("numpy", "onnxruntime", "lightgbm", "xgboost-cpu", "scikit-learn", "skops", "safetensors"),
        notes=f"load average before {before:.1f}, at the end {os.getloadavg()[0]:.1f}: times are upper bounds",
        out=args.out,
    )
    print(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


if __name__ == "__main__":
    main()
