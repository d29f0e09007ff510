# SPDX-License-Identifier: Apache-2.0
"""The client of `bench/gateway.py`: raw sockets, N at once, times of each request and each first byte. Its own process.

Started as `gateway_load.py URL KEY MODEL STREAM CONCURRENT REQUESTS [QUESTION]`; prints one JSON object.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from urllib.parse import urlsplit


async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> tuple[float, float, bool]:
    """One request: seconds to the first body byte, to the end, and whether it went well."""
    start = time.perf_counter()
    writer.write(request)
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    good = head.startswith(b"http/1.1 200")
    if b"content-length:" in head:
        length = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        await reader.readexactly(length)
        now = time.perf_counter()
        return now - start, now - start, good
    first, done = 0.0, False
    while True:
        size = int((await reader.readuntil(b"\r\n")).strip(), 16)
        chunk = await reader.readexactly(size + 2)
        first = first or time.perf_counter() - start
        done = done or b"[DONE]" in chunk
        if size == 0:
            return first, time.perf_counter() - start, good and done


async def main(
    url: str, key: str, model: str, stream: bool, concurrent: int, requests: int, question: str
) -> dict[str, object]:
    """Send `requests` over `concurrent` connections."""
    parts = urlsplit(url)
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": question}], "stream": stream}).encode()
    request = (
        f"POST {parts.path} HTTP/1.1\r\nhost: {parts.netloc}\r\nauthorization: Bearer {key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    ).encode() + body
    left, times = [requests], []

    async def worker() -> None:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=1 << 20)
        while left[0] > 0:
            left[0] -= 1
            times.append(await one(reader, writer, request))
        writer.close()

    start = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(concurrent)))
    wall = time.perf_counter() - start

    def at(values: list[float], share: float) -> float:
        ordered = sorted(values)
        return round(1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3)

    firsts, ends = [t[0] for t in times], [t[1] for t in times]
    return {
        "requests": len(times),
        "failed": sum(not t[2] for t in times),
        "first_p50_ms": at(firsts, 0.5),
        "p50_ms": at(ends, 0.5),
        "p99_ms": at(ends, 0.99),
        "wall_s": round(wall, 2),
    }


if __name__ == "__main__":
    url_, key_, model_, stream_, concurrent_, requests_ = sys.argv[1:7]
    question_ = sys.argv[7] if len(sys.argv) > 7 else "Say hello. " * 8
    print(
        json.dumps(asyncio.run(main(url_, key_, model_, stream_ == "1", int(concurrent_), int(requests_), question_)))
    )
