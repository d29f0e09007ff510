# SPDX-License-Identifier: Apache-2.0
"""What is known of the live version from before it was served: how wrong it was on held-out rows, the label's range,
and the decision that let it go live. Reads rows and artifacts; watches nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from colonnade.core.errors import ColonnadeError
from colonnade.lifecycle.artifacts import Artifacts
from colonnade.lifecycle.pipelines import CHAMPION
from colonnade.lifecycle.reports import PREDICTIONS, read_predictions
from colonnade.lifecycle.watching.rules import LabelRule, Watched
from colonnade.ports.outside.state import Row, State
from colonnade.ports.skills.detect import Baseline

METRICS = (("brier", "brier"), ("error", "accuracy"), ("absolute", "mae"))
"""A score, and the column of predictions.csv that holds it row by row; the first that is there is taken for `auto`."""
SEARCHED = 200
"""So many pipelines back a version's own is looked for."""


@dataclass(frozen=True, slots=True)
class Live:
    """The live version of a service's model. `labels`: the rule with score and scale filled in."""

    version: str
    labels: LabelRule
    baseline: Baseline
    decision: str | None = None


def live_version(state: State, project: str, model: str) -> str:
    """The digest, or "" while nothing is live."""
    rows = state.rows("name_get", project=project, kind=CHAMPION, name=model)
    return str(rows[0]["digest"]) if rows else ""


def decision_of(state: State, model_id: str, version: str) -> str | None:
    """The decision on the pipeline that made a version."""
    made = pipeline_of(state, model_id, version)
    return str(made["decision"]) or None if made else None


def pipeline_of(state: State, model_id: str, version: str) -> Row | None:
    """The newest pipeline that made a version and judged it."""
    rows = [
        row for row in state.rows("pipelines_of_model", model=model_id, limit=SEARCHED) if row["version"] == version
    ]
    return next((row for row in rows if row["decision"]), rows[0] if rows else None)


def read_live(state: State, artifacts: Artifacts, watched: Watched, version: str) -> Live:
    """What is known of a version. What cannot be read is not known: then the baseline is learned."""
    rule, baseline = watched.labels, Baseline()
    made = pipeline_of(state, watched.model_id, version)
    try:
        if rule.scale is None and (found := _range(artifacts, version, rule.column)):
            rule = replace(rule, scale=found)
        rule, baseline = _held_out(state, artifacts, rule, made) if made else (rule, baseline)
    except (ColonnadeError, LookupError, ValueError):
        pass
    if rule.score == "auto" and not baseline.n:
        rule = replace(rule, scale=watched.labels.scale)  # a chance is told by its value
    return Live(version, rule, baseline, str(made["decision"]) or None if made else None)


def _range(artifacts: Artifacts, version: str, label: str) -> float | None:
    dataset = artifacts.get(version).about.get("dataset")
    told: dict[str, Any] = artifacts.get(dataset).about["columns"].get(label, {}) if dataset else {}
    low, high = told.get("min"), told.get("max")
    return float(high) - float(low) if low is not None and high is not None and high > low else None


def _held_out(state: State, artifacts: Artifacts, rule: LabelRule, made: Row) -> tuple[LabelRule, Baseline]:
    """The score that the version's evaluation wrote row by row, and how wrong it was."""
    steps = {row["step"]: row for row in state.rows("pipeline_steps", pipeline=made["run"])}
    report = artifacts.get(steps["evaluate"]["artifact"])
    entry = next((entry for entry in report.files if entry.path == PREDICTIONS), None)
    rows = read_predictions(artifacts.read(entry)) if entry else {}
    for score, usual in METRICS:
        column = rule.metric or usual
        if rule.score not in {"auto", score} or column not in rows:
            continue
        values = _wrong(rows[column], score, column, rule.scale)
        if values and all(0 <= value <= 1 for value in values):
            return replace(rule, score=score), Baseline(sum(values), len(values))
    return rule, Baseline()


def _wrong(values: list[float], score: str, column: str, scale: float | None) -> list[float]:
    """Scores of rows as how wrong they were."""
    if score == "absolute":
        return [min(1.0, abs(value) / scale) for value in values] if scale else []
    return [1 - value for value in values] if column in {"accuracy", "correct"} else list(values)


def told_of(row: Row) -> dict[str, Any]:
    """What an alarm's row says."""
    found: dict[str, Any] = json.loads(row["told"])
    return found
