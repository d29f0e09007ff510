# SPDX-License-Identifier: Apache-2.0
"""The monitors of one service: their state is kept in the transaction that keeps what they have seen, so that after a
kill -9 each sample was taken once or not at all. They ring as rows of `alarms` with an entry each, and begin afresh
with each live version. Of wrong answers the baseline is made firmer in quiet times, and an alarm is followed as
`lifecycle.renewal` says: called off, or worth a training. What a sample is worth is decided elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from colonnade.core import watch_entries
from colonnade.lifecycle.renewal import Baseline as Firm
from colonnade.lifecycle.renewal import Renewal
from colonnade.lifecycle.watching.live import Live
from colonnade.lifecycle.watching.rules import MEASURES, Watched
from colonnade.ports.journal import Journal
from colonnade.ports.outside.state import Row, State, Transaction
from colonnade.ports.skills.detect import Baseline, Detect, Monitor, Ring

MILLION = 1_000_000
WORDS = {"latency": "answers slower than {level:.3g} ms", "errors": "failed requests", "missing": "empty answers",
         "wrong": "wrong answers"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Desk:
    """What monitors are written with."""

    state: State
    journal: Journal
    detect: Detect
    actor: str


class Monitors:
    """The four measures of one service. Use `follow` first in each transaction, `save` last; `drop` when one failed."""

    def __init__(self, desk: Desk, watched: Watched) -> None:
        self._desk, self.watched = desk, watched
        self._version: str | None = None
        self._rule: list[Any] = []
        self._monitors: dict[str, Monitor] = {}
        self._decision: str | None = None
        self._firm = Firm(0, 0)
        self._renewal: Renewal | None = None

    @property
    def key(self) -> str:
        """Under this `meta` keeps their state."""
        return f"watch/{self.watched.id}"

    def follow(self, tx: Transaction, live: Live) -> None:
        """The monitors of this version, as they are declared now; those of before end, and their alarms with them."""
        self._decision = live.decision
        if self._version is None:
            self._load(tx)
        rule = self.watched.alarms
        if (self._version, self._rule) == (live.version, rule.told()):
            return
        if self._version:
            reason = "replaced" if self._version != live.version else "undeclared"
            end_alarms(tx, self._desk, open_alarms(tx, self._desk.journal.project, self.watched.id), reason)
        baselines = {
            "wrong": live.baseline,
            "errors": Baseline(limit=rule.errors),
            "missing": Baseline(limit=rule.missing),
            "latency": Baseline(limit=0.01, slow_ms=rule.latency_ms) if rule.latency_ms else Baseline(),
        }
        self._version, self._rule, self._renewal = live.version, rule.told(), None
        self._firm = Firm(live.baseline.total, live.baseline.n)
        self._monitors = {
            measure: self._desk.detect.begin(measure, baselines[measure], rule.run_length)
            for measure in MEASURES
            if measure not in rule.off
        }

    def take(self, tx: Transaction, measure: str, values: Sequence[float]) -> str | None:
        """Samples in their order; the id of the alarm that they raised."""
        monitor = self._monitors.get(measure)
        if monitor is None or not values:
            return None
        rang_before, before = monitor.ringing, monitor.samples
        ring = monitor.take(values)
        if ring is not None:
            alarm = self._raise(tx, measure, ring, before + len(values) - ring.since)
            if measure == "wrong":
                self._renewal = Renewal(ring.since, ring.at, ring.mean, ring.observed, self.watched.rows)
                self._follow_up(tx, monitor, values[ring.at - before :])
            return alarm
        if measure == "wrong":
            self._follow_up(tx, monitor, values)
        if rang_before and not monitor.ringing:
            self._renewal = None if measure == "wrong" else self._renewal
            self._end(tx, measure, "calm")
        return None

    def _follow_up(self, tx: Transaction, monitor: Monitor, values: Sequence[float]) -> None:
        """What wrong answers say beside the detector: a firmer baseline, or what becomes of an alarm."""
        if self._renewal is None:
            if self._firm.take(sum(values), len(values)):
                monitor.rebase(*self._firm.counts)
        elif self._renewal.take(min(sum(values), len(values)), len(values)) == "call_off":
            self._renewal = None
            monitor.rebase(*self._firm.counts)
            self._end(tx, "wrong", "called_off")

    def _end(self, tx: Transaction, measure: str, reason: str) -> None:
        mine = open_alarms(tx, self._desk.journal.project, self.watched.id)
        end_alarms(tx, self._desk, [row for row in mine if row["measure"] == measure], reason)

    def save(self, tx: Transaction) -> None:
        """Keep their state, with what they have seen."""
        told = {
            "version": self._version,
            "rule": self._rule,
            "monitors": {name: one.state() for name, one in self._monitors.items()},
            "firm": vars(self._firm),
            "renewal": self._renewal.state() if self._renewal else None,
        }
        tx.run("meta_put", key=self.key, value=json.dumps(told))

    def drop(self) -> None:
        """Something was not kept: begin from what was."""
        self._version, self._monitors = None, {}

    def _load(self, tx: Transaction) -> None:
        rows = tx.rows("meta_get", key=self.key)
        told: Mapping[str, Any] = json.loads(rows[0]["value"]) if rows else {"version": "", "monitors": {}}
        self._version, self._rule = str(told["version"] or ""), told.get("rule", [])
        self._firm = Firm(**told.get("firm", {"wrong": 0, "rows": 0}))
        self._renewal = Renewal.restored(told["renewal"]) if told.get("renewal") else None
        self._monitors = {name: self._desk.detect.restored(state) for name, state in told["monitors"].items()}

    def _raise(self, tx: Transaction, measure: str, ring: Ring, back: int) -> str:
        """`back`: how many samples have come after the first that belongs to the change."""
        state, journal = self._desk.state, self._desk.journal
        alarm, request = state.new_id("alm"), ""
        if measure == "wrong":
            row = tx.rows("truth_back", service=self.watched.id, back=back)
            request = str(row[0]["request"]) if row else ""
        told = {
            "at": ring.at, "since": ring.since, "observed": ring.observed, "mean": ring.mean, "level": ring.level,
            "version": self._version, "request": request,
        }  # fmt: skip
        tx.run("alarm_add", id=alarm, project=journal.project, model=self.watched.model_id, service=self.watched.id,
               measure=measure, told=json.dumps(told), at_ms=state.now_ms())  # fmt: skip
        tx.append(
            watch_entries.alarm_raised(
                journal.stamp(self._desk.actor), alarm=alarm, service=self.watched.id, version=self._version,
                decision=self._decision, measure=measure, at=ring.at, since=ring.since,
                observed_millionths=round(ring.observed * MILLION), mean_millionths=round(ring.mean * MILLION),
            )
        )  # fmt: skip
        return alarm


def open_alarms(tx: Transaction | State, project: str, service: str) -> list[Row]:
    """A service's alarms of now."""
    return [row for row in tx.rows("alarms_open", project=project) if row["service"] == service]


def end_alarms(tx: Transaction, desk: Desk, alarms: Sequence[Row], reason: str) -> None:
    """They are over, each with its entry; reason as in `watch_entries.alarm_ended`."""
    for row in alarms:
        if tx.run("alarm_end", id=row["id"], ended_ms=desk.state.now_ms()):
            stamp = desk.journal.stamp(desk.actor)
            tx.append(watch_entries.alarm_ended(stamp, alarm=row["id"], reason=reason))


def words_of(row: Row) -> str:
    """An alarm in words.

    >>> told = '{"observed": 0.31, "mean": 0.18, "since": 8120, "level": 0}'
    >>> words_of({"measure": "wrong", "told": told})
    'wrong answers 0.31 against 0.18 since truth 8,120'
    """
    told = json.loads(row["told"])
    what = WORDS[row["measure"]].format(level=told["level"])
    since = f"{'truth' if row['measure'] == 'wrong' else 'request'} {told['since']:,}"
    return f"{what} {told['observed']:.2g} against {told['mean']:.2g} since {since}"
