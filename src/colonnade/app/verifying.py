# SPDX-License-Identifier: Apache-2.0
"""Verify a state directory as it lies there: who signs is known from the keys outside, never from the state itself."""

from __future__ import annotations

from colonnade.app import wiring
from colonnade.app.settings.environment import Places
from colonnade.core.errors import StateError, Tampered
from colonnade.govern.ledger.report import Finding, Report
from colonnade.govern.ledger.verify import verify_file
from colonnade.ports.outside.state import State


def verify_places(places: Places, *, deep: bool) -> Report:
    """The report. Raises StateError when there is no state at all."""
    if not places.state_file.exists():
        raise StateError(f"there is no state in {places.home}", hint="`colonnade up` makes it", code="state_missing")

    def opened() -> State:
        return wiring.open_state(places, wiring.open_clock(), readonly=True)

    try:
        state = opened()
        try:
            key = wiring.log_key(places, state)
        finally:
            state.close()
    except (StateError, Tampered) as error:
        report = Report("(unknown)", deep)
        report.add(Finding("pages", f"the state file does not tell whose log it is: {error.message}"))
        return report
    return verify_file(places.state_file, opened, key, wiring.signature_check(), deep=deep)
