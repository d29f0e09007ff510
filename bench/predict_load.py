# SPDX-License-Identifier: Apache-2.0
"""The client of `bench/predict.py`: `predict_load.py URL KEY CONCURRENT REQUESTS RATE`; prints one JSON object.

RATE 0: each connection sends its next request once it has its answer. Above 0: so many a second in all, at random
times (seeded Poisson arrivals), and a request's time counts from when it was to be sent.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from urllib.parse import urlsplit

ROW = {f"f{number}": number / 7 for number in range(8)}


async def main(url: str, key: str, concurrent: int, requests: int, rate: float) -> dict[str, object]:
    """Send them and measure."""
    parts, rng = urlsplit(url), random.Random(7)
    body = json.dumps({"rows": [ROW]}).encode()
    request = (
        f"POST {parts.path} HTTP/1.1\r\nhost: {parts.netloc}\r\nauthorization: Bearer {key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    ).encode() + body
    begin = time.perf_counter() + 0.05
    due, at = [], begin
    for _ in range(requests):
        at += rng.expovariate(rate) if rate else 0.0
        due.append(at)
    waiting = iter(due)
    times: list[float] = []
    statuses: dict[str, int] = {}

    async def worker() -> None:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        for when in waiting:
            if rate and (pause := when - time.perf_counter()) > 0:
                await asyncio.sleep(pause)
            start = when if rate else time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
            await reader.readexactly(length)
            times.append(time.perf_counter() - start)
            status = head[9:12].decode()
            statuses[status] = statuses.get(status, 0) + 1
        writer.close()

    await asyncio.gather(*(worker() for _ in range(concurrent)))
    wall = time.perf_counter() - begin
    times.sort()

    def quantile(share: float) -> float:
        return round(times[min(len(times) - 1, int(share * len(times)))] * 1000, 3)

    return {
        "per_s": round(requests / wall), "p50_ms": quantile(0.5), "p99_ms": quantile(0.99), "statuses": statuses,
    }  # fmt: skip


if __name__ == "__main__":
    address, token, many, count, speed = sys.argv[1:]
    print(json.dumps(asyncio.run(main(address, token, int(many), int(count), float(speed)))))
