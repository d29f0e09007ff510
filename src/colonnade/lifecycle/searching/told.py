# SPDX-License-Identifier: Apache-2.0
"""What stands of a search's trials, for whoever shows or goes on with them. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from colonnade.lifecycle.pipelines import Step

PRUNED = "given up: it fell behind the others"


def told_of(trials: Mapping[str, Step], count: int) -> list[dict[str, Any]]:
    """What was tried, in order: parameters, value (None while there is none), state, whether it was given up."""
    found = []
    for number in range(count):
        training, evaluation = trials.get(f"train-{number}"), trials.get(f"evaluate-{number}")
        if training is None:
            continue
        last = evaluation or training
        told = json.loads(training.told)
        over = last.state == "failed" or (evaluation is not None and evaluation.over)
        found.append({
            "parameters": told["parameters"], "value": json.loads(last.told).get("value") if evaluation else None,
            "state": "failed" if last.state == "failed" else "done" if over else "running",
            "pruned": training.error == PRUNED, "error": last.error or None, "run": last.run,
            "progress": {int(at): value for at, value in told.get("progress", {}).items()},
        })  # fmt: skip
    return found
