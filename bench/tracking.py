# SPDX-License-Identifier: Apache-2.0
"""What a logged measurement costs the server: Colonnade's tracking beside MLflow's own server, both on SQLite.

The same requests over one kept connection to each: `log-metric`, `log-batch` of 100 measurements (of 10 series, of 100
series), `runs/search` over 200 runs. CPU is that of the server's process tree, from /proc; nothing of the client's
counts. Both acknowledge what is on disk. MLflow's server wants an environment of its own:

    python -m venv ENV && ENV/bin/pip install mlflow
    ./dev bench tracking --mlflow ENV/bin/mlflow
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

from colonnade.testing.project import Project, until
from report import write_result

ROOT = "/api/2.0/mlflow/"
SERIES = 100


@dataclass
class Server:
    """A running server: its name, where it listens, the process whose tree is measured."""

    name: str
    url: str
    pid: int

    def cpu_s(self) -> float:
        """CPU seconds of the tree so far."""
        root = psutil.Process(self.pid)
        times = [one.cpu_times() for one in (root, *root.children(recursive=True))]
        return sum(one.user + one.system for one in times)

    def pss_mib(self) -> float:
        """Proportional memory of the tree, MiB."""
        root = psutil.Process(self.pid)
        return sum(one.memory_full_info().pss for one in (root, *root.children(recursive=True))) / 2**20


@contextmanager
def colonnade(folder: Path) -> Iterator[Server]:
    """A daemon in a folder of its own."""
    folder.mkdir()
    (folder / "colonnade.yaml").write_text("version: 1\nproject: bench\ngateway: {port: 0}\n")
    project = Project(folder)
    assert project.run("up", "--detach").code == 0
    try:
        yield Server("colonnade", project.url, project.pid)
    finally:
        project.down()


@contextmanager
def mlflow(program: str, folder: Path) -> Iterator[Server]:
    """MLflow's server with one worker on SQLite, as its documentation starts it."""
    folder.mkdir()
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    words = [program, "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    words += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", str(folder / "files")]
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    process = subprocess.Popen(words, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: answers(port), 120, every=0.5)
        yield Server("mlflow", f"http://127.0.0.1:{port}", process.pid)
    finally:
        for one in (*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)):
            one.terminate()
        process.wait(20)


def answers(port: int) -> bool:
    """Whether a server is up."""
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except OSError:
        return False


class Client:
    """One kept connection."""

    def __init__(self, url: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)

    def post(self, path: str, body: Any) -> Any:
        """One request; its answer."""
        self._connection.request("POST", ROOT + path, json.dumps(body), {"content-type": "application/json"})
        response = self._connection.getresponse()
        data = response.read()
        assert response.status == 200, data
        return json.loads(data)


def measure(server: Server, what: str, count: int, ask: Callable[[int], None]) -> dict[str, Any]:
    """CPU and wall of `count` requests, after some that do not count."""
    for number in range(10):
        ask(-1 - number)
    began, cpu = time.perf_counter(), server.cpu_s()
    walls = []
    for number in range(count):
        at = time.perf_counter()
        ask(number)
        walls.append(time.perf_counter() - at)
    took = time.perf_counter() - began
    row = {
        "server": server.name,
        "what": what,
        "requests": count,
        "cpu_ms": round((server.cpu_s() - cpu) / count * 1e3, 3),
        "p50_ms": round(statistics.median(walls) * 1e3, 3),
        "per_s": round(count / took, 1),
    }
    print(row, flush=True)
    return row


def run(server: Server, scale: float) -> list[dict[str, Any]]:
    """All rows of one server."""
    client = Client(server.url)
    ident = client.post("runs/create", {"experiment_id": "0", "start_time": 1})["run"]["info"]["run_id"]

    def metric(number: int) -> None:
        point = {"key": "loss", "value": 1.0 / (number + 20), "timestamp": 1, "step": number + 10}
        client.post("runs/log-metric", {"run_id": ident, **point})

    def batch(series: int) -> Callable[[int], None]:
        def ask(number: int) -> None:
            steps = SERIES // series
            points = [{"key": f"s{series}-{at % series}", "value": float(at), "timestamp": 1,
                       "step": (number + 10) * steps + at // series} for at in range(SERIES)]  # fmt: skip
            client.post("runs/log-batch", {"run_id": ident, "metrics": points})

        return ask

    def create(number: int) -> None:
        made = client.post("runs/create", {"experiment_id": "0", "start_time": number + 20})["run"]["info"]["run_id"]
        params = [{"key": f"p{at}", "value": str(at)} for at in range(10)]
        metrics = [{"key": f"m{at}", "value": float(number % 17), "timestamp": 1} for at in range(10)]
        client.post("runs/log-batch", {"run_id": made, "params": params, "metrics": metrics})

    def search(_number: int) -> None:
        body = {"experiment_ids": ["0"], "filter": "metrics.m1 < 9 and params.p1 = '1'", "max_results": 50}
        client.post("runs/search", {**body, "order_by": ["metrics.m1 DESC"]})

    many = max(10, round(300 * scale))
    rows = [
        measure(server, "log-metric", many, metric),
        measure(server, "log-batch, 100 points of 10 series", many // 2, batch(10)),
        measure(server, "log-batch, 100 points of 100 series", many // 2, batch(100)),
        measure(server, "a run with 10 parameters and 10 metrics", 200, create),
        measure(server, "search over 210 runs, 50 shown", max(5, many // 10), search),
    ]
    rows.append({"server": server.name, "what": "memory afterwards", "pss_mib": round(server.pss_mib(), 1)})
    print(rows[-1], flush=True)
    return rows


def main() -> None:
    """Both servers, one after the other, and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mlflow", help="MLflow's program in its own environment; without it only ours is measured")
    parser.add_argument("--scale", type=float, default=1.0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        with colonnade(Path(place) / "ours") as server:
            rows = run(server, args.scale)
        if args.mlflow:
            with mlflow(args.mlflow, Path(place) / "theirs") as server:
                theirs = run(server, args.scale)
            ours = {row["what"]: row for row in rows}
            for row in theirs:
                unit = "cpu_ms" if "cpu_ms" in row else "pss_mib"
                row["times_ours"] = round(row[unit] / ours[row["what"]][unit], 1)
            rows += theirs
    write_result(
        "tracking",
        asked="CPU of the server a request, beside `mlflow server`, both durable on SQLite",
        ran="the same" if args.mlflow else "ours alone: no --mlflow was given",
        rows=rows,
        packages=("mlflow-skinny",),
        notes="one connection, one request at a time; MLflow 3.17.2 with one worker; no key, as on a laptop",
    )


if __name__ == "__main__":
    main()
