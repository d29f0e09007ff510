# SPDX-License-Identifier: Apache-2.0
"""Since when a lease does nothing, from what is measured of it about once a second. Pure: no clock, device or store.

The rule, in the caller's clock (that of the store):

- busy is any sample above 0 of compute, or more memory than in the sample before. One busy second wipes out all
  idleness before it: a job that loads data on the CPU, or waits for a request, is safe for `idle_after` each time.
- only measured time counts. An answer tells of the time since the one before it, as drivers keep a few seconds of use.
  Where answers were further apart than that (a driver that is silent, a daemon that was away), the lease may have
  worked meanwhile, and the count starts again. Never to take back a busy share is worth a later return of an idle one.
- so the share is taken back at `last_busy + idle_after`, and the lease expires then or at `heartbeat + ttl`.

A Mark is all that is remembered: three integers that are stored with the lease, and survive a restart.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from colonnade.ports.outside.devices import Use

LONGEST_GAP_MS = 5_000
"""An answer tells of no more time than this. Samples come about once a second."""
SAMPLING_MS = 2_000
"""A pause of t looks up to this much longer, for it begins just after one sample and ends just before another."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What is remembered of a lease.

    Attributes:
        last_busy_ms: its last busy moment, or the end of a later time that was not measured.
        seen_ms: the newest sample with an answer.
        last_mib: memory in the newest sample that told it; -1 before the first.
    """

    last_busy_ms: int
    seen_ms: int
    last_mib: int = -1


def started(now_ms: int) -> Mark:
    """A lease that has just been granted, counted as busy now.

    >>> started(1000)
    Mark(last_busy_ms=1000, seen_ms=1000, last_mib=-1)
    """
    return Mark(now_ms, now_ms)


def seen(mark: Mark, now_ms: int, busy_milli: int | None, used_mib: int | None) -> Mark:
    """The mark after one more sample.

    Args:
        mark: before it.
        now_ms: when it was taken. Time never runs backwards for a mark: an earlier moment counts as the last one.
        busy_milli: the most that the lease computed since the last answer, in thousandths; None when nobody can tell.
        used_mib: what its processes hold on the devices; None when nobody can tell.

    >>> mark = started(0)
    >>> for second in range(1, 4):
    ...     mark = seen(mark, second * 1000, 0, 500)
    >>> mark.last_busy_ms, idle_ms(mark)  # the first 500 MiB were growth
    (1000, 2000)
    """
    now_ms = max(now_ms, mark.seen_ms)
    memory = mark.last_mib if used_mib is None else used_mib
    if busy_milli or memory > mark.last_mib:
        return Mark(now_ms, now_ms, memory)
    if busy_milli is None:
        return Mark(mark.last_busy_ms, mark.seen_ms, memory)
    measured_all = now_ms - mark.seen_ms <= LONGEST_GAP_MS
    return Mark(mark.last_busy_ms if measured_all else now_ms, now_ms, memory)


def idle_ms(mark: Mark) -> int:
    """For how long, as measured, it has done nothing."""
    return mark.seen_ms - mark.last_busy_ms


def is_idle(mark: Mark, idle_after_ms: int) -> bool:
    """Whether it was idle for longer than allowed; a pause of exactly `idle_after_ms` is not, however it is sampled."""
    return idle_ms(mark) > idle_after_ms + SAMPLING_MS


def expiry_ms(mark: Mark, now_ms: int, idle_after_ms: int | None, heartbeat_ms: int, ttl_ms: int) -> int:
    """When the lease expires if nothing more is heard of it: the earlier of its silence and its idleness.

    Time since the newest sample is not measured yet: idleness alone never expires a lease that nobody looks at.
    `idle_after_ms` None: never for idleness.
    """
    silence = heartbeat_ms + ttl_ms
    if idle_after_ms is None:
        return silence
    unmeasured = max(now_ms - mark.seen_ms, 0)
    return min(silence, mark.last_busy_ms + unmeasured + idle_after_ms + SAMPLING_MS)


def measured(use: Use, uuids: Collection[str], pids: Collection[int]) -> tuple[int | None, int | None]:
    """How busy a lease is, and what it holds, from one sample of everything: for `seen`.

    Its processes count where the driver tells of them. One whose compute it does not tell may be what keeps its device
    busy: then the lease is not known to be idle (None). So is one whose device is not in the sample.

    Args:
        use: the sample.
        uuids: the devices of the lease.
        pids: its process tree.
    """
    devices = {device.uuid: device for device in use.devices if device.uuid in uuids}
    mine = [process for process in use.processes if process.uuid in uuids and process.pid in pids]
    known = [process.busy_milli for process in mine if process.busy_milli is not None]
    used = sum(process.used_mib for process in mine)
    if any(known):
        return max(known), used
    if len(devices) < len(set(uuids)):
        return None, used if mine else None
    untold = [devices[process.uuid].busy_milli for process in mine if process.busy_milli is None]
    return (0 if all(busy == 0 for busy in untold) else None), used
