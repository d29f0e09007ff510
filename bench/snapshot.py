# SPDX-License-Identifier: Apache-2.0
"""Taking ten million rows in: checked, profiled and divided by time, in how much memory and CPU, beside who only reads.

Ours runs as it does in a house: in the confined process, by the contract of a real table (types, ranges, words, a
unique key), then the division by a column of days. The peers read the same file into memory, as a training script
would, and check nothing: pandas, polars, pyarrow, DuckDB (a count over the file). Each in a process of its own; CPU
and the most memory (RSS, with what the process shares) are the kernel's. `--peers PYTHON` has the peers installed.

    python bench/snapshot.py --rows 10000000 --peers VENV/bin/python
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from report import write_result

MAKE = """
import sys, numpy as np, pyarrow as pa, pyarrow.csv as pc, pyarrow.parquet as pq
n, folder = int(sys.argv[1]), sys.argv[2]
rng = np.random.default_rng(1)
words = np.array(["north", "south", "east", "west"])
seconds = (1.7e9 + np.sort(rng.integers(0, 30_000_000, n))).astype("int64")
table = pa.table({
    "id": np.arange(n), "day": rng.integers(0, 365, n), "when": pa.array(seconds, pa.timestamp("s")),
    "age": rng.integers(18, 90, n), "income": np.round(rng.lognormal(3, 1, n), 2),
    "debt": np.round(rng.random(n) * 1e4, 3), "region": pa.array(words[rng.integers(0, 4, n)]),
    "city": pa.array(np.char.add("c", rng.integers(0, 3000, n).astype(str))), "score": rng.random(n),
    "label": rng.integers(0, 2, n)})
pc.write_csv(table, folder + "/d.csv")
pq.write_table(table, folder + "/d.parquet", row_group_size=1 << 20)
"""
PEERS = {
    "pandas": ("import pandas as pd; t = pd.read_csv(P)", "import pandas as pd; t = pd.read_parquet(P)"),
    "polars": ("import polars as pl; t = pl.read_csv(P)", "import polars as pl; t = pl.read_parquet(P)"),
    "pyarrow": ("import pyarrow.csv as c; t = c.read_csv(P)", "import pyarrow.parquet as q; t = q.read_table(P)"),
    "duckdb, min max of a column": (
        "import duckdb; duckdb.sql(f\"select min(income), max(income), count(distinct city) from '{P}'\").fetchall()",
    )
    * 2,
}
OURS = """
import gc, sys
gc.disable()
from pathlib import Path
from colonnade.adapters.tables.child import answer
from colonnade.adapters.tables.wire import Job
from colonnade.core.tables import ColumnRule, Rules
from colonnade.ports.outside.tables import Batch, Division
form, path, what, out = sys.argv[1:5]
batches = [Batch("d", Path(path), form)]
rules = Rules({
    "age": ColumnRule("integer", 18, 120), "income": ColumnRule("number", 0), "debt": ColumnRule("number", 0),
    "region": ColumnRule(values=("north", "south", "east", "west")), "label": ColumnRule("boolean")}, ("id",))
if what == "check and profile":
    found = answer(Job(batches=batches, rules=rules, label="label"))
    assert found.judgement and not found.judgement.judged[0].breaches, found
else:
    found = answer(Job(batches=batches, division=Division("label", 0.2, "day", format=form), folder=Path(out)))
    assert found.divided, found
"""


def measured(command: list[str]) -> dict[str, Any]:
    """wall_s, cpu_s, peak_mib of one process and its children."""
    code = (
        "import json, resource, subprocess, sys; p = subprocess.run(sys.argv[1:]);"
        "u = resource.getrusage(resource.RUSAGE_CHILDREN);"
        "print(json.dumps([p.returncode,u.ru_utime+u.ru_stime,u.ru_maxrss/1024]))"
    )
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, check=False)
    wall = time.perf_counter() - began
    returned, cpu, peak = json.loads(done.stdout.splitlines()[-1])
    if returned:
        raise SystemExit(f"{command[:3]}: {done.stderr[-2000:]}")
    return {"wall_s": round(wall, 1), "cpu_s": round(cpu, 1), "peak_mib": round(peak)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--peers", default=sys.executable)
    options = parser.parse_args()
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
    cells: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        subprocess.run([sys.executable, "-c", MAKE, str(options.rows), folder], check=True)
        for place, form in enumerate(("csv", "parquet")):
            path = f"{folder}/d.{form}"
            size = Path(path).stat().st_size
            jobs = []
            for what in ("check and profile", "divide by time"):
                out = Path(folder) / f"{form}-{place}-{what.split()[0]}"
                (out / "buckets").mkdir(parents=True)
                jobs.append((f"ours, {what}", [sys.executable, "-c", OURS, form, path, what, str(out)]))
            jobs += [
                (f"{name}, read", [options.peers, "-c", f"P = {path!r}\n{code[place]}"]) for name, code in PEERS.items()
            ]
            for name, command in jobs:
                try:
                    cell = measured(command)
                except SystemExit as error:
                    print(f"{name}: left out: {str(error).splitlines()[-1]}", file=sys.stderr)
                    continue
                cell |= {"rows_per_cpu_s": round(options.rows / cell["cpu_s"]), "file_mib": size >> 20}
                cells.append({"what": name, "format": form, **cell})
                print(cells[-1], flush=True)
    write_result(
        "snapshot",
        asked="10 million rows, 1 GB: snapshotted, checked, profiled and divided below 500 MB of memory; rows a second",
        ran=f"{options.rows:,} rows of 10 columns; the largest of our processes: {_most(cells)} MiB",
        rows=cells,
        seeds=[1],
        packages=("numpy", "pyarrow", "msgspec"),
        notes="The peers only read (one thread each where they can be told), and hold the table; ours holds a chunk.",
    )
    print(f"this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MiB")


def _most(cells: list[dict[str, Any]]) -> int:
    return max(cell["peak_mib"] for cell in cells if cell["what"].startswith("ours"))


if __name__ == "__main__":
    main()
