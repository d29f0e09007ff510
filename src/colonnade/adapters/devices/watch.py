# SPDX-License-Identifier: Apache-2.0
"""Who holds more memory than its share, where nothing but watching keeps it from that: warned first, stopped later.

Pure: one sample in, a verdict out, and the memory of earlier samples handed on. It kills nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from colonnade.ports.outside.devices import Overuse, Use

PATIENCE_MS = 5_000
"""From the first warning to the stop: long enough to free a cache, too short to train a model."""
SLACK_PERCENT = 2
"""Over the share and not yet counted: the context itself, and rounding of whole pages."""


@dataclass(frozen=True, slots=True)
class Share:
    """What a lease may hold: MiB of each of its devices."""

    lease: str
    limit_mib: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Watch:
    """What is remembered between samples: since when (ms) a lease has been over its share of a device."""

    since_ms: Mapping[tuple[str, str], int] = field(default_factory=dict)


def watch(
    use: Use, shares: Mapping[str, Share], now_ms: int, before: Watch, patience_ms: int = PATIENCE_MS
) -> tuple[list[Overuse], Watch]:
    """Every lease over its share in this sample; `stop` once it has been over it in all samples for `patience_ms`.

    Processes of one lease count together. Memory held on a device that is not the lease's own counts against 0.

    >>> from colonnade.ports.outside.devices import ProcessUse
    >>> sample = Use(processes=[ProcessUse(7, "GPU-a", 900, lease="x"), ProcessUse(8, "GPU-a", 200, lease="x")])
    >>> found, memory = watch(sample, {"x": Share("x", {"GPU-a": 1000})}, 0, Watch())
    >>> found[0].used_mib, found[0].stop
    (1100, False)
    >>> watch(sample, {"x": Share("x", {"GPU-a": 1000})}, 5_000, memory)[0][0].stop
    True
    """
    held: dict[tuple[str, str], int] = {}
    for process in use.processes:
        if process.lease in shares:
            key = (process.lease, process.uuid)
            held[key] = held.get(key, 0) + process.used_mib
    found, since = [], {}
    for (lease, uuid), used_mib in sorted(held.items()):
        limit_mib = shares[lease].limit_mib.get(uuid, 0)
        if used_mib * 100 <= limit_mib * (100 + SLACK_PERCENT):
            continue
        first = since[lease, uuid] = before.since_ms.get((lease, uuid), now_ms)
        found.append(Overuse(lease, uuid, used_mib, limit_mib, stop=now_ms - first >= patience_ms))
    return found, Watch(since)
