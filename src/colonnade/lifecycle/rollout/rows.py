# SPDX-License-Identifier: Apache-2.0
"""Rollouts as rows: begun, moved by compare-and-set with their entry in the same transaction, kept while they go on.

It decides nothing. Whoever moves a rollout says from where: a move that somebody else made first is `Moved`.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass, replace
from typing import Any

from colonnade.core import model_entries
from colonnade.core.leaf import Leaf
from colonnade.lifecycle.rollout.canary import Canary
from colonnade.lifecycle.rollout.contest import Standing
from colonnade.lifecycle.rollout.plan import Plan
from colonnade.ports.journal import Journal
from colonnade.ports.outside.state import Row, State, Transaction


class Moved(Exception):
    """Somebody else moved the rollout meanwhile; look again."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """A row of `rollouts`.

    Attributes:
        state: shadow, canary, held (its truth is missing), asked (a person is to decide), probation (it is live, and
            watched on), ended.
        outcome: "", promoted, rolled_back, superseded, failed.
        stage: of the plan's stages, -1 for the shadow; share_millionths: of the keys that the challenger has.
        canary: the evidence as it was kept, as JSON of `Canary.state`.
        requests: answers that were sent since it began; exposed: those of the challenger.
        verdict: what persons said, in words: `exposure?` asked, `exposure` allowed, and so for `labels`.
    """

    id: str
    project: str
    model: str
    pipeline: str
    decision: str
    champion: str
    challenger: str
    state: str
    plan: Plan
    canary: str
    stage: int
    share_millionths: int
    requests: int
    exposed: int
    outcome: str
    reason: str
    approver: str
    verdict: str
    began_ms: int
    stage_ms: int
    ended_ms: int | None

    @property
    def share(self) -> float:
        """Percent of the keys that the challenger answers."""
        return self.share_millionths / 10_000

    def evidence(self) -> Canary:
        """The canary as it was kept."""
        return Canary.restored(self.plan.canary, json.loads(self.canary))

    @property
    def allowed(self) -> set[str]:
        """What a person has allowed: `exposure`, `labels`."""
        return {word for word in self.verdict.split() if not word.endswith("?")}


_FIELDS = tuple(name for name in Rollout.__dataclass_fields__ if name != "plan")
_plan_of = functools.lru_cache(64)(Plan.of)


class Rollouts:
    """The rollouts of one project."""

    def __init__(self, state: State, journal: Journal, actor: str) -> None:
        self._state, self._journal, self._actor = state, journal, actor

    def open(self, model: str) -> Rollout | None:
        """The model's rollout that has not ended; there is at most one."""
        rows = self._state.rows("rollout_open", model=model)
        return read(rows[0]) if rows else None

    def get(self, rollout: str) -> Rollout | None:
        """One by its id."""
        rows = self._state.rows("rollout_get", id=rollout)
        return read(rows[0]) if rows else None

    def of_model(self, model: str, limit: int = 50) -> list[Rollout]:
        """Newest first."""
        return [read(row) for row in self._state.rows("rollouts_of_model", model=model, limit=limit)]

    def begin(
        self, tx: Transaction, *, model: str, pipeline: str, decision: str, champion: str, challenger: str, plan: Plan
    ) -> Rollout:  # fmt: skip
        """A rollout of which nobody sees anything yet: its challenger need not be up."""
        ident, now = self._state.new_id("rol"), self._state.now_ms()
        canary = Canary(plan.canary)
        tx.run(
            "rollout_add", id=ident, project=self._journal.project, model=model, pipeline=pipeline, decision=decision,
            champion=champion, challenger=challenger, config=plan.to_json(), canary=json.dumps(canary.state()),
            began_ms=now,
        )  # fmt: skip
        begun = read(tx.rows("rollout_get", id=ident)[0])
        tx.append(self._entry(begun, self._actor, pipeline, "evidence", None, canary))
        return begun

    def move(
        self, tx: Transaction, was: Rollout, canary: Canary, *, cause: str, actor: str = "",
        measure: Standing | None = None, share: float | None = None, **changed: Any,
    ) -> Rollout:  # fmt: skip
        """To another state or stage, with what is known by now. Raises Moved.

        Args:
            cause: as `rollout.moved` lists them; measure: the one that decided.
            actor: the person who ordered it; "": we did.
            share: percent of the keys from now on; None: as before.
        """
        now = self._state.now_ms()
        if share is not None:
            changed["share_millionths"] = round(share * 10_000)
        if changed.get("stage", was.stage) != was.stage or changed.get("state") == "probation":
            changed["stage_ms"] = now
        if changed.get("state") == "ended":
            changed["ended_ms"] = now
        kept = json.dumps(canary.state())
        new = replace(was, **changed, canary=kept, requests=canary.seen, exposed=canary.exposed)
        done = tx.run(
            "rollout_move", id=was.id, was=was.state, stage_was=was.stage, verdict_was=was.verdict, state=new.state,
            stage=new.stage, share_millionths=new.share_millionths, canary=kept,
            requests=new.requests, exposed=new.exposed, outcome=new.outcome, reason=new.reason, approver=new.approver,
            verdict=new.verdict, stage_ms=new.stage_ms, ended_ms=new.ended_ms,
        )  # fmt: skip
        if not done:
            raise Moved
        tx.append(self._entry(new, actor or self._actor, actor or new.pipeline, cause, measure, canary))
        return new

    def save(self, rollout: Rollout, canary: Canary) -> None:
        """The evidence so far; nothing where the rollout is not there any more."""
        with self._state.transaction() as tx:
            tx.run(
                "rollout_save", id=rollout.id, state=rollout.state, stage=rollout.stage,
                canary=json.dumps(canary.state()), requests=canary.seen, exposed=canary.exposed,
            )  # fmt: skip

    def kept(self, tx: Transaction, rollout: Rollout, generation: int) -> None:
        """The entry that the live version stays."""
        tx.append(
            model_entries.model_kept(
                self._journal.stamp(self._actor), model=rollout.model, run=rollout.pipeline, rollout=rollout.id,
                version=rollout.champion, generation=generation, cause=rollout.outcome,
            )
        )  # fmt: skip

    def _entry(
        self, now: Rollout, actor: str, by: str, cause: str, measure: Standing | None, canary: Canary
    ) -> Leaf:  # fmt: skip
        bad = (measure.challenger, measure.champion) if measure is not None else (None, None)
        named = measure.measure if measure is not None else ""
        challenger, champion = (None if value is None else round(1e6 * value) for value in bad)
        return model_entries.rollout_moved(
            self._journal.stamp(actor), rollout=now.id, model=now.model, services=now.plan.services, by=by,
            decision=now.decision, versions=(now.challenger, now.champion), state=now.state, cause=cause,
            share_millionths=now.share_millionths, stage=now.stage, requests=now.requests, exposed=now.exposed,
            rehearsed=max(0, canary.rehearsed), outcome=now.outcome or None,
            measure=("group_quality" if ":" in named else named) or None,
            challenger_millionths=challenger, champion_millionths=champion,
        )  # fmt: skip


def read(row: Row) -> Rollout:
    """A row as it stands in the store."""
    return Rollout(**{name: row[name] for name in _FIELDS}, plan=_plan_of(row["config"]))
