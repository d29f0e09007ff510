# SPDX-License-Identifier: Apache-2.0
"""Statements about the house: the log itself, who may do what, keys. Of the project, not of one model."""

from __future__ import annotations

from colonnade.govern.reports.making import Maker

PERIODS = {
    "declaration.applied": "declarations",
    "run.started": "runs",
    "dataset.snapshotted": "data taken in",
    "step.finished": "steps of pipelines",
    "candidate.judged": "verdicts on candidates",
    "model.promoted": "versions gone live",
    "rollout.moved": "trials on requests",
    "predictions.captured": "requests kept",
    "truths.told": "truths told",
    "alarm.raised": "alarms",
    "alarm.ended": "alarms over",
    "answer.given": "questions answered",
    "decision.made": "decisions on rights",
    "lease.granted": "leases granted",
    "lease.ended": "leases over",
    "key.created": "keys made",
    "key.revoked": "keys ended",
    "grant.changed": "rights changed",
    "erasure.done": "erasures",
}
"""Kinds that are told by name; others are counted together with what the log holds."""


def log(make: Maker) -> None:
    """Size, first and last entry."""
    make.tree(
        "entries",
        "Entries under the last signed checkpoint; recomputed for this report, and found to be those that were signed",
    )
    make.measure("begun", "The log begins", "first", "at_ms", unit="at_ms", kind="project.created")
    last = make.log.last()
    make.of_entry("newest", "Newest entry under the checkpoint", last, "at_ms", unit="at_ms")


def recorded(make: Maker) -> None:
    """What is recorded by itself: of each kind how many, since when, until when."""
    kinds = make.log.kinds()
    for kind, word in PERIODS.items():
        if kind not in kinds:
            continue
        name = kind.replace(".", "-")
        make.measure(name, f"{kind}: {word}", "count", kind=kind)
        make.measure(f"{name}-first", f"{kind}: first", "first", "at_ms", unit="at_ms", kind=kind)
        make.measure(f"{name}-last", f"{kind}: last", "last", "at_ms", unit="at_ms", kind=kind)
    for kind in kinds.keys() - PERIODS.keys():
        make.measure(kind.replace(".", "-"), f"{kind}", "count", kind=kind)


def access(make: Maker) -> None:
    """Keys and rights."""
    make.measure("keys", "API keys made", "count", kind="key.created")
    make.measure("keys-revoked", "API keys ended", "count", kind="key.revoked")
    make.measure("grants", "Changes of somebody's rights", "count", kind="grant.changed")
    make.measure(
        "denied", "Requests that a decision on rights refused", "count", kind="decision.made", is_={"verdict": "deny"}
    )
    groups = make.declaration.get("access", {}).get("groups", {})
    make.declared("groups", f"Groups with rights ({len(groups)})", "access", "groups")


def served(make: Maker) -> None:
    """Where the gateway listens."""
    make.declared("listens", "Where requests are taken: host", "gateway", "host")
    make.declared("body", "Largest request", "gateway", "max_body_bytes", unit="bytes")
