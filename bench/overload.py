# SPDX-License-Identifier: Apache-2.0
"""Ten times more than a service can do, and the end of a daemon amid load: what the clients see.

    python bench/overload.py

Two services: `small`, an ONNX graph of 8 columns (the gateway's own speed is the limit), and `slow`, a script whose
rows take 10 ms each, one after the other. Capacity is what 16 connections reach that send as fast as they are answered.
Then, at Poisson arrivals: 70 %, 100 %, and 1,000 % of it. The client runs on the same two cores; for `small` it cannot
send ten times as much, so there 10 times `limit` connections send as fast as they are answered, refusals included.

The end: 32 connections, always asking; the daemon gets SIGTERM in the middle. Failed is a request that was sent and got
no whole answer, or one other than 200 and 503.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from predict import EVALUATE, TRAIN, write_graph  # type: ignore[import-not-found]
from report import ROOT, write_result

HERE = Path(__file__).resolve().parent
DECLARATION = """\
version: 1
project: overload
models:
  small: {data: ./d.csv, label: y, train: ./train.py, evaluate: ./evaluate.py}
  slow: {data: ./d.csv, label: y, train: ./train.py, evaluate: ./evaluate.py}
services:
  small: {model: small, rollout: none}
  slow: {model: slow, serve: ./serve.py, rollout: none}
"""
SERVE = """\
import time

def load(folder):
    return None

def predict(model, rows):
    time.sleep(0.01 * len(rows))
    return [0.0 for _ in rows]
"""
ROW = {f"f{number}": number / 7 for number in range(8)}


def up(folder: Path) -> list[str]:
    """A daemon with both services; its command line."""
    os.environ |= {"COLONNADE_KEYS": str(folder / "keys")}
    write_graph(folder / "m.onnx")
    (folder / "colonnade.yaml").write_text(DECLARATION)
    (folder / "serve.py").write_text(SERVE)
    (folder / "d.csv").write_text("a,y\n" + "".join(f"{number},{number}\n" for number in range(60)))
    (folder / "train.py").write_text(TRAIN.format(folder=str(folder)))
    (folder / "evaluate.py").write_text(EVALUATE)
    colonnade = [str(Path(sys.executable).with_name("colonnade")), "-C", str(folder)]
    subprocess.run([*colonnade, "up", "--detach", "--port", "0"], check=True, capture_output=True)
    subprocess.run([*colonnade, "status", "--wait", "120", "--json"], check=True, capture_output=True)
    return colonnade


def body(service: str) -> str:
    return json.dumps({"service": service, "rows": [ROW]})


def load(folder: Path, service: str, concurrent: int, requests: int, rate: float) -> dict[str, Any]:
    home = folder / ".colonnade"
    url, key = (home / "daemon.url").read_text().strip(), (home / "owner.token").read_text().strip()
    command = [sys.executable, str(HERE / "predict_load.py"), f"{url}/v1/predict", key, str(concurrent), str(requests)]
    done = subprocess.run([*command, str(rate), body(service)], capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def overloaded(folder: Path, service: str, limit: int, seconds: float, *, paced: bool) -> list[dict[str, Any]]:
    """Capacity, 70 %, 100 %, 1,000 %."""
    rows: list[dict[str, Any]] = []
    load(folder, service, 16, 200, 0)
    capacity = load(folder, service, 16, 400 if service == "slow" else 6000, 0)
    rate = float(capacity["ok"]["per_s"])
    rows.append({"service": service, "what": "capacity: 16 connections", **capacity})
    for share, connections in ((0.7, 64), (1.0, 256), (10.0, 1000)):
        if share == 10.0 and not paced:
            seen = load(folder, service, 10 * limit, round(rate * seconds * 2), 0)
            what = f"10 times its limit: {10 * limit} connections"
        else:
            seen = load(folder, service, connections, round(rate * share * seconds), rate * share)
            what = f"{share:.0%} of capacity, Poisson"
        rows.append({"service": service, "what": what, **seen})
    normal, most = rows[1]["ok"]["p99_ms"], rows[-1]["ok"]["p99_ms"]
    rows.append({
        "service": service, "what": "p99 of the accepted at ten times too much",
        "over p99 at 70 %": round(most / normal, 2), "over p99 at 100 %": round(most / rows[2]["ok"]["p99_ms"], 2),
        "refusals with Retry-After": f"{rows[-1]['told']} of {rows[-1]['statuses'].get('429', 0)}",
    })  # fmt: skip
    for row in rows:
        print(json.dumps(row), flush=True)
    return rows


async def ended(folder: Path, service: str, connections: int = 32) -> dict[str, Any]:
    """SIGTERM amid load."""
    home = folder / ".colonnade"
    parts, key = urlsplit((home / "daemon.url").read_text().strip()), (home / "owner.token").read_text().strip()
    data, pid = body(service).encode(), int((home / "daemon.pid").read_text())
    request = (
        f"POST /v1/predict HTTP/1.1\r\nhost: {parts.netloc}\r\nauthorization: Bearer {key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n"
    ).encode() + data
    seen: dict[str, int] = {}
    after, told_at = 0, time.perf_counter() + 2.0
    took = 0.0

    async def worker() -> None:
        nonlocal after
        while True:
            try:
                reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
            except OSError:
                return  # nobody takes new ones any more
            closing = False
            while not closing:
                began = time.perf_counter()
                try:
                    writer.write(request)
                    head = (await reader.readuntil(b"\r\n\r\n")).lower()
                    await reader.readexactly(int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0]))
                    status, closing = head[9:12].decode(), b"\r\nconnection: close" in head
                except (OSError, asyncio.IncompleteReadError):
                    status, closing = "no answer", True
                seen[status] = seen.get(status, 0) + 1
                after += began > told_at and status == "200"
            writer.close()

    async def end() -> None:
        nonlocal took
        await asyncio.sleep(2.0)
        os.kill(pid, signal.SIGTERM)
        began = time.perf_counter()
        while Path(f"/proc/{pid}").exists():
            await asyncio.sleep(0.01)
        took = time.perf_counter() - began

    await asyncio.gather(end(), *(worker() for _ in range(connections)))
    failed = sum(count for status, count in seen.items() if status not in {"200", "503", "429"})
    row = {
        "service": service, "what": f"SIGTERM, {connections} connections", "answers": seen, "failed": failed,
        "answered_after_the_signal": after, "ended_after_s": round(took, 2),
    }  # fmt: skip
    print(json.dumps(row), flush=True)
    return row


def main() -> None:
    """Measure and write `bench/results/overload.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10, help="of each load (default: 10)")
    parser.add_argument("--out", type=Path, help="folder for the result")
    args = parser.parse_args()
    before, rows = os.getloadavg()[0], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        colonnade = up(folder)
        try:
            rows += overloaded(folder, "slow", 128, args.seconds, paced=True)
            rows += overloaded(folder, "small", 128, args.seconds, paced=False)
            rows.append(asyncio.run(ended(folder, "small")))
        finally:
            subprocess.run([*colonnade, "down"], check=False, capture_output=True)
        subprocess.run([*colonnade, "up", "--detach", "--port", "0"], check=True, capture_output=True)
        try:
            subprocess.run([*colonnade, "status", "--wait", "60", "--json"], check=True, capture_output=True)
            rows.append(asyncio.run(ended(folder, "slow")))
        finally:
            subprocess.run([*colonnade, "down"], check=False, capture_output=True)
    path = write_result(
        "overload",
        asked="ten times overload: 429 with Retry-After, p99 of the accepted <= 2x; SIGTERM drains, 0 failed",
        ran="two services on one daemon, the client on the same cores; both readings of 2x: over 70 % and over 100 % "
        "of capacity",
        rows=rows,
        seeds=[7],
        packages=("uvicorn", "httptools", "msgspec", "onnxruntime", "numpy"),
        notes=f"load average before {before:.1f}, at the end {os.getloadavg()[0]:.1f}: latencies are upper bounds",
        out=args.out,
    )
    print(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


if __name__ == "__main__":
    main()
