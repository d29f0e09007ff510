# SPDX-License-Identifier: Apache-2.0
"""What gates found when a candidate was judged, read from the store alone: for `why`. Decides nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from colonnade.lifecycle.pipelines import FINDINGS
from colonnade.ports.outside.state import State


def findings_of(state: State, decision: str) -> Sequence[Mapping[str, Any]]:
    """Each gate's finding, with its difference from the incumbent and the interval of that; [] where none judged."""
    rows = state.rows("meta_get", key=f"{FINDINGS}{decision}")
    found: list[Mapping[str, Any]] = json.loads(rows[0]["value"]) if rows else []
    return found


def findings_label(findings: Sequence[Mapping[str, Any]]) -> str:
    """The same in a line: what failed, else what each gate that compared two versions found."""
    failed = [str(one["reason"]) for one in findings if not one["passed"]]
    if failed:
        return f"refused: {'; '.join(failed)}"
    compared = [str(one["reason"]) for one in findings if one["difference"] is not None]
    passed = f"{len(findings)} gate{'s' * (len(findings) != 1)} passed"
    return f"{passed}: {'; '.join(compared)}" if compared else passed
