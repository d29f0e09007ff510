# SPDX-License-Identifier: Apache-2.0
"""What the console shows of models: the document of `colonnade status`, and what only a page has room for.

Nothing is done to a model here: training, roll back and approval have their own backends.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class StandingBackend(Protocol):
    """How the models of a house stand. Reads only; may take milliseconds."""

    def models(self) -> Mapping[str, Any]:
        """`models`, `services`, `alarms`, `tracking` exactly as `status --json` has them, for what is declared."""
        ...

    def model(self, name: str) -> Mapping[str, Any] | None:
        """What a page adds to `models.NAME`; None for a model that is not declared.

        moves: `{at_ms, version, generation, back}` each time that another version became the live one, oldest first;
            `back`: by a roll back.
        times: step -> milliseconds that it took, of the newest pipeline.
        rings: the newest alarms, over or not: `{ref, message, service, at_ms, ended_ms}`.
        plan: of the rollout under way: `{shadow, stages (percent), approve (names), probation, until_ms}`, or None.
        truths: `{service, said, points}` for each service where truths have arrived: `said` is what wrong means,
            `tolerated` what the live version is held against (or None),
            points are `{at_ms, rows, wrong, low, high, version}`, oldest first, equal numbers of rows.
        """
        ...
