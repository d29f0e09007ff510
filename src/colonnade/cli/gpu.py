# SPDX-License-Identifier: Apache-2.0
"""Devices, leases, queues: who holds what, since when, how busy. Works without a daemon, and then says `stopped`.

colonnade gpu                     what stands
colonnade gpu --watch             and how it changes
colonnade gpu --release REF       take a share back (lease/ID or run/ID)
colonnade gpu --cordon DEVICE     no new work there (its place, uuid or ref); --uncordon opens it again
colonnade gpu --usage [--days N]  what each queue and person used, and what it cost
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from typing import Any

from colonnade.app.presence import find_daemon, need_daemon, pause
from colonnade.app.settings.environment import Places, find_places
from colonnade.cli.output import emit, paint, say, table
from colonnade.core.errors import ColonnadeError, UsageError
from colonnade.core.quantities import shown_mib, shown_milli, shown_percent

BAR = 10
CLEAR = "\033[H\033[2J"
DEVICES = ["#", "model", "held", "", "busy", "memory", "health"]
LEASES = ["lease", "state", "share", "on", "isolation", "busy", "who", "queue", "since", "command"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    one = parser.add_mutually_exclusive_group()
    one.add_argument("--watch", action="store_true", help="draw it again every second, until Ctrl-C")
    one.add_argument("--release", metavar="REF", help="take a share back: SIGTERM, and SIGKILL after the grace")
    one.add_argument("--cordon", metavar="DEVICE", help="send no new work there")
    one.add_argument("--uncordon", metavar="DEVICE", help="send new work there again")
    one.add_argument("--usage", action="store_true", help="GPU-hours and cost, by queue and person")
    parser.add_argument("--days", type=int, default=30, help="of usage: how far back (default 30)")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    places = find_places(args.folder)
    if args.usage:
        return _usage(places, args)
    if args.release or args.cordon or args.uncordon:
        return _change(places, args)
    if not args.watch:
        document = look(places)
        if args.json:
            emit(document)
        else:
            print(drawn(document))
        return 0
    while True:
        document = look(places)
        if args.json:
            emit(document)
        else:
            print(f"{CLEAR if sys.stdout.isatty() else ''}{drawn(document)}", flush=True)
        pause(1.0)


def look(places: Places) -> dict[str, Any]:
    """The document: from the daemon where one runs (it knows how busy things are), else from the store."""
    from colonnade.app.gpu import SCHEMA, read_gpu
    from colonnade.app.stored import reading

    running = find_daemon(places) is not None
    if running:
        from colonnade.sdk import Client

        try:
            return Client(*need_daemon(places)).gpu()
        except ColonnadeError as error:
            if error.code != "no_compute":  # nothing is declared: what stands is in the store
                raise
    if not places.state_file.exists():
        return {"schema": SCHEMA, "daemon": "stopped", "now_ms": None, "devices": [], "leases": [], "queues": []}
    with reading(places) as (state, keys):
        return read_gpu(state, keys, running=running)


def drawn(document: Mapping[str, Any]) -> str:
    """For people."""
    devices, leases = document["devices"], document["leases"]
    waiting = sum(lease["state"] == "pending" for lease in leases)
    used = sum(device["used_milli"] for device in devices)
    head = f"{shown_milli(used)} of {len(devices)} devices held, {waiting} waiting"
    parts = [paint(head, "bold") + ("" if document["daemon"] == "running" else " (the daemon is stopped)")]
    if devices:
        parts.append(table([_device(device) for device in devices], DEVICES))
    if leases:
        rows = [_lease(lease, document) for lease in leases]
        parts.append(table(rows, LEASES))
    if queues := [queue for queue in document["queues"] if queue["guaranteed_milli"] or queue["used_milli"]]:
        parts.append(table([_queue(queue) for queue in queues], ["queue", "held", "guaranteed", "limit", "waiting"]))
    if not devices:
        parts.append("no device is known: declare `compute: {devices: nvml}` (or simulated://8xH100-80GB), then `up`")
    return "\n\n".join(parts)


def _device(device: Mapping[str, Any]) -> list[str]:
    filled = round(device["used_milli"] * BAR / 1000)
    memory = shown_mib(device["memory_mib"])
    if device["measured_mib"] is not None:
        memory = f"{shown_mib(device['measured_mib'])} of {memory}"
    return [
        str(device["place"]),
        device["model"],
        "█" * filled + "░" * (BAR - filled),
        shown_milli(device["used_milli"]),
        shown_percent(device["busy_milli"]),
        memory,
        f"{device['health']}, cordoned" if device["cordoned"] and device["health"] != "cordoned" else device["health"],
    ]


def _lease(lease: Mapping[str, Any], document: Mapping[str, Any]) -> list[str]:
    share = shown_milli(lease["gpu_milli"])
    since = _ago(document["now_ms"] - lease["since_ms"]) if lease["since_ms"] is not None else ""
    state = f"{lease['state']} ({lease['reason']})" if lease["reason"] else lease["state"]
    return [
        f"lease/{lease['id'][-8:]}",
        state,
        share if lease["gpus"] == 1 else f"{lease['gpus']} x {share}",
        ", ".join(lease["on"]),
        lease["isolation"] or "",
        shown_percent(lease["busy_milli"]),
        lease["person"] or "",
        f"{lease['queue']}{' (borrowed)' if lease['borrowed'] and document['guarantees'] else ''}",
        since,
        " ".join(lease["command"] or [])[:40],
    ]


def _queue(queue: Mapping[str, Any]) -> list[str]:
    limit = "" if queue["limit_milli"] is None else shown_milli(queue["limit_milli"])
    return [
        queue["name"],
        shown_milli(queue["used_milli"]),
        shown_milli(queue["guaranteed_milli"]),
        limit,
        shown_milli(queue["pending_milli"]) if queue["pending_milli"] else "",
    ]


def _price(cost: float | None) -> str:
    return "" if cost is None else f"{cost:.2f}"


def _ago(ms: int) -> str:
    seconds = max(0, ms) // 1000
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _change(places: Places, args: argparse.Namespace) -> int:
    from colonnade.sdk import Client

    client = Client(*need_daemon(places))
    if args.release:
        done = client.release(args.release)
        said = f"releasing {', '.join(done['leases'])}"
    else:
        done = client.cordon(args.cordon or args.uncordon, cordoned=bool(args.cordon))
        said = f"{done['device']} {'takes no new work' if done['cordoned'] else 'takes new work again'}"
    if args.json:
        emit(done)
    else:
        say(said)
    return 0


def _usage(places: Places, args: argparse.Namespace) -> int:
    from colonnade.app.stored import reading
    from colonnade.app.usage import read_usage

    if args.days < 1:
        raise UsageError(f"--days {args.days}: usage is counted over one day or more", hint="--days 30")
    with reading(places) as (state, keys):
        document = read_usage(state, keys, days=args.days)
    if args.json:
        emit(document)
        return 0
    rows = [
        [row["queue"], row["person"] or "", f"{row['gpu_hours']:.2f}", _price(row["cost"])] for row in document["rows"]
    ]
    print(table(rows, ["queue", "who", "GPU-hours", "cost"]) if rows else f"nothing in {args.days} days")
    return 0
