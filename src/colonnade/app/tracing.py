# SPDX-License-Identifier: Apache-2.0
"""The traces of a house: requests as the gateway tells them, runs as their rows tell, spans as other programs send.

The gateway's loop only appends. Once a second a thread makes records of what came, keeps them in one piece and hands
them to the collector, if one is declared: so much a kill -9 may lose. How one is found and drawn stands in `traced`.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from colonnade.app import wiring
from colonnade.app.exporting import Exporting
from colonnade.app.figures import read_figures
from colonnade.app.lineage_events import Sending
from colonnade.app.settings.declaration import Declaration
from colonnade.app.settings.traces import Price, Sink
from colonnade.app.traced import find_trace
from colonnade.core.answers import Asker
from colonnade.core.traces import Record, Span, Stage, ids_of, parse_traceparent
from colonnade.gateway.traces import Passed
from colonnade.observe.traces.kept import AT_ONCE as FORGOTTEN_AT_ONCE
from colonnade.observe.traces.kept import Traces
from colonnade.observe.traces.telling import MOST_SHOWN, record_json, stage_shares, worst_first
from colonnade.observe.traces.working import run_records, share_milli

if TYPE_CHECKING:
    from colonnade.app.house import House

MOST = 100_000
"""Requests that wait to be kept."""
PIECE = 5_000
RUNS = 200
RUNS_KEY = "traces/runs"
SETTLED_MS = 1_000
"""A run that ended so long ago has all its rows."""
SPANS_A_MINUTE = 120_000
"""Of all other programs together."""
FORGET_S = 30.0
MOST_PIECES = 300
"""The page looks at so many pieces: about as many seconds of a busy house."""
DAY_MS = 86_400_000
MIB = 1 << 20
_log = logging.getLogger("colonnade.traces")


class Tracing:
    """Implements `gateway.traces.TracesBackend`."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._held: deque[Passed] = deque()
        self._kept = Traces(house.state, house.keys, house.journal, house.system)
        self._stepping = threading.Lock()
        self._prices: Mapping[str, Price] = {}
        self._leases: dict[str, tuple[str, int]] = {}
        self._forget_at, self._minute, self._heard = 0.0, 0, 0
        self._keep_ms = self._most_bytes = 0
        self._declared: tuple[Sink | None, Sink | None] = (None, None)
        self.exporting: Exporting | None = None
        self.sending: Sending | None = None
        self.dropped = self.lost = 0

    def apply(self, declaration: Declaration) -> None:
        """What is declared of traces now."""
        traces, platform = declaration.traces, declaration.platform
        self._prices, self._keep_ms, self._most_bytes = traces.prices, traces.keep_days * DAY_MS, traces.most_mib * MIB
        if self._declared != (platform.telemetry, platform.openlineage):
            self._declared = (platform.telemetry, platform.openlineage)
            self.exporting = self.sending = None
            if platform.telemetry is not None:
                to = wiring.open_telemetry(platform.telemetry, packed=True)
                self.exporting = Exporting(to, "colonnade", self._house.project)
            if platform.openlineage is not None:
                self.sending = Sending(self._house, wiring.open_telemetry(platform.openlineage))

    def put(self, passed: Passed) -> None:
        """See `TracesBackend.put`."""
        if len(self._held) >= MOST:
            self.dropped += 1
        elif passed.route != "/mcp" or passed.noted.service:  # what only lists tools asks nothing
            self._held.append(passed)

    def hear(self, asker: Asker, spans: Sequence[Span]) -> bool:
        """See `TracesBackend.hear`."""
        minute = int(time.monotonic() // 60)
        if minute != self._minute:
            self._minute, self._heard = minute, 0
        if self._heard + len(spans) > SPANS_A_MINUTE:
            return False
        self._heard += len(spans)
        with self._house.state.transaction() as tx:
            self._kept.write(tx, (), spans, client=asker.acting_for or asker.principal)
        return True

    def trace(self, asker: Asker, ref: str) -> Mapping[str, Any] | None:
        """See `TracesBackend.trace`: owners see all, others the traces in which nobody else has a part."""
        self.step()
        found = find_trace(self._house.state, self._kept, ref)
        theirs = found is not None and found.holders <= {asker.principal}
        return found.document if found is not None and (asker.owner or theirs) else None

    def newest(self, *, service: str, status: str, minutes: int) -> Mapping[str, Any]:
        """See `TracesBackend.newest`."""
        self.step()
        now = self._house.state.now_ms()
        pieces = list(self._kept.newest(now - minutes * 60_000, now + SETTLED_MS, MOST_PIECES + 1))
        since = time.time_ns() // 1000 - minutes * 60_000_000
        looked = [one for piece in pieces[:MOST_PIECES] for one in piece[0] if one.at_us >= since]
        requests = [one for one in looked if one.kind == "request"]
        ranked = worst_first([one for one in requests if service in ("", one.service)])
        shown = [(why, one) for why, one in ranked if status in ("", why, one.outcome)]
        return {
            "requests": [
                {**record_json(one, one.at_us), "trace": one.trace, "why": why, "at_ms": one.at_us // 1000}
                for why, one in shown[:MOST_SHOWN]
            ],
            "matching": len(shown), "looked_at": len(requests), "whole": len(pieces) <= MOST_PIECES,
            "stages": stage_shares([one for _, one in shown]),
            "services": sorted({one.service for one in requests if one.service}),
        }  # fmt: skip

    def figures(self) -> str:
        """See `TracesBackend.figures`."""
        house, exporting = self._house, self.exporting
        own = {
            "colonnade_traces_dropped_total": self.dropped, "colonnade_traces_lost_total": self.lost,
            "colonnade_traces_exported_total": exporting.sent if exporting is not None else None,
            "colonnade_traces_export_dropped_total": exporting.dropped if exporting is not None else None,
            "colonnade_captures_dropped_total": house.serving.exchanges.dropped if house.serving is not None else None,
        }  # fmt: skip
        waiting = house.serving.lanes.loads() if house.serving is not None else {}
        return read_figures(house.state, house.project, own, waiting)

    def step(self) -> bool:
        """Keep what came; whether more waits. Raises ColonnadeError where it cannot be kept: it is lost then."""
        with self._stepping:
            taken = [self._held.popleft() for _ in range(min(PIECE, len(self._held)))]
            records = self._records(taken) if taken else []
            try:
                self._keep(records)
            except Exception:
                self.lost += len(records)
                raise
            if time.monotonic() >= self._forget_at:
                gone = self._kept.forget(self._keep_ms, self._most_bytes)
                self._forget_at = 0.0 if gone >= FORGOTTEN_AT_ONCE else time.monotonic() + FORGET_S
            return bool(self._held)

    def send(self) -> bool:
        """Send a batch to each place that is declared; whether more waits."""
        busy = False
        for sender in (self.exporting, self.sending):
            if sender is not None:
                busy = sender.step() or busy
        return busy

    def close(self) -> None:
        """Keep what still waits."""
        while self.step():
            pass

    def _keep(self, records: list[Record]) -> None:
        house = self._house
        cursor = house.state.rows("meta_get", key=RUNS_KEY)
        after_ms, after = json.loads(cursor[0]["value"]) if cursor else (0, "")
        until = house.state.now_ms() - SETTLED_MS
        runs = house.state.rows(
            "runs_ended_after", project=house.project, finished_ms=after_ms, id=after, until_ms=until, limit=RUNS
        )
        work = list(run_records(house.state, runs))
        if not records and not work:
            return
        with house.state.transaction() as tx:
            for some in (records, work):
                if some:
                    self._kept.write(tx, some)
            if runs:
                tx.run("meta_put", key=RUNS_KEY, value=json.dumps([runs[-1]["finished_ms"], runs[-1]["id"]]))
        if self.exporting is not None:
            self.exporting.put([*records, *work])

    def _records(self, taken: Sequence[Passed]) -> list[Record]:
        """In the words of records. The machine's clock is read once: all else are differences."""
        zero_us = time.time_ns() / 1000 - time.perf_counter() * 1e6
        if any(one.noted.place and one.noted.place not in self._leases for one in taken):
            self._look_at_replicas()
        return [self._record(one, zero_us) for one in taken]

    def _record(self, one: Passed, zero_us: float) -> Record:
        noted, began = one.noted, one.began
        at_us = int(zero_us + began * 1e6)
        trace, span = ids_of(one.ref, at_us // 1000)
        parent = parse_traceparent(noted.parent) if noted.parent else None
        lease, milli = self._leases.get(noted.place, ("", 0))
        busy_us = 0
        stages = []
        for name, start, end in noted.stages:
            stages.append(Stage(name, int((start - began) * 1e6), int((end - start) * 1e6)))
            if name == "replica":
                busy_us = int((end - start) * 1000) * milli // max(1, noted.shared)
        price = self._prices.get(noted.service)
        cost = -1 if price is None else round(price.input * noted.tokens_in + price.output * noted.tokens_out)
        return Record(
            parent.trace if parent else trace, span, parent.span if parent else "", one.ref, "request",
            f"{one.method} {one.route}", noted.service,
            one.principal, _outcome(one), one.code, at_us, int((one.ended - began) * 1e6), tuple(stages),
            noted.tokens_in, noted.tokens_out, noted.model, lease, busy_us, cost,
        )  # fmt: skip

    def _look_at_replicas(self) -> None:
        """place -> (lease, thousandths of a device), of the replicas of now and of those known before."""
        house = self._house
        claims = {row["id"]: row["claim"] for row in house.state.rows("leases_open", project=house.project)}
        if len(self._leases) > 10_000:
            self._leases.clear()
        for row in house.state.rows("replicas_of_project", project=house.project):
            claim = claims.get(row["lease"])
            self._leases[row["place"]] = (row["lease"], share_milli(claim) if claim else 0)


def _outcome(one: Passed) -> str:
    if one.code >= 500:
        return "failed"
    if one.code == 429:
        return "refused"
    if one.code >= 400:
        return "invalid"
    if not one.code:
        return "cancelled"
    return one.noted.outcome or "answered"
