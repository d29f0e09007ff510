# SPDX-License-Identifier: Apache-2.0
"""The client of `bench/predict.py` and `bench/overload.py`: `predict_load.py URL KEY CONCURRENT REQUESTS RATE [BODY]`;
prints one JSON object.

RATE 0: each connection sends its next request once it has its answer. Above 0: so many a second in all, at random
times (seeded Poisson arrivals), and a request's time counts from when it was to be sent. Quantiles are over all
answers, `ok` over those with status 200, `refused` over those with 429; `told` counts the 429 that say Retry-After.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from urllib.parse import urlsplit

ROW = {f"f{number}": number / 7 for number in range(8)}


async def main(url: str, key: str, concurrent: int, requests: int, rate: float, body: bytes) -> dict[str, object]:
    """Send them and measure."""
    parts, rng = urlsplit(url), random.Random(7)
    request = (
        f"POST {parts.path} HTTP/1.1\r\nhost: {parts.netloc}\r\nauthorization: Bearer {key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    ).encode() + body
    begin = time.perf_counter() + 0.05 + concurrent / 2000
    due, at = [], begin
    for _ in range(requests):
        at += rng.expovariate(rate) if rate else 0.0
        due.append(at)
    waiting = iter(due)
    times: dict[str, list[float]] = {}
    told, late, first = 0, 0, 0.0

    async def worker() -> None:
        nonlocal told, late, first
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        if rate and (pause := begin - time.perf_counter()) > 0:
            await asyncio.sleep(pause)
        for when in waiting:
            if rate and (pause := when - time.perf_counter()) > 0:
                await asyncio.sleep(pause)
            start = when if rate else time.perf_counter()
            late += time.perf_counter() - start > 0.01
            first = first or start
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
            await reader.readexactly(length)
            status = head[9:12].decode()
            times.setdefault(status, []).append(time.perf_counter() - start)
            told += status == "429" and b"\r\nretry-after:" in head
        writer.close()

    await asyncio.gather(*(worker() for _ in range(concurrent)))
    wall = time.perf_counter() - first
    return {
        "per_s": round(requests / wall), **_quantiles(times), "late": late,
        "statuses": {status: len(found) for status, found in times.items()},
        "ok": {"per_s": round(len(times.get("200", [])) / wall, 1), **_quantiles({"200": times.get("200", [])})},
        "refused": _quantiles({"429": times.get("429", [])}), "told": told,
    }  # fmt: skip


def _quantiles(times: dict[str, list[float]]) -> dict[str, float]:
    found = sorted(one for some in times.values() for one in some)
    if not found:
        return {}
    return {
        f"p{round(share * 100)}_ms": round(found[min(len(found) - 1, int(share * len(found)))] * 1000, 3)
        for share in (0.5, 0.99)
    }


if __name__ == "__main__":
    address, token, many, count, speed, *more = sys.argv[1:]
    data = more[0].encode() if more else json.dumps({"rows": [ROW]}).encode()
    print(json.dumps(asyncio.run(main(address, token, int(many), int(count), float(speed), data))))
