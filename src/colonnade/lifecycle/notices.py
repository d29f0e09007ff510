# SPDX-License-Identifier: Apache-2.0
"""What others are told of models: read off the log, and kept as rows until each receiver has taken it.

The log is written in the transaction of the event itself. Rows are made of it, and the place up to which they were made
moves, in one transaction: a kill -9 at any moment loses no notice. One may be sent twice, under the same id.
No address, no secret and no sending here; no value of any data in what is said.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from colonnade.core.leaf import Leaf, parse_leaf
from colonnade.core.quantities import rfc3339
from colonnade.lifecycle.watching.monitors import words_of
from colonnade.ports.outside.state import Row, State, Transaction

SCHEMA = "colonnade.notice/1"
PLACE = "notices/place"
BATCH = 500
DAY_MS = 86_400_000
FIRST_MS, MOST_MS = 2_000, 3_600_000
KEEP_MS = 30 * DAY_MS
OF_PIPELINES = {"refused", "quarantined", "failed"}


@dataclass(frozen=True, slots=True)
class Receiver:
    """Who is told. `id` stands for the address, which is not known here; `on`: of which events."""

    id: str
    on: frozenset[str]


@dataclass(frozen=True, slots=True)
class Happened:
    """One event. `model`: its id, or that of a pipeline of functions."""

    event: str
    ref: str
    model: str
    version: str
    reason: str


def begin(tx: Transaction) -> None:
    """From now on others are told; nothing of before."""
    if not _place(tx):
        tx.run("meta_put", key=PLACE, value=str(tx.rows("entries_end")[0]["seq"]))


def end(tx: Transaction) -> None:
    """Nobody is told any more: what happens meanwhile is never told."""
    if _place(tx):
        tx.run("meta_put", key=PLACE, value="")


def collect(state: State, project: str, receivers: list[Receiver], page: Callable[[str], str]) -> bool:
    """Make rows of what happened since; whether any was made.

    Args:
        page: a model's name to the address of its page.
    """
    place = _place(state)
    if not place or state.rows("entries_end")[0]["seq"] <= int(place):
        return False
    made = 0
    with state.transaction() as tx:
        seq, last = int(_place(tx)), int(tx.rows("entries_end")[0]["seq"])
        entries = tx.rows("entries_of_models_after", seq=seq, limit=BATCH)
        for entry in entries:
            leaf = parse_leaf(entry["bytes"])
            told = happened(tx, leaf)
            told_to = [one for one in receivers if told is not None and told.event in one.on]
            if told is None or not told_to:
                continue
            body = json.dumps(document(tx, project, leaf, told, page), ensure_ascii=False)
            for one in told_to:
                made += tx.run("notice_add", receiver=one.id, id=leaf.id, project=project, event=told.event, body=body,
                               at_ms=leaf.at_ms)  # fmt: skip
        tx.run("meta_put", key=PLACE, value=str(entries[-1]["seq"] if len(entries) == BATCH else last))
    return made > 0


def happened(tx: Transaction, leaf: Leaf) -> Happened | None:
    """The event that an entry tells of, or None."""
    refs = dict(reversed(leaf.refs))
    if leaf.kind == "model.promoted":
        tried = any(role == "decided_by" and ref.startswith("rol_") for role, ref in leaf.refs)
        if leaf.status["cause"] == "rolled_back" and tried:
            return None  # the rollout's own entry says why
        return _promoted(tx, leaf, refs)
    if leaf.kind == "rollout.moved":
        return _moved(tx, leaf)
    if leaf.kind == "alarm.raised":
        return _rang(tx, leaf, refs)
    return _over(tx, leaf) if leaf.status.get("step") == "pipeline" else None


def document(
    tx: Transaction, project: str, leaf: Leaf, told: Happened, page: Callable[[str], str]
) -> dict[str, Any]:  # fmt: skip
    """`colonnade.notice/1`."""
    names = {row["id"]: row["name"] for statement in ("models_of_project", "flows_of_project")
             for row in tx.rows(statement, project=project)}  # fmt: skip
    name = names.get(told.model, "")
    called = next(row["name"] for row in tx.rows("projects_all") if row["id"] == project)
    what = told.event.replace("_", " ")
    return {
        "schema": SCHEMA, "id": leaf.id, "event": told.event, "at": rfc3339(leaf.at_ms), "project": called,
        "model": name or None, "ref": told.ref, "version": told.version or None, "outcome": told.event,
        "reason": told.reason, "url": page(name),
        "text": f"{called}: {name or told.ref} {what}" + (f": {told.reason}" if told.reason else ""),
    }  # fmt: skip


def waits_ms(attempts: int) -> int:
    """How long until the next try after so many failed: doubling from two seconds to an hour.

    >>> [waits_ms(n) for n in (1, 2, 5, 11, 12, 400)]
    [2000, 4000, 32000, 2048000, 3600000, 3600000]
    """
    return min(MOST_MS, FIRST_MS << min(attempts - 1, 30))


def tried(state: State, receiver: str, row: Row, error: str, *, final: bool) -> None:
    """What came of a try: sent (`error` is ""), to be tried again, or given up after a day."""
    now, attempts = state.now_ms(), row["attempts"] + 1
    given_up = bool(error) and (final or now - row["at_ms"] >= DAY_MS)
    stands = "given_up" if given_up else "waiting" if error else "sent"
    with state.transaction() as tx:
        tx.run("notice_tried", receiver=receiver, id=row["id"], state=stands, next_ms=now + waits_ms(attempts),
               ended_ms=None if stands == "waiting" else now, error=error)  # fmt: skip
        tx.run("notices_forget", before_ms=now - KEEP_MS)


def counts(state: State, project: str) -> Mapping[str, Mapping[str, Any]]:
    """Receiver -> how many are `sent`, `waiting`, `given_up`; `error`: of the last try that failed, or ""."""
    found: dict[str, dict[str, Any]] = {}
    for row in state.rows("notices_of_project", project=project):
        one = found.setdefault(row["receiver"], {"sent": 0, "waiting": 0, "given_up": 0, "error": ""})
        one[row["state"]] = row["count"]
        if row["state"] == "waiting":
            one["error"] = row["error"]
    return found


def _place(reads: State | Transaction) -> str:
    rows = reads.rows("meta_get", key=PLACE)
    return str(rows[0]["value"]) if rows else ""


def _promoted(tx: Transaction, leaf: Leaf, refs: Mapping[str, str]) -> Happened:
    version, by_hand = refs.get("model", ""), leaf.status["cause"] == "rolled_back"
    reason = f"version {leaf.n['generation']} is live from now on"
    if by_hand:
        return Happened("rolled_back", f"decision/{_decision(leaf)}", leaf.subject, version, f"by hand; {reason}")
    rollout = next((ref for role, ref in leaf.refs if ref.startswith("rol_")), "")
    rows = tx.rows("rollout_get", id=rollout) if rollout else []
    said = f"{reason}: {rows[0]['reason']}" if rows and rows[0]["reason"] else reason
    return Happened("promoted", f"run/{refs['by']}" if "by" in refs else f"model/{leaf.subject}", leaf.subject,
                    version, said)  # fmt: skip


def _moved(tx: Transaction, leaf: Leaf) -> Happened | None:
    rows = tx.rows("rollout_get", id=leaf.subject)
    event = leaf.status["state"] if leaf.status["state"] == "asked" else leaf.status.get("outcome", "")
    if not rows or event not in {"asked", "rolled_back"}:
        return None
    row, seen = rows[0], f"{leaf.n['exposed']} of {leaf.n['requests']} answers were the new version's"
    reason = f"{row['reason']}; {seen}" if row["reason"] else seen
    if event == "asked":
        reason = f"{row['reason'] or 'it asks for a word'}; decide with `colonnade approve rollout/{leaf.subject}`"
    return Happened(event, f"rollout/{leaf.subject}", row["model"], row["challenger"], reason)


def _rang(tx: Transaction, leaf: Leaf, refs: Mapping[str, str]) -> Happened | None:
    rows = tx.rows("alarm_get", id=leaf.subject)
    if not rows:
        return None
    return Happened("alarm", f"alarm/{leaf.subject}", rows[0]["model"], refs.get("model", ""), words_of(rows[0]))


def _over(tx: Transaction, leaf: Leaf) -> Happened | None:
    rows = tx.rows("pipeline_get", run=leaf.subject)
    if not rows or rows[0]["outcome"] not in OF_PIPELINES:
        return None
    row = rows[0]
    reason = row["reason"]
    if row["outcome"] == "failed":  # what a script prints may hold anything
        failed = next((one["step"] for one in tx.rows("pipeline_steps", pipeline=row["run"])
                       if one["state"] == "failed"), "")  # fmt: skip
        reason = (f"the step {failed} failed" if failed else "it failed") + f"; `colonnade logs run/{row['run']}`"
    return Happened(row["outcome"], f"run/{row['run']}", row["model"], row["version"], reason)


def _decision(leaf: Leaf) -> str:
    return next((ref for role, ref in leaf.refs if role == "decided_by" and ref.startswith("dec_")), "")
