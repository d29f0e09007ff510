# SPDX-License-Identifier: Apache-2.0
"""One model's loop: something changed -> a pipeline -> its steps, each once -> a candidate -> a verdict -> a rollout ->
live or not.

Level-triggered: everything that was done stands in rows; killed between any two lines, the next step goes on from the
last finished one. Scripts run under leases, which outlive us.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Mapping
from typing import Any

from colonnade.core.errors import ColonnadeError, Lost, UsageError
from colonnade.lifecycle.causes import Causes
from colonnade.lifecycle.doing import Doing, Stopped, Tools
from colonnade.lifecycle.pipelines import Pipelines
from colonnade.lifecycle.repackaging import GO, STEPS, WORDS, wanted_base
from colonnade.lifecycle.rollout.rows import Moved
from colonnade.lifecycle.verdict import Verdict
from colonnade.lifecycle.wanted import Wanted
from colonnade.lifecycle.watching.beginning import Holding, begin
from colonnade.lifecycle.watching.due import Hold
from colonnade.ports.outside.state import Row
from colonnade.ports.rowlease import RowLease

_log = logging.getLogger("colonnade.lifecycle")


class ModelLoop:
    """Follows one model. `step` is called by one thread."""

    def __init__(self, tools: Tools, wanted: Wanted, row: RowLease) -> None:
        self._tools, self._row = tools, row
        self.causes = Causes(tools, wanted)
        self.pipelines = Pipelines(tools.state, tools.journal, tools.actor)
        self._seen: tuple[Any, ...] = ()
        self._seen_ms = 0
        self._taken: tuple[Any, ...] | None = None
        self._parts: tuple[tuple[Any, ...], dict[str, str], dict[str, dict[str, bytes]]] | None = None
        self.holding = Holding(tools, wanted.id)
        self.trouble: ColonnadeError | None = None
        self.by_hand = False
        self.settling = False
        """Nothing was decided in the last look: what has changed has not stood still for long enough yet, say."""

    @property
    def wanted(self) -> Wanted:
        """What is declared now."""
        return self.causes.wanted

    @wanted.setter
    def wanted(self, wanted: Wanted) -> None:
        self.causes.wanted = wanted

    def step(self) -> bool:
        """One look; whether a pipeline is under way. Raises ColonnadeError."""
        if not self._row.take():
            self.settling = True  # whoever led before may have left something
            return False
        self.settling = False
        rolling = self._tools.rolling
        stands = rolling.step(self.wanted, self._row) if rolling is not None else ""
        newest = self.pipelines.of_model(self.wanted.id, 1)
        rolled = rolling is not None and bool(newest) and rolling.rolls(self.wanted.id, newest[0]["run"])
        if newest and newest[0]["state"] == "running" and not rolled:
            self._advance(newest[0])
            return True
        if stands == "moves":  # what is new waits until it is known what becomes of this one
            return True
        return self._look(newest[0] if newest else None) or stands == "probation"

    def ask(self) -> str:
        """Begin a pipeline although nothing has changed; the newest run of before, or "". Raises UsageError for data or
        code that cannot be read.
        """
        self.causes.parts(self.causes.code())
        newest = self.pipelines.of_model(self.wanted.id, 1)
        self.by_hand = True
        return str(newest[0]["run"]) if newest else ""

    # why
    def _look(self, last: Row | None) -> bool:
        """Begin a pipeline if there is a cause."""
        causes = self.causes
        here = causes.fingerprint()
        now = self._tools.state.now_ms()
        if here != self._seen:
            self._seen, self._seen_ms = here, now
        if here == self._taken and not self.by_hand and not causes.urge(last):
            self.holding.clear()
            return False
        if now - self._seen_ms < self.wanted.retrain.settle_ms and last is not None:
            self.settling = True
            return True
        self.trouble = None
        try:
            parts, code = self._read(here)
        except ColonnadeError as error:
            self.trouble, self._taken, self.by_hand = error, here, False
            return False
        decided = causes.of(parts, last, by_hand=self.by_hand)
        self._taken = None  # until what follows is durable: a full disk must not make a cause forgotten
        if isinstance(decided, Hold):
            self.holding.tell(self._row, decided)
            return decided.reason == "rows"
        self.holding.clear()
        if decided is not None:
            run = begin(self._tools, self.pipelines, self.wanted, decided, {**parts, **causes.kept(code)})
            self.by_hand, self._parts = False, None
            _log.info("model %s: %s, run/%s", self.wanted.name, decided.words, run)
        begun = decided is not None or self._repackage(parts, code)
        self._taken = here
        return begun

    def _repackage(self, parts: Mapping[str, str], code: Mapping[str, dict[str, bytes]]) -> bool:
        """Where nothing but the serving code is new: the live version with it, tried like any other."""
        kept = self.causes.kept(code)
        base = wanted_base(self._tools, self.pipelines, self.wanted, kept)
        if base:
            made = {**parts, **kept, "base": base}
            run = begin(self._tools, self.pipelines, self.wanted, GO, made, steps=STEPS)
            _log.info("model %s: %s, run/%s", self.wanted.name, WORDS, run)
        return bool(base)

    def _read(self, here: tuple[Any, ...]) -> tuple[dict[str, str], dict[str, dict[str, bytes]]]:
        """(digests, code) of what is there now; read once for each state of the files."""
        if self._parts is None or self._parts[0] != here:
            code = self.causes.code()
            self._parts = here, self.causes.parts(code), code
        return self._parts[1], self._parts[2]

    # steps
    def _advance(self, pipeline: Row) -> None:
        """Do as much as can be done now."""
        doing = Doing(self._tools, self.wanted, self._row, self.pipelines, pipeline)
        while True:
            steps = {step.step: step for step in self.pipelines.steps(pipeline["run"])}
            current = next((step for step in steps.values() if not step.over), None)
            if current is None:
                verdict = Verdict(self._tools, self.wanted, self._row, self.pipelines)
                with contextlib.suppress(Moved):  # the rollout before it was moved just now: judged in the next step
                    self._taken = None
                    if "base" in json.loads(pipeline["wanted"]):
                        verdict.repackaged(pipeline, steps)
                    elif verdict.judge(pipeline, steps):
                        self.by_hand = True
                return
            try:
                if not doing.further(current, steps):
                    return
            except Lost:
                raise
            except Stopped as stopped:
                self._end(pipeline, stopped.outcome, reason=stopped.reason)
                return
            except UsageError as error:
                self.pipelines.fail(current, error.message)
                self._end(pipeline, "failed", reason=f"{current.step}: {error.message}")
                return

    def _end(self, pipeline: Row, outcome: str, *, reason: str) -> None:
        with self._tools.state.transaction() as tx:
            self._row.check(tx)
            self.pipelines.end(tx, pipeline, outcome, reason=reason)
        self._taken = None
