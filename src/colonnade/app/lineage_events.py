# SPDX-License-Identifier: Apache-2.0
"""OpenLineage events of a house: all of them as a stream, and those that are new to an endpoint.

Events are made from rows that are there anyway, so the outbox is a place in them: it moves once the endpoint has taken
an event, and not before. What is sent twice after a kill is the same event with the same ids.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from colonnade.app.active import read_active
from colonnade.app.settings.environment import Places
from colonnade.app.stored import reading
from colonnade.core.errors import Refused, Unavailable
from colonnade.observe.openlineage.events import Event, Events
from colonnade.ports.outside.keys import Keys
from colonnade.ports.outside.state import Row, State
from colonnade.ports.outside.telemetry import Telemetry

if TYPE_CHECKING:
    from colonnade.app.house import House

CURSOR = "openlineage/{}"
PAGE = 200
LOOK_S = 2.0
SETTLED_MS = 2_000
"""What happened so long ago has all its rows."""
BACK_OFF_S = (1.0, 2.0, 5.0, 15.0, 60.0)
JSON = "application/json"
_log = logging.getLogger("colonnade.telemetry")


def stored_events(places: Places, since_ms: int) -> Iterator[Event]:
    """Every event since then, in the order of time; of runs that go on only their start."""
    with reading(places) as (state, keys):
        projects = state.rows("projects_all")
        if not projects:
            return
        events = events_of(state, keys, projects[0])
        waiting: list[tuple[int, int, Event]] = []
        after: tuple[int, str] = (0, "")
        while rows := _page(state, projects[0]["id"], "begun", after, state.now_ms()):
            for row in rows:
                for at_ms, one in zip((row["created_ms"], row["finished_ms"]), events.of(row), strict=True):
                    if one is not None and at_ms >= since_ms:
                        waiting.append((at_ms, len(waiting), one))
            after = (rows[-1]["created_ms"], rows[-1]["id"])
    for _, _, event in sorted(waiting, key=lambda one: one[:2]):
        yield event


def events_of(state: State, keys: Keys, project: Row) -> Events:
    """Events under the names that are declared now."""
    declared = read_active(state, keys, project["id"]) or {}
    sources = {
        name: [str(one.get("builtin") or one.get("path") or "").removeprefix("./") for one in base["sources"]]
        for name, base in declared.get("knowledge", {}).items()
    }
    return Events(state, project["id"], str(project["name"]), sources)


class Sending:
    """One endpoint. `step` from one thread."""

    def __init__(self, house: House, to: Telemetry) -> None:
        self._house, self._to = house, to
        self._failures, self._not_before = 0, 0.0
        self.sent = self.refused = 0

    def step(self) -> bool:
        """Send what is new, starts before ends; whether more may be sent at once."""
        if time.monotonic() < self._not_before:
            return False
        state, project = self._house.state, self._house.project
        events = events_of(state, self._house.keys, state.rows("projects_all")[0])
        until = state.now_ms() - SETTLED_MS
        busy = False
        for which, moment in (("begun", "created_ms"), ("ended", "finished_ms")):
            rows = _page(state, project, which, self._after(which, until), until)
            for row in rows:
                event = events.of(row)[which == "ended"]
                if event is not None and not self._sent(event):
                    return False
                with state.transaction() as tx:
                    value = json.dumps([row[moment], row["id"]])
                    tx.run("meta_put", key=CURSOR.format(which), value=value)
            busy = busy or len(rows) == PAGE
        self._not_before = 0.0 if busy else time.monotonic() + LOOK_S
        return busy

    def _after(self, which: str, until: int) -> tuple[int, str]:
        """The place until which everything was taken; at first, now: what was before is `colonnade openlineage`'s."""
        rows = self._house.state.rows("meta_get", key=CURSOR.format(which))
        if rows:
            at_ms, ident = json.loads(rows[0]["value"])
            return at_ms, ident
        with self._house.state.transaction() as tx:
            tx.run("meta_put", key=CURSOR.format(which), value=json.dumps([until, ""]))
        return until, ""

    def _sent(self, event: Event) -> bool:
        try:
            self._to.send(json.dumps(event).encode(), JSON)
        except Unavailable as error:
            if not self._failures:
                _log.warning("lineage events wait: %s", error.message)
            self._not_before = time.monotonic() + BACK_OFF_S[min(self._failures, len(BACK_OFF_S) - 1)]
            self._failures += 1
            return False
        except Refused as error:
            _log.warning("a lineage event is left out: %s", error.message)
            self.refused += 1
        else:
            self.sent += 1
        self._failures = 0
        return True


def _page(state: State, project: str, which: str, after: tuple[int, str], until: int) -> list[Row]:
    at_ms, ident = after
    moment: dict[str, Any] = {"created_ms" if which == "begun" else "finished_ms": at_ms}
    return state.rows(f"runs_{which}_after", project=project, id=ident, until_ms=until, limit=PAGE, **moment)
