# SPDX-License-Identifier: Apache-2.0
"""Who has business on the pages of models: owners, and a person for whose word a rollout waits. Nothing is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from colonnade.gateway.console.visit import Visit


def sees_models(visit: Visit) -> bool:
    """Whether the pages exist for this person."""
    return visit.backend.standing is not None and (visit.asker.owner or bool(words_wanted(visit)))


def words_wanted(visit: Visit) -> list[Mapping[str, Any]]:
    """Rollouts for which this person's word counts; an owner who looks `as` somebody has none."""
    if visit.acting:
        return []
    return [one for one in visit.backend.approving.waiting(visit.asker) if one["mine"] and one["kind"] == "rollout"]
