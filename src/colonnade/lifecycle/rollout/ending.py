# SPDX-License-Identifier: Apache-2.0
"""How a rollout ends, each way in one transaction: the row, the pipeline, the model's Name where it moves, the entries.

So whenever a process is killed, the row and the Name agree. When to end is `rolling`'s business.
"""

from __future__ import annotations

import json
import logging

from colonnade.core.errors import Lost
from colonnade.lifecycle.pipelines import CHAMPION, Pipelines
from colonnade.lifecycle.promotion import promote
from colonnade.lifecycle.rollout.canary import Canary, Verdict
from colonnade.lifecycle.rollout.contest import Standing
from colonnade.lifecycle.rollout.rows import Moved, Rollout, Rollouts
from colonnade.lifecycle.serving.rollback import find_back, go_back
from colonnade.ports.journal import Journal
from colonnade.ports.outside.state import State, Transaction
from colonnade.ports.rowlease import RowLease

_log = logging.getLogger("colonnade.lifecycle")


class Ending:
    """Ends rollouts of one project. Every method raises Moved where somebody else was first."""

    def __init__(self, state: State, journal: Journal, actor: str, rows: Rollouts) -> None:
        self._state, self._journal, self._actor, self._rows = state, journal, actor, rows
        self._pipelines = Pipelines(state, journal, actor)

    def back(
        self, rollout: Rollout, canary: Canary, reason: str, *, cause: str, outcome: str = "rolled_back",
        measure: Standing | None = None, actor: str = "",
    ) -> Rollout:  # fmt: skip
        """The champion answers everything again; the Name has never moved."""
        with self._state.transaction() as tx:
            return self.within(
                tx, rollout, canary, reason, cause=cause, outcome=outcome, measure=measure, actor=actor
            )  # fmt: skip

    def within(
        self, tx: Transaction, rollout: Rollout, canary: Canary, reason: str, *, cause: str, outcome: str,
        measure: Standing | None = None, actor: str = "",
    ) -> Rollout:  # fmt: skip
        """The same in a transaction that does more. A rollout on probation only ends: its version is live."""
        if rollout.state == "probation":
            return self._rows.move(tx, rollout, canary, cause=cause, state="ended")
        ended = self._rows.move(
            tx, rollout, canary, cause=cause, measure=measure, actor=actor, state="ended", outcome=outcome,
            reason=reason, share=0.0,
        )  # fmt: skip
        pipeline = tx.rows("pipeline_get", run=rollout.pipeline)[0]
        self._rows.kept(tx, ended, self._generation(tx, rollout.model))
        self._pipelines.end(
            tx, pipeline, outcome, version=rollout.challenger, reason=reason, metrics=json.loads(pipeline["metrics"]),
            decision=rollout.decision,
        )  # fmt: skip
        _log.info("model rollout/%s: %s (%s)", rollout.id, outcome, reason)
        return ended

    def promote(
        self, rollout: Rollout, canary: Canary, name: str, row: RowLease, reason: str, *, cause: str
    ) -> Rollout:  # fmt: skip
        """The challenger becomes the live version, and is on probation if that was declared. Raises Lost."""
        here = self._state.rows("name_get", project=self._journal.project, kind=CHAMPION, name=name)
        if not here or here[0]["digest"] != rollout.champion:
            raise Moved
        with self._state.transaction() as tx:
            row.check(tx)
            done = self._rows.move(
                tx, rollout, canary, cause=cause, state="probation" if rollout.plan.probation else "ended",
                outcome="promoted", reason=reason, share=100.0,
            )  # fmt: skip
            promote(
                tx, self._journal, self._actor, model=rollout.model, name=name, run=rollout.pipeline,
                version=rollout.challenger, decision=rollout.decision, here=here, rollout=rollout.id,
            )  # fmt: skip
            pipeline = tx.rows("pipeline_get", run=rollout.pipeline)[0]
            self._pipelines.end(
                tx, pipeline, "promoted", version=rollout.challenger, reason=pipeline["reason"],
                metrics=json.loads(pipeline["metrics"]), decision=rollout.decision,
            )  # fmt: skip
        _log.info("model %s: promoted by rollout/%s (%s)", name, rollout.id, reason)
        return done

    def settle(self, rollout: Rollout, canary: Canary, reason: str, *, cause: str) -> None:
        """The probation is over: the champion of before need not be warm any more."""
        with self._state.transaction() as tx:
            self._rows.move(tx, rollout, canary, cause=cause, state="ended", reason=reason)

    def undo(self, rollout: Rollout, canary: Canary, verdict: Verdict, name: str, row: RowLease) -> None:
        """On probation it was proved worse: the version before it is live again, by one compare-and-set."""
        back = find_back(self._state, self._journal.project, rollout.model, name, rollout.champion)
        if back.was != rollout.challenger:
            raise Moved
        with self._state.transaction() as tx:
            row.check(tx)
            self._rows.move(
                tx, rollout, canary, cause="evidence", measure=verdict.evidence[0], state="ended",
                outcome="rolled_back", reason=verdict.reason, share=0.0,
            )  # fmt: skip
            try:
                go_back(tx, self._state, self._journal, self._actor, back, rollout=rollout.id)
            except Lost as lost:
                raise Moved from lost
        _log.info("model %s: rolled back on probation, rollout/%s (%s)", name, rollout.id, verdict.reason)

    def _generation(self, tx: Transaction, model: str) -> int:
        names = {row["id"]: row["name"] for row in tx.rows("models_of_project", project=self._journal.project)}
        here = tx.rows("name_get", project=self._journal.project, kind=CHAMPION, name=names[model])
        return int(here[0]["generation"]) if here else 0
