# SPDX-License-Identifier: Apache-2.0
"""An evaluation as the JSON that `colonnade evaluate --json` prints, schema `colonnade.evaluate/1`. Shape only."""

from __future__ import annotations

import math
from typing import Any

from colonnade.knowledge.evaluate.measure import Evaluation

SCHEMA = "colonnade.evaluate/1"


def document(evaluation: Evaluation, *, data: str, split: str = "", embedder: str = "") -> dict[str, Any]:
    """A JSON-ready document. A metric that is not a number is null.

    Args:
        evaluation: what was measured.
        data: what it was measured on, as the user named it.
        split: of a BEIR folder.
        embedder: the id of the embedder, "" for words alone.
    """
    return {
        "schema": SCHEMA,
        "data": data,
        "split": split,
        "embedder": embedder,
        "metrics": {name: (None if math.isnan(value) else value) for name, value in evaluation.metrics.items()},
        "counts": dict(evaluation.counts),
        "failures": [dict(failure) for failure in evaluation.failures],
    }
