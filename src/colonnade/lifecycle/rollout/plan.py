# SPDX-License-Identifier: Apache-2.0
"""How one rollout is to go, as it was declared when it began: what the canary asks, how long it waits, who decides.

Plain values, and as JSON in a rollout's row: a declaration that changes meanwhile is the next rollout's. Persons stand
here by their ids only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from colonnade.lifecycle.rollout.canary import CanaryConfig


@dataclass(frozen=True)
class Plan:
    """One model's rollouts.

    Attributes:
        canary: stages, tolerances, what counts as enough.
        stage_ms: a stage ends after so long even if fewer requests came.
        quiet_ms: when nobody has asked for so long, there is nobody to protect: recent requests are replayed instead.
        rehearse: how many, at most.
        label_deadline_ms: labels that are missing so long after the rollout began are overdue.
        approve: ids of the persons of whom one must allow that the version is shown to anybody; empty: nobody is asked.
        probation: watch the new version on for one more stage after it has become the live one.
        services: ids of the services that answer with the model.
    """

    canary: CanaryConfig = field(default_factory=CanaryConfig)
    stage_ms: int = 600_000
    quiet_ms: int = 10_000
    rehearse: int = 2_000
    label_deadline_ms: int = 604_800_000
    approve: tuple[str, ...] = ()
    probation: bool = True
    services: tuple[str, ...] = ()

    def to_json(self) -> str:
        """For `of`."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def of(cls, text: str) -> Plan:
        """The plan whose `to_json` this is."""
        told: dict[str, Any] = json.loads(text)
        canary = CanaryConfig(**_tuples(told.pop("canary")))
        return cls(canary=canary, **_tuples(told))


def _tuples(told: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in told.items()}
