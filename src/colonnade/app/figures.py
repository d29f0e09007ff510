# SPDX-License-Identifier: Apache-2.0
"""What the house's state shows, in Prometheus' words: the ledger, devices and leases, waits, pipelines, rollouts,
alarms, the process. Read when somebody asks, from indexed rows; nothing here counts as things happen.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from colonnade.gateway.counters import Histogram, family
from colonnade.ports.outside.state import State

WAITS_MS = 3_600_000
"""Waits of the last hour."""
Samples = list[tuple[Mapping[str, str], float]]


def read_figures(
    state: State, project: str, own: Mapping[str, int | None], waiting: Mapping[str, tuple[int, int]]
) -> str:  # fmt: skip
    """The text. `own`: counters of the daemon by their names; `waiting`: service -> (requests that wait, busy
    replicas).
    """
    counters = [
        family(name, "counter", _ABOUT[name], [({}, value)]) for name, value in own.items() if value is not None
    ]
    parts = [_ledger(state), _devices(state, project), _leases(state, project), _pipelines(state, project)]
    parts += [_rollouts(state, project), _alarms(state, project), _lanes(waiting), _process(), *counters]
    return "".join(parts)


_ABOUT = {
    "colonnade_traces_dropped_total": "Requests whose trace found no room.",
    "colonnade_traces_lost_total": "Traces that could not be written.",
    "colonnade_traces_exported_total": "Traces that a collector took.",
    "colonnade_traces_export_dropped_total": "Traces that were not sent to the collector.",
    "colonnade_captures_dropped_total": "Predictions that found no room to be captured.",
}


def _ledger(state: State) -> str:
    newest, last = state.rows("entries_newest_seq")[0]["seq"], state.rows("checkpoint_last")
    signed = last[0]["size"] if last else 0
    return family("colonnade_ledger_entries", "gauge", "Entries of the log.", [({}, newest)]) + family(
        "colonnade_ledger_unsigned_entries", "gauge", "Entries that no checkpoint covers yet.",
        [({}, max(0, newest - signed))],
    )  # fmt: skip


def _devices(state: State, project: str) -> str:
    rows = state.rows("devices_of_project", project=project)
    names = [{"device": row["id"], "model": row["model"]} for row in rows]
    used: Samples = [(name, row["used_milli"] / 1000) for name, row in zip(names, rows, strict=True)]
    mib: Samples = [(name, row["used_mib"] * 1024 * 1024) for name, row in zip(names, rows, strict=True)]
    health: Samples = [({**name, "health": row["health"]}, 1) for name, row in zip(names, rows, strict=True)]
    return (
        family("colonnade_device_used_ratio", "gauge", "Share of a device that leases hold.", used)
        + family("colonnade_device_used_bytes", "gauge", "Memory of a device that leases hold.", mib)
        + family("colonnade_device_health", "gauge", "1 for the health that a device has.", health)
    )


def _leases(state: State, project: str) -> str:
    queues = {row["id"]: row["name"] for row in state.rows("queues_of_project", project=project)}
    held = Counter((queues.get(row["queue"], ""), row["state"]) for row in state.rows("leases_open", project=project))
    samples: Samples = [({"queue": queue, "state": how}, count) for (queue, how), count in sorted(held.items())]
    waits: dict[str, Histogram] = {}
    for row in state.rows("waits_ended_since", project=project, since_ms=state.now_ms() - WAITS_MS):
        waits.setdefault(row["queue"], Histogram()).add((row["granted_ms"] - row["asked_ms"]) / 1000)
    means: Samples = []
    for queue, one in sorted(waits.items()):
        means.append(({"queue": queue}, one.total / sum(one.counts)))
    return family("colonnade_leases", "gauge", "Leases that have not ended.", samples) + family(
        "colonnade_queue_wait_seconds_mean", "gauge", "Mean wait of the leases granted within the last hour.", means
    )


def _pipelines(state: State, project: str) -> str:
    samples: Samples = [
        ({"pipeline": row["name"], "outcome": row["outcome"] or row["state"]}, row["count"])
        for row in state.rows("pipelines_by_outcome", project=project)
    ]
    return family("colonnade_pipelines", "gauge", "Pipelines, by how they ended; running for those under way.", samples)


def _rollouts(state: State, project: str) -> str:
    samples: Samples = [
        ({"model": row["name"], "state": row["state"]}, row["share_millionths"] / 1_000_000)
        for row in state.rows("rollouts_by_model", project=project)
    ]
    return family("colonnade_rollout_share_ratio", "gauge", "Share of the keys that a new version answers.", samples)


def _alarms(state: State, project: str) -> str:
    services = {row["id"]: row["name"] for row in state.rows("services_of_project", project=project)}
    found = Counter(
        (services.get(row["service"], ""), row["measure"]) for row in state.rows("alarms_open", project=project)
    )
    samples: Samples = [
        ({"service": service, "measure": what}, count) for (service, what), count in sorted(found.items())
    ]
    return family("colonnade_alarms", "gauge", "Alarms that ring.", samples)


def _lanes(waiting: Mapping[str, tuple[int, int]]) -> str:
    waits: Samples = [({"service": name}, load[0]) for name, load in sorted(waiting.items())]
    busy: Samples = [({"service": name}, load[1]) for name, load in sorted(waiting.items())]
    return family("colonnade_requests_waiting", "gauge", "Requests that wait for a replica.", waits) + family(
        "colonnade_replicas_busy", "gauge", "Replicas that answer a batch.", busy
    )


def _process() -> str:
    """As Prometheus' own clients name it."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    times = os.times()
    return (
        family("process_resident_memory_bytes", "gauge", "Resident memory.", [({}, pages * os.sysconf("SC_PAGE_SIZE"))])
        + family("process_cpu_seconds_total", "counter", "User and system CPU time.", [({}, times.user + times.system)])
        + family("process_open_fds", "gauge", "Open descriptors.", [({}, len(os.listdir("/proc/self/fd")))])
    )
