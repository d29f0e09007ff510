# SPDX-License-Identifier: Apache-2.0
"""What the gateway costs a chat request, beside LiteLLM, over the same dummy language model, in one run.

    python bench/gateway.py                              # the real daemon, keys and ledger on; and the gateway over a
    house in memory python bench/gateway.py --litellm ENV/bin/python     # beside LiteLLM's proxy, installed there as
    `litellm[proxy]` python bench/gateway.py --soak 100000                # memory after that many requests

CPU is user + system of the server's whole process tree, by psutil, over the requests of a row. "Added" is the row's
median less that of the dummy alone with as many at once, just before. Every process is one that this script starts
and ends.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from report import ROOT, write_result

HERE = Path(__file__).resolve().parent
CHUNKS = 50
PLAN = {
    "whole, alone": (0, 1, 300),
    "whole, 16": (0, 16, 3000),
    "stream, alone": (1, 1, 60),
    "stream, 16": (1, 16, 480),
}
SECRET = "sk-bench-only"


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """A process tree under measurement."""

    def __init__(self, name: str, pid: int, url: str, key: str, model: str, started: Mapping[str, float]) -> None:
        self.name, self.url, self.key, self.model, self.started = name, url, key, model, started
        self.process = psutil.Process(pid)

    def tree(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]

    def cpu_s(self) -> float:
        """CPU seconds of the tree so far."""
        return sum(t.user + t.system for t in (p.cpu_times() for p in self.tree()))

    def rss_mib(self) -> float:
        """Resident memory of the tree."""
        return round(sum(p.memory_info().rss for p in self.tree()) / 2**20, 1)


def load(url: str, key: str, model: str, stream: int, concurrent: int, requests: int, *question: str) -> dict[str, Any]:
    """Run the load client."""
    command = [
        sys.executable,
        str(HERE / "gateway_load.py"),
        url,
        key,
        model,
        str(stream),
        str(concurrent),
        str(requests),
        *question,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def wait_for(url: str, key: str, seconds: float = 120.0) -> None:
    """Until the server answers."""
    request = urllib.request.Request(url, headers={"authorization": f"Bearer {key}"})
    end = time.monotonic() + seconds
    while True:
        try:
            urllib.request.urlopen(request, timeout=5).read()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
        else:
            return


def measured(server: Server, dummy: str) -> list[dict[str, Any]]:
    """One row for each line of the plan."""
    load(server.url, server.key, server.model, 0, 16, 200)
    load(server.url, server.key, server.model, 1, 16, 32)
    idle, rows = server.rss_mib(), []
    for name, (stream, concurrent, requests) in PLAN.items():
        direct = load(dummy, "-", "dummy-1", stream, concurrent, max(40, requests // 3))
        before = server.cpu_s()
        seen = load(server.url, server.key, server.model, stream, concurrent, requests)
        cpu_ms = (server.cpu_s() - before) * 1000 / requests
        row = {
            "server": server.name,
            "what": name,
            "requests": requests,
            "failed": seen["failed"],
            "cpu_ms_a_request": round(cpu_ms, 3),
            "added_p50_ms": round(seen["p50_ms"] - direct["p50_ms"], 2),
            "added_first_byte_p50_ms": round(seen["first_p50_ms"] - direct["first_p50_ms"], 2),
            "p99_ms": seen["p99_ms"],
            "direct_p50_ms": direct["p50_ms"],
            "direct_p99_ms": direct["p99_ms"],
        }
        if stream:
            row["cpu_ms_a_chunk"] = round(cpu_ms / CHUNKS, 4)
        rows.append(row)
        print(json.dumps(row), flush=True)
    rows.append(
        {
            "server": server.name,
            "what": "memory",
            "rss_idle_mib": idle,
            "rss_after_mib": server.rss_mib(),
            **server.started,
        }
    )
    print(json.dumps(rows[-1]), flush=True)
    return rows


def soaked(server: Server, requests: int) -> dict[str, Any]:
    """Memory after many requests: the growth from the first 2,000 on."""
    load(server.url, server.key, server.model, 0, 16, 2000)
    before, marks = server.rss_mib(), []
    for _ in range(5):
        load(server.url, server.key, server.model, 0, 16, requests // 5)
        marks.append(server.rss_mib())
    row = {
        "server": server.name,
        "what": f"memory over {requests} requests",
        "rss_mib": [before, *marks],
        "grown_mib": round(marks[-1] - before, 1),
    }
    print(json.dumps(row), flush=True)
    return row


def start(
    name: str, command: list[str], url: str, key: str, model: str, environment: Mapping[str, str], log: Path
) -> tuple[Server, subprocess.Popen[bytes]]:
    """Start a server and wait until it answers."""
    begun = time.monotonic()
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env={**os.environ, **environment})
    base = url.removesuffix("/chat/completions")
    wait_for(f"{base}/models", key)
    server = Server(name, process.pid, url, key, model, {"start_s": round(time.monotonic() - begun, 1)})
    return server, process


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a server and wait until it has."""
    process.terminate()
    process.wait(30)


def in_memory(dummy: str, folder: Path) -> tuple[Server, Callable[[], None]]:
    """The gateway over the house in memory."""
    port = free_port()
    command = [sys.executable, str(HERE / "gateway_server.py"), str(port), dummy.removesuffix("/chat/completions")]
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    server, process = start(
        "colonnade, house in memory", command, url, "test-anna-key", "chat", {}, folder / "memory.log"
    )
    return server, partial(stop, process)


def daemon(dummy: str, folder: Path, *, knowledge: bool = False) -> tuple[Server, Callable[[], None]]:
    """The real daemon: keys, epochs, ledger on. `colonnade` is the one beside this interpreter.

    With `knowledge` it serves a copy of examples/acme and is ready, embedded, when this returns.
    """
    home = folder / ("acme" if knowledge else "house")
    answer_with = f'{{url: "{dummy.removesuffix("/chat/completions")}", model: dummy-1}}'
    if knowledge:
        shutil.copytree(ROOT / "examples" / "acme", home, ignore=shutil.ignore_patterns(".colonnade"))
        declaration = (home / "colonnade.yaml").read_text()
        service = f"services:\n  writer: {{knowledge: handbook, answer_with: {answer_with}}}\n"
        (home / "colonnade.yaml").write_text(declaration.replace("services:\n", service))
    else:
        home.mkdir()
        people = 'access:\n  groups: {everyone: ["*"], staff: [anna]}\n'
        service = f"services:\n  chat: {{answer_with: {answer_with}}}\n"
        (home / "colonnade.yaml").write_text(f"version: 1\nproject: bench\n{people}{service}")
    colonnade = [str(Path(sys.executable).with_name("colonnade")), "-C", str(home)]
    port = free_port()
    begun = time.monotonic()
    subprocess.run([*colonnade, "up", "--detach", "--port", str(port)], check=True, capture_output=True)
    started = {"start_s": round(time.monotonic() - begun, 1)}
    if knowledge:
        subprocess.run([*colonnade, "status", "--wait", "500", "--json"], check=True, capture_output=True)
    command = [*colonnade, "keys", "create", "bench", "--for", "anna", "--json"]
    key = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["key"]
    pid = int((home / ".colonnade" / "daemon.pid").read_text())
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    model = "writer" if knowledge else "chat"
    server = Server("colonnade, daemon with ledger", pid, url, key, model, started)
    return server, lambda: (subprocess.run([*colonnade, "down"], check=True, capture_output=True), None)[1]


def grounded(server: Server) -> list[dict[str, Any]]:
    """Requests on a service with knowledge: through a language model, and by quotes alone."""
    rows, question = [], "How long is the warranty of a pump?"
    for model, stream, concurrent, requests in (
        ("assistant", 0, 1, 60),
        ("assistant", 0, 8, 200),
        ("writer", 1, 1, 30),
        ("writer", 1, 8, 160),
    ):
        load(server.url, server.key, model, stream, 4, 12, question)
        before = server.cpu_s()
        seen = load(server.url, server.key, model, stream, concurrent, requests, question)
        row = {
            "server": server.name,
            "what": f"grounded, {model}, {concurrent} at once",
            "requests": requests,
            "failed": seen["failed"],
            "cpu_ms_a_request": round((server.cpu_s() - before) * 1000 / requests, 2),
            "p50_ms": seen["p50_ms"],
            "first_byte_p50_ms": seen["first_p50_ms"],
        }
        rows.append(row)
        print(json.dumps(row), flush=True)
    return rows


def litellm(dummy: str, folder: Path, python: str) -> tuple[Server, Callable[[], None]]:
    """LiteLLM's proxy with a master key and no database; its price map from the package, not from the network."""
    port = free_port()
    config = folder / "litellm.yaml"
    base = dummy.removesuffix("/chat/completions")
    config.write_text(
        "model_list:\n  - model_name: chat\n"
        f'    litellm_params: {{model: openai/dummy-1, api_base: "{base}", api_key: sk-x}}\n'
        f"general_settings: {{master_key: {SECRET}}}\n"
    )
    command = [
        str(Path(python).with_name("litellm")),
        "--config",
        str(config),
        "--port",
        str(port),
        "--host",
        "127.0.0.1",
        "--num_workers",
        "1",
    ]
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    environment = {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    server, process = start("litellm", command, url, SECRET, "chat", environment, folder / "litellm.log")
    return server, partial(stop, process)


def versions_of(python: str) -> str:
    """LiteLLM's version there."""
    code = "from importlib.metadata import version; print(version('litellm'))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def main() -> None:
    """Measure and write `bench/results/gateway.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--litellm", help="a Python that has litellm[proxy]")
    parser.add_argument("--grounded", action="store_true", help="rows for a service with knowledge, too")
    parser.add_argument("--soak", type=int, default=0, help="requests for the memory row")
    parser.add_argument("--out", type=Path, help="folder for the result")
    args = parser.parse_args()
    before = os.getloadavg()[0]
    port = free_port()
    dummy = f"http://127.0.0.1:{port}/v1/chat/completions"
    model = subprocess.Popen([sys.executable, str(HERE / "gateway_dummy.py"), str(port)])
    rows: list[dict[str, Any]] = []
    try:
        time.sleep(0.5)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for make in (daemon, in_memory):
                server, end = make(dummy, folder)
                rows += measured(server, dummy)
                if args.soak and make is daemon:
                    rows.append(soaked(server, args.soak))
                end()
            if args.grounded:
                server, end = daemon(dummy, folder, knowledge=True)
                rows += grounded(server)
                end()
            if args.litellm:
                server, end = litellm(dummy, folder, args.litellm)
                rows += measured(server, dummy)
                end()
    finally:
        model.terminate()
        model.wait(10)
    notes = f"load average before {before:.1f}, at the end {os.getloadavg()[0]:.1f} (times are upper bounds); "
    notes += f"litellm {versions_of(args.litellm)}" if args.litellm else "without litellm"
    path = write_result(
        "gateway",
        asked="CPU a chat request at 16 concurrent on a service without knowledge, dummy upstream, keys and ledger on; "
        "a streamed chunk; added p50 and first byte; memory after 10^5 requests; beside LiteLLM",
        ran=f"as asked; streams of {CHUNKS} chunks 2 ms apart, whole answers after 10 ms; soak {args.soak} requests",
        rows=rows,
        packages=("aiohttp", "uvicorn", "httptools", "msgspec"),
        notes=notes,
        out=args.out,
    )
    print(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


if __name__ == "__main__":
    main()
