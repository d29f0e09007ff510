# SPDX-License-Identifier: Apache-2.0
"""One declared pipeline's loop: asked for or due -> a run -> its steps, each once -> a result. Level-triggered: killed
between any two lines, the next step goes on from the last finished one.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import Any

from colonnade.core.errors import ColonnadeError, Lost, UsageError
from colonnade.lifecycle.closure import closure
from colonnade.lifecycle.flow.flowing import Flow, Flowing
from colonnade.lifecycle.flow.tools import Failed, Tools
from colonnade.lifecycle.pipelines import Pipelines
from colonnade.lifecycle.work import Place, clear
from colonnade.ports.outside.state import Row, Transaction
from colonnade.ports.rowlease import RowLease

_log = logging.getLogger("colonnade.lifecycle")


class FlowLoop:
    """Follows one pipeline of functions. `step` is called by one thread; `ask` by any."""

    def __init__(self, tools: Tools, flow: Flow, row: RowLease) -> None:
        self._tools, self.flow, self._row = tools, flow, row
        self.pipelines = Pipelines(tools.state, tools.journal, tools.actor)
        self._flowing: dict[str, Flowing] = {}
        self._under_way: list[str] = []
        self._left: dict[Place, str] = {}
        self._stale = threading.Event()
        self._stale.set()
        self.trouble: ColonnadeError | None = None

    def ask(self, parameters: Mapping[str, Any], cause: str = "by hand") -> str:
        """Begin a run with what is written in the files now; its id. Raises UsageError for code that cannot be read."""
        flow = self.flow
        code = self._tools.artifacts.put("code", dict(closure(flow.file)), {})
        wanted = {"code": code.digest, "file": flow.file.name, "function": flow.function,
                  "parameters": {**flow.parameters, **parameters}}  # fmt: skip
        run = self.pipelines.begin(flow.id, cause, wanted, steps=())
        self._stale.set()
        _log.info("pipeline %s: %s, run/%s", flow.name, cause, run)
        return run

    def step(self) -> bool:
        """One look; whether a run is under way. Raises ColonnadeError."""
        if not self._row.take():
            return False
        if self._stale.is_set():
            self._stale.clear()  # before the rows are read: whoever asks meanwhile is seen by the next step
            rows = self.pipelines.of_model(self.flow.id, 200)
            self._under_way = [str(row["run"]) for row in reversed(rows) if row["state"] == "running"]
        self._due()
        for run in list(self._under_way):
            self._advance(run)
        self._tidy()
        return bool(self._under_way or self._left) or self._stale.is_set()

    def _tidy(self) -> None:
        """Remove the folders of calls that were ended because another of their run had failed."""
        for place, lease in list(self._left.items()):
            if self._tools.leasing.look(lease) is not None:
                clear(place)
                del self._left[place]

    def _due(self) -> None:
        every = self.flow.every_ms
        if every is None or self._under_way or self._stale.is_set():
            return
        newest = self.pipelines.of_model(self.flow.id, 1)
        if newest and self._tools.state.now_ms() - newest[0]["created_ms"] < every:
            return
        try:
            self.ask({}, "schedule" if newest else "first")
            self.trouble = None
        except UsageError as error:
            self.trouble = error

    def _advance(self, run: str) -> None:
        row = self._tools.state.rows("pipeline_get", run=run)[0]
        flowing = self._flowing.get(run)
        try:
            if flowing is None:
                steps = self.pipelines.steps(run)
                flowing = self._flowing[run] = Flowing(self._tools, self.flow, self._row, row, steps)
            if flowing.advance():
                self._end(flowing, row, "done", "")
        except Lost:
            self._flowing.clear()
            self._stale.set()
            raise
        except Failed as failed:
            self._end(flowing, row, "failed", failed.reason)
        except UsageError as error:
            self._end(flowing, row, "failed", error.message)
        except Exception:
            self._flowing.pop(run, None)  # what it remembers may not be what was written
            raise

    def _end(self, flowing: Flowing | None, row: Row, outcome: str, reason: str) -> None:
        """The run is over; in one transaction with the last steps of it."""
        steps = 0 if flowing is None else len(flowing.steps)
        follows = flowing.last_runs if flowing is not None and outcome == "done" else []

        def write(tx: Transaction) -> None:
            if flowing is None:
                self._row.check(tx)
            self.pipelines.end(tx, row, outcome, reason=reason, steps=steps, follows=follows,
                               version=flowing.result if flowing is not None else "")  # fmt: skip

        if flowing is None:
            with self._tools.state.transaction() as tx:
                write(tx)
        else:
            self._left |= flowing.stop()
            flowing.rows.flush(write)
        self._flowing.pop(str(row["run"]), None)
        self._under_way = [run for run in self._under_way if run != row["run"]]
        _log.info("pipeline %s: %s%s, run/%s", self.flow.name, outcome, f" ({reason})" if reason else "", row["run"])
