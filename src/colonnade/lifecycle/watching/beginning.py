# SPDX-License-Identifier: Apache-2.0
"""A pipeline begins for a cause, or a cause waits: both are told in the ledger, and by `status`. Nothing is decided
here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from colonnade.core import watch_entries
from colonnade.lifecycle.watching.due import Go, Hold
from colonnade.ports.outside.state import Transaction
from colonnade.ports.rowlease import RowLease

if TYPE_CHECKING:
    from colonnade.lifecycle.doing import Tools
    from colonnade.lifecycle.pipelines import Pipelines
    from colonnade.lifecycle.wanted import Wanted


def begin(
    tools: Tools, pipelines: Pipelines, wanted: Wanted, go: Go, parts: Mapping[str, Any], steps: Sequence[str] = ()
) -> str:  # fmt: skip
    """A pipeline, with why it began and on which rows; its run. `steps`: others than the model's own."""
    made: dict[str, Any] = {**parts, "causes": list(go.kinds)}
    if go.alarm:
        made |= {"alarm": go.alarm, "window": {"recent": go.window.recent, "whole": go.window.whole}}

    def also(tx: Transaction, run: str) -> None:
        stamp = tools.journal.stamp(tools.actor)
        recent = go.window.recent
        caused = watch_entries.pipeline_caused(stamp, run=run, alarm=go.alarm or None, causes=go.kinds, recent=recent)
        tx.append(caused)
        if go.alarm:
            tx.run("alarm_run", id=go.alarm, run=run)

    return pipelines.begin(wanted.id, go.words, made, steps or wanted.steps(), also=also)


class Holding:
    """What waits for one model. In the ledger once for each reason; in `meta` as it is now."""

    def __init__(self, tools: Tools, model: str) -> None:
        self._tools, self._model = tools, model
        self._entered: tuple[Any, ...] | None = None
        self._told = ""
        self._read = False

    @property
    def key(self) -> str:
        """Under this `meta` keeps it; "" there: nothing waits."""
        return held_key(self._model)

    def tell(self, row: RowLease, hold: Hold) -> None:
        """A cause waits."""
        tools = self._tools
        told = json.dumps(
            {
                "cause": hold.words,
                "reason": hold.reason,
                "why": hold.why,
                "until_ms": hold.until_ms,
                "alarm": hold.alarm,
            }
        )
        mark = (hold.reason, hold.alarm, hold.until_ms)
        self._remember()
        if told == self._told:
            return
        with tools.state.transaction() as tx:
            row.check(tx)
            tx.run("meta_put", key=self.key, value=told)
            if mark != self._entered:
                tx.append(
                    watch_entries.retraining_held(
                        tools.journal.stamp(tools.actor),
                        model=self._model,
                        reason=hold.reason,
                        until_ms=hold.until_ms,
                    )
                )
        self._told, self._entered = told, mark

    def _remember(self) -> None:
        """What the daemon before us has told already."""
        if self._read:
            return
        rows = self._tools.state.rows("meta_get", key=self.key)
        self._told, self._read = (rows[0]["value"] if rows else ""), True
        if self._told:
            held = json.loads(self._told)
            self._entered = held["reason"], held["alarm"], held["until_ms"]

    def clear(self) -> None:
        """Nothing waits."""
        self._remember()
        if self._told:
            with self._tools.state.transaction() as tx:
                tx.run("meta_put", key=self.key, value="")
            self._told, self._entered = "", None


def held_key(model: str) -> str:
    """Where `meta` says what waits for a model."""
    return f"held/{model}"
