# SPDX-License-Identifier: Apache-2.0
"""What a trace costs a prediction, in CPU: in the gateway's loop, and in the thread that keeps it a second later.

    python bench/traces.py

The same steps as `gateway.app` and `app.tracing` take for one request to /v1/predict, on a real store in a file, in
batches of 500 (a second at 500 requests a second). Beside it: OpenTelemetry's own SDK, if it is installed where this
runs, with one span of the same attributes and a batch processor whose exporter throws everything away.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from colonnade.adapters.state.sqlite.engine import SqliteState
from colonnade.app.tracing import Tracing
from colonnade.gateway.counters import Counters
from colonnade.gateway.traces import Passed
from colonnade.ports.journal import Journal
from colonnade.ports.noted import NOTED, Noted
from colonnade.testing.clock import VirtualClock
from colonnade.testing.keys import MemoryKeys
from report import write_result

REQUESTS, SECOND, REPEATS = 20_000, 500, 5


def room(folder: Path) -> Tracing:
    """A store with a project and a system, and the traces in it."""
    state, keys = SqliteState(str(folder / "state.db"), VirtualClock()), MemoryKeys()
    with state.transaction() as tx:
        tx.run("project_add", id="prj_1", name="bench", created_ms=0)
        keys.create(tx, "prj_1", "prj_1")
    house: Any = SimpleNamespace(
        state=state, keys=keys, journal=Journal(state, keys, "prj_1"), system="prn_1", project="prj_1", serving=None
    )
    made = Tracing(house)
    made._keep_ms, made._most_bytes, made._leases = 10**12, 10**12, {"serve-1": ("lse_1", 500)}
    return made


def ours(tracing: Tracing, counters: Counters, refs: list[str]) -> float:
    """CPU microseconds a request in the loop."""
    began = time.thread_time()
    for ref in refs:
        started = time.perf_counter()
        noted = Noted(b"")
        NOTED.set(noted)
        now = time.perf_counter()
        noted.service, noted.model, noted.place, noted.shared = "churn", "sha256:" + "0" * 64, "serve-1", 4
        noted.stages = [("queue", started, now), ("replica", now, now)]
        ended = time.perf_counter()
        counters.count("/v1/predict", 200, ended - started, noted)
        tracing.put(Passed("POST", "/v1/predict", 200, ref, started, ended, "prn_2", noted))
    return (time.thread_time() - began) / len(refs) * 1e6


def kept(tracing: Tracing) -> float:
    """CPU seconds until what was put is kept."""
    began = time.thread_time()
    while tracing.step():
        pass
    return time.thread_time() - began


def sdk() -> Callable[[list[str]], float] | None:
    """The same by OpenTelemetry's SDK; None where it is not installed."""
    try:
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
    except ImportError:
        return None

    class Nowhere(SpanExporter):  # type: ignore[misc]
        def export(self, _spans: Any) -> Any:
            return SpanExportResult.SUCCESS

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Nowhere(), max_queue_size=10_000))
    tracer = provider.get_tracer("bench")

    def run(refs: list[str]) -> float:
        began = time.process_time()
        for ref in refs:
            with tracer.start_as_current_span("POST /v1/predict") as span:
                span.set_attributes(
                    {"http.route": "/v1/predict", "http.request.method": "POST", "http.response.status_code": 200,
                     "colonnade.ref": ref, "colonnade.service": "churn", "user.id": "prn_2"}
                )  # fmt: skip
                for name in ("queue", "replica"):
                    with tracer.start_as_current_span(name):
                        pass
        return (time.process_time() - began) / len(refs) * 1e6

    return run


def main() -> None:
    """Measure, best of some; write the result."""
    refs = [f"request/{1_790_000_000_000 + n:012x}{n:012x}" for n in range(REQUESTS)]
    loops, keeps, sizes = [], [], []
    for _ in range(REPEATS):
        with tempfile.TemporaryDirectory() as folder:
            tracing, counters = room(Path(folder)), Counters()
            loop = keep = 0.0
            for start in range(0, REQUESTS, SECOND):
                loop += ours(tracing, counters, refs[start : start + SECOND]) * SECOND
                keep += kept(tracing)
            loops.append(loop / REQUESTS)
            keeps.append(keep / REQUESTS * 1e6)
            sizes.append(tracing._house.state.rows("traces_size", project="prj_1")[0]["bytes"] / REQUESTS)
    peer = sdk()
    peers = [peer(refs) for _ in range(REPEATS)] if peer is not None else []
    whole = min(one + other for one, other in zip(loops, keeps, strict=True))
    rows = [
        {"what": "in the gateway's loop", "cpu_us": round(min(loops), 2)},
        {"what": "in the thread that keeps it", "cpu_us": round(min(keeps), 2), "bytes": round(sizes[-1], 1)},
        {"what": "both", "cpu_us": round(whole, 2)},
    ]
    if peers:
        ratio = round(min(peers) / whole, 1)
        rows.append({"what": "OpenTelemetry SDK, exported to nowhere", "cpu_us": round(min(peers), 2), "ratio": ratio})
    for row in rows:
        print(row)
    write_result(
        "traces", asked="A trace costs a prediction at most 10 us of CPU in the gateway's loop.",
        ran="python bench/traces.py", rows=rows, packages=("msgspec", "opentelemetry-sdk"),
        notes=f"{REQUESTS} requests in batches of {SECOND}, best of {REPEATS}; one thread, a store in a file.",
    )  # fmt: skip


if __name__ == "__main__":
    main()
