# SPDX-License-Identifier: Apache-2.0
"""What stands of a model's rollouts, read from the store alone: for `status`, `why`, `logs`. Imports nothing heavy."""

from __future__ import annotations

from typing import Any

from colonnade.core.leaf import parse_leaf
from colonnade.core.quantities import rfc3339
from colonnade.lifecycle.rollout.contest import Standing
from colonnade.lifecycle.rollout.rows import Rollout, read
from colonnade.ports.outside.state import State

MOVES = ("shadow", "canary")


def rollouts_of(state: State, model: str, limit: int) -> dict[str, Rollout]:
    """Pipeline -> its version's rollout, of the newest ones."""
    return {row["pipeline"]: read(row) for row in state.rows("rollouts_of_model", model=model, limit=limit)}


def exposure(rollout: Rollout) -> float:
    """The challenger's part of the answers that were sent since the rollout began, 0 to 1."""
    return round(rollout.exposed / rollout.requests, 6) if rollout.requests else 0.0


def rollout_status(rollout: Rollout) -> dict[str, Any]:
    """A rollout with every measure as it stands; shares are fractions."""
    plan, canary = rollout.plan.canary, rollout.evidence()
    last = rollout.stage >= len(plan.stages) - 1
    return {
        "ref": f"rollout/{rollout.id}",
        "state": rollout.state,
        "outcome": rollout.outcome or None,
        "stage": stage_of(rollout),
        "next": None if rollout.state in {"ended", "probation"} or last else plan.stages[rollout.stage + 1] / 100,
        "share": rollout.share / 100,
        "requests": rollout.requests,
        "exposed": rollout.exposed,
        "exposure": exposure(rollout),
        "rehearsed": max(0, canary.rehearsed),
        "in_stage": {"done": canary.in_stage, "of": plan.requests_in(min(rollout.stage, len(plan.stages) - 1))},
        "champion": rollout.champion,
        "challenger": rollout.challenger,
        "reason": rollout.reason or None,
        "decide": f"colonnade approve rollout/{rollout.id}" if rollout.state == "asked" else None,
        "began": rfc3339(rollout.began_ms),
        "ended": rfc3339(rollout.ended_ms) if rollout.ended_ms else None,
        "measures": [_measure(contest.standing()) for contest in canary.contests.values()],
    }


def stage_of(rollout: Rollout) -> str:
    """ "shadow", or the share of the stage: "5 %"."""
    stages = rollout.plan.canary.stages
    return "shadow" if rollout.stage < 0 else f"{stages[min(rollout.stage, len(stages) - 1)]:g} %"


def told_of(rollout: Rollout) -> dict[str, Any]:
    """In a few words, for a node of `why`."""
    return {
        "state": rollout.state, "outcome": rollout.outcome or None, "stage": stage_of(rollout),
        "exposure": exposure(rollout), "exposed": rollout.exposed, "requests": rollout.requests,
        "reason": rollout.reason or None,
    }  # fmt: skip


def moves_of(state: State, rollout: Rollout) -> list[dict[str, Any]]:
    """Every move of a rollout, oldest first, as the ledger has it."""
    moves = []
    for row in state.rows("entries_of_subject", subject=rollout.id):
        leaf = parse_leaf(row["bytes"])
        moves.append({"at": rfc3339(leaf.at_ms), **leaf.status, "share": leaf.n["share_millionths"] / 1_000_000,
                      "requests": leaf.n["requests"], "exposed": leaf.n["exposed"]})  # fmt: skip
    return moves


def label_of(rollout: Rollout) -> str:
    """The same as a sentence."""
    said = (rollout.outcome or rollout.state).replace("_", " ")
    seen = f"{rollout.exposed:,} of {rollout.requests:,} answers were the new version's"
    return f"{said} at {stage_of(rollout)}, {seen}" + (f": {rollout.reason}" if rollout.reason else "")


def _measure(found: Standing) -> dict[str, Any]:
    return {
        "measure": found.measure, "champion": found.champion, "challenger": found.challenger, "low": found.low,
        "high": found.high, "tolerance": found.tolerance, "e_value": found.e_value, "needed": found.needed,
        "compared": found.units,
    }  # fmt: skip
