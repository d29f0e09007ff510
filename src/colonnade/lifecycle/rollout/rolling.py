# SPDX-License-Identifier: Apache-2.0
"""One rollout, step by step: shadow, canary, promotion and probation, or the way back. Level-triggered.

What stands is the row: a step reads it, asks the canary, and moves the row by compare-and-set, with its entry and with
whatever else changes (the model's Name, the pipeline's end) in the same transaction. Killed between any two lines, the
next step goes on; at most a second of evidence is lost, never a stage. Who answers which key follows from the row
alone (`serving.loop` reads it), so nothing here talks to the gateway.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Literal, Protocol

from colonnade.core.errors import ColonnadeError, Refused, UnknownName, UsageError
from colonnade.core.exchanges import Exchange, Outcome
from colonnade.core.predicting import Item
from colonnade.lifecycle.artifacts import Artifacts
from colonnade.lifecycle.pipelines import CHAMPION
from colonnade.lifecycle.rollout.canary import Canary, Verdict
from colonnade.lifecycle.rollout.ending import Ending
from colonnade.lifecycle.rollout.evidence import Evidence
from colonnade.lifecycle.rollout.rehearsal import Line, Rehearsal, held_out
from colonnade.lifecycle.rollout.rows import Moved, Rollout, Rollouts
from colonnade.lifecycle.wanted import Wanted
from colonnade.ports.journal import Journal
from colonnade.ports.outside.state import State, Transaction
from colonnade.ports.rowlease import RowLease

SAVE_MS = 1_000
"""Evidence is kept at most so often: so much of it may be lost with the process, and nothing else."""
SLICE_S = 0.2
"""A rehearsal goes on so long in one step; other models wait meanwhile."""
EXPOSURE, LABELS = "exposure", "labels"
Stands = Literal["", "moves", "waits", "probation"]
_log = logging.getLogger("colonnade.lifecycle")


class Fleet(Protocol):
    """The replicas of all services, as a rollout asks about them."""

    def ready(self, model: str, version: str) -> bool:
        """Whether every service that answers with the model has a replica of the version that answers."""
        ...

    def trouble(self, model: str, version: str) -> str:
        """Why there will be none; "" where there may."""
        ...

    def line(self, model: str, version: str) -> Line:
        """A line to a replica of the version. Raises OSError."""
        ...

    def moved(self) -> None:
        """A rollout was moved: who answers is to be looked at now."""
        ...


class Rolling:
    """The rollouts of a project's models. `step` is called by one thread, the rest by any."""

    def __init__(self, state: State, journal: Journal, artifacts: Artifacts, actor: str, fleet: Fleet) -> None:
        self._state, self._artifacts, self._fleet = state, artifacts, fleet
        self.project = journal.project
        self.rows = Rollouts(state, journal, actor)
        self._ending = Ending(state, journal, actor, self.rows)
        self.recent: Callable[[str, int], Sequence[Item]] = lambda _model, _most: ()
        """What was asked of a model lately, newest last; whoever keeps requests sets it."""
        self._evidence: dict[str, Evidence] = {}
        self._rehearsals: dict[str, Rehearsal] = {}
        self._lock = threading.Lock()

    # what is heard
    def exchanges(self, batch: Sequence[Exchange]) -> None:
        """Requests and what was answered."""
        for evidence in list(self._evidence.values()):
            evidence.exchanges(batch)

    def outcomes(self, batch: Sequence[Outcome]) -> None:
        """Truths that have arrived."""
        for evidence in list(self._evidence.values()):
            evidence.outcomes(batch)

    def canary(self, rollout: str) -> Canary | None:
        """The evidence of a rollout that this process follows."""
        found = self._evidence.get(rollout)
        return found.canary if found is not None else None

    # what is done
    def step(self, wanted: Wanted, row: RowLease) -> Stands:
        """A look at the model's rollout: "" where there is none; "waits" for a person or labels, "probation" of what is
        live: something else may begin meanwhile.
        """
        rollout = self.rows.open(wanted.id)
        if rollout is None:
            self._forget(wanted.id)
            return ""
        evidence = self._heard(rollout)
        try:
            if rollout.state == "probation":
                self._watch(rollout, evidence, wanted, row)
            else:
                self._further(rollout, evidence, wanted, row)
        except Moved:
            pass
        now = self.rows.open(wanted.id)
        if now is None or (now.state, now.stage) != (rollout.state, rollout.stage):
            self._fleet.moved()
        if now is None:
            self._forget(wanted.id)
            return ""
        self._save(now, evidence)
        if now.state == "probation":
            return "probation"
        return "waits" if now.state in {"held", "asked"} else "moves"

    def rolls(self, model: str, pipeline: str) -> bool:
        """Whether a pipeline's version is being rolled out."""
        rollout = self.rows.open(model)
        return rollout is not None and rollout.pipeline == pipeline and rollout.state != "probation"

    def stop(self, model: str, actor: str, reason: str) -> Rollout | None:
        """End the open rollout by hand: new requests are the champion's. The rollout as it ended; None for none."""
        for _ in range(5):
            rollout = self.rows.open(model)
            if rollout is None or rollout.state == "probation":
                return None
            evidence = self._heard(rollout)
            try:
                with evidence.lock:
                    ended = self._ending.back(rollout, evidence.canary, reason, cause="person", actor=actor)
            except Moved:
                continue
            self._fleet.moved()
            return ended
        return None

    def decide(self, rollout: str, person: str, *, allow: bool) -> Rollout:
        """A person's word on a rollout that asks. Where `approve` names nobody, whose word counts is the caller's to
        say. Raises UnknownName, UsageError (`not_asked`), Refused (`may_not_approve`).
        """
        now = self.rows.get(rollout)
        if now is None:
            raise UnknownName(f"there is no rollout {rollout!r}", hint="`colonnade status` lists them")
        if now.state != "asked":
            raise UsageError(
                f"the rollout is {now.state}: nobody is asked", hint="`colonnade status` shows it", code="not_asked"
            )
        if now.plan.approve and person not in now.plan.approve:
            message = "you are not among those who may decide on this rollout"
            raise Refused(message, hint="`approve` of the service's `rollout` names them", code="may_not_approve")
        evidence = self._heard(now)
        try:
            with evidence.lock:
                if not allow:
                    done = self._ending.back(now, evidence.canary, "a person did not allow it", cause="person",
                                             actor=person)  # fmt: skip
                else:
                    words = " ".join(word.removesuffix("?") for word in now.verdict.split())
                    with self._state.transaction() as tx:
                        done = self.rows.move(
                            tx, now, evidence.canary, cause="person", actor=person, approver=person, verdict=words,
                            state="canary" if now.stage >= 0 else "shadow", reason="a person allowed it",
                        )  # fmt: skip
        except Moved:
            raise UsageError(
                "the rollout has moved on meanwhile", hint="`colonnade status`", code="not_asked"
            ) from None
        self._fleet.moved()
        return done

    # the steps
    def _further(self, rollout: Rollout, evidence: Evidence, wanted: Wanted, row: RowLease) -> None:
        plan, now = rollout.plan, self._state.now_ms()
        live = self._state.rows("name_get", project=self.project, kind=CHAMPION, name=wanted.name)
        if not live or live[0]["digest"] != rollout.champion:
            self._end(rollout, evidence, "superseded", "the live version was changed meanwhile", "newer")
            return
        if wanted.rollout is None:  # no service answers with the model any more, or none wants a rollout
            self._promote(rollout, evidence, wanted, row, "no rollout is declared any more", "declaration")
            return
        if trouble := self._fleet.trouble(rollout.model, rollout.challenger):
            self._end(rollout, evidence, "rolled_back", trouble, "replica")
            return
        evidence.look(now)
        if not evidence.ready:
            if not self._fleet.ready(rollout.model, rollout.challenger):
                return
            evidence.ready, evidence.ready_ms, evidence.heard_ms = True, now, now
            _log.info("model %s: rollout/%s, the challenger answers", wanted.name, rollout.id)
        quiet = now - evidence.heard_ms >= plan.quiet_ms
        over = now - max(rollout.stage_ms, evidence.ready_ms) >= plan.stage_ms
        if quiet and plan.rehearse and not self._rehearsed(rollout, evidence, wanted):
            return
        with evidence.lock:
            canary = evidence.canary
            if rollout.stage < canary.stage:  # there is no shadow phase, and the challenger is up by now
                verdict = canary.verdict()
                self._move(rollout, evidence, verdict, cause="evidence", stage=canary.stage, share=canary.share)
                return
            verdict = canary.verdict(
                time_over=quiet or over,
                labels_overdue=now - rollout.began_ms >= plan.label_deadline_ms,
                labels_waived=LABELS in rollout.allowed,
            )
            self._act(rollout, evidence, verdict, row, wanted, quiet=quiet)

    def _act(
        self, rollout: Rollout, evidence: Evidence, verdict: Verdict, row: RowLease, wanted: Wanted, *, quiet: bool
    ) -> None:  # fmt: skip
        """What the verdict says."""
        plan, cause = rollout.plan, "quiet" if quiet else "evidence"
        if verdict.action == "roll_back":
            self._back(rollout, evidence, verdict)
        elif verdict.action == "hold":
            if rollout.state != "held":
                self._move(rollout, evidence, verdict, cause="label_deadline", state="held")
        elif verdict.action == "ask":
            if rollout.state != "asked":
                self._move(rollout, evidence, verdict, cause="label_deadline", state="asked", asked=LABELS)
        elif verdict.action == "next_stage":
            if rollout.stage < 0 and plan.approve and EXPOSURE not in rollout.allowed:
                if rollout.state != "asked":
                    self._move(rollout, evidence, verdict, cause=cause, state="asked", asked=EXPOSURE)
                return
            canary = Canary.restored(plan.canary, evidence.canary.state())
            canary.advance()
            evidence.canary, before = canary, evidence.canary
            try:
                self._move(rollout, evidence, verdict, cause=cause, stage=canary.stage, share=canary.share)
            except BaseException:
                evidence.canary = before
                raise
        elif verdict.action == "promote":
            seen = evidence.canary
            reason = verdict.reason
            if quiet:
                reason = (
                    f"nobody asked; {max(0, seen.rehearsed):,} requests were replayed, and no measure is proved worse"
                )
            self._promoted(rollout, evidence, wanted, row, reason, cause)

    def _move(
        self, rollout: Rollout, evidence: Evidence, verdict: Verdict, *, cause: str, state: str = "canary",
        stage: int | None = None, share: float | None = None, asked: str | None = None,
    ) -> None:  # fmt: skip
        words = f"{rollout.verdict} {asked}?".strip() if asked else rollout.verdict
        with self._state.transaction() as tx:
            moved = self.rows.move(
                tx, rollout, evidence.canary, cause=cause, share=share, state=state, verdict=words,
                stage=rollout.stage if stage is None else stage, reason=verdict.reason,
            )  # fmt: skip
        where = f"{moved.share:g} %" if state == "canary" else state
        _log.info("model rollout/%s: %s (%s)", rollout.id, where, verdict.reason)

    def _watch(self, rollout: Rollout, evidence: Evidence, wanted: Wanted, row: RowLease) -> None:
        """The new version is live and on probation: proved worse, it goes back; otherwise its time comes to an end."""
        now, plan = self._state.now_ms(), rollout.plan
        evidence.look(now)
        live = self._state.rows("name_get", project=self.project, kind=CHAMPION, name=wanted.name)
        with evidence.lock:
            evidence.probation = True
            verdict = evidence.canary.verdict(time_over=True, labels_waived=True)
            if not live or live[0]["digest"] != rollout.challenger:
                self._ending.settle(rollout, evidence.canary, rollout.reason, cause="person")
            elif verdict.action == "roll_back":
                self._ending.undo(rollout, evidence.canary, verdict, wanted.name, row)
            elif (
                evidence.canary.in_stage >= plan.canary.requests_in(len(plan.canary.stages) - 1)
                or now - rollout.stage_ms >= plan.stage_ms
            ):
                self._ending.settle(rollout, evidence.canary, rollout.reason, cause="evidence")

    def _rehearsed(self, rollout: Rollout, evidence: Evidence, wanted: Wanted) -> bool:
        """Replay what was asked before, a bit in each step; whether that is over."""
        replay = self._rehearsals.get(rollout.id)
        over = bool(evidence.canary.rehearsed) or rollout.stage >= len(rollout.plan.canary.stages) - 1
        if replay is None and over:
            return True
        if replay is None:
            items = list(self.recent(rollout.model, rollout.plan.rehearse))
            if (missing := rollout.plan.rehearse - len(items)) > 0:
                items = [*self._held_out(rollout, wanted)[:missing], *items]
            try:
                lines = [self._fleet.line(rollout.model, one) for one in (rollout.champion, rollout.challenger)]
            except OSError:
                return False
            replay = self._rehearsals[rollout.id] = Rehearsal(items, lines[0], lines[1])
        pairs, over = replay.go(SLICE_S)
        with evidence.lock:
            for champion, challenger in pairs:
                evidence.canary.rehearse(champion, challenger)
            if over and not evidence.canary.rehearsed:
                evidence.canary.rehearsed = -1  # there was nothing to replay
        proved = any(contest.proved for contest in evidence.canary.contests.values())
        if over or proved:
            replay.close()
            del self._rehearsals[rollout.id]
        return over or proved

    def _held_out(self, rollout: Rollout, wanted: Wanted) -> list[Item]:
        """Of this pipeline; where it only packaged what was live, of the newest one that held rows out."""
        before = self._state.rows("pipelines_of_model", model=rollout.model, limit=20)
        split = ""
        for run in (rollout.pipeline, *(row["run"] for row in before if row["run"] < rollout.pipeline)):
            rows = self._state.rows("pipeline_steps", pipeline=run)
            split = split or next((row["artifact"] for row in rows if row["step"] == "split"), "")
        try:
            return held_out(self._artifacts, split, wanted.label, rollout.plan.rehearse) if split else []
        except (ColonnadeError, ValueError):
            return []

    # ends
    def _promote(
        self, rollout: Rollout, evidence: Evidence, wanted: Wanted, row: RowLease, reason: str, cause: str
    ) -> None:  # fmt: skip
        with evidence.lock:
            self._promoted(rollout, evidence, wanted, row, reason, cause)

    def _promoted(
        self, rollout: Rollout, evidence: Evidence, wanted: Wanted, row: RowLease, reason: str, cause: str
    ) -> None:  # fmt: skip
        canary = Canary.restored(rollout.plan.canary, evidence.canary.state())
        canary.stay()
        self._ending.promote(rollout, canary, wanted.name, row, reason, cause=cause)
        evidence.canary, evidence.probation = canary, True

    def _back(self, rollout: Rollout, evidence: Evidence, verdict: Verdict) -> None:
        self._ending.back(rollout, evidence.canary, verdict.reason, cause="evidence", measure=verdict.evidence[0])

    def _end(self, rollout: Rollout, evidence: Evidence, outcome: str, reason: str, cause: str) -> None:
        with evidence.lock:
            self._ending.back(rollout, evidence.canary, reason, cause=cause, outcome=outcome)

    def supersede(self, rollout: Rollout) -> Callable[[Transaction], None]:
        """For the transaction in which a newer candidate takes an open rollout's place: see `Ending.within`."""
        evidence = self._heard(rollout)

        def within(tx: Transaction) -> None:
            with evidence.lock:
                self._ending.within(
                    tx, rollout, evidence.canary, "a newer candidate took its place", cause="newer",
                    outcome="superseded",
                )  # fmt: skip

        return within

    # what is kept in this process
    def _heard(self, rollout: Rollout) -> Evidence:
        with self._lock:
            found = self._evidence.get(rollout.id)
            if found is None:
                found = self._evidence[rollout.id] = Evidence(rollout, self._state.now_ms())
                for other in [one for one in self._evidence if one != rollout.id]:
                    other_row = self.rows.get(other)
                    if other_row is None or other_row.state == "ended":
                        self._drop(other)
            return found

    def _forget(self, model: str) -> None:  # noqa: ARG002  (what has ended is found by its row)
        with self._lock:
            for one in list(self._evidence):
                row = self.rows.get(one)
                if row is None or row.state == "ended":
                    self._drop(one)

    def _drop(self, rollout: str) -> None:
        self._evidence.pop(rollout, None)
        replay = self._rehearsals.pop(rollout, None)
        if replay is not None:
            replay.close()

    def _save(self, rollout: Rollout, evidence: Evidence) -> None:
        now = self._state.now_ms()
        with evidence.lock:
            mark = evidence.heard + evidence.canary.rehearsed
            if mark == evidence.saved or now - evidence.saved_ms < SAVE_MS:
                return
            self.rows.save(rollout, evidence.canary)
            evidence.saved, evidence.saved_ms = mark, now
