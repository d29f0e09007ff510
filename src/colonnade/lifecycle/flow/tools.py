# SPDX-License-Identifier: Apache-2.0
"""What loops of pipelines of functions work with."""

from __future__ import annotations

from dataclasses import dataclass

from colonnade.lifecycle.artifacts import Artifacts
from colonnade.lifecycle.work import Bench
from colonnade.ports.journal import Journal
from colonnade.ports.outside.state import State
from colonnade.ports.skills.leases import Leasing

BACK_OFF_MS = (1_000, 5_000, 30_000)
"""Between the tries of a step; the last one for all that follow."""


@dataclass(frozen=True)
class Tools:
    """What loops work with; `python`: a digest of the interpreter and of all that it can import."""

    state: State
    journal: Journal
    artifacts: Artifacts
    leasing: Leasing
    bench: Bench
    actor: str
    python: str


class Failed(Exception):
    """The run of a pipeline ends here."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
