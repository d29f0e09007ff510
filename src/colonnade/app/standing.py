# SPDX-License-Identifier: Apache-2.0
"""How the models of a house stand, for the console: the same parts as `status --json`, and what a page shows beside it.

Reads only. What is drawn, and in which words, is `gateway.console`'s.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from colonnade.app.models import model_status
from colonnade.app.ringing import alarms_status
from colonnade.app.status import served_status
from colonnade.app.tracked import tracking_status
from colonnade.lifecycle.intervals import FEWEST, interval
from colonnade.lifecycle.rollout.rows import Rollout, read
from colonnade.lifecycle.serving.rollback import promoted
from colonnade.lifecycle.watching.monitors import words_of
from colonnade.lifecycle.watching.packed import moment_of
from colonnade.lifecycle.watching.service import ServiceWatch
from colonnade.lifecycle.watching.truths import Truth

if TYPE_CHECKING:
    from colonnade.app.house import House

TRUTHS = 6_000
"""So many of the newest rows with a truth are drawn."""
POINTS = 40
KEPT_S = 10.0
"""Opening thousands of truths takes a tenth of a second: what was drawn lately is drawn again."""
RINGS = 50
SAID = {
    "error": "share of wrong answers",
    "brier": "Brier score of the answers",
    "absolute": "mean distance from the truth, in units of `scale`",
    "auto": "how wrong the answers were, 0 to 1",
}


class Standing:
    """Implements `gateway.standing.StandingBackend`."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._truths: dict[str, tuple[float, Mapping[str, Any]]] = {}

    def models(self) -> Mapping[str, Any]:
        """See `StandingBackend.models`."""
        house, declaration = self._house, self._house.declaration
        declared = declaration.models if declaration is not None else {}
        served = declaration.services if declaration is not None else {}
        return {
            "models": {row["name"]: model_status(house.state, house.project, row, running=True)
                       for row in house.state.rows("models_of_project", project=house.project)
                       if row["name"] in declared},
            "services": {name: served_status(house.state, house.project, name, service.model, running=True)
                         for name, service in served.items() if service.model is not None},
            "alarms": alarms_status(house.state, house.project),
            "tracking": tracking_status(house.state, house.keys, house.project),
        }  # fmt: skip

    def model(self, name: str) -> Mapping[str, Any] | None:
        """See `StandingBackend.model`."""
        house = self._house
        rows = house.state.rows("models_of_project", project=house.project)
        row = next((one for one in rows if one["name"] == name), None)
        if row is None or house.declaration is None or name not in house.declaration.models:
            return None
        opened = house.state.rows("rollout_open", model=row["id"])
        return {
            "moves": self._moves(row["id"]),
            "times": self._times(row["id"]),
            "rings": self._rings(row["id"]),
            "plan": self._plan(read(opened[0])) if opened else None,
            "truths": self._told(row["id"]),
        }

    def _moves(self, model: str) -> list[dict[str, Any]]:
        state = self._house.state
        moves = [(row["finished_ms"], row["version"], False) for row in promoted(state, model)]
        moves += [(row["at_ms"], row["version"], True) for row in state.rows("rollbacks_of_model", model=model)]
        return [
            {"at_ms": at, "version": version, "generation": place, "back": back}
            for place, (at, version, back) in enumerate(sorted(moves, key=lambda move: move[0]), 1)
        ]

    def _times(self, model: str) -> dict[str, int]:
        state = self._house.state
        newest = state.rows("pipelines_of_model", model=model, limit=1)
        steps = state.rows("pipeline_steps", pipeline=newest[0]["run"]) if newest else []
        return {
            step["step"]: step["finished_ms"] - step["started_ms"]
            for step in steps
            if step["started_ms"] is not None and step["finished_ms"] is not None
        }

    def _rings(self, model: str) -> list[dict[str, Any]]:
        state = self._house.state
        services = {row["id"]: row["name"] for row in state.rows("services_of_project", project=self._house.project)}
        return [
            {"ref": f"alarm/{row['id']}", "message": words_of(row), "service": services.get(row["service"], ""),
             "measure": row["measure"], "at_ms": row["at_ms"], "ended_ms": row["ended_ms"]}
            for row in state.rows("alarms_of_model", model=model, limit=RINGS)
        ]  # fmt: skip

    def _plan(self, rollout: Rollout) -> dict[str, Any]:
        plan, names = rollout.plan, self._house.people.names()
        return {
            "shadow": plan.canary.shadow_requests, "stages": list(plan.canary.stages), "probation": plan.probation,
            "approve": [names.get(person, person) for person in plan.approve],
            "until_ms": rollout.stage_ms + plan.stage_ms, "stage": rollout.stage, "quiet_ms": plan.quiet_ms,
            "overdue_ms": rollout.began_ms + plan.label_deadline_ms,
        }  # fmt: skip

    def _told(self, model: str) -> list[Mapping[str, Any]]:
        watching = self._house.watching
        watches = list(watching.watches.values()) if watching is not None else []
        found = [self._quality(watch) for watch in watches if watch.watched.model_id == model]
        return [one for one in found if one["points"]]

    def _quality(self, watch: ServiceWatch) -> Mapping[str, Any]:
        service, now = watch.watched.name, time.monotonic()
        kept = self._truths.get(service)
        if kept is None or now - kept[0] > KEPT_S:
            newest = watch.truths.newest(TRUTHS)
            told = {"service": service, "said": said(watch.watched.labels.score, newest), "points": points(newest),
                    "tolerated": self._tolerated(watch.watched.id)}  # fmt: skip
            kept = self._truths[service] = (now, told)
        return kept[1]

    def _tolerated(self, service: str) -> float | None:
        """How wrong the live version was before: what its monitor is held against."""
        rows = self._house.state.rows("meta_get", key=f"watch/{service}")
        firm = json.loads(rows[0]["value"]).get("firm", {}) if rows else {}
        return firm["wrong"] / firm["rows"] if firm.get("rows") else None


def said(score: str, truths: Sequence[Truth]) -> str:
    """What a value of `points` is, in words; `auto` where every row was simply right or wrong is `error`."""
    plain = all(one.champion in (None, 0, 1) for one in truths)
    return SAID["error" if score == "auto" and plain else score]


def points(truths: Sequence[Truth]) -> list[dict[str, Any]]:
    """Means of the live version's answers over equal numbers of rows, oldest first.

    Args:
        truths: newest first, as `Truths.newest` gives them. The oldest rows that fill no window are left out.
    """
    rows = [(moment_of(one.ref), one.champion, one.versions[0]) for one in truths if one.champion is not None]
    size = max(FEWEST, -(-len(rows) // POINTS))
    found = []
    for place in range(0, len(rows) - size + 1, size):
        window = rows[place : place + size]
        values = [value for _, value, _ in window]
        low, high = interval(values, 0.95, bounded=True)
        found.append({"at_ms": window[0][0], "rows": len(window), "wrong": sum(values) / len(values), "low": low,
                      "high": high, "version": window[0][2]})  # fmt: skip
    return found[::-1]
