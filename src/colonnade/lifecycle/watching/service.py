# SPDX-License-Identifier: Apache-2.0
"""One service under watch: what is asked and answered is kept and measured, truths are taken in, alarms ring.

Every sample of a monitor is taken in the transaction that keeps what it came from. Exchanges wait here for up to half
a second, so that one commit serves many; a kill -9 loses those, and nothing of what was kept.
"""

from __future__ import annotations

import contextlib
import json
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from colonnade.core import watch_entries
from colonnade.core.errors import StateError
from colonnade.core.exchanges import Exchange, Outcome
from colonnade.lifecycle.artifacts import Artifacts
from colonnade.lifecycle.watching.captures import Captures
from colonnade.lifecycle.watching.joining import Joining
from colonnade.lifecycle.watching.live import Live, decision_of, live_version, read_live
from colonnade.lifecycle.watching.monitors import Desk, Monitors
from colonnade.lifecycle.watching.rules import Watched
from colonnade.lifecycle.watching.scoring import is_missing, same_label
from colonnade.lifecycle.watching.truths import Asked, Label, Told, Truth, Truths
from colonnade.ports.outside.keys import Keys
from colonnade.ports.outside.state import Transaction
from colonnade.ports.skills.detect import Baseline

PIECE = 2_000
"""Exchanges in one piece, at most."""
MOST_PENDING = 50_000
FORGET_MS = 60_000
_log = logging.getLogger("colonnade.watching")

Emit = Callable[[Sequence[Outcome]], None]


class ServiceWatch:
    """Watches one service. `put` is called by the gateway's thread of exchanges; the rest is serialised by a lock."""

    def __init__(self, desk: Desk, keys: Keys, artifacts: Artifacts, watched: Watched, emit: Emit) -> None:
        self._desk, self._artifacts, self._emit = desk, artifacts, emit
        self._watched = watched
        state, project = desk.state, desk.journal.project
        self.captures = Captures(state, keys, desk.journal, desk.actor, (watched.id, watched.name), watched.model_id)
        self.truths = Truths(state, keys, project, watched.id, watched.model_id)
        self.monitors = Monitors(desk, watched)
        self.joining = Joining(state, artifacts, self.captures)
        self._pending: list[Exchange] = []
        self._live = Live("", watched.labels, Baseline())
        self._decisions: dict[str, str | None] = {}
        self._forgot_ms = 0
        self._lock, self._arriving = threading.RLock(), threading.Lock()

    @property
    def watched(self) -> Watched:
        """What is declared now."""
        return self._watched

    @watched.setter
    def watched(self, watched: Watched) -> None:
        with self._lock:
            if watched != self._watched:
                self._watched = self.monitors.watched = watched
                self._live = replace(self._live, version="")

    def put(self, exchanges: Sequence[Exchange]) -> None:
        """From the thread of exchanges; only appends."""
        with self._arriving:
            self._pending += exchanges

    def step(self) -> bool:
        """Keep what came, look for truths in new data, drop what is past its time; whether more is to be done."""
        busy = self.flush()
        with self._lock:
            self._follow_live()
            busy = self._join() or busy
            now = self._desk.state.now_ms()
            rule = self._watched.capture
            if rule is not None and now - self._forgot_ms >= FORGET_MS:
                more = self.captures.forget(rule, now)
                self._forgot_ms = 0 if more else now
        return busy

    def flush(self) -> bool:
        """Keep and measure what came so far."""
        with self._lock:
            with self._arriving:
                taken, self._pending = self._pending[:PIECE], self._pending[PIECE:]
            if not taken:
                return False
            try:
                self._write(taken)
            except StateError:  # no space, say: they are kept as soon as that is possible
                with self._arriving:
                    self._pending = [*taken, *self._pending][-MOST_PENDING:]
                raise
            return bool(self._pending)

    def _write(self, taken: Sequence[Exchange]) -> None:
        live = self._now()
        with self._writing() as tx:
            self.monitors.follow(tx, live)
            if self._watched.capture is not None:
                self.captures.write(tx, taken, self._watched.capture, self._decided)
            self._measure(tx, taken, live.version)
            self.monitors.save(tx)

    def label(self, labels: Sequence[Label], by: str) -> Told:
        """Truths that somebody tells, by the refs of requests. Told again, nothing changes."""
        with self._lock:
            while self.flush():
                pass
            return self._take(labels, by, "told")

    def _take(self, labels: Sequence[Label], by: str, way: str) -> Told:
        told, now, live = Told(), self._desk.state.now_ms(), self._now()
        found = {ref: Asked(one, live.labels) for ref, one in self.captures.find({one.ref for one in labels}).items()}
        before = {ref: self.truths.of(ref) for ref in found}
        truths: list[Truth] = []
        for one in labels:
            asked, old = found.get(one.ref), before.get(one.ref, {}).get(one.row)
            if old is not None and same_label(old.labels[-1][1], one.label):
                told.same += 1
                continue
            labels_of = [*(old.labels if old else ()), (now, one.label)]
            truth = asked.truth(one.row, labels_of, old.way if old else way) if asked is not None else None
            if truth is None:
                told.unknown.append(one.ref)
                continue
            before[one.ref][one.row] = truth
            truths.append(truth)
            told.count += 1
            told.corrected += not truth.fresh
            told.unscored += truth.champion is None and truth.challenger is None
        if truths:
            self._keep(truths, told, live, by, way, now)
        fresh = [found[one.ref].outcome(one) for one in truths if one.fresh]
        if fresh:
            self._emit(fresh)
        return told

    def _keep(self, truths: Sequence[Truth], told: Told, live: Live, by: str, way: str, now_ms: int) -> None:
        content = json.dumps(
            [[one.ref, one.place, one.labels[-1][1]] for one in truths], separators=(",", ":")
        ).encode()
        journal = self._desk.journal
        with self._writing() as tx:
            self.monitors.follow(tx, live)
            self.truths.put(tx, truths, now_ms)
            self.monitors.take(
                tx, "wrong", [wrong for one in truths if (wrong := _sample(one, live.version)) is not None]
            )
            tx.append(
                watch_entries.truths_told(
                    journal.stamp(self._desk.actor), journal.mac, service=self._watched.id,
                    model=self._watched.model_id, by=by, content=content, count=told.count,
                    corrected=told.corrected, unknown=len(told.unknown), way=way,
                )
            )  # fmt: skip
            self.monitors.save(tx)

    def _measure(self, tx: Transaction, exchanges: Sequence[Exchange], version: str) -> None:
        replies = [one.champion for one in exchanges if one.champion is not None and one.champion.version == version]
        answered = [reply for reply in replies if not reply.error]
        for measure, values in (
            ("errors", [float(reply.error) for reply in replies]),
            ("missing", [float(is_missing(reply.data)) for reply in answered]),
            ("latency", [reply.ms for reply in answered]),
        ):
            self.monitors.take(tx, measure, values)

    def _join(self) -> bool:
        """Truths in data that came: a slice of the work."""
        rule = self._watched.labels
        if not rule.key:
            return False
        found = self.joining.step(self._watched.model_id, rule)
        if found is None:
            return False
        for place in range(0, len(found.labels), PIECE):
            self._take(found.labels[place : place + PIECE], found.dataset, "joined")
        self.joining.done(found)
        return True

    def _now(self) -> Live:
        version = live_version(self._desk.state, self._desk.journal.project, self._watched.model)
        if version != self._live.version:
            self._live = read_live(self._desk.state, self._artifacts, self._watched, version)
            self._decisions.clear()
        return self._live

    def _follow_live(self) -> None:
        """A new live version ends alarms even where nobody asks it anything."""
        before, live = self._live.version, self._now()
        if live.version and live.version != before:
            with self._writing() as tx:
                self.monitors.follow(tx, live)
                self.monitors.save(tx)

    def _decided(self, version: str) -> str | None:
        if version not in self._decisions:
            self._decisions[version] = decision_of(self._desk.state, self._watched.model_id, version)
        return self._decisions[version]

    @contextlib.contextmanager
    def _writing(self) -> Iterator[Transaction]:
        """A transaction after whose failure the monitors begin from what was kept."""
        try:
            with self._desk.state.transaction() as tx:
                yield tx
        except BaseException:
            self.monitors.drop()
            raise


def _sample(truth: Truth, version: str) -> float | None:
    """How wrong the live version was in that row; None where another one answered, or it was told before."""
    if not truth.fresh:
        return None
    return (
        truth.champion if truth.versions[0] == version else truth.challenger if truth.versions[1] == version else None
    )
