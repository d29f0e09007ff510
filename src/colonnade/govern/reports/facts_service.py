# SPDX-License-Identifier: Apache-2.0
"""Statements about what is served: rollouts and who was exposed, requests kept, truths, alarms and what followed."""

from __future__ import annotations

from typing import Any

from colonnade.govern.reports.making import Maker
from colonnade.govern.reports.subject import Named

OUTCOMES = {
    "promoted": "went live",
    "rolled_back": "taken back",
    "superseded": "overtaken by a newer version",
    "failed": "failed",
}


def rollouts(make: Maker, named: Named) -> None:
    """Trials on real requests."""
    about: dict[str, Any] = {"kind": "rollout.moved", "refs": {"on": named.model}}
    make.measure("rollouts", "Versions tried on requests before they went live", "distinct", "subject", **about)
    make.measure("moves", "Stages entered, waited in, ended", "count", **about)
    for outcome, word in OUTCOMES.items():
        make.measure(
            f"rollouts-{outcome}",
            f"of the trials, {word}",
            "count",
            **about,
            is_={"state": "ended", "outcome": outcome},
        )
    ended: dict[str, Any] = {**about, "is_": {"state": "ended"}}
    make.measure("requests", "Requests answered during trials that are over", "sum", "n.requests", **ended)
    make.measure("exposed", "of them, answered by the version that was tried", "sum", "n.exposed", **ended)
    make.measure("rehearsed", "Requests of before, replayed to both versions", "sum", "n.rehearsed", **ended)
    make.measure("by-person", "Moves that a person ordered", "count", **about, is_={"cause": "person"})


def requests(make: Maker) -> None:
    """What was answered and kept."""
    about: dict[str, Any] = {"kind": "predictions.captured", "refs": {"on": "@services"}}
    make.measure("captures", "Times that answered requests were kept", "count", **about)
    make.measure("captured", "Requests kept with their answers", "sum", "n.count", unit="requests", **about)
    make.measure("capture-failed", "of them, that no model could answer", "sum", "n.failed", unit="requests", **about)
    make.measure("served-versions", "Last version seen answering", "last", "refs.model", **about)


def truths(make: Maker) -> None:
    """What turned out to be true."""
    about: dict[str, Any] = {"kind": "truths.told", "subject": "@services"}
    make.measure("truths", "Answers whose truth was told later", "sum", "n.count", **about)
    make.measure("corrected", "of them, told differently before", "sum", "n.corrected", **about)
    make.measure("unknown", "Truths that fit no kept answer", "sum", "n.unknown", **about)


def alarms(make: Maker) -> None:
    """What rang, and what came of it."""
    about: dict[str, Any] = {"kind": "alarm.raised", "refs": {"on": "@services"}}
    make.measure("alarms", "Alarms", "count", **about)
    for measure, word in (
        ("wrong", "wrong answers"),
        ("errors", "errors"),
        ("missing", "missing values"),
        ("latency", "latency"),
    ):
        make.measure(f"alarms-{measure}", f"of them, for {word}", "count", **about, is_={"measure": measure})
    make.measure("held", "Times that a cause to train anew had to wait", "count", kind="retraining.held")
    if not make.select(**about):
        return
    make.measure(
        "alarm-observed", "Rate that the last alarm saw", "last", "n.observed_millionths", unit="millionths", **about
    )
    make.measure("alarm-tolerated", "Rate that was tolerated", "last", "n.mean_millionths", unit="millionths", **about)
    make.measure("alarm-at", "Sample at which it rang, counted since the version went live", "last", "n.at", **about)
    make.measure("alarm-since", "First sample that probably belongs to the change", "last", "n.since", **about)
    make.measure("alarms-ended", "Alarms that are over", "count", kind="alarm.ended", subject="@alarms")
    make.measure("alarms-reasons", "Why they are over", "tally", "is.reason", kind="alarm.ended", subject="@alarms")
    make.measure(
        "alarms-answered",
        "What retraining for an alarm came to",
        "tally",
        "is.outcome",
        kind="alarm.answered",
        refs={"caused_by": "@alarms"},
    )
