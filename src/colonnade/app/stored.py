# SPDX-License-Identifier: Apache-2.0
"""Open the store for reading only, beside a daemon or without one. For `status`, `why`, `impact`, `logs` and `plan`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from colonnade.app import wiring
from colonnade.app.active import read_active
from colonnade.app.alarms import read_alarms
from colonnade.app.presence import Presence
from colonnade.app.settings.environment import Places
from colonnade.app.status import SCHEMA, read_status
from colonnade.ports.outside.keys import Keys
from colonnade.ports.outside.state import State


@contextlib.contextmanager
def reading(places: Places) -> Iterator[tuple[State, Keys]]:
    """The store and the keys, read-only. Raises StateError when nothing was ever up here."""
    state = wiring.open_state(places, wiring.open_clock(), readonly=True)
    try:
        yield state, wiring.open_keys(places, state, readonly=True)
    finally:
        state.close()


def stored_status(places: Places, daemon: Presence | None) -> dict[str, Any]:
    """The document of `status --json`."""
    if not places.state_file.exists():
        return {
            "schema": SCHEMA,
            "project": None,
            "daemon": "running" if daemon else "stopped",
            "url": None,
            "pid": None,
            "knowledge": {},
            "models": {},
            "services": {},
            "alarms": [],
        }
    with reading(places) as (state, keys):
        document = read_status(
            state,
            keys,
            running=daemon is not None,
            url=daemon.url if daemon else "",
            pid=daemon.pid if daemon else None,
        )
        if daemon is not None:
            document["alarms"] += read_alarms(places.alarms)
        return document


def stored_active(places: Places) -> dict[str, Any] | None:
    """The declaration in force."""
    with reading(places) as (state, keys):
        projects = state.rows("projects_all")
        return read_active(state, keys, projects[0]["id"]) if projects else None
