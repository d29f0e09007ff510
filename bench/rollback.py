# SPDX-License-Identifier: Apache-2.0
"""`colonnade rollback service/credit` amid 60 s of load at 200 requests a second: when the earlier version answers all,
and whether a request got anything but an answer.

    python bench/rollback.py

Arrivals are Poisson (seeded), each request on one of 64 kept connections; the client is another process than the
daemon, the replica and the command. Two commands are given in a row, at a third and at two thirds of the time: back to
the first version, and by its digest to the second again. For each: from when the command was begun to when the last
request was sent that the left version still answered; and how many such requests were sent after the command had ended.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from report import ROOT, write_result

DECLARATION = """\
version: 1
project: bench
models: {credit: {data: ./d.csv, label: y, train: ./train.py, evaluate: ./evaluate.py}}
services: {credit: {model: credit, serve: ./serve.py, rollout: none}}
"""
TRAIN = """\
import csv, json, os
rows = list(csv.DictReader(open(os.environ["COLONNADE_INPUT"] + "/train.csv")))
json.dump(float(rows[0]["slope"]), open(os.environ["COLONNADE_OUTPUT"] + "/model.json", "w"))
"""
EVALUATE = """\
import json, os
json.dump({"score": 1}, open(os.environ["COLONNADE_OUTPUT"] + "/metrics.json", "w"))
"""
SERVE = """\
import json, os

def load(folder):
    return json.load(open(os.path.join(folder, "model.json")))

def predict(model, rows):
    return [model * row["a"] for row in rows]
"""


class Seen(NamedTuple):
    """A request: when it was to be sent, when it was sent, when answered (s); its status, or why there is none."""

    due: float
    sent: float
    done: float
    status: str
    version: str


def write_data(folder: Path, slope: int) -> None:
    (folder / "d.csv").write_text("slope,y\n" + "".join(f"{slope},{number}\n" for number in range(60)))


def wait(colonnade: list[str], than: str) -> str:
    """The version that answers, once it is another."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        done = subprocess.run([*colonnade, "status", "--json"], capture_output=True, text=True, check=True)
        service = json.loads(done.stdout)["services"]["credit"]
        if service["state"] == "ready" and service["version"] != than:
            return str(service["version"])
        time.sleep(0.2)
    raise SystemExit("no new version answers")


async def load(url: str, key: str, seconds: float, rate: float, connections: int = 64) -> list[Seen]:
    """Requests at that rate."""
    parts, rng = urlsplit(url), random.Random(11)
    body = json.dumps({"service": "credit", "rows": [{"a": 2}]}).encode()
    request = (
        f"POST /v1/predict HTTP/1.1\r\nhost: {parts.netloc}\r\nauthorization: Bearer {key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    ).encode() + body
    due, at = [], time.time() + 0.2
    end = at + seconds
    while at < end:
        due.append(at)
        at += rng.expovariate(rate)
    times, seen = iter(due), list[Seen]()

    async def worker() -> None:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        for when in times:
            if (pause := when - time.time()) > 0:
                await asyncio.sleep(pause)
            sent = time.time()
            try:
                writer.write(request)
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                data = await reader.readexactly(int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0]))
                status, version = head[9:12].decode(), str(json.loads(data).get("version", ""))
            except (OSError, asyncio.IncompleteReadError) as error:
                status, version = type(error).__name__, ""
                reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
            seen.append(Seen(when, sent, time.time(), status, version))
        writer.close()

    await asyncio.gather(*(worker() for _ in range(connections)))
    return seen


async def measured(colonnade: list[str], url: str, key: str, seconds: float, rate: float, second: str) -> list[Any]:
    """The load, and the two commands."""

    async def back(after: float, *words: str) -> tuple[float, float, dict[str, Any]]:
        await asyncio.sleep(after)
        began = time.time()
        command = await asyncio.create_subprocess_exec(
            *colonnade, "rollback", *words, "--json", stdout=asyncio.subprocess.PIPE
        )
        said, _ = await command.communicate()
        return began, time.time(), json.loads(said)

    seen, one, two = await asyncio.gather(
        load(url, key, seconds, rate),
        back(seconds / 3, "service/credit"),
        back(2 * seconds / 3, "model/credit", "--to", second),
    )
    rows: list[Any] = []
    for what, (began, ended, told) in (("back", one), ("and forth", two)):
        left = [request for request in seen if request.sent >= began and request.version == told["from"]]
        until = ended + 5 if what == "back" else ended + seconds
        left = [request for request in left if request.sent < until]
        rows.append({
            "what": f"rollback {what}", "command_s": round(ended - began, 3), "moved_ms": told["took_ms"],
            "last_left_version_s": round(max((request.sent for request in left), default=began) - began, 3),
            "left_version_after_the_command": sum(request.sent > ended for request in left),
        })  # fmt: skip
    took = sorted(request.done - request.due for request in seen)
    near = sorted(r.done - r.due for r in seen if any(b - 1 < r.due < e + 1 for b, e, _ in (one, two)))
    rows.append({
        "what": f"{seconds:.0f} s at {rate:.0f} requests a second", "requests": len(seen),
        "statuses": dict(Counter(request.status for request in seen)),
        "not_2xx": sum(request.status[:1] != "2" for request in seen),
        "p50_ms": round(took[len(took) // 2] * 1000, 2), "p99_ms": round(took[int(0.99 * len(took))] * 1000, 2),
        "max_ms": round(took[-1] * 1000, 2),
        "p99_ms_within_1_s_of_a_command": round(near[int(0.99 * len(near))] * 1000, 2),
    })  # fmt: skip
    return rows


def main() -> None:
    """Measure and write `bench/results/rollback.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rate", type=float, default=200)
    parser.add_argument("--out", type=Path, help="folder for the result")
    args = parser.parse_args()
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ |= {"COLONNADE_KEYS": str(folder / "keys")}
        for file, text in (
            ("colonnade.yaml", DECLARATION), ("train.py", TRAIN), ("evaluate.py", EVALUATE), ("serve.py", SERVE),
        ):  # fmt: skip
            (folder / file).write_text(text)
        write_data(folder, 2)
        colonnade = [str(Path(sys.executable).with_name("colonnade")), "-C", str(folder)]
        subprocess.run([*colonnade, "up", "--detach", "--port", "0"], check=True, capture_output=True)
        try:
            first = wait(colonnade, "")
            write_data(folder, 3)
            second = wait(colonnade, first)
            home = folder / ".colonnade"
            url, key = (home / "daemon.url").read_text().strip(), (home / "owner.token").read_text().strip()
            rows = asyncio.run(measured(colonnade, url, key, args.seconds, args.rate, second))
        finally:
            subprocess.run([*colonnade, "down"], check=False, capture_output=True)
    for row in rows:
        print(json.dumps(row))
    path = write_result(
        "rollback",
        asked="rollback service/credit under 60 s of load at 200 requests/s: <= 1 s for all new requests, no non-2xx",
        ran=f"{args.seconds:.0f} s at {args.rate:.0f} requests a second; back, and forth again",
        rows=rows,
        seeds=[11],
        packages=("uvicorn", "httptools", "msgspec"),
        notes=f"load average before {before:.1f}, at the end {os.getloadavg()[0]:.1f}: times are upper bounds",
        out=args.out,
    )
    print(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


if __name__ == "__main__":
    main()
