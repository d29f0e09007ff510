# SPDX-License-Identifier: Apache-2.0
"""What a model's loop needs to know of alarms and of its own past, read from rows: which alarm rings, what was tried
for it, what was spent. What follows is decided by `due`.
"""

from __future__ import annotations

import json

from colonnade.core.claims import Claim
from colonnade.lifecycle.renewal import Renewal
from colonnade.lifecycle.watching.due import DAY_MS, Alarmed, Past, Spent
from colonnade.lifecycle.watching.live import live_version, told_of
from colonnade.lifecycle.watching.monitors import words_of
from colonnade.ports.outside.state import Row, State


def ringing(state: State, project: str, model: str, name: str) -> Row | None:
    """The oldest alarm of wrong answers of the live version, on any service of a model. Cheap while there is none."""
    rows = [row for row in state.rows("alarms_open", project=project) if row["model"] == model]
    row = next((row for row in rows if row["measure"] == "wrong"), None)
    return row if row is not None and told_of(row)["version"] == live_version(state, project, name) else None


def open_alarm(state: State, project: str, model: str, name: str) -> Alarmed | None:
    """The same, with the rows that have come since and what was tried for it."""
    row = ringing(state, project, model, name)
    if row is None:
        return None
    kept = state.rows("meta_get", key=f"watch/{row['service']}")
    told = json.loads(kept[0]["value"]).get("renewal") if kept else None
    renewal = Renewal.restored(told) if told else None
    since = state.rows("pipelines_since", model=model, since_ms=row["at_ms"])
    tried = [p for p in since if p["state"] != "running" and alarm_of(p) == row["id"]]
    return Alarmed(
        row["id"], f"alarm: {words_of(row)}", row["at_ms"], renewal.gathered if renewal else 0,
        renewal.wanted if renewal else 0, len(tried), max((p["finished_ms"] or 0 for p in tried), default=0),
    )  # fmt: skip


def alarm_of(pipeline: Row) -> str:
    """The alarm that was among a pipeline's causes, or ""."""
    return str(json.loads(pipeline["wanted"]).get("alarm", ""))


def past_of(state: State, model: str, now_ms: int) -> Past:
    """What a model's pipelines did in the last 24 hours."""
    since = now_ms - DAY_MS
    spent = [
        Spent(_claim(row["claim"]).milli, row["granted_ms"], row["ended_ms"])
        for row in state.rows("model_leases", model=model, since_ms=since)
    ]
    begun = [row["created_ms"] for row in state.rows("pipelines_since", model=model, since_ms=since)]
    last = state.rows("pipelines_of_model", model=model, limit=1)
    return Past(begun, spent, last[0]["created_ms"] if last else None)


def _claim(text: str) -> Claim:
    told = json.loads(text)
    return Claim(**{**told, "models": tuple(told["models"])})
