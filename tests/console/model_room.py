# SPDX-License-Identifier: Apache-2.0
"""The models that the console is looked at with: every outcome at once, a version that asks, an alarm, hostile words.

For the tests; data only, and backends that remember what they were told to do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from colonnade.core.answers import Asker
from colonnade.core.errors import Refused
from colonnade.core.quantities import rfc3339
from colonnade.testing.backend_documents import fixed_id
from tests.console.console_house import ATTACK, House

MINUTE_MS = 60_000
MODEL, ROLLOUT, ALARM = fixed_id("mod", 1), fixed_id("rol", 1), fixed_id("alm", 1)
GATES = ("accuracy", "brier")


def version(number: int) -> str:
    """A digest that begins with the number."""
    return f"sha256:{number:02d}" + "abcdef0123456789" * 3 + "abcdef01234567"


def gate(metric: str, value: float, limit: float, *, passed: bool, against: str = "limit") -> dict[str, Any]:
    """One finding, as `history[].gates` has it."""
    live = against == "incumbent"
    return {
        "metric": metric, "passed": passed, "value": value, "limit": limit, "against": against, "where": "",
        "seeds": [],
        "reason": f"{metric} is {value}" + ("" if passed else f", at least {limit} is wanted {ATTACK}"),
        "difference": 0.004 if live else None, "low": -0.002 if live else None, "high": 0.011 if live else None,
        "rows": 736 if live else None,
    }  # fmt: skip


def measure(name: str, champion: float | None, challenger: float | None, *, e_value: float = 0.8) -> dict[str, Any]:
    """One measure of a rollout."""
    by = (challenger or 0) - (champion or 0)
    return {"measure": name, "champion": champion, "challenger": challenger, "low": by - 0.02, "high": by + 0.02,
            "tolerance": 0.01, "e_value": e_value, "needed": 500.0, "compared": 700}  # fmt: skip


def rollout(
    state: str, *, outcome: str | None = None, stage: str = "shadow", reason: str | None = None
) -> dict[str, Any]:
    """A rollout as `history[].rollout` has it."""
    return {
        "ref": f"rollout/{ROLLOUT}", "state": state, "outcome": outcome, "stage": stage, "next": 0.01, "share": 0.05,
        "requests": 1700, "exposed": 340, "exposure": 0.2, "rehearsed": 0, "in_stage": {"done": 120, "of": 250},
        "champion": version(3), "challenger": version(5), "reason": reason, "began": "2026-09-21T14:00:00.000Z",
        "decide": f"colonnade approve rollout/{ROLLOUT}" if state == "asked" else None, "ended": None,
        "measures": [measure("errors", 0.0, 0.0), measure("quality", 0.15, 0.19, e_value=600.0),
                     measure("quality:b", None, None)],
    }  # fmt: skip


class ModelRoom:
    """Implements `StandingBackend`, `ServingBackend` (as far as pages ask), `TrainingBackend`, `ApprovingBackend`."""

    def __init__(self, house: House, *, persons: Sequence[str] = ("anna",)) -> None:
        self.house, self.persons = house, persons
        self.done: list[tuple[str, ...]] = []
        now = house.now_ms()
        outcomes = (("first", "promoted", 0.74, 40), ("new data", "promoted", 0.78, 30),
                    ("new data", "refused", 0.51, 22),
                    ("changed declaration", "rolled_back", 0.785, 15), ("new data", "promoted", 0.8, 9),
                    ("new data", "quarantined", None, 5), ("by hand", "running", 0.81, 1))  # fmt: skip
        self.history = [
            self._past(number, now - minutes * MINUTE_MS, *told)
            for number, (*told, minutes) in enumerate(outcomes, 1)
        ][::-1]  # fmt: skip
        self.history[0]["rollout"] = rollout("asked", reason="the shadow has ended and no measure is proved worse")
        self.live = self.history[2]["version"]
        moved = [one for one in reversed(self.history) if one["outcome"] == "promoted"]
        self.moves = [
            {"at_ms": now - minutes * MINUTE_MS, "version": one["version"], "generation": place, "back": False}
            for place, (one, minutes) in enumerate(zip(moved, (40, 30, 9), strict=True), 1)
        ]
        self.alarm = {
            "room": "service/credit", "code": "alarm_wrong",
            "message": "wrong answers 0.31 against 0.18 since truth 812",
            "hint": "", "ref": f"alarm/{ALARM}", "measure": "wrong", "service": "credit", "observed": 0.31,
        }  # fmt: skip
        row = {"line": 2, "age": "-31", "region": ATTACK}
        self.quarantined = [{"path": f"data/{ATTACK}.csv", "breaches": [
            {"rule": "age is below 18", "column": "age", "count": 3, "rows": [row, row]}]}]  # fmt: skip

    def _past(self, number: int, at: int, trigger: Any, outcome: Any, accuracy: Any) -> dict[str, Any]:
        passed = outcome != "refused"
        metrics = {} if accuracy is None else {"accuracy": accuracy, "brier": round(1.02 - accuracy, 4)}
        gates = (
            []
            if accuracy is None
            else [
                gate("accuracy", accuracy, 0.64, passed=passed),
                gate("brier", 0.2, 0.21, passed=True, against="incumbent"),
            ]
        )
        reasons = {"refused": f"accuracy is 0.51, at least 0.64 is wanted {ATTACK}", "rolled_back": "slow: 4.4 % bad",
                   "quarantined": "every file breaks the contract"}  # fmt: skip
        tried = rollout("ended", outcome=outcome) if outcome in {"promoted", "rolled_back"} and number > 1 else None
        return {
            "ref": f"run/{fixed_id('run', 100 + number)}", "trigger": trigger, "alarm": None, "outcome": outcome,
            "version": version(number) if metrics else None, "reason": reasons.get(outcome), "metrics": metrics,
            "gates": gates, "slices": [], "decision": f"decision/{fixed_id('dec', number)}" if gates else None,
            "began": rfc3339(at - 20_000), "ended": None if outcome == "running" else rfc3339(at),
            "exposure": 0.2 if tried else 0, "exposed": 340 if tried else 0, "rollout": tried,
        }  # fmt: skip

    # StandingBackend
    def models(self) -> Mapping[str, Any]:
        """See the port."""
        steps = [
            {
                "step": step,
                "state": state,
                "ref": f"run/{fixed_id('run', 200)}",
                "attempts": 1,
                "error": None,
                "artifact": None,
            }
            for step, state in (("snapshot", "cached"), ("train", "done"), ("evaluate", "failed"))
        ]
        model = {
            "ref": f"model/{MODEL}", "state": "rollout", "held": None, "steps": steps, "search": None, "data": None,
            "live": {"version": self.live, "generation": len(self.moves), "metrics": {},
                     "since": "2026-09-21T13:00:00Z"},
            "quarantined": self.quarantined, "history": self.history,
        }  # fmt: skip
        served = {"state": "ready", "knowledge": None, "answer_with": None, "model": "credit", "version": self.live,
                  "reason": None, "replicas": []}  # fmt: skip
        return {"models": {"credit": model}, "services": {"credit": served}, "alarms": [self.alarm],
                "tracking": {"models": {"churn": {"versions": 3, "aliases": {"production": "2"}}}}}  # fmt: skip

    def model(self, name: str) -> Mapping[str, Any] | None:
        """See the port."""
        now = self.house.now_ms()
        points = [{"at_ms": now - (40 - n) * MINUTE_MS, "rows": 100, "wrong": 0.15 + n / 400, "low": 0.1 + n / 400,
                   "high": 0.2 + n / 400, "version": version(3)} for n in range(30)]  # fmt: skip
        rings = [{"ref": f"alarm/{ALARM}", "message": self.alarm["message"], "service": "credit", "measure": "wrong",
                  "at_ms": now - 14 * MINUTE_MS, "ended_ms": None}]  # fmt: skip
        told = {"service": "credit", "said": "share of wrong answers", "points": points, "tolerated": 0.16}
        plan = {"shadow": 400, "stages": [1, 5, 25, 100], "approve": list(self.persons), "probation": True,
                "until_ms": now + MINUTE_MS, "stage": -1, "quiet_ms": 5000, "overdue_ms": now}  # fmt: skip
        extra = {"moves": self.moves, "times": {"train": 431}, "rings": rings, "plan": plan, "truths": [told]}
        return extra if name == "credit" else None

    # what is done
    def rollback(self, asker: Asker, ref: str, to: str | None) -> Mapping[str, Any]:
        """See `ServingBackend`."""
        self.done.append((asker.name, "rollback", ref, to or ""))
        return {}

    def train(self, asker: Asker, model: str) -> Mapping[str, Any]:
        """See `TrainingBackend`."""
        self.done.append((asker.name, "train", model))
        return {}

    def waiting(self, asker: Asker) -> Sequence[Mapping[str, Any]]:
        """See `ApprovingBackend`."""
        if self.history[0]["rollout"]["state"] != "asked":
            return []
        mine = asker.name in self.persons if self.persons else asker.owner
        one = {"ref": f"rollout/{ROLLOUT}", "kind": "rollout", "about": "05abcdef0123 of the model credit",
               "reason": "", "persons": list(self.persons), "since": "2026-09-21T14:00:00Z", "mine": mine}  # fmt: skip
        return [one] if mine or asker.owner else []

    def approve(self, asker: Asker, ref: str, *, allow: bool) -> Mapping[str, Any]:
        """See `ApprovingBackend`."""
        if not any(one["mine"] for one in self.waiting(asker)):
            raise Refused("your word does not count here", code="may_not_approve")
        self.done.append((asker.name, "allow" if allow else "deny", ref))
        self.history[0]["rollout"] = rollout("canary", stage="5 %")
        return {}
