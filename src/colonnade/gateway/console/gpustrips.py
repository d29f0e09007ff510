# SPDX-License-Identifier: Apache-2.0
"""From the document of `colonnade gpu` to what its page draws: strips, rows and bars, as parts of a whole width.

Pure: no backend call, no markup. Widths and places are text for SVG attributes ("37.5%"), for the page's policy allows
no inline style.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from colonnade.core.quantities import shown_milli, shown_percent
from colonnade.core.waiting_words import Lack, lack, waits_for
from colonnade.gateway.console import present, words

WHOLE = 1000
TONES = 8
"""So many colours; after that they come round again."""
LABELLED = 120
"""A share below this many thousandths is too narrow for words on it."""
ROWS = 200
"""Leases in the table and among those that wait; `colonnade gpu --json` has them all."""
NAMED = 4
"""Leases named one by one, of those that would free room."""


@dataclass(frozen=True, slots=True)
class LeaseRow:
    """A lease in words; `tone` is its colour, `share` "2 × 0.5" and `part` the same in prose, `computing` how busy as
    a width.
    """

    id: str
    ref: str
    run: str
    state: str
    share: str
    part: str
    on: tuple[str, ...]
    isolation: str
    busy: str
    computing: str
    memory: str
    person: str
    queue: str
    borrowed: bool
    since_ms: int | None
    since: str
    command: str
    reason: str
    note: str
    pid: int | None
    tone: int

    @property
    def idle(self) -> bool:
        """Held and seen to do nothing."""
        return self.state == "held" and self.computing == "0%"

    @property
    def said(self) -> str:
        """All of it in one line, for hovering, focus and whoever cannot see the strip."""
        parts = (self.person, self.command, self.share, "idle" if self.idle else
                 self.busy and f"busy {self.busy}", self.since and
                 f"for {self.since}", self.queue and f"queue {self.queue}{' (borrowed)' * self.borrowed}",
                 "" if self.state == "held" else self.state)  # fmt: skip
        return " · ".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class Segment:
    """A lease's part of one device's strip."""

    x: str
    width: str
    lease: LeaseRow
    labelled: bool


@dataclass(frozen=True, slots=True)
class Strip:
    """One device. `verb` is what its button does: cordon, uncordon, or "" for one that is ill."""

    id: str
    place: str
    model: str
    uuid: str
    held: str
    free: str
    segments: tuple[Segment, ...]
    busy: int | None
    memory: str
    isolation: str
    health: str
    cordoned: bool
    verb: str


@dataclass(frozen=True, slots=True)
class Bar:
    """One queue. Widths are of the scale that all queues share; `borrowed_x` is where its guarantee ends."""

    name: str
    depth: int
    tone: int
    held: str
    guaranteed: str
    limit: str
    waiting: str
    borrowed: str
    starved: bool
    within_width: str
    borrowed_x: str
    borrowed_width: str
    guaranteed_width: str
    limit_x: str


@dataclass(frozen=True, slots=True)
class WaitRow:
    """A lease that waits, and why: `would` names whose end starts it, `starts` when at the latest ("" is unknown)."""

    lease: LeaseRow
    reason: str
    would: str
    would_free: tuple[LeaseRow, ...]
    others: int
    starts: str
    starts_ms: int | None
    before: int
    dimensions: tuple[Lack, ...]


class Drawing:
    """One look at the document.

    Args:
        document: `colonnade.gpu/1`.
        now_ms: the time, where the document has none.
    """

    def __init__(self, document: Mapping[str, Any], now_ms: int) -> None:
        self.now_ms = int(document["now_ms"] or now_ms)
        self._document = document
        self._promised = bool(document.get("guarantees"))
        queues = sorted({str(lease["queue"]) for lease in document["leases"] if lease["queue"]})
        people = sorted({str(lease["person"]) for lease in document["leases"] if lease["person"]})
        self._by = "queue" if len(queues) > 1 or self._promised else "person"
        names = sorted({*queues, *(q["name"] for q in document["queues"])}) if self._by == "queue" else people
        self._tones = {name: number % TONES + 1 for number, name in enumerate(names)}
        self._rows = {lease["id"]: self.lease(lease) for lease in document["leases"]}

    def headline(self) -> tuple[str, str, int, int]:
        """(devices held, of devices, leases that wait, shares being given back)."""
        used = sum(device["used_milli"] for device in self._document["devices"])
        states = [lease["state"] for lease in self._document["leases"]]
        return shown_milli(used), str(len(self._document["devices"])), states.count("pending"), states.count(
            "releasing"
        )  # fmt: skip

    def legend(self) -> tuple[str, list[tuple[str, int]]]:
        """What the colours of the strips mean: ("queue" or "person", its names with their tones)."""
        shown = {lease[self._by] for lease in self._document["leases"] if lease["devices"]}
        return self._by, [(name, tone) for name, tone in self._tones.items() if name in shown]

    def nodes(self, devices: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[Strip]]]:
        """Strips by machine, in the document's order."""
        held: dict[str, list[Mapping[str, Any]]] = {device["ref"]: [] for device in devices}
        for lease in self._document["leases"]:
            for device in lease["devices"]:
                if device in held:
                    held[device].append(lease)
        found: dict[str, list[Strip]] = {}
        for device in devices:
            found.setdefault(device["node"], []).append(self._strip(device, held[device["ref"]]))
        return list(found.items())

    def lease(self, lease: Mapping[str, Any]) -> LeaseRow:
        """A lease in words."""
        share = shown_milli(lease["gpu_milli"])
        since = lease["since_ms"]
        return LeaseRow(
            id=lease["id"],
            ref=lease["ref"],
            run=lease["run"].partition("/")[2],
            state=lease["state"],
            share=share if lease["gpus"] == 1 else f"{lease['gpus']} × {share}" if lease["gpus"] else "no device",
            part=words.part(lease["gpus"], share),
            on=tuple(lease["on"]),
            isolation=lease["isolation"] or "",
            busy=shown_percent(lease["busy_milli"]),
            computing="" if lease["busy_milli"] is None else _part(min(lease["busy_milli"], WHOLE), WHOLE),
            memory=_memory(lease["measured_mib"], lease["gpu_mib"]),
            person=lease["person"] or "",
            queue=lease["queue"] or "",
            borrowed=bool(lease["borrowed"]) and self._promised,
            since_ms=since,
            since="" if since is None else _passed(self.now_ms - since),
            command=shlex.join(lease["command"] or []),
            reason=(lease["reason"] or "").replace("_", " "),
            note=lease["note"] or "",
            pid=lease["pid"],
            tone=self._tones.get(str(lease[self._by]), 1),
        )

    def leases(self) -> list[LeaseRow]:
        """Those that hold something, oldest first."""
        return [row for row in self._rows.values() if row.state != "pending"][:ROWS]

    def waiting(self, waits: Mapping[str, Mapping[str, Any]]) -> list[WaitRow]:
        """Those that wait, oldest first."""
        pending = [lease for lease in self._document["leases"] if lease["state"] == "pending"][:ROWS]
        return [self.wait(lease, waits.get(lease["id"])) for lease in pending]

    def wait(self, lease: Mapping[str, Any], wait: Mapping[str, Any] | None) -> WaitRow:
        """Why a lease waits; with nothing known about it, only that it does."""
        row = self._rows[lease["id"]]
        if wait is None:
            return WaitRow(row, "", "", (), 0, "", None, 0, ())
        ids = [ref.partition("/")[2] for ref in wait["would_free"]]
        known = [self._rows[one] for one in ids if one in self._rows]
        starts = wait["starts_by_ms"]
        return WaitRow(
            lease=row,
            reason=waits_for(wait["dimensions"]),
            would=words.would_start(len(ids), bool(wait["would_free_any"])),
            would_free=tuple(known[:NAMED]),
            others=max(0, len(ids) - NAMED),
            starts="" if starts is None else f"within {max(1, -(-(starts - self.now_ms) // 1000))} s",
            starts_ms=starts,
            before=len(wait["before"]),
            dimensions=tuple(lack(one) for one in wait["dimensions"]),
        )

    def queues(self) -> list[Bar]:
        """A bar for each queue that was declared with something, or is used; none where there is only one way."""
        rows = self._document["queues"]
        told = [q for q in rows if q["guaranteed_milli"] or q["used_milli"] or q["pending_milli"] or q["limit_milli"]]
        if len(told) < 2 and not self._promised and not any(q["limit_milli"] for q in told):
            return []
        there = WHOLE * len(self._document["devices"])
        scale = max([there, 1, *(max(q["guaranteed_milli"], q["used_milli"]) for q in told)])
        return [self._bar(queue, scale) for queue in told]

    def _bar(self, queue: Mapping[str, Any], scale: int) -> Bar:
        used, promised, limit = queue["used_milli"], queue["guaranteed_milli"], queue["limit_milli"]
        beyond = max(0, used - promised) if self._promised else 0
        return Bar(
            name=queue["name"],
            depth=queue["name"].count("."),
            tone=self._tones.get(queue["name"], 1),
            held=shown_milli(used),
            guaranteed=shown_milli(promised) if promised else "",
            limit="" if limit is None else shown_milli(limit),
            waiting=shown_milli(queue["pending_milli"]) if queue["pending_milli"] else "",
            borrowed=shown_milli(beyond) if beyond else "",
            starved=queue["pending_milli"] > 0 and used < promised,
            within_width=_part(used - beyond, scale),
            borrowed_x=_part(used - beyond, scale),
            borrowed_width=_part(beyond, scale),
            guaranteed_width=_part(promised, scale),
            limit_x="" if limit is None or limit >= scale else _part(limit, scale),
        )

    def _strip(self, device: Mapping[str, Any], leases: Iterable[Mapping[str, Any]]) -> Strip:
        segments: list[Segment] = []
        at = 0
        for lease in leases:
            width = min(lease["gpu_milli"], WHOLE - at)
            wide = width >= LABELLED
            segments.append(Segment(_part(at, WHOLE), _part(width, WHOLE), self._rows[lease["id"]], wide))
            at += width
        busy, health = device["busy_milli"], device["health"]
        return Strip(
            id=device["ref"].partition("/")[2],
            place=str(device["place"]),
            model=device["model"],
            uuid=device["uuid"],
            held=shown_milli(device["used_milli"]),
            free=shown_milli(max(0, WHOLE - device["used_milli"])),
            segments=tuple(segments),
            busy=None if busy is None else round(busy / 10),
            memory=_memory(device["measured_mib"], device["memory_mib"]),
            isolation=device["isolation"],
            health=health,
            cordoned=device["cordoned"],
            verb="uncordon" if device["cordoned"] else "cordon" if health == "healthy" else "",
        )


def _part(milli: int, scale: int) -> str:
    """A width or place as an SVG attribute.

    >>> _part(375, 1000)
    '37.5%'
    """
    return f"{round(100 * milli / scale, 3):g}%"


def _memory(used_mib: int | None, whole_mib: int) -> str:
    whole = present.size(whole_mib << 20) if whole_mib else ""
    if used_mib is None:
        return whole
    used = present.size(used_mib << 20) if used_mib else "0"
    return f"{used} of {whole}" if whole else used


def _passed(ms: int) -> str:
    """A time that has passed, coarse enough that the page is not drawn anew for it every second.

    >>> _passed(4_000), _passed(61_000), _passed(7_300_000)
    ('< 1 min', '1 min', '2 h')
    """
    return present.ago(0, ms).removesuffix(" ago") if ms >= 60_000 else "< 1 min"
