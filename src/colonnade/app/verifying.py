# SPDX-License-Identifier: Apache-2.0
"""Verify a state directory as it lies there: who signs is known from the keys outside, never from the state itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from colonnade.app import wiring
from colonnade.app.settings.environment import Places
from colonnade.core.errors import StateError, Tampered
from colonnade.core.note import NoteKey
from colonnade.govern.ledger.report import Finding, Report
from colonnade.govern.ledger.since import check_since, read_checkpoint
from colonnade.govern.ledger.verify import verify_file
from colonnade.ports.outside.state import State


def verify_places(places: Places, *, deep: bool, since: Sequence[str] = ()) -> Report:
    """The report. `since`: signed notes from before, each held against the log. Raises StateError when there is no
    state at all.
    """
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
    report = verify_file(places.state_file, opened, key, wiring.signature_check(), deep=deep)
    for note in since:
        _hold(opened, note, key, report)
    return report


def _hold(opened: Callable[[], State], note: str, key: NoteKey, report: Report) -> None:
    """One checkpoint from before. One that does not hold itself says nothing of the log, and is a finding too."""
    try:
        old = read_checkpoint(note, key, wiring.signature_check())
        state = opened()
    except (StateError, Tampered) as error:
        report.add_first(Finding("since", f"the checkpoint from before does not hold: {error.message}"))
        return
    try:
        finding = check_since(state, old)
    except StateError as error:
        finding = Finding("since", f"the log cannot be read through: {error.message}")
    finally:
        state.close()
    report.since.append(old.size)
    if finding is not None:
        report.add_first(finding)
