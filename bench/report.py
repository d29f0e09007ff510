# SPDX-License-Identifier: Apache-2.0
"""Write one measurement to `bench/results/NAME.json`, in the form that every bench here shares.

It exists so that no number stands alone: each file says what was asked, what ran instead where the two
differ, with which seeds, at which commit, on which processor and with which versions. Standard library
only, so that a bench for a peer's package can import it from any environment. No measuring happens here.

From a bench that is started as `python bench/NAME.py` (its folder is then on the path):

    from report import write_result
    write_result("vectors", asked="p50 at recall >= .99, 100k rows", ran="the same", rows=rows, seeds=[7])

and from the repository root: `from bench.report import write_result`.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).resolve().parent / "results"
SCHEMA = "colonnade.bench/1"


def cpu_model() -> str:
    """The processor's name as the kernel gives it, or the machine's architecture where it gives none."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def cpu_flags() -> list[str]:
    """Those instruction sets that decide our inner loops and that this processor has, sorted."""
    wanted = {"avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "amx_bf16", "avx512_bf16", "asimddp"}
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return []
    line = next((x for x in text.splitlines() if x.startswith(("flags", "Features"))), "")
    return sorted(wanted & set(line.split()))


def cores() -> int:
    """How many cores this process may use, which is not how many the machine has."""
    return len(os.sched_getaffinity(0))


def commit() -> str:
    """The commit that ran, with `+dirty` when tracked files under src or bench differ from it."""

    def git(*args: str) -> str:
        done = subprocess.run(["git", "-C", str(ROOT), *args], capture_output=True, text=True, check=False)
        return done.stdout.strip()

    head = git("rev-parse", "HEAD")
    if not head:
        return "unknown"
    changed = git("status", "--porcelain", "--untracked-files=no", "--", "src", "bench/*.py")
    return head + ("+dirty" if changed else "")


def versions(names: Sequence[str]) -> dict[str, str]:
    """Installed versions of the named distributions; one that is not installed is left out."""
    found: dict[str, str] = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def write_result(
    name: str,
    *,
    asked: str,
    ran: str,
    rows: Sequence[Mapping[str, Any]],
    seeds: Sequence[int] = (),
    packages: Sequence[str] = ("numpy", "onnxruntime"),
    notes: str = "",
    out: Path | None = None,
) -> Path:
    """Write `bench/results/NAME.json` and return its path.

    `asked` is what the figure's definition wants, `ran` what was really done (a smaller size, another
    split); where they are the same, say so. `rows` are the cells: one mapping a configuration, units in
    the names of its fields (`p50_ms`, `cpu_s`). `packages` are the distributions whose versions matter.
    """
    document = {
        "schema": SCHEMA,
        "name": name,
        "asked": asked,
        "ran": ran,
        "notes": notes,
        "seeds": list(seeds),
        "commit": commit(),
        "when": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "machine": {
            "cpu": cpu_model(),
            "flags": cpu_flags(),
            "cores": cores(),
            "kernel": platform.release(),
            "python": platform.python_version(),
        },
        "versions": versions(packages),
        "argv": [Path(word).name if word.startswith("/") else word for word in sys.argv],
        "rows": [dict(row) for row in rows],
    }
    path = (out or RESULTS) / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False, sort_keys=False) + "\n")
    return path
