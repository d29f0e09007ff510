# SPDX-License-Identifier: Apache-2.0
"""Builders of the entries about what is served: captures, truths, alarms, and why a model is trained anew. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from colonnade.core.building import Mac, Stamp, leaf_of, macs_of, some
from colonnade.core.leaf import Leaf


def predictions_captured(
    stamp: Stamp, mac: Mac, *, capture: str, service: str, model: str, versions: Sequence[str],
    decisions: Sequence[str], rollouts: Sequence[str], content: bytes, count: int, failed: int,
) -> Leaf:  # fmt: skip
    """Requests and answers of a moment were kept.

    Args:
        model: whose key the MAC is under.
        versions: that answered, as `sha256:HEX`; decisions: that let them; rollouts: under way.
        content: the packed piece before it was sealed.
    """
    refs = [
        ("on", service), *(("model", version) for version in versions),
        *(("decided_by", decision) for decision in decisions), *(("in", rollout) for rollout in rollouts),
    ]  # fmt: skip
    macs = macs_of(mac, stamp, model, content=content)
    return leaf_of(stamp, "predictions.captured", capture, refs, macs, {"count": count, "failed": failed})


def truths_told(
    stamp: Stamp, mac: Mac, *, service: str, model: str, by: str, content: bytes, count: int, corrected: int,
    unknown: int, way: str,
) -> Leaf:  # fmt: skip
    """Truths about predictions came in; way: told (`by` a principal), joined (`by` the data set that brought them)."""
    numbers = {"count": count, "corrected": corrected, "unknown": unknown}
    macs = macs_of(mac, stamp, model, content=content)
    return leaf_of(stamp, "truths.told", service, some(by=by), macs, numbers, {"way": way})


def alarm_raised(
    stamp: Stamp, *, alarm: str, service: str, version: str | None, decision: str | None, measure: str, at: int,
    since: int, observed_millionths: int, mean_millionths: int,
) -> Leaf:  # fmt: skip
    """A detector rang on what a version answers; `decision`: that let it go live. The numbers are as in `Ring`."""
    numbers = {
        "at": at, "since": since, "observed_millionths": observed_millionths, "mean_millionths": mean_millionths,
    }  # fmt: skip
    refs = some(on=service, model=version, decided_by=decision)
    return leaf_of(stamp, "alarm.raised", alarm, refs, n=numbers, status={"measure": measure})


def alarm_ended(stamp: Stamp, *, alarm: str, reason: str) -> Leaf:
    """It is over; reason: replaced (another version is live), calm, called_off, undeclared."""
    return leaf_of(stamp, "alarm.ended", alarm, status={"reason": reason})


def alarm_answered(stamp: Stamp, *, alarm: str, run: str, outcome: str) -> Leaf:
    """A retraining for an alarm is over; outcome as of its pipeline."""
    return leaf_of(stamp, "alarm.answered", run, some(caused_by=alarm), status={"outcome": outcome})


def pipeline_caused(stamp: Stamp, *, run: str, alarm: str | None, causes: Sequence[str], recent: int) -> Leaf:
    """Why a pipeline began. The first of `causes` is the one that stands in the entry; `recent`: rows since the alarm's
    change that it trains on or is judged on, 0 for all.
    """
    status = {"cause": causes[0]}
    return leaf_of(
        stamp, "pipeline.caused", run, some(caused_by=alarm), n={"causes": len(causes), "recent": recent}, status=status
    )


def retraining_held(stamp: Stamp, *, model: str, reason: str, until_ms: int | None) -> Leaf:
    """There is a cause, and it waits; reason: budget, count, cooldown, rows."""
    n = {} if until_ms is None else {"until_ms": until_ms}
    return leaf_of(stamp, "retraining.held", model, n=n, status={"reason": reason})
