# SPDX-License-Identifier: Apache-2.0
"""What one prediction of a small model costs behind the gateway, beside a bare ASGI app and FastAPI, in one run.

    python bench/predict.py                              # the real daemon, and the bare app
    python bench/predict.py --fastapi ENV/bin/python     # and FastAPI, installed there with uvicorn and onnxruntime

The model is one linear ONNX graph of 8 columns; a request has one row. CPU is user + system of every process of the
server (ours: daemon and replica) over a row's requests, by psutil; the client is another process. "70 %" is that share
of the throughput that the same server reached with 16 connections just before, at Poisson arrivals.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from report import ROOT, write_result

HERE = Path(__file__).resolve().parent
DECLARATION = """\
version: 1
project: bench
models: {m: {data: ./d.csv, label: y, train: ./train.py, evaluate: ./evaluate.py}}
services: {m: {model: m, rollout: {shadow: 0, canary: [25, 100], stage_requests: 100000000, quiet_s: 7000000}}}
"""
TRAIN = """\
import os, shutil
shutil.copy(os.path.join({folder!r}, "m.onnx"), os.environ["COLONNADE_OUTPUT"])
"""
EVALUATE = """\
import json, os
json.dump({"score": 1}, open(os.environ["COLONNADE_OUTPUT"] + "/metrics.json", "w"))
"""
Server = tuple[str, str, Callable[[], list[psutil.Process]], Callable[[], object]]


def write_graph(path: Path, scale: float = 1.0) -> None:
    """y = x · w, 8 columns."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    one = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 8])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])
    weights = numpy_helper.from_array(scale * np.linspace(-1, 1, 8, dtype=np.float32)[:, None], "w")
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "g", [one], [out], [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    helper.set_model_props(model, {"features": json.dumps([f"f{number}" for number in range(8)])})
    onnx.save(model, path)


def ours(folder: Path, *, tried: bool = False) -> Server:
    """The daemon with one replica; `tried`: another version answers a quarter of the keys."""
    os.environ |= {"COLONNADE_KEYS": str(folder / "keys")}
    (folder / "colonnade.yaml").write_text(DECLARATION)
    (folder / "d.csv").write_text("a,y\n" + "".join(f"{number},{number}\n" for number in range(60)))
    (folder / "train.py").write_text(TRAIN.format(folder=str(folder)))
    (folder / "evaluate.py").write_text(EVALUATE)
    colonnade = [str(Path(sys.executable).with_name("colonnade")), "-C", str(folder)]
    subprocess.run([*colonnade, "up", "--detach", "--port", "0"], check=True, capture_output=True)
    subprocess.run([*colonnade, "status", "--wait", "120", "--json"], check=True, capture_output=True)
    if tried:
        write_graph(folder / "m.onnx", 2.0)
        (folder / "d.csv").write_text("a,y\n" + "".join(f"{number},{number + 1}\n" for number in range(60)))
        end = time.monotonic() + 60
        while (_rollout(colonnade) or {}).get("share") != 0.25:
            assert time.monotonic() < end, "no canary began"
            time.sleep(0.2)
    home = folder / ".colonnade"
    daemon = psutil.Process(int((home / "daemon.pid").read_text()))
    replicas = [
        process
        for process in psutil.process_iter(["cmdline"])
        if any("colonnade.app.wiring_replica" in word for word in process.info["cmdline"] or [])
        and any(str(home) in word for word in process.info["cmdline"])
    ]
    assert len(replicas) == 1 + tried, replicas
    url, key = (home / "daemon.url").read_text().strip(), (home / "owner.token").read_text().strip()
    return (
        f"{url}/v1/predict",
        key,
        lambda: [daemon, *replicas],
        lambda: subprocess.run([*colonnade, "down"], check=True),
    )


def _rollout(colonnade: list[str]) -> dict[str, Any] | None:
    said = subprocess.run([*colonnade, "status", "--json"], check=True, capture_output=True).stdout
    found: dict[str, Any] | None = json.loads(said)["models"]["m"]["history"][0]["rollout"]
    return found


def peer(python: str, kind: str, folder: Path) -> Server:
    """A peer in a process of its own."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    process = subprocess.Popen([python, str(HERE / "predict_peers.py"), kind, str(port), str(folder / "m.onnx")])
    url = f"http://127.0.0.1:{port}/v1/predict"
    end = time.monotonic() + 30
    while True:
        try:
            row = {f"f{number}": 1.0 for number in range(8)}
            request = urllib.request.Request(
                url, json.dumps({"rows": [row]}).encode(), {"content-type": "application/json"}
            )
            urllib.request.urlopen(request, timeout=5).read()
            break
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)

    def stop() -> None:
        process.terminate()
        process.wait(10)

    return url, "-", lambda: [psutil.Process(process.pid)], stop


def _fresh(folder: Path) -> Path:
    """Another project."""
    made = folder / "tried"
    made.mkdir()
    write_graph(made / "m.onnx")
    return made


def load(url: str, key: str, concurrent: int, requests: int, rate: float) -> dict[str, Any]:
    command = [sys.executable, str(HERE / "predict_load.py"), url, key, str(concurrent), str(requests), str(rate)]
    done: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return done


def measured(name: str, server: Server, requests: int) -> list[dict[str, Any]]:
    """One connection, 16 connections, and 70 % of what 16 reached."""
    url, key, processes, _ = server
    load(url, key, 8, requests // 4, 0)
    rows: list[dict[str, Any]] = []
    for what, concurrent in (("1 connection", 1), ("16 connections", 16), ("70 % load", 64)):
        rate = 0.7 * rows[-1]["per_s"] if what == "70 % load" else 0.0
        count = requests // 4 if concurrent == 1 else requests
        before = [process.cpu_times() for process in processes()]
        seen = load(url, key, concurrent, count, rate)
        spent = [
            (now.user + now.system - then.user - then.system) * 1000 / count
            for now, then in zip([process.cpu_times() for process in processes()], before, strict=True)
        ]
        row = {
            "server": name, "what": what, "requests": count, "cpu_ms_a_request": round(sum(spent), 4),
            "cpu_ms_by_process": [round(one, 4) for one in spent], **seen,
            "p99_over_p50": round(seen["p99_ms"] / seen["p50_ms"], 2),
        }  # fmt: skip
        rows.append(row)
        print(json.dumps(row), flush=True)
    return rows


def main() -> None:
    """Measure and write `bench/results/predict.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fastapi", help="a Python that has fastapi, uvicorn, httptools, onnxruntime")
    parser.add_argument("--requests", type=int, default=8000)
    parser.add_argument("--out", type=Path, help="folder for the result")
    args = parser.parse_args()
    before, rows = os.getloadavg()[0], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_graph(folder / "m.onnx")
        kinds = [("bare ASGI + msgspec", lambda: peer(sys.executable, "bare", folder))]
        if args.fastapi:
            kinds.append(("FastAPI", lambda: peer(args.fastapi, "fastapi", folder)))
        kinds.append(("colonnade", lambda: ours(folder)))
        kinds.append(("colonnade, a canary of 25 %", lambda: ours(_fresh(folder), tried=True)))
        for kind, make in kinds:
            server = make()
            try:
                rows += measured(kind, server, args.requests)
            finally:
                server[3]()
    busy = {row["server"]: row["cpu_ms_a_request"] for row in rows if row["what"] == "16 connections"}
    ratios = {f"colonnade / {kind}": round(busy["colonnade"] / busy[kind], 2) for kind in busy if kind != "colonnade"}
    rows.append({"what": "CPU a request at 16 connections, ratios", **ratios})
    print(json.dumps(rows[-1]))
    path = write_result(
        "predict",
        asked="CPU a prediction of a small model <= 0.15 ms with routing, key check, canary choice and capture; "
        "p99 <= 2x p50 at 70 % load; beside bare ASGI + msgspec, FastAPI, MLServer, KServe, BentoML, Ray Serve",
        ran="routing, key check, canary choice, gathering, capture and replicas in processes of their own; "
        f"beside bare ASGI + msgspec{' and FastAPI' if args.fastapi else ''}",
        rows=rows,
        seeds=[7],
        packages=("uvicorn", "httptools", "msgspec", "onnxruntime", "numpy"),
        notes=f"load average before {before:.1f}, at the end {os.getloadavg()[0]:.1f}: latencies are upper bounds",
        out=args.out,
    )
    print(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


if __name__ == "__main__":
    main()
